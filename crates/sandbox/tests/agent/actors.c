// Processes that try not to be their call's. Each, once it is as far from its beginning as it can get, tries a
// connection outside, to the port that tells which one it was.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int refused(int port) {
    struct sockaddr_in to = {AF_INET, htons(port)};
    to.sin_addr.s_addr = inet_addr("192.0.2.1");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int answer = connect(fd, (struct sockaddr *)&to, sizeof to) ? errno : 0;
    close(fd);
    return answer == ENETUNREACH ? 0 : 1;
}
static void *in_thread(void *port) { return (void *)(long)refused((int)(long)port); }
static volatile pid_t thread_id;
static void wait_for_orphanhood(void) { while (getppid() != 1) usleep(1000); }
static int on_stack(void *port) { return refused((int)(long)port); }

int main(int argc, char **argv) {
    const char *how = argv[1];
    int port = atoi(argv[2]), status = 0;
    if (!strcmp(how, "plain")) return refused(port);
    if (!strcmp(how, "daemon")) { // double fork, setsid, hang-ups ignored, nothing inherited
        signal(SIGHUP, SIG_IGN);
        if (fork()) return 0;
        setsid();
        if (fork()) return 0;
        chdir("/");
        for (int fd = 0; fd < 100; fd++) close(fd);
        wait_for_orphanhood();
        return refused(port);
    }
    if (!strcmp(how, "chain")) { // fifty forks without an execution; only the last acts
        for (int i = 0; i < 50; i++) {
            pid_t child = fork();
            if (child) { waitpid(child, &status, 0); return WEXITSTATUS(status); }
        }
        return refused(port);
    }
    if (!strcmp(how, "orphans")) { // the same, each parent gone before its child goes on
        for (int i = 0; i < 50; i++) { if (fork()) return 0; setsid(); }
        wait_for_orphanhood();
        return refused(port);
    }
    if (!strcmp(how, "thread")) {
        pthread_t thread; void *result;
        pthread_create(&thread, 0, in_thread, (void *)(long)port);
        pthread_join(thread, &result);
        return (int)(long)result;
    }
    if (!strcmp(how, "thread-after-leader")) { // the first thread is gone: the process looks like a zombie
        pthread_t thread;
        pthread_create(&thread, 0, in_thread, (void *)(long)port);
        syscall(SYS_exit, 0);
    }
    if (!strcmp(how, "own-files")) { // a thread whose descriptors are not those of its process
        static char stack[65536];
        clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID |
              CLONE_PARENT_SETTID, (void *)(long)port, &thread_id, 0, &thread_id);
        while (thread_id) usleep(1000);
        return 0;
    }
    if (!strcmp(how, "vfork")) {
        pid_t child = vfork();
        if (child == 0) _exit(refused(port));
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "vfork-exec")) {
        pid_t child = vfork();
        if (child == 0) { execl(argv[0], "renamed", "plain", argv[2], (char *)0); _exit(9); }
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "clone-parent")) { // a child of its parent's: the init's, here
        static char stack[65536];
        pid_t child = clone(on_stack, stack + sizeof stack, CLONE_PARENT | SIGCHLD, (void *)(long)port);
        for (int i = 0; i < 500 && !kill(child, 0); i++) usleep(1000);
        return child < 0;
    }
    if (!strcmp(how, "shared-files")) { // memory, files and signals shared, as a thread has them, but no thread
        static char stack[65536];
        pid_t child = clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, (void *)(long)port);
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "subreaper")) { // orphans come to it, not to the init
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        pid_t middle = fork();
        if (middle == 0) {
            if (fork() == 0) { while (getppid() == getpid() || getppid() == 1) usleep(1000); usleep(20000); _exit(refused(port)); }
            _exit(0);
        }
        while (wait(&status) > 0) {}
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "forged")) { // another name, another command line, an empty environment, a deleted file
        prctl(PR_SET_NAME, "systemd", 0, 0, 0);
        memset(argv[0], 'x', strlen(argv[0]));
        unlink("/tmp/forged");
        return refused(port);
    }
    return 2;
}
