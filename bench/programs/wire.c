// A client and a server that speak just enough HTTP to be measured through any gateway or proxy.
//
//   wire serve PORT PROCESSES                         answers GET /N with N bytes, on the loopback; says `ready`
//   wire get HOST PORT NAME THROUGH BYTES             one stream: says bytes a second
//   wire ping HOST PORT NAME THROUGH TIMES            requests on one connection: says the median and the 99th percentile, ns
//   wire open HOST PORT NAME THROUGH TIMES AT_ONCE    connect, ask for one byte, close: says connections a second
//   wire reach HOST PORT NAME THROUGH TIMES           connect only: says the median and the 99th percentile of connect, ns
//   wire hold HOST PORT NAME THROUGH COUNT            opens so many, asks once on each, says `held`, and waits for its stdin
//
// HOST:PORT is what is connected to, NAME goes into the request. THROUGH is `-`, or the `host:port` that a proxy is
// asked for with CONNECT.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void write_all(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) fail("send");
        bytes += written;
        length -= written;
    }
}

// Where to connect, looked up once.
static struct sockaddr_storage place;
static socklen_t place_length;
static const char *name, *through;

static void find(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
        exit(1);
    }
    memcpy(&place, found->ai_addr, found->ai_addrlen);
    place_length = found->ai_addrlen;
}

// Reads a head, to its empty line; what follows stays unread.
static int read_head(int fd) {
    char byte, last[4] = {0};
    while (recv(fd, &byte, 1, 0) == 1) {
        memmove(last, last + 1, 3);
        last[3] = byte;
        if (!memcmp(last, "\r\n\r\n", 4)) return 1;
    }
    return 0;
}

static int reach(void) {
    int fd = socket(place.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&place, place_length)) fail("connect");
    if (strcmp(through, "-")) {
        char head[256];
        int length = snprintf(head, sizeof head, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", through, through);
        write_all(fd, head, length);
        if (!read_head(fd)) fail("CONNECT");
    }
    return fd;
}

static void ask(int fd, long bytes) {
    char head[256];
    write_all(fd, head, snprintf(head, sizeof head, "GET /%ld HTTP/1.1\r\nHost: %s\r\n\r\n", bytes, name));
}

static void take(int fd, long bytes) {
    static _Thread_local char buffer[1 << 18];
    if (!read_head(fd)) fail("no answer");
    while (bytes > 0) {
        ssize_t got = recv(fd, buffer, bytes < (long)sizeof buffer ? bytes : (long)sizeof buffer, 0);
        if (got <= 0) fail("recv");
        bytes -= got;
    }
}

static int ascending(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

static void say_times(long long *times, int count) {
    qsort(times, count, sizeof *times, ascending);
    printf("%lld %lld\n", times[count / 2], times[count * 99 / 100]);
}

static void get(long bytes) {
    int fd = reach();
    ask(fd, 1), take(fd, 1);
    long long start = now();
    ask(fd, bytes), take(fd, bytes);
    printf("%.0f\n", bytes / ((now() - start) / 1e9));
}

static void ping(int count) {
    long long *times = calloc(count, sizeof *times);
    int fd = reach();
    for (int i = 0; i < count / 10 + 1; i++) ask(fd, 1), take(fd, 1);
    for (int i = 0; i < count; i++) {
        long long start = now();
        ask(fd, 1), take(fd, 1);
        times[i] = now() - start;
    }
    say_times(times, count);
}

static void reach_often(int count) {
    long long *times = calloc(count, sizeof *times);
    for (int i = 0; i < count; i++) {
        long long start = now();
        int fd = socket(place.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&place, place_length)) fail("connect");
        times[i] = now() - start;
        close(fd);
    }
    say_times(times, count);
}

static int left;

static void *open_some(void *unused) {
    while (__atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) >= 0) {
        int fd = reach();
        ask(fd, 1), take(fd, 1);
        close(fd);
    }
    return unused;
}

static void open_many(int count, int at_once) {
    pthread_t threads[256];
    left = count;
    long long start = now();
    for (int i = 0; i < at_once && i < 256; i++) pthread_create(&threads[i], NULL, open_some, NULL);
    for (int i = 0; i < at_once && i < 256; i++) pthread_join(threads[i], NULL);
    printf("%.0f\n", count / ((now() - start) / 1e9));
}

static void raise_files(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void hold(int count) {
    for (int i = 0; i < count; i++) {
        int fd = reach();
        ask(fd, 1), take(fd, 1);
    }
    puts("held");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
}

// The server: processes that each wait for the same listener, with a small state for each connection.
struct client {
    int fd, have;
    long owed;
    char head[1024];
};

static char body[1 << 18];

static int give(struct client *client) {
    while (client->owed > 0) {
        long most = client->owed < (long)sizeof body ? client->owed : (long)sizeof body;
        ssize_t sent = send(client->fd, body, most, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN;
        client->owed -= sent;
    }
    return 1;
}

static int hear(struct client *client) {
    ssize_t got = recv(client->fd, client->head + client->have, sizeof client->head - 1 - client->have, MSG_DONTWAIT);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    client->have += got;
    client->head[client->have] = 0;
    if (!strstr(client->head, "\r\n\r\n")) return client->have < (int)sizeof client->head - 1;
    long bytes = atol(client->head + 5);
    char answer[128];
    int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n%s", bytes, bytes == 1 ? "x" : "");
    client->have = 0;
    if (send(client->fd, answer, length, MSG_NOSIGNAL) != length) return 0;
    client->owed = bytes == 1 ? 0 : bytes;
    return give(client);
}

static void serve(int listener) {
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL}, events[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (!client) {
                int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                client = calloc(1, sizeof *client);
                client->fd = fd;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            if (!give(client) || !(events[i].events & (EPOLLIN | EPOLLHUP) ? hear(client) : 1)) {
                close(client->fd);
                free(client);
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    raise_files();
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(argv[1], "serve")) {
        int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct sockaddr_in address = {AF_INET, htons(atoi(argv[2])), {htonl(INADDR_LOOPBACK)}, {0}};
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
        puts("ready");
        fflush(stdout);
        for (int i = 1; i < atoi(argv[3]); i++) {
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                break;
            }
        }
        serve(listener);
    }
    if (argc < 7) return 2;
    find(argv[2], argv[3]);
    name = argv[4], through = argv[5];
    long count = atol(argv[6]);
    if (!strcmp(argv[1], "get")) get(count);
    else if (!strcmp(argv[1], "ping")) ping(count);
    else if (!strcmp(argv[1], "reach")) reach_often(count);
    else if (!strcmp(argv[1], "hold")) hold(count);
    else if (!strcmp(argv[1], "open") && argc > 7) open_many(count, atoi(argv[7]));
    else return 2;
    return 0;
}
