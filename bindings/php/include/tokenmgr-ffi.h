#define FFI_SCOPE "TOKENMGR"
#define FFI_LIB "libtokenmgr.so.0"
/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* libtokenmgr for PHP's FFI. Generated from the Rust sources; do not edit. */

#define TM_ABI_VERSION 3

typedef enum tm_status {
  TM_OK = 0,
  TM_INVALID_ARGUMENT = 1,
  TM_INVALID_OPTIONS = 2,
  TM_URL_NOT_ALLOWED = 3,
  TM_NETWORK = 4,
  TM_TIMEOUT = 5,
  TM_TLS = 6,
  TM_LOGIN_REJECTED = 7,
  TM_FORBIDDEN = 8,
  TM_RATE_LIMITED = 9,
  TM_SERVER_ERROR = 10,
  TM_BAD_RESPONSE = 11,
  TM_UNAUTHORIZED = 12,
  TM_HTTP_ERROR = 13,
  TM_STORE = 14,
  TM_LOCK_TIMEOUT = 15,
  TM_LOGIN_SUSPENDED = 16,
  TM_REENTRANT = 17,
  TM_BAD_TOKEN = 18,
  TM_RESPONSE_TOO_LARGE = 19,
  TM_PANIC = 20,
  TM_CANCELLED = 21,
} tm_status;

typedef struct tm_error tm_error;

typedef struct tm_manager tm_manager;

typedef struct tm_response tm_response;

typedef struct tm_sink tm_sink;

typedef struct tm_token tm_token;

typedef struct tm_outcome {
  int32_t status;
  const char *body;
  size_t body_len;
  const char *head;
  const struct tm_error *error;
} tm_outcome;

typedef int64_t (*tm_body_read)(void *userdata, void *buf, size_t len);

typedef int32_t (*tm_body_rewind)(void *userdata);

typedef int32_t (*tm_body_write)(void *userdata, const void *data, size_t len);

typedef void (*tm_log_callback)(void *userdata, int32_t level, const char *message);

typedef int32_t (*tm_interrupt_callback)(void *userdata);

typedef int32_t (*tm_store_load)(void *userdata, const char *key, struct tm_sink *out);

typedef int32_t (*tm_store_save)(void *userdata, const char *key, const void *data, size_t len, const void *expected, size_t expected_len, int64_t ttl_seconds);

typedef int32_t (*tm_store_lock)(void *userdata, const char *key, int64_t wait_ms);

typedef int32_t (*tm_store_unlock)(void *userdata, const char *key);

struct tm_manager *tm_new(const char *host, const char *username, const char *password, const char *options_json, struct tm_error **err);

void tm_free(struct tm_manager *tm);

struct tm_response *tm_request(struct tm_manager *tm, const char *method, const char *url, const void *body, size_t body_len, const char *request_options_json, struct tm_error **err);

struct tm_token *tm_get_token(struct tm_manager *tm, struct tm_error **err);

struct tm_token *tm_peek_token(struct tm_manager *tm, struct tm_error **err);

size_t tm_copy_access_token(struct tm_manager *tm, char *buf, size_t buf_size, struct tm_error **err);

size_t tm_try_copy_access_token(struct tm_manager *tm, char *buf, size_t cap);

enum tm_status tm_login(struct tm_manager *tm, struct tm_error **err);

enum tm_status tm_refresh(struct tm_manager *tm, struct tm_error **err);

enum tm_status tm_logout(struct tm_manager *tm, struct tm_error **err);

enum tm_status tm_set_tokens(struct tm_manager *tm, const char *access_token, const char *refresh_token, int64_t expires_at, int64_t refresh_expires_at, struct tm_error **err);

enum tm_status tm_set_credentials(struct tm_manager *tm, const char *username, const char *password, struct tm_error **err);

char *tm_stats_json(struct tm_manager *tm, struct tm_error **err);

char *tm_check(struct tm_manager *tm, const char *path, struct tm_error **err);

enum tm_status tm_check_url(struct tm_manager *tm, const char *url, struct tm_error **err);

enum tm_status tm_accept(struct tm_manager *tm, const char *access_token, struct tm_error **err);

enum tm_status tm_reject(struct tm_manager *tm, const char *access_token, struct tm_error **err);

int32_t tm_response_status(const struct tm_response *r);

const void *tm_response_body(const struct tm_response *r);

size_t tm_response_body_len(const struct tm_response *r);

const char *tm_response_header(const struct tm_response *r, const char *name);

size_t tm_response_header_count(const struct tm_response *r);

const char *tm_response_header_name(const struct tm_response *r, size_t i);

const char *tm_response_header_value(const struct tm_response *r, size_t i);

const char *tm_response_url(const struct tm_response *r);

const struct tm_error *tm_response_error(const struct tm_response *r);

void tm_response_free(struct tm_response *r);

struct tm_outcome *tm_outcome_new(void);

enum tm_status tm_request_into(struct tm_manager *tm, const char *method, const char *url, const void *body, size_t body_len, const char *request_options_json, struct tm_outcome *outcome);

void tm_outcome_free(struct tm_outcome *outcome);

struct tm_response *tm_request_stream(struct tm_manager *tm, const char *method, const char *url, tm_body_read read, tm_body_rewind rewind, int64_t body_len, tm_body_write write, void *userdata, const char *request_options_json, struct tm_error **err);

const char *tm_token_access(const struct tm_token *t);

const char *tm_token_refresh(const struct tm_token *t);

int64_t tm_token_expires_at(const struct tm_token *t);

int64_t tm_token_refresh_expires_at(const struct tm_token *t);

int64_t tm_token_seconds_left(const struct tm_token *t);

bool tm_token_should_refresh(const struct tm_token *t, int64_t buffer_seconds);

void tm_token_free(struct tm_token *t);

bool tm_jwt_is_expired(const char *token);

int64_t tm_jwt_seconds_left(const char *token);

bool tm_jwt_should_refresh(const char *token, int64_t buffer_seconds);

char *tm_jwt_payload_json(const char *token, struct tm_error **err);

enum tm_status tm_error_code(const struct tm_error *e);

const char *tm_error_message(const struct tm_error *e);

int32_t tm_error_http_status(const struct tm_error *e);

const char *tm_error_server_code(const struct tm_error *e);

int64_t tm_error_retry_after_ms(const struct tm_error *e);

bool tm_error_is_retryable(const struct tm_error *e);

void tm_error_free(struct tm_error *e);

const char *tm_status_name(int32_t status);

enum tm_status tm_set_log_callback(struct tm_manager *tm, tm_log_callback callback, void *userdata, int32_t max_level, struct tm_error **err);

enum tm_status tm_set_interrupt_callback(struct tm_manager *tm, tm_interrupt_callback callback, void *userdata, struct tm_error **err);

void tm_sink_put(struct tm_sink *sink, const void *data, size_t len);

enum tm_status tm_check_store(struct tm_manager *tm, struct tm_error **err);

enum tm_status tm_set_store(struct tm_manager *tm, tm_store_load load, tm_store_save save, tm_store_lock lock, tm_store_unlock unlock, void *userdata, struct tm_error **err);

const char *tm_version(void);

uint32_t tm_abi_version(void);

void tm_string_free(char *s);

char *tm_generate_key(struct tm_error **err);
