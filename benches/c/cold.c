/* cold ENGINE [CALLS]: a whole life in a fresh process: load, open, one call (or CALLS), close.
 * Prints its nanoseconds. With many calls it is what the counts of instructions and system calls run. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: cold ENGINE [CALLS]\n");
        return EXIT_FAILURE;
    }
    struct target target = read_target();
    unsigned long calls = argc > 2 ? parse_count(argv[2]) : 1;

    int64_t start = now_ns(CLOCK_MONOTONIC);
    const struct engine *engine = load_engine(argv[1], &target);
    void *client = open_client(engine, &target);
    for (unsigned long i = 0; i < calls; i++)
        if (!engine->request(client))
            return EXIT_FAILURE;
    engine->close(client);
    printf("%" PRId64 "\n", now_ns(CLOCK_MONOTONIC) - start);
    return EXIT_SUCCESS;
}
