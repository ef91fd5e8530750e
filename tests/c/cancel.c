/* Threads that are cancelled (pthread_cancel) in the middle of a call: the call ends as any other, and the thread after it. */
#include "check.h"

#include <unistd.h>

static tm_manager *manager;
static int32_t status;

static void *request_products(void *unused) {
    (void)unused;
    status = get(manager, "/api/v1/products");
    pthread_testcancel();
    status = -1; /* not reached */
    return NULL;
}

/* Cancels a thread once `counter` says that the server has its request. */
static void cancel_in_the_middle_of(const char *counter) {
    pthread_t thread;
    void *how = NULL;
    status = 0;
    REQUIRE(pthread_create(&thread, NULL, request_products, NULL) == 0);
    while (demo_count(counter) < 1)
        usleep(1000);
    pthread_cancel(thread);
    REQUIRE(pthread_join(thread, &how) == 0);
    CHECK(how == PTHREAD_CANCELED);
    CHECK_INT(status, 200);
    CHECK_INT(get(manager, "/api/v1/products"), 200);
}

static void a_call_ends_before_its_thread(void) {
    demo("{'reset':true}");
    manager = new_manager(NULL);
    CHECK_INT(get(manager, "/api/v1/products"), 200);
    demo("{'faults':[{'route':'/api/v1/products','delay_before_ms':300}]}");
    cancel_in_the_middle_of("faults");
    tm_free(manager);
}

static void a_login_does_too(void) {
    demo("{'reset':true,'faults':[{'route':'/auth/login','delay_before_ms':300}]}");
    manager = new_manager(NULL);
    cancel_in_the_middle_of("faults");
    CHECK_COUNT("logins", 1);
    tm_free(manager);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_call_ends_before_its_thread();
    a_login_does_too();
    return check_end();
}
