/* One process of the storm: calls the API on some threads and counts what became of it. It ends with whoever
 * started it, and prints JSON, a line for each order.
 *
 * usage: worker THREADS SECONDS OPTIONS [DATABASE]     calls, as fast as it can, then says how it went
 *        worker orders OPTIONS [DATABASE]              obeys the orders on stdin: call [PATH], refresh, logout, stats
 *
 * Host and credentials come from the environment (TOKENMGR_*). DATABASE: keeps the tokens there, in SQLite.
 * With STORM_GATE in the environment it begins when stdin ends; with STORM_PAUSE_MS it rests between calls. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "../../examples/c/sqlite_store.h"

#define MOST_WAITS 4096
#define STATUSES 32

static tm_manager *tm;
static double seconds;
static long pause_ms;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static long calls;
static long failed[STATUSES];
static double longest_ms;
static char last_error[512];
static long waits[MOST_WAITS], wait_count; /* in ms: for other processes */

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what, const tm_error *err) {
    fprintf(stderr, "worker: %s: %s\n", what, err ? tm_error_message(err) : "failed");
    exit(2);
}

/* The waits for other processes, one by one, stand in the log only. */
static void on_log(void *userdata, int32_t level, const char *message) {
    (void)userdata;
    (void)level;
    long ms;
    if (getenv("STORM_VERBOSE") != NULL)
        fprintf(stderr, "[%d %.0f] %s\n", (int)getpid(), now_ms(), message);
    if (sscanf(message, "waited %ld ms for another process", &ms) != 1)
        return;
    pthread_mutex_lock(&guard);
    if (wait_count < MOST_WAITS)
        waits[wait_count++] = ms;
    pthread_mutex_unlock(&guard);
}

/* One call. Says how it ended, in `message` why. */
static tm_status call(const char *path, char *message, size_t size) {
    tm_error *err = NULL;
    tm_response *response = tm_request(tm, "GET", path, NULL, 0, NULL, &err);
    const tm_error *wrong = response != NULL ? tm_response_error(response) : err;
    tm_status status = tm_error_code(wrong);
    message[0] = '\0';
    if (wrong != NULL)
        snprintf(message, size, "%s", tm_error_message(wrong));
    tm_response_free(response);
    tm_error_free(err);
    return status;
}

static const char *const usual_path = "/api/v1/categories";

static void *caller(void *unused) {
    (void)unused;
    long made = 0, lost[STATUSES] = {0};
    double longest = 0, end = now_ms() + seconds * 1e3;
    char message[512], last[512] = "";
    do {
        double began = now_ms();
        tm_status status = call(usual_path, message, sizeof message);
        double took = now_ms() - began;
        if (took > longest)
            longest = took;
        made++;
        if (status != TM_OK) {
            lost[(unsigned)status < STATUSES ? status : STATUSES - 1]++;
            memcpy(last, message, sizeof last);
        }
        struct timespec rest = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        if (pause_ms > 0)
            nanosleep(&rest, NULL);
    } while (now_ms() < end);

    pthread_mutex_lock(&guard);
    calls += made;
    for (int i = 0; i < STATUSES; i++)
        failed[i] += lost[i];
    if (longest > longest_ms)
        longest_ms = longest;
    if (last[0] != '\0')
        memcpy(last_error, last, sizeof last_error);
    pthread_mutex_unlock(&guard);
    return NULL;
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x20)
            printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print_stats(void) {
    char *stats = tm_stats_json(tm, NULL);
    printf(", \"stats\": %s}\n", stats != NULL ? stats : "null");
    tm_string_free(stats);
    fflush(stdout);
}

static void report(void) {
    const char *comma = "";
    printf("{\"calls\": %ld, \"longest_ms\": %.1f, \"failed\": {", calls, longest_ms);
    for (int i = 0; i < STATUSES; i++)
        if (failed[i] > 0) {
            printf("%s\"%s\": %ld", comma, tm_status_name(i), failed[i]);
            comma = ", ";
        }
    printf("}, \"last_error\": ");
    print_text(last_error);
    printf(", \"waits_ms\": [");
    for (long i = 0; i < wait_count; i++)
        printf("%s%ld", i > 0 ? ", " : "", waits[i]);
    printf("]");
    print_stats();
}

static void storm(int threads) {
    pthread_t thread[256];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, caller, NULL) != 0)
            die("pthread_create", NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    report();
}

static void obey(void) {
    char order[64], message[512];
    while (fgets(order, sizeof order, stdin) != NULL) {
        order[strcspn(order, "\n")] = '\0';
        tm_status status = TM_OK;
        double began = now_ms();
        message[0] = '\0';
        if (strncmp(order, "call", 4) == 0) {
            status = call(order[4] == ' ' ? order + 5 : usual_path, message, sizeof message);
        } else if (strcmp(order, "refresh") == 0 || strcmp(order, "logout") == 0) {
            tm_error *err = NULL;
            status = order[0] == 'r' ? tm_refresh(tm, &err) : tm_logout(tm, &err);
            if (err != NULL)
                snprintf(message, sizeof message, "%s", tm_error_message(err));
            tm_error_free(err);
        }
        printf("{\"status\": \"%s\", \"ms\": %.3f, \"message\": ", tm_status_name(status), now_ms() - began);
        print_text(message);
        print_stats();
    }
}

static void wait_for_gate(void) {
    char byte;
    while (getenv("STORM_GATE") != NULL && read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool orders = argc > 2 && strcmp(argv[1], "orders") == 0;
    int given = orders ? 2 : 3;
    if (argc <= given) {
        fprintf(stderr, "usage: worker THREADS SECONDS OPTIONS [DATABASE] | worker orders OPTIONS [DATABASE]\n");
        return 2;
    }
    tm_error *err = NULL;
    sqlite_store *store = NULL;
    tm = tm_new(NULL, NULL, NULL, argv[given], &err);
    if (tm == NULL)
        die("tm_new", err);
    if (tm_set_log_callback(tm, on_log, NULL, 4, &err) != TM_OK)
        die("tm_set_log_callback", err);
    if (argc > given + 1) {
        store = sqlite_store_new(argv[given + 1]);
        if (store == NULL || sqlite_store_use(store, tm, &err) != TM_OK)
            die("tm_set_store", err);
    }
    pause_ms = getenv("STORM_PAUSE_MS") != NULL ? atol(getenv("STORM_PAUSE_MS")) : 0;
    wait_for_gate();
    if (orders) {
        obey();
    } else {
        int threads = atoi(argv[1]);
        seconds = atof(argv[2]);
        storm(threads < 1 ? 1 : threads > 256 ? 256 : threads);
    }
    tm_free(tm);
    sqlite_store_free(store);
    return 0;
}
