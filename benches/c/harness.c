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

static void *load_symbol(const char *path, const char *symbol)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    return dlsym(library, symbol);
}

const struct engine *load_engine(const char *path, const struct target *target)
{
    const struct engine *engine = load_symbol(path, "engine");
    if (!engine) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    if (strncmp(target->base_url, "https:", 6) == 0 && !engine->tls)
        exit(UNSUPPORTED);
    return engine;
}

static engine_call *find_transfer(const struct transfers *transfers, const char *name)
{
    const struct {
        const char *name;
        engine_call *call;
    } calls[] = {
        {"download", transfers->download},
        {"upload", transfers->upload},
        {"download_streamed", transfers->download_streamed},
        {"upload_streamed", transfers->upload_streamed},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(name, calls[i].name) == 0)
            return calls[i].call;
    fprintf(stderr, "no such call: %s\n", name);
    exit(EXIT_FAILURE);
}

engine_call *load_call(const char *path, const char *name)
{
    if (strcmp(name, "request") == 0)
        return ((const struct engine *)load_symbol(path, "engine"))->request;

    /* POSIX lets a function come out of dlsym, ISO C has no cast for it. */
    const struct transfers *(*transfers)(void) = NULL;
    *(void **)&transfers = load_symbol(path, "transfers");
    engine_call *call = transfers ? find_transfer(transfers(), name) : NULL;
    if (!call)
        exit(UNSUPPORTED);
    return call;
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
