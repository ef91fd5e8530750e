/* tm_request_into says the same as tm_request, in a place that is used again and again. */
#include "check.h"

static tm_error *err = GARBAGE;

static tm_status get_into(tm_manager *tm, const char *path, tm_outcome *outcome) {
    return tm_request_into(tm, "GET", path, NULL, 0, NULL, outcome);
}

static void check_is_empty(const tm_outcome *outcome) {
    CHECK_INT(outcome->status, 0);
    CHECK(outcome->body == NULL);
    CHECK_INT(outcome->body_len, 0);
    CHECK(outcome->head == NULL);
}

/* The next line of a head, which is cut off it; NULL after the last. */
static char *line_of(char **head) {
    char *line = *head, *end = strchr(line, '\n');
    if (end == NULL) {
        CHECK_STRING(line, "");
        return NULL;
    }
    *end = '\0';
    *head = end + 1;
    return line;
}

/* The URL, then names and values in the order of tm_response_header_name() and _value(). */
static void check_head(const tm_outcome *outcome, const tm_response *same) {
    char *head = strdup(outcome->head), *rest = head, *name;
    REQUIRE(head != NULL);
    CHECK_STRING(line_of(&rest), tm_response_url(same));
    size_t i = 0;
    for (; (name = line_of(&rest)) != NULL; i++) {
        const char *value = line_of(&rest);
        CHECK_STRING(name, tm_response_header_name(same, i));
        if (strcmp(name, "date") != 0)
            CHECK_STRING(value, tm_response_header_value(same, i));
    }
    CHECK_INT(i, tm_response_header_count(same));
    free(head);
}

static void says_what_tm_request_says(void) {
    static const char *const paths[] = {
        "/api/v1/products", "/api/v1/blob?bytes=0", "/api/v1/blob?bytes=1&gzip=1", "/api/v1/blob?bytes=1000000",
        "/api/v1/status/204", "/api/v1/status/404", "/api/v1/status/500", "/api/v1/status/429",
    };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_outcome *outcome = tm_outcome_new();
    REQUIRE(outcome != NULL);
    check_is_empty(outcome);
    CHECK(outcome->error == NULL);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        tm_response *same = call(tm, "GET", paths[i], NULL, &err);
        CHECK_OK(err);
        REQUIRE(same != NULL);
        CHECK_INT(get_into(tm, paths[i], outcome), TM_OK);
        CHECK_INT(outcome->status, tm_response_status(same));
        REQUIRE(outcome->body_len == tm_response_body_len(same));
        CHECK_INT(outcome->body[outcome->body_len], 0);
        check_head(outcome, same);
        CHECK((outcome->error == NULL) == (outcome->status < 400));
        CHECK_INT(tm_error_code(outcome->error), tm_error_code(tm_response_error(same)));
        if (outcome->status < 400)
            CHECK(memcmp(outcome->body, tm_response_body(same), outcome->body_len) == 0);
        else
            CHECK_INT(tm_error_http_status(outcome->error), outcome->status);
        tm_response_free(same);
    }
    tm_outcome_free(outcome);
    tm_free(tm);
}

/* Of a call that failed nothing is left in the next one's outcome, and the other way round. */
static void is_used_again(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL), *refused = new_manager_as(USERNAME, "not-the-password", NULL);
    tm_outcome *outcome = tm_outcome_new();
    REQUIRE(outcome != NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(get_into(tm, "/api/v1/products", outcome), TM_OK);
        CHECK_INT(outcome->status, 200);
        CHECK_CONTAINS(outcome->body, "Popup Coffee Card");
        CHECK(outcome->error == NULL);

        CHECK_INT(get_into(tm, "no path", outcome), TM_INVALID_ARGUMENT);
        check_is_empty(outcome);
        CHECK_INT(tm_error_code(outcome->error), TM_INVALID_ARGUMENT);
        CHECK_CONTAINS(tm_error_message(outcome->error), "path");
    }
    CHECK_INT(get_into(refused, "/api/v1/products", outcome), TM_LOGIN_REJECTED);
    check_is_empty(outcome);
    CHECK_INT(tm_error_code(outcome->error), TM_LOGIN_REJECTED);
    CHECK_INT(tm_error_http_status(outcome->error), 401);
    tm_free(refused);
    CHECK_INT(tm_error_code(outcome->error), TM_LOGIN_REJECTED); /* it is the outcome's, not the manager's */
    tm_outcome_free(outcome);
    tm_free(tm);
}

static void nonsense_is_refused(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_outcome *outcome = tm_outcome_new();
    REQUIRE(outcome != NULL);
    CHECK_INT(get_into(tm, "/api/v1/products", NULL), TM_INVALID_ARGUMENT);
    CHECK_INT(get_into(NULL, "/api/v1/products", outcome), TM_INVALID_ARGUMENT);
    CHECK_INT(get_into(tm, NULL, outcome), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_request_into(tm, NULL, "/", NULL, 0, NULL, outcome), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_request_into(tm, "POST", "/", NULL, 5, NULL, outcome), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_request_into(tm, "POST", "/", "x", SIZE_MAX, NULL, outcome), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_request_into(tm, "GET", "/", NULL, 0, "{", outcome), TM_INVALID_OPTIONS);
    CHECK_INT(tm_error_code(outcome->error), TM_INVALID_OPTIONS);
    CHECK_COUNT("logins", 0); /* nothing was sent */
    tm_outcome_free(outcome);
    tm_outcome_free(NULL);
    tm_free(tm);
}

/* A callback may make a request of its own, with another outcome. */
struct inner { tm_manager *tm; tm_outcome *outcome; int calls; };

static void call_from_log(void *userdata, int32_t level, const char *message) {
    struct inner *inner = (struct inner *)userdata;
    (void)level, (void)message;
    if (inner->calls++ == 0) {
        CHECK_INT(get_into(inner->tm, "/api/v1/status/404", inner->outcome), TM_OK);
        CHECK_INT(inner->outcome->status, 404);
    }
}

static void nests(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    struct inner inner = { new_manager(NULL), tm_outcome_new(), 0 };
    tm_outcome *outcome = tm_outcome_new();
    REQUIRE(outcome != NULL && inner.outcome != NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, call_from_log, &inner, 4, &err), err);
    CHECK_INT(get_into(tm, "/api/v1/products", outcome), TM_OK);
    CHECK(inner.calls > 0);
    CHECK_INT(outcome->status, 200);
    CHECK_CONTAINS(outcome->body, "Popup Coffee Card");
    CHECK_INT(inner.outcome->status, 404);
    tm_free(tm);
    tm_free(inner.tm);
    tm_outcome_free(inner.outcome);
    tm_outcome_free(outcome);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    says_what_tm_request_says();
    is_used_again();
    nonsense_is_refused();
    nests();
    return check_end();
}
