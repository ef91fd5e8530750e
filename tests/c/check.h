/* What the test programs share: checks that name their place, waiting for a condition, and plain HTTP to
 * the demo API's control endpoints, so that no test needs a second HTTP library. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tokenmgr.h>

/* The demo API's own client. */
#define USERNAME "demo"
#define PASSWORD "demo-password"

static const char *api; /* where the demo API listens */
static bool brief;      /* under Valgrind: the same, but less of it */
static int failures;

/* usage: a-test http://127.0.0.1:PORT [brief] */
static inline void check_begin(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s DEMO_API_URL [brief]\n", argv[0]);
        exit(2);
    }
    api = argv[1];
    brief = argc > 2 && strcmp(argv[2], "brief") == 0;
    signal(SIGPIPE, SIG_DFL); /* as every C program finds it, whatever this one's parent ignores */
}

/* What main, or a child, ends with. */
static inline int check_end(void) { return __atomic_load_n(&failures, __ATOMIC_SEQ_CST) > 0; }

/* ---- checks ------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4)))
static inline void check_failed(const char *file, int line, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
}

#define CHECK(condition) \
    do { if (!(condition)) check_failed(__FILE__, __LINE__, "failed: %s", #condition); } while (0)

/* For what the rest of the program cannot do without. */
#define REQUIRE(condition) \
    do { if (!(condition)) { check_failed(__FILE__, __LINE__, "failed: %s", #condition); exit(1); } } while (0)

#define CHECK_INT(actual, expected) \
    do { \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected); \
        if (actual_ != expected_) \
            check_failed(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, expected_); \
    } while (0)

#define CHECK_BETWEEN(actual, low, high) \
    do { \
        long long actual_ = (long long)(actual), low_ = (long long)(low), high_ = (long long)(high); \
        if (actual_ < low_ || actual_ > high_) \
            check_failed(__FILE__, __LINE__, "%s is %lld, not within %lld..%lld", #actual, actual_, low_, high_); \
    } while (0)

#define CHECK_STRING(actual, expected) check_string(__FILE__, __LINE__, #actual, actual, expected)
static inline void check_string(const char *file, int line, const char *what,
                                const char *actual, const char *expected) {
    if (actual == NULL || strcmp(actual, expected) != 0)
        check_failed(file, line, "%s is \"%s\", not \"%s\"", what, actual ? actual : "(NULL)", expected);
}

#define CHECK_CONTAINS(text, part) check_contains(__FILE__, __LINE__, #text, text, part, true)
#define CHECK_LACKS(text, part) check_contains(__FILE__, __LINE__, #text, text, part, false)
static inline void check_contains(const char *file, int line, const char *what,
                                  const char *text, const char *part, bool wanted) {
    bool found = text != NULL && strstr(text, part) != NULL;
    if (found != wanted)
        check_failed(file, line, "%s %s \"%s\": %.600s", what, wanted ? "lacks" : "contains", part,
                     text ? text : "(NULL)");
}

/* ---- errors --------------------------------------------------------------------------------------
 * `err` holds garbage before every call and again after every check: a library that read or freed what
 * it should only overwrite would crash in any of these programs. */

#define GARBAGE ((tm_error *)(uintptr_t)0x5a5a5a5b)

/* The call succeeded. */
#define CHECK_OK(err) check_error(__FILE__, __LINE__, &(err), TM_OK)
/* The call failed thus. */
#define CHECK_ERROR(err, status) check_error(__FILE__, __LINE__, &(err), status)
/* The same of a call that makes something. */
#define CHECK_NULL(status, call, err) \
    do { CHECK((call) == NULL); CHECK_ERROR(err, status); } while (0)
/* CHECK_STATUS(TM_OK, tm_login(tm, &err), err): what was returned and what `err` says agree. */
#define CHECK_STATUS(status, call, err) check_status(__FILE__, __LINE__, #call, call, &(err), status)

static inline bool check_error(const char *file, int line, tm_error **err, tm_status status) {
    tm_status actual = TM_OK;
    bool right = false;
    if (*err == GARBAGE) {
        check_failed(file, line, "the error was not overwritten");
    } else {
        actual = tm_error_code(*err);
        right = actual == status && (*err == NULL) == (status == TM_OK);
        if (!right)
            check_failed(file, line, "got %s (%s), not %s", tm_status_name(actual),
                         *err ? tm_error_message(*err) : "no error", tm_status_name(status));
        if (*err != NULL && (tm_error_message(*err) == NULL || tm_error_message(*err)[0] == '\0'))
            check_failed(file, line, "an error without a message");
        tm_error_free(*err);
    }
    *err = GARBAGE;
    return right;
}

static inline bool check_status(const char *file, int line, const char *call,
                                tm_status actual, tm_error **err, tm_status status) {
    if (actual != status)
        check_failed(file, line, "%s returned %s, not %s", call, tm_status_name(actual), tm_status_name(status));
    return check_error(file, line, err, status) && actual == status;
}

/* ---- time and counting --------------------------------------------------------------------------- */

static inline int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void pause_ms(long ms) {
    struct timespec t;
    t.tv_sec = ms / 1000;
    t.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&t, NULL);
}

/* Waits until the condition holds. The limit only ends a test that would hang. */
#define WAIT_LIMIT_MS 60000
#define WAIT_UNTIL(condition) \
    do { \
        int64_t give_up_ = now_ms() + WAIT_LIMIT_MS; \
        while (!(condition) && now_ms() < give_up_) pause_ms(5); \
        if (!(condition)) check_failed(__FILE__, __LINE__, "never came true: %s", #condition); \
    } while (0)

static inline long count(long *counter) { return __atomic_load_n(counter, __ATOMIC_SEQ_CST); }
static inline long add(long *counter, long n) { return __atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST); }

/* How many entries a folder of /proc has: "/proc/self/fd", "/proc/self/task". */
static inline int entries(const char *folder) {
    int found = 0;
    DIR *directory = opendir(folder);
    REQUIRE(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        found += entry->d_name[0] != '.';
    closedir(directory);
    return found;
}

/* ---- the demo API --------------------------------------------------------------------------------- */

/* JSON for people: 'single' quotes become "double" ones. The caller frees it. */
static inline char *json(const char *text) {
    char *copy = strdup(text);
    REQUIRE(copy != NULL);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'') *c = '"';
    return copy;
}

static inline int connect_to_demo(void) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(api, ':') + 1));
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connection >= 0);
    REQUIRE(connect(connection, (struct sockaddr *)&address, sizeof address) == 0);
    return connection;
}

/* Sends one request on a connection of its own and reads until it closes. Returns the body; the caller
 * frees it. Anything but a 200 ends the test. */
static inline char *control(const char *method, const char *path, const char *body) {
    char head[256];
    int connection = connect_to_demo();
    snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             method, path, strlen(body));
    REQUIRE(send(connection, head, strlen(head), MSG_NOSIGNAL) == (ssize_t)strlen(head));
    REQUIRE(send(connection, body, strlen(body), MSG_NOSIGNAL) == (ssize_t)strlen(body));

    char *answer = NULL;
    size_t len = 0;
    ssize_t got;
    do {
        answer = (char *)realloc(answer, len + 4096 + 1);
        REQUIRE(answer != NULL);
        got = recv(connection, answer + len, 4096, 0);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    close(connection);
    answer[len] = '\0';

    char *end_of_head = strstr(answer, "\r\n\r\n");
    if (end_of_head == NULL || strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
        check_failed(__FILE__, __LINE__, "%s %s %s: %s", method, path, body, answer);
    REQUIRE(end_of_head != NULL && strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
    memmove(answer, end_of_head + 4, strlen(end_of_head + 4) + 1);
    return answer;
}

/* Bends the demo API; the names are in examples/demo-api/README.md. */
static inline void demo(const char *document) {
    char *body = json(document);
    free(control("POST", "/control", body));
    free(body);
}

/* What it has counted. */
static inline long demo_count(const char *counter) {
    char name[64];
    snprintf(name, sizeof name, "\"%s\":", counter);
    char *counters = control("GET", "/control/counters", "");
    const char *found = strstr(counters, name);
    long value = found ? strtol(found + strlen(name), NULL, 10) : 0;
    /* Answers are counted by their status, "api_404", and only those that there were are listed. */
    REQUIRE(found != NULL || strncmp(counter, "api_", 4) == 0);
    free(counters);
    return value;
}

#define CHECK_COUNT(counter, expected) \
    do { \
        long counted_ = demo_count(counter); \
        if (counted_ != (expected)) \
            check_failed(__FILE__, __LINE__, "%s is %ld, not %ld", counter, counted_, (long)(expected)); \
    } while (0)

/* ---- a client of it ------------------------------------------------------------------------------- */

static inline tm_manager *new_manager_as(const char *username, const char *password, const char *options) {
    tm_error *err = GARBAGE;
    char *options_json = options ? json(options) : NULL;
    tm_manager *tm = tm_new(api, username, password, options_json, &err);
    free(options_json);
    CHECK_OK(err);
    REQUIRE(tm != NULL);
    return tm;
}

static inline tm_manager *new_manager(const char *options) { return new_manager_as(USERNAME, PASSWORD, options); }

/* A call without a body; options as JSON for people. */
static inline tm_response *call(tm_manager *tm, const char *method, const char *url, const char *options,
                                tm_error **err) {
    char *options_json = options ? json(options) : NULL;
    tm_response *response = tm_request(tm, method, url, NULL, 0, options_json, err);
    free(options_json);
    return response;
}

/* The HTTP status of a GET, or minus the tm_status where there is no answer. */
static inline int get(tm_manager *tm, const char *url) {
    tm_error *err = GARBAGE;
    tm_response *response = tm_request(tm, "GET", url, NULL, 0, NULL, &err);
    int outcome = response ? tm_response_status(response) : -(int)tm_error_code(err);
    if ((response == NULL) == (err == NULL))
        check_failed(__FILE__, __LINE__, "GET %s gave both or neither of a response and an error", url);
    tm_response_free(response);
    tm_error_free(err);
    return outcome;
}

/* The access token that a manager would use now; "" on failure. Good until the next call from this thread. */
static inline const char *access_token(tm_manager *tm) {
    static __thread char token[8192];
    tm_error *err = GARBAGE;
    token[0] = '\0';
    tm_copy_access_token(tm, token, sizeof token, &err);
    CHECK_OK(err);
    return token;
}

#endif
