/* What a bench program knows of an HTTP client: how to open it, make one call, and close it.
 *
 * An engine is a shared object that exports `const struct engine engine`. The programs load it at run
 * time, so that every engine is measured by the same code and a cold start counts what loading costs. */
#ifndef TOKENMGR_BENCH_ENGINE_H
#define TOKENMGR_BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

/* The server under every call. The strings outlive the clients. */
struct target {
    const char *base_url; /* http://127.0.0.1:PORT or https://… */
    const char *token;    /* the access token that the call carries */
    const char *ca_file;  /* the CA of an https server, to be trusted besides the system's; NULL for http */
    const char *bundle;   /* the same CA and the system's in one file, for engines that take only one */
    bool login;           /* POST /auth/login before the first call */
};

struct engine {
    bool shared; /* one client serves every thread; otherwise each thread has its own */
    bool tls;    /* can speak https */
    void *(*open)(const struct target *target); /* NULL on failure, after saying why on stderr */
    bool (*request)(void *client); /* GET PRODUCTS_PATH, the body read whole; false as in open */
    void (*close)(void *client);
};

extern const struct engine engine;

/* Large bodies: GET BLOB_PATH, or POST of BLOB_BYTES to SINK_PATH. Each gives false as in `open`; a member is NULL
 * where the engine cannot. An engine that moves any exports `transfers` beside `engine`. */
struct transfers {
    bool (*download)(void *client);          /* the whole body into memory that its caller would own */
    bool (*upload)(void *client);            /* from memory */
    bool (*download_streamed)(void *client); /* handed over piece by piece, as it arrives */
    bool (*upload_streamed)(void *client);   /* asked for piece by piece, its length known before */
};

const struct transfers *transfers(void);

#define BLOB_PATH "/api/v1/blob"
#define SINK_PATH "/api/v1/sink"
#define BLOB_BYTES ((size_t)64 * 1024 * 1024)

#define PRODUCTS_PATH "/api/v1/products"
#define LOGIN_PATH "/auth/login"
#define LOGIN_BODY "{\"username\":\"bench\",\"password\":\"bench\"}"

/* The products are about 1 KB: an answer below this was cut short. */
#define PRODUCTS_LEAST 900

#endif
