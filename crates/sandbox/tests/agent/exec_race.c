// Executes through a path that another thread changes all the time. What runs counts itself in a file; the witness must
// have been told of as many, or that it could not see.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int running = 1;
static char *path;
static const char *how;

static void *flip(void *x) {
    while (running) {
        if (!strcmp(how, "memory")) { memcpy(path, "./plain", 8); memcpy(path, "./other", 8); }
        else if (!strcmp(how, "protection")) { mprotect(path, 4096, PROT_NONE); mprotect(path, 4096, PROT_READ | PROT_WRITE); }
        else { rename("other", "other.away"); rename("other.away", "other"); }
    }
    return 0;
}

int main(int argc, char **argv) {
    how = argv[1];
    long rounds = atol(argv[2]);
    pthread_t thread;
    if (argc > 3) return 0;
    path = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(path, "./other");
    pthread_create(&thread, 0, flip, 0);
    for (long i = 0; i < rounds; i++) {
        // The memory stays shared until the execution, and the thread above runs on.
        pid_t child = vfork();
        if (child == 0) { char *args[] = {"raced", 0}; execv(path, args); _exit(0); }
        waitpid(child, 0, 0);
    }
    running = 0;
    pthread_join(thread, 0);
    mprotect(path, 4096, PROT_READ | PROT_WRITE);
    return 0;
}
