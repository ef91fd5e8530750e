/* What tm_new is told: options that name what is wrong with them, and credentials from the environment. */
#include "check.h"

static tm_error *err = GARBAGE;

static tm_manager *new_with(const char *options) {
    char *options_json = json(options);
    tm_manager *tm = tm_new(api, USERNAME, PASSWORD, options_json, &err);
    free(options_json);
    return tm;
}

/* ---- options --------------------------------------------------------------------------------------- */

static void good_options_are_taken(void) {
    static const char *const options[] = {
        "{}", "[]", " { } ", "{'timeout_ms':5000}", "{'timeout_ms':5000.0}", "{'timeout_ms':5e3}",
        "{'connect_timeout_ms':1000,'refresh_before_seconds':0,'refresh_jitter_seconds':0}", "{'client_id':'another'}",
        "{'store':{'type':'memory'}}", "{'auth':'popup'}", "{'persistent':false}", "{'allowed_origins':[]}",
        "{'allow_insecure_http':false}", "{'headers':{}}", "{'headers':[]}", "{'user_agent':'a/1'}",
        "{'proxy':'none'}", "{'min_tls':'1.3'}", "{'ca_only':false}", "{'max_response_bytes':1000}",
        "{'max_idle_connections':1}" };
    demo("{'reset':true}");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        tm_manager *tm = new_with(options[i]);
        if (!CHECK_OK(err))
            check_failed(__FILE__, __LINE__, "with the options %s", options[i]);
        CHECK(tm != NULL);
        tm_free(tm);
    }
}

/* The message names the key, so that nobody has to search. */
static void bad_options_name_their_key(void) {
    static const struct { const char *options, *key; } bad[] = {
        { "{'timeout_ms':'soon'}", "timeout_ms" }, { "{'timeout_ms':-1}", "timeout_ms" },
        { "{'timeout_ms':1.5}", "timeout_ms" }, { "{'timeout_ms':true}", "timeout_ms" },
        { "{'timeout_ms':[]}", "timeout_ms" }, { "{'timeout_ms':1e300}", "timeout_ms" },
        { "{'refresh_before_seconds':'5'}", "refresh_before_seconds" }, { "{'persistent':'yes'}", "persistent" },
        { "{'persistent':1}", "persistent" }, { "{'store':'memory'}", "store" },
        { "{'store':{'type':'paper'}}", "store" },
        { "{'store':{}}", "store" }, { "{'store':{'type':'memory','paht':'x'}}", "paht" },
        { "{'auth':'telepathy'}", "auth" },
        { "{'allowed_origins':'http://127.0.0.1'}", "allowed_origins" },
        { "{'allowed_origins':[7]}", "allowed_origins" }, { "{'allowed_origins':['nowhere']}", "allowed_origins" },
        { "{'headers':'X: 1'}", "headers" },
        { "{'headers':{'X Y':'1'}}", "headers" }, { "{'headers':{'X':'1\\r\\nY: 2'}}", "headers" },
        { "{'user_agent':7}", "user_agent" }, { "{'user_agent':'a\\nb'}", "user_agent" }, { "{'proxy':7}", "proxy" },
        { "{'min_tls':'1.1'}", "min_tls" }, { "{'min_tls':1.2}", "min_tls" },
        { "{'max_response_bytes':-5}", "max_response_bytes" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tm_manager *tm = new_with(bad[i].options);
        if (tm != NULL)
            check_failed(__FILE__, __LINE__, "taken: %s", bad[i].options);
        CHECK_CONTAINS(tm_error_message(err), bad[i].key);
        CHECK_ERROR(err, TM_INVALID_OPTIONS);
        tm_free(tm);
    }
}

static void a_near_miss_is_met_half_way(void) {
    static const struct { const char *options, *wrong, *right; } misses[] = {
        { "{'timeout':5}", "timeout", "timeout_ms" }, { "{'time_out_ms':5}", "time_out_ms", "timeout_ms" },
        { "{'persistant':true}", "persistant", "persistent" }, { "{'user-agent':'x'}", "user-agent", "user_agent" },
        { "{'Store':{}}", "Store", "store" },
        { "{'refresh_before_second':5}", "refresh_before_second", "refresh_before_seconds" } };
    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++) {
        CHECK(new_with(misses[i].options) == NULL);
        CHECK_CONTAINS(tm_error_message(err), misses[i].wrong);
        CHECK_CONTAINS(tm_error_message(err), misses[i].right);
        CHECK_ERROR(err, TM_INVALID_OPTIONS);
    }
    CHECK_NULL(TM_INVALID_OPTIONS, new_with("{'zzzzzzzzzzzz':5}"), err); /* near to nothing */
}

static void what_is_no_json_object_is_refused(void) {
    static const char *const texts[] = {
        "", " ", "null", "true", "7", "'text'", "[1]", "['timeout_ms']", "{", "}", "{'timeout_ms':}", "{'timeout_ms':5",
        "{'timeout_ms':5}}", "{timeout_ms:5}", "{'timeout_ms':5,}", "timeout_ms=5", "<options/>" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_NULL(TM_INVALID_OPTIONS, new_with(texts[i]), err);

    const size_t depth = 100000;
    char *deep = (char *)malloc(depth + 1);
    REQUIRE(deep != NULL);
    memset(deep, '[', depth);
    deep[depth] = '\0';
    CHECK_NULL(TM_INVALID_OPTIONS, new_with(deep), err);
    free(deep);
}

static void request_options_are_looked_at_as_well(void) {
    static const struct { const char *options, *key; } bad[] = {
        { "{'timeout_ms':'soon'}", "timeout_ms" }, { "{'timeout_ms':-1}", "timeout_ms" },
        { "{'headers':7}", "headers" }, { "{'query':'a=b'}", "query" }, { "{'content_type':7}", "content_type" },
        { "{'idempotent':'yes'}", "idempotent" }, { "{'timeout':5}", "timeout_ms" }, { "{'header':{}}", "headers" } };
    static const char *const good[] = {
        "{}", "[]", "{'headers':[],'query':[]}", "{'idempotent':true}", "{'timeout_ms':30000.0}" };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(call(tm, "GET", "/api/v1/products", bad[i].options, &err) == NULL);
        CHECK_CONTAINS(tm_error_message(err), bad[i].key);
        CHECK_ERROR(err, TM_INVALID_OPTIONS);
    }
    CHECK_COUNT("connections", 0);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        tm_response *response = call(tm, "GET", "/api/v1/products", good[i], &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 200);
        tm_response_free(response);
    }
    tm_free(tm);
}

/* A key that is wrong is still somebody's key. */
static void secrets_in_options_are_not_repeated(void) {
    static const char *const options[] = {
        "{'store':{'type':'file','path':'/nowhere/tokens','key':'hidden-key-9Xw1'}}",
        "{'store':{'type':'redis','url':'redis://u:hidden-key-9Xw1@127.0.0.1:1','password':'hidden-key-9Xw1','no':1}}",
        "{'store':{'type':'vault','token':'hidden-key-9Xw1','no':1}}", "{'proxy':'http://u:hidden-key-9Xw1@/'}",
        "{'allowed_origins':['http://u:hidden-key-9Xw1@127.0.0.1']}", "{'timeout_ms':'hidden-key-9Xw1' " };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        tm_manager *tm = new_with(options[i]);
        CHECK((tm == NULL) == (err != NULL));
        CHECK_LACKS(tm_error_message(err), "hidden-key-9Xw1");
        tm_error_free(err);
        err = GARBAGE;
        tm_free(tm);
    }
}

static void files_that_are_not_there_are_named(void) {
    static const char *const keys[] = { "ca_file", "client_cert_file", "client_key_file" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char options[128];
        snprintf(options, sizeof options, "{'%s':'/nowhere/at-all.pem'}", keys[i]);
        tm_manager *tm = new_with(options);
        CHECK(tm == NULL);
        REQUIRE(err != NULL);
        const char *message = tm_error_message(err);
        CHECK(strstr(message, keys[i]) != NULL || strstr(message, "/nowhere/at-all.pem") != NULL);
        tm_error_free(err);
        err = GARBAGE;
        tm_free(tm);
    }
}

/* ---- the environment ------------------------------------------------------------------------------- */

static void clear_environment(void) {
    unsetenv("TOKENMGR_HOST");
    unsetenv("TOKENMGR_USERNAME");
    unsetenv("TOKENMGR_USERNAME_FILE");
    unsetenv("TOKENMGR_PASSWORD");
    unsetenv("TOKENMGR_PASSWORD_FILE");
}

static void what_is_not_said_is_taken_from_the_environment(void) {
    clear_environment();
    demo("{'reset':true}");
    setenv("TOKENMGR_HOST", api, 1);
    setenv("TOKENMGR_USERNAME", USERNAME, 1);
    setenv("TOKENMGR_PASSWORD", PASSWORD, 1);
    tm_manager *tm = tm_new(NULL, NULL, NULL, NULL, &err);
    CHECK_OK(err);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);

    /* What is said goes first. */
    setenv("TOKENMGR_HOST", "http://127.0.0.1:1", 1);
    setenv("TOKENMGR_USERNAME", "nobody", 1);
    setenv("TOKENMGR_PASSWORD", "wrong", 1);
    tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
    CHECK_COUNT("logins", 2);
    clear_environment();
}

static void write_file(char *path, const char *text) {
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    REQUIRE(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static void secrets_may_lie_in_files(void) {
    char username_file[] = "/tmp/tokenmgr-test-XXXXXX", password_file[] = "/tmp/tokenmgr-test-XXXXXX";
    clear_environment();
    demo("{'reset':true}");
    write_file(username_file, USERNAME);
    write_file(password_file, PASSWORD);
    setenv("TOKENMGR_USERNAME_FILE", username_file, 1);
    setenv("TOKENMGR_PASSWORD_FILE", password_file, 1);
    int files = entries("/proc/self/fd");
    tm_manager *tm = tm_new(api, NULL, NULL, NULL, &err);
    CHECK_OK(err);
    CHECK_INT(entries("/proc/self/fd"), files);
    unlink(username_file); /* read once, and closed */
    unlink(password_file);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);

    tm = tm_new(api, NULL, NULL, NULL, &err); /* they are gone */
    CHECK(tm == NULL);
    CHECK(err != NULL && strstr(tm_error_message(err), "_FILE") != NULL);
    tm_error_free(err);
    err = GARBAGE;
    tm_free(tm);
    clear_environment();
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    good_options_are_taken();
    bad_options_name_their_key();
    a_near_miss_is_met_half_way();
    what_is_no_json_object_is_refused();
    request_options_are_looked_at_as_well();
    secrets_in_options_are_not_repeated();
    files_that_are_not_there_are_named();
    what_is_not_said_is_taken_from_the_environment();
    secrets_may_lie_in_files();
    return check_end();
}
