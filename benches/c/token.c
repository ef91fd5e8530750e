/* token CALLS: what a caller with an HTTP client of its own pays per call, tm_copy_access_token, from 1 to 8
 * threads on one manager. Prints figure<TAB>engine<TAB>value<TAB>unit lines.
 *
 * CPU time is the figure to judge by: on a machine with fewer cores than threads the wall time of each thread
 * also counts the turns of the others. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenmgr.h"

enum { MOST_THREADS = 8, REPEATS = 9 };

struct reader {
    tm_manager *tm;
    pthread_barrier_t *start;
    unsigned long calls;
    size_t token_len;
    int64_t wall_ns, cpu_ns;
};

static void *copy_tokens(void *userdata)
{
    struct reader *reader = userdata;
    char buf[4096];
    bool good = true;

    pthread_barrier_wait(reader->start);
    int64_t wall = now_ns(CLOCK_MONOTONIC);
    int64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned long i = 0; i < reader->calls; i++)
        good &= tm_copy_access_token(reader->tm, buf, sizeof buf, NULL) == reader->token_len;
    reader->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    reader->wall_ns = now_ns(CLOCK_MONOTONIC) - wall;

    if (!good) {
        fprintf(stderr, "tm_copy_access_token gave something else than the token\n");
        exit(EXIT_FAILURE);
    }
    return NULL;
}

struct cost {
    double wall_ns, cpu_ns; /* of one call, the mean of all threads */
};

static struct cost read_together(tm_manager *tm, int threads, unsigned long calls, size_t token_len)
{
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    struct reader readers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    for (int i = 0; i < threads; i++) {
        readers[i] = (struct reader){.tm = tm, .start = &start, .calls = calls, .token_len = token_len};
        pthread_create(&ids[i], NULL, copy_tokens, &readers[i]);
    }

    struct cost cost = {0, 0};
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        cost.wall_ns += (double)readers[i].wall_ns / (double)calls / threads;
        cost.cpu_ns += (double)readers[i].cpu_ns / (double)calls / threads;
    }
    pthread_barrier_destroy(&start);
    return cost;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, ascending);
    return values[REPEATS / 2];
}

static tm_manager *open_manager(const struct target *target)
{
    const int64_t year_2100 = 4102444800;
    tm_error *err = NULL;
    tm_manager *tm = tm_new(target->base_url, "bench", "bench", NULL, &err);
    if (!tm || tm_set_tokens(tm, target->token, NULL, year_2100, year_2100, &err) != TM_OK) {
        fprintf(stderr, "libtokenmgr: %s\n", tm_error_message(err));
        exit(EXIT_FAILURE);
    }
    return tm;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: token CALLS\n");
        return EXIT_FAILURE;
    }
    unsigned long calls = parse_count(argv[1]);
    struct target target = read_target();
    tm_manager *tm = open_manager(&target);

    for (int threads = 1; threads <= MOST_THREADS; threads *= 2) {
        double wall[REPEATS], cpu[REPEATS];
        for (int i = 0; i < REPEATS; i++) {
            struct cost cost = read_together(tm, threads, calls, strlen(target.token));
            wall[i] = cost.wall_ns;
            cpu[i] = cost.cpu_ns;
        }
        printf("token copy, %d thr: CPU\tours\t%.1f\tns\n", threads, median(cpu));
        printf("token copy, %d thr: wall\tours\t%.1f\tns\n", threads, median(wall));
    }
    tm_free(tm);
    return EXIT_SUCCESS;
}
