/* A client as programs have them: it calls the API once a second and cares for nothing else. What becomes of the
 * tokens in the meantime, the library's own log lines tell. SIGTERM ends it: it logs out.
 *
 *   ./demo '{"refresh_before_seconds":2,"refresh_jitter_seconds":0}'
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <tokenmgr.h>

static volatile sig_atomic_t stopping = 0;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static void print_log_line(void *userdata, int32_t level, const char *message) {
    (void)userdata;
    (void)level;
    printf("    library  %s\n", message);
}

static int fail(tm_error *err) {
    printf("    client   failed: %s\n", tm_error_message(err));
    tm_error_free(err);
    return 1;
}

static void print_answer(const tm_response *response, const tm_token *token) {
    const tm_error *refused = tm_response_error(response);
    printf("    client   GET /api/v1/products: %d, the token is good for %d more s\n", (int)tm_response_status(response),
           (int)tm_token_seconds_left(token));
    if (refused) printf("    client   %s: %s\n", tm_status_name(tm_error_code(refused)), tm_error_message(refused));
}

int main(int argc, char **argv) {
    tm_error *err = NULL;
    tm_manager *tm = tm_new(NULL, NULL, NULL, argc > 1 ? argv[1] : NULL, &err);
    if (!tm) return fail(err);
    tm_set_log_callback(tm, print_log_line, NULL, 3, NULL);
    signal(SIGTERM, stop);
    setvbuf(stdout, NULL, _IOLBF, 0);

    int calls = 0;
    while (!stopping) {
        tm_response *response = tm_request(tm, "GET", "/api/v1/products", NULL, 0, NULL, &err);
        if (!response) return fail(err);
        tm_token *token = tm_peek_token(tm, NULL);
        print_answer(response, token);
        tm_token_free(token);
        tm_response_free(response);
        calls++;

        struct timespec second = {1, 0};
        nanosleep(&second, NULL);
    }

    if (tm_logout(tm, &err) != TM_OK) return fail(err);
    printf("    client   logged out after %d calls\n", calls);
    tm_free(tm);
    return 0;
}
