/* What a bench program knows of an HTTP client: how to open it, make one call, and close it.
 *
 * An engine is a shared object that exports `const struct engine engine`. The programs load it at run
 * time, so that every engine is measured by the same code and a cold start counts what loading costs. */
#ifndef TOKENMGR_BENCH_ENGINE_H
#define TOKENMGR_BENCH_ENGINE_H

#include <stdbool.h>

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

#define PRODUCTS_PATH "/api/v1/products"
#define LOGIN_PATH "/auth/login"
#define LOGIN_BODY "{\"username\":\"bench\",\"password\":\"bench\"}"

/* The products are about 1 KB: an answer below this was cut short. */
#define PRODUCTS_LEAST 900

#endif
