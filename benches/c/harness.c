#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *need(const char *variable)
{
    const char *value = getenv(variable);
    if (!value) {
        fprintf(stderr, "%s is not set: start this program through benches/run\n", variable);
        exit(EXIT_FAILURE);
    }
    return value;
}

struct target read_target(void)
{
    return (struct target){
        .base_url = need("BENCH_URL"),
        .token = need("BENCH_TOKEN"),
        .ca_file = getenv("BENCH_CA"),
        .bundle = getenv("BENCH_BUNDLE"),
        .login = getenv("BENCH_LOGIN") != NULL,
    };
}

const struct engine *load_engine(const char *path, const struct target *target)
{
    void *library = dlopen(path, RTLD_NOW);
    const struct engine *engine = library ? dlsym(library, "engine") : NULL;
    if (!engine) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    if (strncmp(target->base_url, "https:", 6) == 0 && !engine->tls)
        exit(UNSUPPORTED);
    return engine;
}

void *open_client(const struct engine *engine, const struct target *target)
{
    void *client = engine->open(target);
    if (!client)
        exit(EXIT_FAILURE);
    return client;
}

unsigned long parse_count(const char *text)
{
    char *end = NULL;
    unsigned long count = strtoul(text, &end, 10);
    if (count == 0 || (*end != '\0' && *end != '\n')) {
        fprintf(stderr, "not a count: %s\n", text);
        exit(EXIT_FAILURE);
    }
    return count;
}

int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
