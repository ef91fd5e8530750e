/* What the bench programs share: reading the target, loading an engine, clocks. */
#ifndef TOKENMGR_BENCH_HARNESS_H
#define TOKENMGR_BENCH_HARNESS_H

#include <stdint.h>
#include <time.h>

#include "engine.h"

/* From BENCH_URL, BENCH_TOKEN, BENCH_CA, BENCH_BUNDLE and BENCH_LOGIN. Exits if one is missing. */
struct target read_target(void);

/* Exits if it cannot; with UNSUPPORTED where the engine cannot speak the target's scheme. */
const struct engine *load_engine(const char *path, const struct target *target);

/* One of the engine's calls: `request`, or the name of a member of `struct transfers`. Exits as load_engine does, with
 * UNSUPPORTED where the engine does not have it. */
typedef bool engine_call(void *client);
engine_call *load_call(const char *path, const char *name);

/* A client of the engine, or exit: the engine said why. */
void *open_client(const struct engine *engine, const struct target *target);

/* A positive whole number from a command line, or exit. */
unsigned long parse_count(const char *text);

int64_t now_ns(clockid_t clock);

enum { UNSUPPORTED = 77 };

#endif
