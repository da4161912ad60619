/* latency refused|loopback|exec COUNT: times COUNT operations one by one, as the program itself sees
 * them, and prints the median and the 99th percentile in nanoseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what)
{
    fprintf(stderr, "latency: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static struct sockaddr_in address(const char *text, int port)
{
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, text, &made.sin_addr);
    return made;
}

/* 192.0.2.1 is an address that no network has (RFC 5737). */
static long refused(void)
{
    struct sockaddr_in to = address("192.0.2.1", 9);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("make a socket");
    long start = now();
    int result = connect(fd, (struct sockaddr *)&to, sizeof to);
    long taken = now() - start;
    if (result == 0)
        fail("be refused");
    close(fd);
    return taken;
}

static struct sockaddr_in listening;
static int listener = -1;

static void listen_on_loopback(void)
{
    socklen_t length = sizeof listening;
    listening = address("127.0.0.1", 0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&listening, sizeof listening) || listen(listener, 128) ||
        getsockname(listener, (struct sockaddr *)&listening, &length))
        fail("listen on the loopback");
}

static long loopback(void)
{
    struct linger reset = {.l_onoff = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("make a socket");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    long start = now();
    if (connect(fd, (struct sockaddr *)&listening, sizeof listening))
        fail("connect to the loopback");
    long taken = now() - start;
    close(accept(listener, NULL, NULL));
    close(fd);
    return taken;
}

static long exec_true(void)
{
    char *arguments[] = {"true", NULL};
    pid_t child;
    int status;
    long start = now();
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) || waitpid(child, &status, 0) < 0)
        fail("execute /bin/true");
    return now() - start;
}

static int compare(const void *a, const void *b)
{
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

int main(int count, char **arguments)
{
    if (count != 3 || atoi(arguments[2]) < 1) {
        fprintf(stderr, "usage: latency refused|loopback|exec COUNT\n");
        return 2;
    }
    long (*operation)(void) = refused;
    if (!strcmp(arguments[1], "loopback")) {
        listen_on_loopback();
        operation = loopback;
    } else if (!strcmp(arguments[1], "exec")) {
        operation = exec_true;
    }
    int rounds = atoi(arguments[2]);
    long *taken = malloc(rounds * sizeof *taken);
    if (!taken)
        fail("get memory");
    for (int warm = 0; warm < rounds / 10; warm++)
        operation();
    for (int round = 0; round < rounds; round++)
        taken[round] = operation();
    qsort(taken, rounds, sizeof *taken, compare);
    printf("%ld %ld\n", taken[rounds / 2], taken[(rounds - 1) * 99 / 100]);
    return 0;
}
