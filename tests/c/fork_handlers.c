/* P1: a forked child never goes on with what is its parent's, wherever it makes its first call: in handlers of fork() that the
 * host registered before the library did, or after it, and in a child that no handler knows of. */
#include "check.h"

#include <sys/syscall.h>

static bool takes_any_advice;

/* In place of the C library's: as an emulator of system calls may have it, which takes any advice and follows none. */
int madvise(void *from, size_t length, int advice) {
    return takes_any_advice ? 0 : (int)syscall(SYS_madvise, from, length, advice);
}

static tm_manager *tm;
static bool calls_in_handlers;
static int of_parent[2], of_child[2], handled;

__attribute__((noinline)) static int one_call(void) {
    tm_error *err = GARBAGE;
    tm_response *response = call(tm, "GET", "/api/v1/products", "{'timeout_ms':5000}", &err);
    int outcome = response ? tm_response_status(response) : -(int)tm_error_code(err);
    tm_response_free(response);
    tm_error_free(err);
    return outcome;
}

static void in_parent(void) {
    if (calls_in_handlers) of_parent[handled++] = one_call();
}

static void in_child(void) {
    if (!calls_in_handlers) return;
    tm_error *err = GARBAGE;
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    of_child[handled++] = one_call();
}

/* What the child came to is how it ends. */
static void require_child(pid_t child) {
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

static void calls_in_handlers_of_fork_are_their_processes_own(void) {
    tm_error *err = GARBAGE;
    demo("{'reset':true}");
    REQUIRE(pthread_atfork(NULL, in_parent, in_child) == 0);
    tm = new_manager(NULL);
    REQUIRE(pthread_atfork(NULL, in_parent, in_child) == 0);
    CHECK_INT(one_call(), 200);
    calls_in_handlers = true;
    pid_t child = fork();
    REQUIRE(child >= 0);
    calls_in_handlers = false;
    if (child == 0) {
        CHECK_INT(of_child[0], 200);
        CHECK_INT(of_child[1], 200);
        _exit(check_end());
    }
    require_child(child);
    CHECK_INT(of_parent[0], 200);
    CHECK_INT(of_parent[1], 200);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    CHECK_COUNT("reuse", 0);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    tm_free(tm);
}

static void a_child_that_no_handler_knows_of_is_one(void) {
    tm_error *err = GARBAGE;
    demo("{'reset':true}");
    tm = new_manager(NULL);
    CHECK_INT(one_call(), 200);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    REQUIRE(child >= 0);
    if (child == 0) {
        CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
        CHECK_INT(one_call(), 200);
        _exit(check_end());
    }
    CHECK_INT(one_call(), 200);
    require_child(child);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    CHECK_COUNT("reuse", 0);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    tm_free(tm);
}

/* The library asks once in a process, so this is one of its own, and comes first. */
static void a_child_is_one_where_advice_is_not_followed(void) {
    pid_t process = fork();
    REQUIRE(process >= 0);
    if (process == 0) {
        takes_any_advice = true;
        demo("{'reset':true}");
        tm = new_manager(NULL);
        CHECK_INT(one_call(), 200);
        pid_t child = fork();
        REQUIRE(child >= 0);
        tm_error *err = GARBAGE;
        CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
        CHECK_INT(one_call(), 200);
        if (child == 0) _exit(check_end());
        require_child(child);
        CHECK_COUNT("reuse", 0);
        CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
        tm_free(tm);
        _exit(check_end());
    }
    require_child(process);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_child_is_one_where_advice_is_not_followed();
    calls_in_handlers_of_fork_are_their_processes_own();
    a_child_that_no_handler_knows_of_is_one();
    return check_end();
}
