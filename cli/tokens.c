/* The commands that are about the token itself. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int run_call(const struct options *options, tm_status (*call)(tm_manager *, tm_error **)) {
    int code;
    tm_manager *tm = open_manager(options, &code);
    if (!tm) return code;
    tm_error *err = NULL;
    code = call(tm, &err) == TM_OK ? EXIT_DONE : report_and_free(err);
    tm_free(tm);
    return code;
}

int run_login(const struct options *options, char **args) {
    (void)args;
    return run_call(options, tm_login);
}

int run_logout(const struct options *options, char **args) {
    (void)args;
    return run_call(options, tm_logout);
}

int run_token(const struct options *options, char **args) {
    (void)args;
    int code;
    tm_manager *tm = open_manager_for_token(options, &code);
    if (!tm) return code;
    tm_error *err = NULL;
    tm_token *token = tm_get_token(tm, &err);
    if (token) {
        if (options->bearer) printf("Authorization: Bearer ");
        code = print_line(tm_token_access(token));
    } else {
        code = report_and_free(err);
    }
    tm_token_free(token);
    tm_free(tm);
    return code;
}

/* "6 d 23 h", "59 min 58 s": the two largest units say enough. */
static void print_duration(FILE *out, int64_t seconds) {
    long long s = seconds;
    if (s >= 86400) fprintf(out, "%lld d %lld h", s / 86400, s / 3600 % 24);
    else if (s >= 3600) fprintf(out, "%lld h %lld min", s / 3600, s / 60 % 60);
    else if (s >= 60) fprintf(out, "%lld min %lld s", s / 60, s % 60);
    else fprintf(out, "%lld s", s);
}

static void print_expiry(const char *what, int64_t expires_at, int64_t seconds_left) {
    time_t at = (time_t)expires_at;
    struct tm utc;
    char text[32];

    if (expires_at == 0 || !gmtime_r(&at, &utc) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0) {
        printf("%s expiry unknown\n", what);
        return;
    }
    printf("%s ", what);
    print_duration(stdout, seconds_left);
    printf(" left, until %s\n", text);
}

static void print_token_state(const tm_token *token) {
    int64_t refresh_expires_at = tm_token_refresh_expires_at(token);
    int64_t refresh_left = refresh_expires_at - (int64_t)time(NULL);

    print_expiry("access token: ", tm_token_expires_at(token), tm_token_seconds_left(token));
    if (tm_token_refresh(token)) {
        print_expiry("refresh token:", refresh_expires_at, refresh_left > 0 ? refresh_left : 0);
    } else {
        printf("refresh token: none\n");
    }
    printf("statistics:    ");
}

static void print_store_trouble(void *userdata, int32_t level, const char *message) {
    (void)userdata;
    (void)level;
    printf("token store:   %s\n", message);
}

/* The token is had the way a call has it. What lies in a store cannot be told otherwise, and the answer that matters,
 * whether a call would work now, neither. */
int run_status(const struct options *options, char **args) {
    (void)args;
    int code;
    tm_manager *tm = open_manager_for_token(options, &code);
    if (!tm) return code;
    /* Whoever asked for log lines reads it there. */
    if (!options->json && options->verbosity == 0) tm_set_log_callback(tm, print_store_trouble, NULL, 1, NULL);
    tm_error *err = NULL;
    tm_token *token = tm_get_token(tm, &err);
    char *statistics = token ? tm_stats_json(tm, &err) : NULL;
    if (statistics) {
        if (!options->json) print_token_state(token);
        code = print_line(statistics);
    } else {
        code = report_and_free(err);
    }
    tm_string_free(statistics);
    tm_token_free(token);
    tm_free(tm);
    return code;
}

int run_key(const struct options *options, char **args) {
    (void)options;
    (void)args;
    tm_error *err = NULL;
    char *key = tm_generate_key(&err);
    if (!key) return report_and_free(err);
    int code = print_line(key);
    tm_string_free(key);
    return code;
}

static void say_expiry(const char *token) {
    if (tm_jwt_is_expired(token)) {
        fputs("expired, or without an expiry\n", stderr);
    } else {
        fputs("expires in ", stderr);
        print_duration(stderr, tm_jwt_seconds_left(token));
        fputc('\n', stderr);
    }
}

static int show_jwt(const char *token, const struct options *options) {
    tm_error *err = NULL;
    char *payload = tm_jwt_payload_json(token, &err);
    if (!payload) return report_and_free(err);

    int code;
    if (options->check) code = tm_jwt_is_expired(token) ? EXIT_EXPIRED : EXIT_DONE;
    else code = print_line(payload);
    if (!options->quiet) say_expiry(token);
    tm_string_free(payload);
    return code;
}

int run_jwt(const struct options *options, char **args) {
    if (args[0] && strcmp(args[0], "-") != 0) return show_jwt(args[0], options);

    struct buffer input = buffer_new();
    int code = EXIT_FILE;
    if (read_whole("-", &input)) {
        input.data[strcspn(input.data, " \t\r\n")] = '\0';
        code = show_jwt(input.data, options);
    }
    buffer_free(&input);
    return code;
}
