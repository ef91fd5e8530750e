/* Forks in the middle of things, over a store that is shared; see troubles.py, which judges by what the server and
 * the processes counted.
 *
 * usage: forks refresh|outage|lock OPTIONS
 *   refresh  forks while another thread refreshes; the child then calls and refreshes
 *   outage   logs in while the store is away, on a line on stdin; forks; child and parent then refresh
 *   lock     forks while another thread is in the file's lock, and is killed; the child lives on */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tokenmgr.h>

static tm_manager *tm;

static void say(const char *who, const char *what, tm_status status, tm_error *err) {
    fprintf(stderr, "%s: %s: %s %s\n", who, what, tm_status_name(status), err ? tm_error_message(err) : "");
    tm_error_free(err);
}

static int refresh(const char *who) {
    tm_error *err = NULL;
    tm_status status = tm_refresh(tm, &err);
    say(who, "refresh", status, err);
    return status != TM_OK;
}

static int call(const char *who) {
    tm_error *err = NULL;
    tm_response *response = tm_request(tm, "GET", "/api/v1/categories", NULL, 0, NULL, &err);
    int wrong = tm_response_status(response) != 200;
    say(who, "call", tm_error_code(err), err);
    tm_response_free(response);
    return wrong;
}

static void *refresher(void *unused) {
    (void)unused;
    return refresh("parent's thread") ? (void *)1 : NULL;
}

static void next_line(void) {
    char line[16];
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(3);
}

static void tell(const char *what) {
    puts(what);
    fflush(stdout);
}

/* Forks; the child ends with its parent unless it is to outlive it. */
static pid_t split(bool may_outlive) {
    pid_t child = fork();
    if (child == 0 && !may_outlive)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static int await(pid_t child) {
    int status = 0;
    return waitpid(child, &status, 0) != child || status != 0;
}

static int during_refresh(void) {
    pthread_t thread;
    void *wrong = NULL;
    if (pthread_create(&thread, NULL, refresher, NULL) != 0)
        return 2;
    next_line(); /* the refresh has reached the server */
    pid_t child = split(false);
    if (child == 0)
        _exit(call("child") | refresh("child"));
    pthread_join(thread, &wrong);
    return await(child) | (wrong != NULL) | refresh("parent");
}

static int during_outage(void) {
    tell("held");
    next_line(); /* the store is away, and the token is dead */
    int wrong = call("parent");
    tell("private");
    pid_t child = split(false);
    if (child == 0)
        _exit(call("child") | refresh("child"));
    wrong |= await(child) | refresh("parent");
    tell("refreshed");
    next_line(); /* the store is back */
    child = split(false);
    if (child == 0)
        _exit(refresh("second child"));
    return wrong | await(child) | refresh("parent");
}

static int in_lock(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, refresher, NULL) != 0)
        return 2;
    next_line(); /* the lock is held */
    pid_t child = split(true);
    if (child == 0) {
        sleep(20);
        _exit(0);
    }
    printf("%d\n", (int)child);
    fflush(stdout);
    kill(getpid(), SIGKILL);
    return 2;
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    tm_error *err = NULL;
    tm = argc == 3 ? tm_new(NULL, NULL, NULL, argv[2], &err) : NULL;
    if (tm == NULL) {
        say("forks", "tm_new", tm_error_code(err), err);
        return 2;
    }
    bool locks = strcmp(argv[1], "lock") == 0;
    int wrong = !locks && call("parent") ? 1 : 0;
    if (locks)
        return in_lock();
    wrong |= strcmp(argv[1], "refresh") == 0 ? during_refresh() : during_outage();
    tm_free(tm);
    return wrong;
}
