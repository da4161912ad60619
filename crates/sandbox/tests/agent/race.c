// Races between the look at a connection and the connection: the memory, the descriptor and the path behind it are
// changed by another thread all the time. The host's socket is `socket` in the current folder; the sandbox's own
// one lies in /tmp. To reach the host's is to win.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_int running, turn;
static struct sockaddr_un ours = {AF_UNIX, "/tmp/own"}, theirs, shared;
static struct sockaddr_in inside, outside, address;
static int slot = -1, spare_host_path = -1;
static long own_reached;

static void *accept_all(void *x) {
    for (;;) { int fd = accept(*(int *)x, 0, 0); if (fd >= 0) { own_reached++; close(fd); } }
    return 0;
}
static void *flip_memory(void *x) {
    while (running) { memcpy(&shared, &ours, sizeof ours); memcpy(&shared, &theirs, sizeof theirs); }
    return 0;
}
static void *flip_internet(void *x) {
    while (running) { memcpy(&address, &inside, sizeof inside); memcpy(&address, &outside, sizeof outside); }
    return 0;
}
static void *flip_descriptor(void *x) {
    // Now a UNIX socket, now an Internet one: the address that was checked for one must not serve for the other.
    while (running) {
        int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0); dup2(unix_socket, slot); close(unix_socket);
        int inet_socket = socket(AF_INET, SOCK_STREAM, 0); dup2(inet_socket, slot); close(inet_socket);
        dup2(spare_host_path, slot);
    }
    return 0;
}
static void *flip_path(void *x) {
    // The name that is looked up leads now to our socket, now to the host's, by link and by rename.
    while (running) {
        symlink("/tmp/own", "/tmp/new"); rename("/tmp/new", "/tmp/way");
        symlink(theirs.sun_path, "/tmp/new"); rename("/tmp/new", "/tmp/way");
    }
    return 0;
}
static int is_hosts(int fd) {
    struct sockaddr_un peer = {0}; socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size)) return 0;
    if (peer.sun_family != AF_UNIX) return ((struct sockaddr_in *)&peer)->sin_addr.s_addr != inside.sin_addr.s_addr;
    return size > sizeof(sa_family_t) && strcmp(peer.sun_path, ours.sun_path) != 0;
}
static void race(const char *name, void *(*flip)(void *), int family, void *to, socklen_t size, long rounds) {
    long attempts = 0, reached = 0;
    pthread_t other;
    running = 1;
    pthread_create(&other, 0, flip, 0);
    for (; attempts < rounds; attempts++) {
        int fd = flip == flip_descriptor ? slot : socket(family, SOCK_STREAM | SOCK_NONBLOCK * (attempts % 2), 0);
        int answer = connect(fd, to, size);
        if (answer == 0 || errno == EINPROGRESS) reached += is_hosts(fd);
        if (fd != slot) close(fd);
    }
    running = 0;
    pthread_join(other, 0);
    printf("%s attempts=%ld\n%s reached=%ld\n", name, attempts, name, reached);
    fflush(stdout);
}
int main(int argc, char **argv) {
    long rounds = atol(argv[1]);
    char here[100];
    getcwd(here, sizeof here);
    theirs.sun_family = AF_UNIX;
    snprintf(theirs.sun_path, sizeof theirs.sun_path, "%s/socket", here);
    inside.sin_family = outside.sin_family = AF_INET;
    inside.sin_addr.s_addr = htonl(INADDR_LOOPBACK); outside.sin_addr.s_addr = inet_addr("192.0.2.1");
    int own = socket(AF_UNIX, SOCK_STREAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof inside;
    if (bind(own, (struct sockaddr *)&ours, sizeof ours) || listen(own, 1000)) return 1;
    if (bind(tcp, (struct sockaddr *)&inside, sizeof inside) || listen(tcp, 1000)) return 2;
    getsockname(tcp, (struct sockaddr *)&inside, &size);
    outside.sin_port = inside.sin_port;
    pthread_t acceptor, tcp_acceptor;
    pthread_create(&acceptor, 0, accept_all, &own);
    pthread_create(&tcp_acceptor, 0, accept_all, &tcp);
    slot = dup(own); spare_host_path = open("socket", O_PATH);
    race("memory", flip_memory, AF_UNIX, &shared, sizeof shared, rounds);
    race("internet", flip_internet, AF_INET, &address, sizeof address, rounds);
    race("path", flip_path, AF_UNIX, &(struct sockaddr_un){AF_UNIX, "/tmp/way"}, sizeof shared, rounds);
    race("descriptor", flip_descriptor, AF_UNIX, &theirs, sizeof theirs, rounds);
    printf("own reached=%ld\n", own_reached);
    return 0;
}
