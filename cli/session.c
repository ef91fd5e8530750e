/* The manager that every command works with, and how its failures become sentences and exit codes. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

static volatile sig_atomic_t caught_signal = 0;

static void remember_signal(int number) {
    caught_signal = number;
}

static int32_t was_interrupted(void *userdata) {
    (void)userdata;
    return caught_signal != 0;
}

static void print_log_line(void *userdata, int32_t level, const char *message) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)userdata;
    fprintf(stderr, "tokenmgr: %s: %s\n", names[level < 1 ? 0 : level > 4 ? 3 : level - 1], message);
}

/* Not where it is ignored: that is nohup, or a script that has its reasons. */
static void catch_signal(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_IGN) return;
    sigemptyset(&action.sa_mask);
    action.sa_handler = remember_signal;
    action.sa_flags = SA_RESETHAND; /* the second Ctrl-C does not ask */
    sigaction(number, &action, NULL);
}

static tm_manager *open_with(const char *json, const struct options *options, int *code) {
    tm_error *err = NULL;
    tm_manager *tm = tm_new(NULL, NULL, NULL, json, &err);
    if (!tm) {
        *code = report_and_free(err);
        return NULL;
    }

    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
    tm_set_interrupt_callback(tm, was_interrupted, NULL, NULL);
    if (options->verbosity > 0) {
        tm_set_log_callback(tm, print_log_line, NULL, options->verbosity > 1 ? 4 : 3, NULL);
    }
    return tm;
}

tm_manager *open_manager(const struct options *options, int *code) {
    struct buffer json = buffer_new();
    add_options(&json);
    tm_manager *tm = open_with(json.data, options, code);
    buffer_free(&json);
    return tm;
}

tm_manager *open_manager_for_token(const struct options *options, int *code) {
    tm_manager *tm = open_manager(options, code);
    tm_error *err = NULL;
    if (!tm || tm_check_store(tm, &err) != TM_STORE) {
        tm_error_free(err);
        return tm;
    }
    struct buffer json = buffer_new();
    if (add_options_with_own_store(&json)) {
        complain(0, "%s; a token of this user's own is used meanwhile", tm_error_message(err));
        tm_free(tm);
        tm = open_with(json.data, options, code);
    }
    buffer_free(&json);
    tm_error_free(err);
    return tm;
}

static int exit_code_of(tm_status status) {
    switch (status) {
    case TM_OK: return EXIT_DONE;
    case TM_INVALID_ARGUMENT:
    case TM_INVALID_OPTIONS:
    case TM_URL_NOT_ALLOWED: return EXIT_USAGE;
    case TM_LOGIN_REJECTED:
    case TM_LOGIN_SUSPENDED:
    case TM_UNAUTHORIZED: return EXIT_CREDENTIALS;
    case TM_FORBIDDEN: return EXIT_FORBIDDEN;
    case TM_NETWORK:
    case TM_TIMEOUT:
    case TM_TLS: return EXIT_NETWORK;
    case TM_RATE_LIMITED: return EXIT_RATE_LIMITED;
    case TM_SERVER_ERROR:
    case TM_BAD_RESPONSE:
    case TM_RESPONSE_TOO_LARGE: return EXIT_SERVER;
    case TM_HTTP_ERROR: return EXIT_CLIENT_ERROR;
    case TM_STORE:
    case TM_LOCK_TIMEOUT: return EXIT_STORE;
    case TM_BAD_TOKEN: return EXIT_BAD_TOKEN;
    default: return EXIT_INTERNAL;
    }
}

int report(const tm_error *error) {
    tm_status status = tm_error_code(error);
    if (status == TM_CANCELLED && caught_signal) return 128 + caught_signal; /* whoever pressed Ctrl-C knows */
    return complain(exit_code_of(status), "%s", tm_error_message(error));
}

int report_and_free(tm_error *error) {
    int code = report(error);
    tm_error_free(error);
    return code;
}

int complain(int code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("tokenmgr: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    return code;
}

void die_if_signalled(void) {
    if (!caught_signal) return;
    signal(caught_signal, SIG_DFL);
    raise(caught_signal);
}
