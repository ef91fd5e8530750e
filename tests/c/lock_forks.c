/* fork() while another thread, or this very one, opens or locks the lock file of a store: the host's fork waits for
 * nothing, and no child keeps an open copy of what its parent has locked. The C library's open and flock are stood in
 * for by functions here, so that the forks come exactly where they hurt. */
#include "check.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#define THREADS 4
#define PATIENCE_SECONDS 60 /* ends a fork that hangs */

static struct {
    long is_slow, is_opening;         /* an open of the lock file waits while it is slow */
    long signals_in_open;             /* how many of the next opens are interrupted by a signal */
    long forks_after_open;            /* how many of the next opens are followed by a fork at once */
    long watching;                    /* the child of such a fork */
    long watched, kept;               /* how many such children looked, and how many held the lock */
    int locked[2];                    /* tells the child that its parent has the lock */
    long stop;
} hook;

static bool is_lock_file(const char *path) {
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".lock") == 0;
}

/* How many locks this process holds by open files of its own: the kernel lists them with each descriptor. */
static int locks_held(void) {
    int held = 0;
    for (int fd = 0; fd < 256; fd++) {
        char name[64], path[512], line[256];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(name, path, sizeof path - 1);
        if (length < 0)
            continue;
        path[length] = '\0';
        snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
        FILE *info = is_lock_file(path) ? fopen(name, "r") : NULL;
        while (info != NULL && fgets(line, sizeof line, info) != NULL)
            held += strncmp(line, "lock:", 5) == 0;
        if (info != NULL)
            fclose(info);
    }
    return held;
}

/* How a child ends: by a signal, since at an exit Valgrind would count what the parent's other threads had in hand. */
static void leave(bool is_good) {
    for (;;)
        kill(getpid(), is_good ? SIGKILL : SIGTERM);
}

static bool left_well(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void on_signal(int signal) {
    (void)signal;
    pid_t child = fork();
    if (child == 0)
        leave(true);
    CHECK(left_well(child));
}

static void fork_a_watching_child(void) {
    char byte;
    REQUIRE(pipe(hook.locked) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(hook.locked[1]);
        leave(read(hook.locked[0], &byte, 1) == 1 && locks_held() == 0);
    }
    hook.watching = child;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    bool is_hooked = is_lock_file(path);
    if (is_hooked && add(&hook.signals_in_open, -1) >= 0)
        raise(SIGUSR1);
    while (is_hooked && count(&hook.is_slow) != 0) {
        __atomic_store_n(&hook.is_opening, 1, __ATOMIC_SEQ_CST);
        pause_ms(1);
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (is_hooked && fd >= 0 && add(&hook.forks_after_open, -1) >= 0)
        fork_a_watching_child();
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return open64(path, flags, mode);
}

int flock(int fd, int operation) {
    int outcome = (int)syscall(SYS_flock, fd, operation);
    if (outcome == 0 && (operation & LOCK_EX) != 0 && hook.watching > 0) {
        pid_t child = (pid_t)hook.watching;
        hook.watching = 0;
        REQUIRE(write(hook.locked[1], "", 1) == 1);
        add(&hook.kept, !left_well(child));
        add(&hook.watched, 1);
        close(hook.locked[0]);
        close(hook.locked[1]);
    }
    return outcome;
}

static tm_manager *manager_on_a_file(char *folder) {
    char options[256];
    strcpy(folder, "/tmp/tokenmgr-lock-forks-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(options, sizeof options, "{'store':{'type':'file','path':'%s/tokens','plaintext':true}}", folder);
    return new_manager(options);
}

static void remove_folder(const char *folder) {
    const char *names[] = {"tokens", "tokens.lock", "tokens.tmp"};
    char path[256];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    CHECK_INT(rmdir(folder), 0);
}

static void refresh(tm_manager *tm) {
    tm_error *err = GARBAGE;
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
}

static void *refresh_once(void *tm) {
    refresh((tm_manager *)tm);
    return NULL;
}

static void *keep_refreshing(void *tm) {
    while (count(&hook.stop) == 0)
        refresh((tm_manager *)tm);
    return NULL;
}

static void p1_no_fork_waits_for_a_slow_open_of_the_lock_file(void) {
    char folder[64];
    pthread_t thread;
    demo("{'reset':true}");
    tm_manager *tm = manager_on_a_file(folder);
    hook.is_slow = 1;
    REQUIRE(pthread_create(&thread, NULL, refresh_once, tm) == 0);
    WAIT_UNTIL(count(&hook.is_opening) != 0);
    alarm(PATIENCE_SECONDS);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        leave(true);
    alarm(0);
    CHECK(left_well(child));
    __atomic_store_n(&hook.is_slow, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
    remove_folder(folder);
}

static void p1_a_signal_handler_may_fork_while_its_thread_opens_the_lock_file(void) {
    char folder[64];
    demo("{'reset':true}");
    tm_manager *tm = manager_on_a_file(folder);
    signal(SIGUSR1, on_signal);
    hook.signals_in_open = 3;
    alarm(PATIENCE_SECONDS);
    refresh(tm);
    refresh(tm);
    alarm(0);
    CHECK(hook.signals_in_open < 0);
    signal(SIGUSR1, SIG_DFL);
    tm_free(tm);
    remove_folder(folder);
}

/* The child gets its copy before the descriptor is listed, so it cannot know that it has one to close. */
static void p1_no_child_keeps_a_lock_that_was_being_opened(void) {
    char folder[64];
    demo("{'reset':true}");
    tm_manager *tm = manager_on_a_file(folder);
    for (int i = 0; i < 3; i++) {
        hook.forks_after_open = 1;
        refresh(tm);
        CHECK_INT(count(&hook.watched), i + 1);
    }
    CHECK_INT(count(&hook.kept), 0);
    tm_free(tm);
    remove_folder(folder);
}

static void p1_no_child_keeps_a_lock_whenever_it_is_forked(void) {
    const int children = brief ? 3 : 40;
    char folder[64];
    pthread_t threads[THREADS];
    demo("{'reset':true}");
    tm_manager *tm[THREADS];
    tm[0] = manager_on_a_file(folder);
    for (int i = 1; i < THREADS; i++) {
        char options[256];
        snprintf(options, sizeof options, "{'store':{'type':'file','path':'%s/tokens','plaintext':true}}", folder);
        tm[i] = new_manager(options);
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, keep_refreshing, tm[i]) == 0);
    for (int i = 0; i < children; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            int held = 0;
            for (int64_t end = now_ms() + 20; now_ms() < end;)
                held += locks_held();
            leave(held == 0);
        }
        CHECK(left_well(child));
    }
    add(&hook.stop, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        tm_free(tm[i]);
    }
    CHECK_COUNT("reuse", 0);
    remove_folder(folder);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    p1_no_fork_waits_for_a_slow_open_of_the_lock_file();
    p1_a_signal_handler_may_fork_while_its_thread_opens_the_lock_file();
    p1_no_child_keeps_a_lock_that_was_being_opened();
    p1_no_child_keeps_a_lock_whenever_it_is_forked();
    return check_end();
}
