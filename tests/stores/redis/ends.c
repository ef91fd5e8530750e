/* Calls with a store in Redis where a thread and the process end: in the destructor of a thread's own data, and in a
 * handler of exit. Arguments: the host, the options. */
#include <pthread.h>
#include <stdlib.h>
#include <tokenmgr.h>
#include <unistd.h>

static pthread_key_t key;
static tm_manager *manager;
static int refreshed;

static void refresh(void *unused) {
    (void)unused;
    if (tm_refresh(manager, NULL) == TM_OK)
        refreshed++;
}

static void *with_data(void *unused) {
    pthread_setspecific(key, &key);
    return unused;
}

static void end_process(void) {
    refresh(NULL);
    tm_free(manager);
    _exit(refreshed == 3 ? 0 : 1);
}

int main(int argc, char **argv) {
    pthread_t thread;
    if (argc != 3 || pthread_key_create(&key, refresh) != 0)
        return 2;
    manager = tm_new(argv[1], "demo", "demo-password", argv[2], NULL);
    if (manager == NULL)
        return 3;
    atexit(end_process);
    refresh(NULL);
    if (pthread_create(&thread, NULL, with_data, NULL) != 0)
        return 4;
    pthread_join(thread, NULL);
    return 5; /* end_process has the last word */
}
