/* Living inside another process: what the library opens it closes, and between calls none of its threads
 * runs. Links nothing: the library comes and goes as it does under PHP. */
#include "check.h"

#include <dlfcn.h>

#define FUNCTIONS(each) \
    each(tm_new) each(tm_free) each(tm_request) each(tm_response_status) each(tm_response_free) \
    each(tm_get_token) each(tm_token_free) each(tm_error_message) each(tm_error_free) each(tm_version)

/* The functions of one loading of the library, under their own names. */
#define DECLARE(name) __typeof__(&name) name##_;
static struct { void *handle; FUNCTIONS(DECLARE) } library;

#define LOOK_UP(name) \
    do { \
        void *symbol = dlsym(library.handle, #name); \
        REQUIRE(symbol != NULL); \
        memcpy(&library.name##_, &symbol, sizeof symbol); /* ISO C has no cast for this */ \
    } while (0);

static void load(void) {
    library.handle = dlopen("libtokenmgr.so", RTLD_NOW | RTLD_LOCAL);
    if (library.handle == NULL)
        check_failed(__FILE__, __LINE__, "%s", dlerror());
    REQUIRE(library.handle != NULL);
    FUNCTIONS(LOOK_UP)
}

static void unload(void) { CHECK_INT(dlclose(library.handle), 0); }

static int files(void) { return entries("/proc/self/fd"); }
static int threads(void) { return entries("/proc/self/task"); }

static tm_manager *manager(const char *host) {
    tm_error *err = NULL;
    tm_manager *tm = library.tm_new_(host, USERNAME, PASSWORD, NULL, &err);
    if (tm == NULL)
        check_failed(__FILE__, __LINE__, "%s", library.tm_error_message_(err));
    REQUIRE(tm != NULL);
    return tm;
}

static void call_products(tm_manager *tm) {
    tm_error *err = NULL;
    tm_response *response = library.tm_request_(tm, "GET", "/api/v1/products", NULL, 0, NULL, &err);
    if (response == NULL)
        check_failed(__FILE__, __LINE__, "%s", library.tm_error_message_(err));
    CHECK_INT(library.tm_response_status_(response), 200);
    library.tm_response_free_(response);
    library.tm_error_free_(err);
}

/* A thread that is told to end needs a moment to be gone, nothing like the seconds of a pool's idle time. */
static bool only_our_threads(int ours) {
    for (int64_t give_up = now_ms() + 2000; threads() != ours && now_ms() < give_up;)
        pause_ms(1);
    return threads() == ours;
}

static void p4_loading_and_making_start_nothing(void) {
    int files_before = files(), threads_before = threads();
    load();
    CHECK_INT(files(), files_before);
    CHECK_INT(threads(), threads_before);

    tm_manager *tm = manager(api);
    CHECK_INT(files(), files_before);
    CHECK_INT(threads(), threads_before);

    library.tm_free_(tm);
    CHECK_INT(files(), files_before);
    unload();
}

static void p4_calls_leave_no_thread_and_free_closes_all(void) {
    load();
    int files_before = files(), threads_before = threads();
    tm_manager *tm = manager(api);
    for (int i = 0; i < 5; i++) {
        call_products(tm);
        CHECK(only_our_threads(threads_before));
    }
    library.tm_free_(tm);
    CHECK_INT(files(), files_before);
    CHECK(only_our_threads(threads_before));
    unload();
}

/* Looking up a name may take a thread; it must not stay. */
static void p4_looking_up_a_name_leaves_no_thread(void) {
    char host[64];
    const char *port = strrchr(api, ':');
    REQUIRE(port != NULL);
    snprintf(host, sizeof host, "http://localhost%s", port);

    load();
    int files_before = files(), threads_before = threads();
    tm_manager *tm = manager(host);
    call_products(tm);
    CHECK(only_our_threads(threads_before));
    library.tm_free_(tm);
    CHECK_INT(files(), files_before);
    unload();
}

static void *one_caller(void *tm) {
    call_products((tm_manager *)tm);
    return NULL;
}

static void p4_many_callers_leave_nothing_either(void) {
    load();
    int files_before = files(), threads_before = threads();
    tm_manager *tm = manager(api);
    pthread_t callers[8];
    for (int i = 0; i < 8; i++)
        REQUIRE(pthread_create(&callers[i], NULL, one_caller, tm) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(callers[i], NULL);
    CHECK(only_our_threads(threads_before));
    library.tm_free_(tm);
    CHECK_INT(files(), files_before);
    unload();
}

static void p2_comes_and_goes_a_hundred_times(void) {
    load(); /* once, so that what a first loading keeps for good is not counted */
    unload();
    int files_before = files(), threads_before = threads();
    for (int i = 0; i < 100; i++) {
        load();
        CHECK(library.tm_version_()[0] != '\0');
        tm_manager *tm = manager(api);
        if (i % 10 == 0)
            call_products(tm);
        library.tm_free_(tm);
        unload();
    }
    CHECK_INT(files(), files_before);
    CHECK(only_our_threads(threads_before));
}

/* A thread that has called keeps its own memory of the library until it ends, which may be after the
 * library is gone. */
static void *call_then_wait(void *gate) {
    tm_manager *tm = manager(api);
    call_products(tm);
    library.tm_free_(tm);
    pthread_barrier_wait((pthread_barrier_t *)gate); /* called */
    pthread_barrier_wait((pthread_barrier_t *)gate); /* unloaded */
    return NULL;
}

static void p2_a_thread_may_outlive_the_library(void) {
    pthread_barrier_t gate;
    pthread_t thread;
    load();
    pthread_barrier_init(&gate, NULL, 2);
    REQUIRE(pthread_create(&thread, NULL, call_then_wait, &gate) == 0);
    pthread_barrier_wait(&gate);
    unload();
    pthread_barrier_wait(&gate);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&gate);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    p4_loading_and_making_start_nothing();
    p4_calls_leave_no_thread_and_free_closes_all();
    p4_looking_up_a_name_leaves_no_thread();
    p4_many_callers_leave_nothing_either();
    p2_comes_and_goes_a_hundred_times();
    p2_a_thread_may_outlive_the_library();
    return check_end();
}
