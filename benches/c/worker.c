/* worker ENGINE [THREADS [CALL]]: makes warm calls in rounds, when it is told to. CALL: see load_call.
 *
 * Each line on stdin is a number of calls. The answer is one line: the round's wall time, its CPU time over
 * all threads, and the time of every call, in nanoseconds. A program in any language that does the same can
 * stand in the table beside this one. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_THREADS = 64 };

struct round {
    engine_call *call;
    unsigned long calls;
    atomic_ulong next; /* threads draw calls from one counter, so that they all end together */
    int64_t *call_ns;
};

struct seat {
    struct round *round;
    void *client;
    pthread_t thread;
};

static void *make_calls(void *userdata)
{
    struct seat *seat = userdata;
    struct round *round = seat->round;
    int64_t before = now_ns(CLOCK_MONOTONIC);
    for (;;) {
        unsigned long call = atomic_fetch_add_explicit(&round->next, 1, memory_order_relaxed);
        if (call >= round->calls)
            return NULL;
        if (!round->call(seat->client))
            exit(EXIT_FAILURE);
        int64_t after = now_ns(CLOCK_MONOTONIC);
        round->call_ns[call] = after - before;
        before = after;
    }
}

static void run_round(struct round *round, struct seat *seats, unsigned long threads)
{
    atomic_store(&round->next, 0);
    round->call_ns = malloc(round->calls * sizeof *round->call_ns);
    int64_t wall = now_ns(CLOCK_MONOTONIC);
    int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);

    /* The first seat is this thread's own: one thread means none started. */
    for (unsigned long i = 1; i < threads; i++)
        pthread_create(&seats[i].thread, NULL, make_calls, &seats[i]);
    make_calls(&seats[0]);
    for (unsigned long i = 1; i < threads; i++)
        pthread_join(seats[i].thread, NULL);

    cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = now_ns(CLOCK_MONOTONIC) - wall;
    printf("%" PRId64 " %" PRId64, wall, cpu);
    for (unsigned long i = 0; i < round->calls; i++)
        printf(" %" PRId64, round->call_ns[i]);
    putchar('\n');
    fflush(stdout);
    free(round->call_ns);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: worker ENGINE [THREADS [CALL]]\n");
        return EXIT_FAILURE;
    }
    struct target target = read_target();
    const struct engine *engine = load_engine(argv[1], &target);
    struct round round = {.call = load_call(argv[1], argc > 3 ? argv[3] : "request")};
    unsigned long threads = argc > 2 ? parse_count(argv[2]) : 1;
    if (threads > MOST_THREADS) {
        fprintf(stderr, "at most %d threads\n", MOST_THREADS);
        return EXIT_FAILURE;
    }

    struct seat seats[MOST_THREADS];
    for (unsigned long i = 0; i < threads; i++) {
        bool own = i == 0 || !engine->shared;
        seats[i].round = &round;
        seats[i].client = own ? open_client(engine, &target) : seats[0].client;
    }

    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        round.calls = parse_count(line);
        run_round(&round, seats, threads);
    }

    for (unsigned long i = 0; i < (engine->shared ? 1 : threads); i++)
        engine->close(seats[i].client);
    return EXIT_SUCCESS;
}
