/* How many descriptors managers hold: one for each kept connection, and none besides. */
#include "check.h"

#define THREADS 8

static tm_error *err = GARBAGE;

static int files(void) { return entries("/proc/self/fd"); }

/* With a first call behind it, so that what the process opens once is open. */
static int files_before(const char *settings) {
    demo(settings);
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
    return files();
}

static void one_for_a_kept_connection(void) {
    int before = files_before("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(files(), before);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        CHECK_INT(files(), before + 1);
    }
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    CHECK_INT(files(), before + 1);
    demo("{'faults':{'route':'/api/v1/products','do':'reset','times':2}}");
    CHECK_INT(get(tm, "/api/v1/products"), -TM_NETWORK);
    CHECK_INT(files(), before);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_INT(files(), before + 1);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    CHECK_INT(files(), before); /* their buffers held the token */
    tm_free(tm);
}

static void none_where_nothing_is_kept(void) {
    int before = files_before("{'reset':true}");
    tm_manager *tm = new_manager("{'max_idle_connections':0}");
    for (int i = 0; i < 3; i++) {
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        CHECK_INT(files(), before);
    }
    tm_free(tm);
}

static pthread_barrier_t start;

static void *call_once(void *tm) {
    pthread_barrier_wait(&start);
    CHECK_INT(get((tm_manager *)tm, "/api/v1/products"), 200);
    return NULL;
}

static void one_for_each_connection_of_many_threads(void) {
    pthread_t threads[THREADS];
    int before = files_before("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'faults':{'route':'/api/v1/products','delay_before_ms':300,'times':8}}");
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, call_once, tm) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    CHECK_INT(files() - before, demo_count("connections_current"));
    tm_free(tm);
    CHECK_INT(files(), before);
}

static void many_idle_managers(void) {
    enum { MANY = 100 };
    tm_manager *managers[MANY];
    int many = brief ? 20 : MANY;
    int before = files_before("{'reset':true}");
    for (int i = 0; i < many; i++)
        managers[i] = new_manager(NULL);
    CHECK_INT(files(), before);
    for (int i = 0; i < many; i++)
        CHECK_INT(get(managers[i], "/api/v1/products"), 200);
    CHECK_INT(files(), before + many);

    /* The server ended them all, and ends the next ones, too: the next call of each finds that out. */
    demo("{'cut_connections':true,'announce_close':true}");
    for (int i = 0; i < many; i++)
        CHECK_INT(get(managers[i], "/api/v1/products"), 200);
    CHECK_INT(files(), before);

    demo("{'announce_close':false}");
    for (int i = 0; i < many; i++)
        CHECK_INT(get(managers[i], "/api/v1/products"), 200);
    CHECK_INT(files(), before + many);
    for (int i = 0; i < many; i++)
        tm_free(managers[i]);
    CHECK_INT(files(), before);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    one_for_a_kept_connection();
    none_where_nothing_is_kept();
    one_for_each_connection_of_many_threads();
    many_idle_managers();
    return check_end();
}
