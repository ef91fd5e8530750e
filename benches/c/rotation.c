/* rotation THREADS MILLISECONDS: threads that share one manager call steadily, one call each INTERVAL, for so long.
 * Prints the time of every call in nanoseconds on one line. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokenmgr.h"

enum { MOST_THREADS = 16, INTERVAL_NS = 2000000 };

struct caller {
    tm_manager *tm;
    pthread_barrier_t *start;
    int64_t duration_ns;
    int64_t *call_ns;
    unsigned long calls;
};

static void request(tm_manager *tm)
{
    tm_error *err = NULL;
    tm_response *response = tm_request(tm, "GET", PRODUCTS_PATH, NULL, 0, NULL, &err);
    if (!response || tm_response_status(response) != 200) {
        fprintf(stderr, "libtokenmgr: %s\n", response ? "unexpected answer" : tm_error_message(err));
        exit(EXIT_FAILURE);
    }
    tm_response_free(response);
}

static void sleep_until(int64_t time_ns)
{
    struct timespec time = {.tv_sec = time_ns / 1000000000, .tv_nsec = time_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void *call_steadily(void *userdata)
{
    struct caller *caller = userdata;
    request(caller->tm); /* connects */
    pthread_barrier_wait(caller->start);

    int64_t next = now_ns(CLOCK_MONOTONIC);
    int64_t end = next + caller->duration_ns;
    while (next < end) {
        sleep_until(next);
        int64_t before = now_ns(CLOCK_MONOTONIC);
        request(caller->tm);
        int64_t after = now_ns(CLOCK_MONOTONIC);
        caller->call_ns[caller->calls++] = after - before;
        next += INTERVAL_NS;
        if (next < after)
            next = after;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: rotation THREADS MILLISECONDS\n");
        return EXIT_FAILURE;
    }
    unsigned long threads = parse_count(argv[1]);
    int64_t duration_ns = (int64_t)parse_count(argv[2]) * 1000000;
    if (threads > MOST_THREADS) {
        fprintf(stderr, "at most %d threads\n", MOST_THREADS);
        return EXIT_FAILURE;
    }

    tm_error *err = NULL;
    tm_manager *tm = tm_new(read_target().base_url, "demo", "demo-password", NULL, &err);
    if (!tm) {
        fprintf(stderr, "libtokenmgr: %s\n", tm_error_message(err));
        return EXIT_FAILURE;
    }
    request(tm); /* logs in */

    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    struct caller callers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    size_t most_calls = (size_t)(duration_ns / INTERVAL_NS) + 1;
    for (unsigned long i = 0; i < threads; i++) {
        callers[i] = (struct caller){.tm = tm, .start = &start, .duration_ns = duration_ns};
        callers[i].call_ns = malloc(most_calls * sizeof *callers[i].call_ns);
        pthread_create(&ids[i], NULL, call_steadily, &callers[i]);
    }
    for (unsigned long i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        for (unsigned long call = 0; call < callers[i].calls; call++)
            printf("%" PRId64 " ", callers[i].call_ns[call]);
        free(callers[i].call_ns);
    }
    putchar('\n');
    tm_free(tm);
    return EXIT_SUCCESS;
}
