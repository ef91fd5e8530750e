/* Calls where a thread or the process ends: in the destructors of a thread's own data, in handlers of exit, and in C++
 * in those of thread_local and static objects. They are calls like any other. */
#include "check.h"

static pthread_key_t key;

/* What one end does with its manager; `err` is a thread's own here, for ends may be anybody's. */
static void call_and_refresh(tm_manager *tm) {
    tm_error *err = GARBAGE;
    char token[8192];
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK(tm_copy_access_token(tm, token, sizeof token, &err) > 0);
    CHECK_OK(err);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    tm_response *response = tm_request(tm, "POST", "/api/v1/echo", "{}", 2, NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_response_status(response), 200);
    tm_response_free(response);
}

static void log_out(tm_manager *tm) {
    tm_error *err = GARBAGE;
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
}

/* ---- threads -------------------------------------------------------------------------------------- */

static struct {
    tm_manager *tm;
    bool calls_before, calls_after; /* the thread has its data */
    int rounds;                     /* destructors run again for data that they set again */
} thread;

static void destroy_data(void *unused) {
    (void)unused;
    call_and_refresh(thread.tm);
    if (--thread.rounds > 0)
        pthread_setspecific(key, &thread);
    else
        log_out(thread.tm);
}

static void *with_data(void *unused) {
    (void)unused;
    if (thread.calls_before)
        CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
    pthread_setspecific(key, &thread);
    if (thread.calls_after)
        CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
    return NULL;
}

static void run_thread(void *(*work)(void *)) {
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, work, NULL) == 0);
    pthread_join(id, NULL);
}

static void calls_work_in_destructors_of_a_threads_data(void) {
    for (int mode = 0; mode < 4; mode++) {
        demo("{'reset':true}");
        thread.tm = new_manager(NULL);
        thread.calls_before = mode & 1;
        thread.calls_after = mode & 2;
        thread.rounds = 3;
        run_thread(with_data);
        CHECK_INT(thread.rounds, 0);
        CHECK_COUNT("refreshes", 3);
        CHECK_COUNT("logouts", 1);
        CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
        tm_free(thread.tm);
    }
}

static void *keep_nothing(void *unused) {
    (void)unused;
    pthread_setspecific(key, &thread);
    return NULL;
}

/* A manager may be freed there, too. */
static void free_data(void *unused) {
    (void)unused;
    tm_manager *tm = new_manager(NULL);
    call_and_refresh(tm);
    tm_free(tm);
}

static void a_whole_life_fits_into_a_destructor(void) {
    demo("{'reset':true}");
    pthread_key_t first = key;
    REQUIRE(pthread_key_create(&key, free_data) == 0);
    run_thread(keep_nothing);
    pthread_key_delete(key);
    key = first;
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refreshes", 1);
}

/* ---- the process ---------------------------------------------------------------------------------- */

static tm_manager *at_end;

static void end_process(void) {
    call_and_refresh(at_end);
    log_out(at_end);
    tm_free(at_end);
    _exit(check_end());
}

static void *exit_here(void *unused) {
    (void)unused;
    CHECK_INT(get(at_end, "/api/v1/products"), 200);
    exit(2); /* end_process has the last word */
}

static void before_the_first_call(void) {
    atexit(end_process);
    at_end = new_manager(NULL);
    CHECK_INT(get(at_end, "/api/v1/products"), 200);
}

static void after_the_first_call(void) {
    at_end = new_manager(NULL);
    CHECK_INT(get(at_end, "/api/v1/products"), 200);
    atexit(end_process);
}

static void without_a_call(void) {
    at_end = new_manager(NULL);
    atexit(end_process);
}

static void in_another_thread(void) {
    before_the_first_call();
    run_thread(exit_here);
}

/* Has a child do that and end by exit. The child inherits nothing of the library's: nothing was there yet. */
static void in_a_child(void (*work)(void)) {
    int status = -1;
    demo("{'reset':true}");
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(600); /* only ends one that hangs */
        work();
        exit(2); /* end_process has the last word */
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("logouts", 1);
}

static void calls_work_in_handlers_of_exit(void) {
    in_a_child(before_the_first_call);
    in_a_child(after_the_first_call);
    in_a_child(without_a_call);
    in_a_child(in_another_thread);
}

/* ---- C++ ------------------------------------------------------------------------------------------ */

#ifdef __cplusplus
struct Farewell {
    tm_manager *tm = nullptr;
    bool ends_process = false;
    ~Farewell() {
        if (tm == nullptr)
            return;
        call_and_refresh(tm);
        log_out(tm);
        if (ends_process) {
            tm_free(tm);
            _exit(check_end());
        }
    }
};

static Farewell of_process;
static thread_local Farewell of_thread;

/* Objects of a thread go in the reverse order of their first use: the library's are older or younger than this one. */
static void *use_library_first(void *) {
    CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
    of_thread.tm = thread.tm;
    return nullptr;
}

static void *use_library_last(void *) {
    of_thread.tm = thread.tm;
    CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
    return nullptr;
}

static void *use_library_never(void *) {
    of_thread.tm = thread.tm;
    return nullptr;
}

static void calls_work_in_destructors_of_thread_local_objects(void) {
    static void *(*const ways[])(void *) = { use_library_first, use_library_last, use_library_never };
    for (void *(*work)(void *) : ways) {
        demo("{'reset':true}");
        thread.tm = new_manager(NULL);
        run_thread(work);
        CHECK_COUNT("refreshes", 1);
        CHECK_COUNT("logouts", 1);
        CHECK_INT(get(thread.tm, "/api/v1/products"), 200);
        tm_free(thread.tm);
    }
}

static void as_a_static_object(void) {
    of_process.ends_process = true;
    of_process.tm = new_manager(NULL);
    CHECK_INT(get(of_process.tm, "/api/v1/products"), 200);
}

static void as_the_main_threads_object(void) {
    of_thread.ends_process = true;
    of_thread.tm = new_manager(NULL);
    CHECK_INT(get(of_thread.tm, "/api/v1/products"), 200);
}
#endif

int main(int argc, char **argv) {
    check_begin(argc, argv);
    calls_work_in_handlers_of_exit();
#ifdef __cplusplus
    in_a_child(as_a_static_object);
    in_a_child(as_the_main_threads_object);
#endif
    REQUIRE(pthread_key_create(&key, destroy_data) == 0);
    calls_work_in_destructors_of_a_threads_data();
    a_whole_life_fits_into_a_destructor();
#ifdef __cplusplus
    calls_work_in_destructors_of_thread_local_objects();
#endif
    pthread_key_delete(key);
    return check_end();
}
