/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * libtokenmgr: token management for API clients. Generated from the Rust sources; do not edit.
 */

#ifndef TOKENMGR_H
#define TOKENMGR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * @file tokenmgr.h
 * @brief The C interface of libtokenmgr.
 *
 * One set of rules holds for every function:
 *
 * - **Ownership.** Handles are opaque. Whoever gets a non-const pointer from a tm_* function owns it and gives
 *   it to the matching tm_*_free(), which takes NULL. A const pointer is borrowed and lives as long as the
 *   handle that it came from. Every string and every byte passed in is copied before the function returns.
 * - **Strings** are UTF-8 and NUL-terminated.
 * - **Errors.** A function that makes something returns it, or NULL; one that does something returns a
 *   ::tm_status. Both take `tm_error **err` last: NULL, or a place that is overwritten (never read or freed)
 *   with NULL on success and an owned error on failure. There is no thread-local or global error state. NULL
 *   where a value is required, invalid UTF-8, a length above PTRDIFF_MAX, NULL with a length, and a negative
 *   time are #TM_INVALID_ARGUMENT, never a crash. Getters given NULL return NULL, 0 or false. A bug inside the
 *   library is #TM_PANIC.
 * - **Threads.** A ::tm_manager may be used by any number of threads at once. Tokens, responses and errors
 *   never change once made. Calls also work in destructors of thread-specific data and in atexit() handlers. If
 *   a thread is cancelled (pthread_cancel) during a call, it ends when the call has returned.
 * - **Processes.** Handles survive fork(): parent and child can both go on using a manager. With the memory
 *   store the child uses the access token it inherited and then logs in by itself.
 * - **Callbacks** belong to the handle that they were set on. They run only on a thread that is inside a call
 *   on that handle, with no lock held. They may call other managers, and this one too: a call that would have to
 *   wait for the call that the callback runs in fails with #TM_REENTRANT. They must not throw. A callback that
 *   never returns (longjmp, a fatal error of a scripting language) loses its own call only. No fork() inside a
 *   callback.
 * - **Memory.** If there is no memory for the body of a response, the call fails with #TM_NETWORK. Everything else
 *   whose size a server chooses is bounded: the head of a response and the read buffer of a connection (0.5 MB), a
 *   record in Redis (1 MiB). If malloc fails for these, or for the library's own small needs, the process ends.
 * - **Time.** Every call blocks its caller, for its timeout at the most. A time of 0 means unknown.
 * - **Secrets.** No token, password, key or body ever appears in an error, a log line or the statistics.
 * - **The host process.** No thread of the library runs between calls. A name look-up has a thread of its own, with
 *   every signal blocked; it ends with the look-up, which may outlast the call if a name server hangs. No signal
 *   handler is installed, nothing is written to stdout or stderr, and the environment is read, never changed.
 *   Sockets never raise SIGPIPE. While a file store writes, SIGXFSZ is blocked on that thread: reaching a limit
 *   on the size of files is #TM_STORE.
 * - **What stays in the process.** dlclose() does not unload the library (`-z nodelete`). tm_new() registers
 *   handlers with pthread_atfork(), once. The first call installs a hook that keeps panics of the library's own code
 *   from printing, and leaves those of other Rust code as they are. The client of a persistent manager (its tokens,
 *   password and connections) outlives tm_free(); the option max_persistent limits how many do. Managers of one
 *   host with equal TLS settings share certificate authorities and sessions until the last of them is freed. The
 *   library remembers for 5 minutes or an hour, by keyed hashes, which credentials a store in Redis or a Vault has
 *   refused, so that another manager does not send them again.
 */

/** Asks the compiler to warn if a result is not used. */
#ifndef TM_MUST_USE
#if defined(__GNUC__) || defined(__clang__)
#define TM_MUST_USE __attribute__((warn_unused_result))
#else
#define TM_MUST_USE
#endif
#endif


/**
 * The version of this interface. It rises with each addition; an incompatible change changes the soname.
 */
#define TM_ABI_VERSION 3

/**
 * Why a call ended. Append-only: a number is never given a new meaning.
 */
typedef enum tm_status {
  /**
   * Success.
   */
  TM_OK = 0,
  /**
   * NULL, bad UTF-8, a bad method or URL.
   */
  TM_INVALID_ARGUMENT = 1,
  /**
   * The options' JSON: the message names the key, what it got and what it takes.
   */
  TM_INVALID_OPTIONS = 2,
  /**
   * Not the host's origin nor an allowed one, or `http://` off loopback. Nothing was sent.
   */
  TM_URL_NOT_ALLOWED = 3,
  /**
   * DNS, connect, reset, closed early.
   */
  TM_NETWORK = 4,
  /**
   * The call's time ran out, or is too short to wait until a login may be sent again.
   */
  TM_TIMEOUT = 5,
  /**
   * No TLS connection could be made: an untrusted certificate, a wrong name, no common version.
   */
  TM_TLS = 6,
  /**
   * The login endpoint refused the credentials.
   */
  TM_LOGIN_REJECTED = 7,
  /**
   * 403: the caller's IP address is not whitelisted; no refresh can help.
   */
  TM_FORBIDDEN = 8,
  /**
   * 429.
   */
  TM_RATE_LIMITED = 9,
  /**
   * 5xx.
   */
  TM_SERVER_ERROR = 10,
  /**
   * An auth endpoint answered something that holds no usable token.
   */
  TM_BAD_RESPONSE = 11,
  /**
   * An API call was still answered 401 after its token was renewed, or the token could not be renewed.
   */
  TM_UNAUTHORIZED = 12,
  /**
   * Any other 4xx on an API call.
   */
  TM_HTTP_ERROR = 13,
  /**
   * The token store failed; the message says which operation.
   */
  TM_STORE = 14,
  /**
   * Another process held the refresh lock for longer than the wait allowed.
   */
  TM_LOCK_TIMEOUT = 15,
  /**
   * Not tried: recent logins were refused; `tm_error_retry_after_ms` says for how long.
   */
  TM_LOGIN_SUSPENDED = 16,
  /**
   * The call was made inside a callback and would have to wait for a refresh that its own thread is running.
   */
  TM_REENTRANT = 17,
  /**
   * Not a JWT.
   */
  TM_BAD_TOKEN = 18,
  /**
   * The answer is larger than `max_response_bytes`.
   */
  TM_RESPONSE_TOO_LARGE = 19,
  /**
   * A bug in the library. The process goes on.
   */
  TM_PANIC = 20,
  /**
   * The interrupt callback ended the call.
   */
  TM_CANCELLED = 21,
} tm_status;

/**
 * Why a call failed.
 */
typedef struct tm_error tm_error;

/**
 * Credentials, tokens, store and connections of one API client.
 */
typedef struct tm_manager tm_manager;

/**
 * An HTTP response, read whole.
 */
typedef struct tm_response tm_response;

/**
 * Where a load callback puts the bytes that it found.
 */
typedef struct tm_sink tm_sink;

/**
 * An immutable snapshot of a token pair.
 */
typedef struct tm_token tm_token;

/**
 * The result of a request: a response or an error. The library makes it in tm_outcome_new() and fills it in
 * tm_request_into(). Read it only: later versions may add members at its end.
 *
 * What its pointers point to is borrowed, until the next tm_request_into() with this outcome, or
 * tm_outcome_free().
 */
typedef struct tm_outcome {
  /**
   * The HTTP status, such as 200; 0 if there is no response.
   */
  int32_t status;
  /**
   * The body, decompressed: bytes of any kind, and behind them a NUL that is not counted. NULL if there is no
   * response.
   */
  const char *body;
  /**
   * The body's size in bytes.
   */
  size_t body_len;
  /**
   * Lines: the URL that answered, after redirects; then for each header one for its name, in lower case, and one
   * for its value, as received: maybe not UTF-8. Each ends with a line feed, which none can hold, and the last
   * with a NUL. NULL if there is no response.
   */
  const char *head;
  /**
   * Why there is no response, or what one of 400 and above means: see tm_response_error(). NULL below 400.
   * Not to be freed.
   */
  const struct tm_error *error;
} tm_outcome;

/**
 * Gives the next piece of a request's body: puts up to `len` bytes into `buf`, which is never NULL, and returns how
 * many; 0 at the body's end; -1 ends the call with #TM_CANCELLED.
 */
typedef int64_t (*tm_body_read)(void *userdata, void *buf, size_t len);

/**
 * Goes back to the beginning of a request's body, for a second send. 1: done; anything else: that is not possible.
 */
typedef int32_t (*tm_body_rewind)(void *userdata);

/**
 * Takes the next piece of an answer's body: `len` bytes at `data`, valid until it returns. 1: go on; anything else ends
 * the call with #TM_CANCELLED.
 */
typedef int32_t (*tm_body_write)(void *userdata, const void *data, size_t len);

/**
 * Takes log lines. `level`: 1 error, 2 warning, 3 info, 4 debug. `message` is valid until it returns.
 */
typedef void (*tm_log_callback)(void *userdata, int32_t level, const char *message);

/**
 * Called about every 50 ms while a call waits for the network, a lock or another caller; non-zero ends that
 * call with #TM_CANCELLED.
 */
typedef int32_t (*tm_interrupt_callback)(void *userdata);

/**
 * Hands the stored bytes under `key` over with tm_sink_put(), or puts nothing when there are none. Returns
 * 1: done; anything else: it failed.
 */
typedef int32_t (*tm_store_load)(void *userdata, const char *key, struct tm_sink *out);

/**
 * Stores `len` bytes under `key` for `ttl_seconds`, if `expected` is still what is stored (NULL: nothing); a
 * store that cannot compare ignores it. `len` 0: delete. Returns 1: done; 0: no, the store no longer holds
 * `expected`; anything else: it failed.
 */
typedef int32_t (*tm_store_save)(void *userdata,
                                 const char *key,
                                 const void *data,
                                 size_t len,
                                 const void *expected,
                                 size_t expected_len,
                                 int64_t ttl_seconds);

/**
 * Takes the lock of `key`, waiting at most `wait_ms`. Returns 1: done; 0: not within `wait_ms`; anything
 * else: it failed.
 */
typedef int32_t (*tm_store_lock)(void *userdata, const char *key, int64_t wait_ms);

/**
 * Gives back the lock of `key`. Returns 1: done; anything else: it failed.
 */
typedef int32_t (*tm_store_unlock)(void *userdata, const char *key);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a manager. It reads the files that it was told to use (credentials, keys, CA) and closes them; it
 * sends nothing, opens no socket and starts no thread.
 *
 * @param host `scheme://authority[/prefix]`: https, or http on loopback. NULL: from `TOKENMGR_HOST`
 * @param username NULL: from `TOKENMGR_USERNAME`, or the file that `TOKENMGR_USERNAME_FILE` names
 * @param password NULL: from `TOKENMGR_PASSWORD`, or the file that `TOKENMGR_PASSWORD_FILE` names. None at
 *        all: tokens come from tm_set_tokens() or the store, and where only a login could help the call
 *        fails with #TM_LOGIN_REJECTED
 * @param options_json NULL for the defaults, or one JSON object (docs/OPTIONS.md); an unknown key is an
 *        error, `[]` is taken as `{}`, whole floats as integers. With `"persistent": true` handles with equal
 *        host, username, password and options share one client; callbacks stay with the handle
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_INVALID_OPTIONS, #TM_URL_NOT_ALLOWED
 * @return an owned manager for tm_free(), or NULL
 * @par Threads and forks any thread; the manager may be used by any number of threads at once, and by
 *      parent and child after a fork()
 * @since 0.1
 */
struct tm_manager *tm_new(const char *host,
                          const char *username,
                          const char *password,
                          const char *options_json,
                          struct tm_error **err);

/**
 * Frees a manager. It never logs out. In a forked child it frees the child's copy. The client of a persistent manager
 * (tokens, password, connections) stays in the process for the next manager with equal settings.
 *
 * @param tm an owned manager, or NULL. No call on it may be running or begin, its callbacks included
 * @par Threads and forks any thread, once
 * @since 0.1
 */
void tm_free(struct tm_manager *tm);

/**
 * Sends an API call with a valid Bearer token (RFC 6750) and reads the whole answer. It logs in and
 * refreshes when due. On a 401 it renews the token and sends again: at most 3 sends, 1 refresh and 1 login.
 * Redirects of GET and HEAD are followed within the allowed origins, at most 5.
 *
 * @param tm the manager
 * @param method such as `"GET"`, in any case
 * @param url a path that starts with one `/`, appended to the host's prefix; or absolute, on the host's
 *        origin or one in allowed_origins
 * @param body the body, copied; may be NULL if `body_len` is 0
 * @param body_len its size in bytes
 * @param request_options_json NULL, or `{"headers":{},"query":{},"content_type":"…","timeout_ms":n,
 *        "idempotent":true}`; header and query values may be arrays (repeated). With a body and no content
 *        type: application/json
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_INVALID_OPTIONS, #TM_URL_NOT_ALLOWED
 *        (nothing was sent); #TM_NETWORK, #TM_TIMEOUT, #TM_TLS, #TM_RESPONSE_TOO_LARGE, #TM_CANCELLED; from
 *        getting a token also #TM_LOGIN_REJECTED, #TM_LOGIN_SUSPENDED, #TM_FORBIDDEN, #TM_RATE_LIMITED,
 *        #TM_SERVER_ERROR, #TM_BAD_RESPONSE, #TM_STORE, #TM_LOCK_TIMEOUT, #TM_REENTRANT, #TM_UNAUTHORIZED
 * @return an owned response for tm_response_free() whatever its HTTP status, a 404 or a 403 too (see
 *         tm_response_error()); NULL only where there is none to give
 * @par Threads and forks any thread; blocks for `timeout_ms` at the most
 * @since 0.1
 */
struct tm_response *tm_request(struct tm_manager *tm,
                               const char *method,
                               const char *url,
                               const void *body,
                               size_t body_len,
                               const char *request_options_json,
                               struct tm_error **err);

/**
 * A token that is good now; logs in or refreshes when due. For callers with their own HTTP client; see
 * tm_reject().
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: as for tm_request()
 * @return an owned token for tm_token_free(), or NULL
 * @par Threads and forks any thread; blocks only while no usable token is held, for `timeout_ms` at the most
 * @since 0.1
 */
struct tm_token *tm_get_token(struct tm_manager *tm, struct tm_error **err);

/**
 * The token that is held, good or not. No I/O, never waits.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return an owned token for tm_token_free(); NULL without an error if none is held
 * @par Threads and forks any thread
 * @since 0.1
 */
struct tm_token *tm_peek_token(struct tm_manager *tm, struct tm_error **err);

/**
 * The fast path: as tm_get_token(), but copies the access token into the caller's buffer, with a NUL.
 *
 * @param tm the manager
 * @param buf the buffer; may be NULL if `buf_size` is 0
 * @param buf_size its size in bytes
 * @param err NULL, or where an error goes: as for tm_get_token()
 * @return the token's length without the NUL; if that is not less than `buf_size`, nothing was copied and a
 *         larger buffer is needed; 0 on failure
 * @par Threads and forks any thread, without contention; blocks as tm_get_token() does
 * @since 0.1
 */
size_t tm_copy_access_token(struct tm_manager *tm, char *buf, size_t buf_size, struct tm_error **err);

/**
 * As tm_copy_access_token(), but never blocks, sends or waits.
 *
 * @param tm the manager
 * @param buf the buffer; may be NULL if `cap` is 0
 * @param cap its size in bytes
 * @return the token's length without the NUL; if that is not less than `cap`, nothing was copied and a larger buffer is
 *         needed; 0 if no token is held that is good and not yet due for a refresh, and for arguments that are not valid:
 *         tm_copy_access_token() then gets one, or says why not
 * @par Threads and forks any thread, without contention; never waits
 * @since 0.1, interface 3
 */
size_t tm_try_copy_access_token(struct tm_manager *tm,
                                char *buf,
                                size_t cap);

/**
 * Logs in now, whatever is held.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: as for tm_get_token()
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; callers at the same moment share one login
 * @since 0.1
 */
enum tm_status tm_login(struct tm_manager *tm, struct tm_error **err);

/**
 * Refreshes now, however long the token would still live; falls back to a login.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: as for tm_get_token()
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; callers at the same moment share one refresh
 * @since 0.1
 */
enum tm_status tm_refresh(struct tm_manager *tm, struct tm_error **err);

/**
 * Revokes the tokens at the server: every token of the client, not only this one. The local and the stored
 * tokens are dropped whatever the server answers. Waits for a running refresh. If the logout
 * takes an access token that has expired, the token is refreshed first if possible; the library does not log in for a
 * logout. With nothing held: #TM_OK, and nothing is sent. Calls that began before it do not log in again: they return
 * their 401. The next call logs in.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_STORE, #TM_REENTRANT, and the errors of
 *        an exchange with the server, as for tm_request()
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread
 * @since 0.1
 */
enum tm_status tm_logout(struct tm_manager *tm,
                         struct tm_error **err);

/**
 * Takes over a token pair from elsewhere, in place of what is held and stored. From then on the refresh token
 * is the library's: nobody else may use it.
 *
 * @param tm the manager
 * @param access_token the access token
 * @param refresh_token the refresh token, or NULL
 * @param expires_at Unix seconds by this machine's clock; 0: unknown (then a JWT's own `exp` counts)
 * @param refresh_expires_at Unix seconds; 0: unknown
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_STORE, #TM_LOCK_TIMEOUT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread
 * @since 0.1
 */
enum tm_status tm_set_tokens(struct tm_manager *tm,
                             const char *access_token,
                             const char *refresh_token,
                             int64_t expires_at,
                             int64_t refresh_expires_at,
                             struct tm_error **err);

/**
 * Replaces the credentials. Calls that are running end with the credentials that they began with. Another
 * username drops the tokens. Suspended logins are allowed again. A persistent handle moves to the client of the
 * new credentials.
 *
 * @param tm the manager
 * @param username the username, or NULL to keep it
 * @param password the password
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; never waits
 * @since 0.1
 */
enum tm_status tm_set_credentials(struct tm_manager *tm,
                                  const char *username,
                                  const char *password,
                                  struct tm_error **err);

/**
 * Counters and gauges of this manager as one JSON object (docs/STATS.md). It holds no secret.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return an owned string for tm_string_free(), or NULL
 * @par Threads and forks any thread; never waits
 * @since 0.1
 */
char *tm_stats_json(struct tm_manager *tm, struct tm_error **err);

/**
 * Tries the dialect (the option auth) on the live server, step by step: the login, an API call, the refresh, the call again,
 * the call with a token that is wrong by one character, the logout. It works on tokens of its own: those that the
 * manager holds or stores are neither used nor changed. It logs in once, and not at all while logins are suspended or
 * paused; the outcome counts as that of any other login: a refusal suspends logins. If the manager holds or stores another
 * token, it does not log out, because that may end every token of the account.
 *
 * The report is `{"ok": true, "steps": [{"name": "login", "ok": true, "skipped": "why", "sent": {"method", "url", "headers",
 * "body"}, "redirected": ["302 to /login"], "answered": {"status", "headers", "body"}, "understood": [{"what", "from", "value"}], "problem": "one sentence",
 * "change": "auth.answer.access_token"}]}`; what has no value is left out. The names are `login` (of several steps `login 1`,
 * `login 2`), `call`, `refresh`, `call with refreshed token`, `dead token` and `logout`. A `problem` of a step that is `ok` is
 * something that works and could be better. `change` is the member of the options to change. Secrets are replaced by
 * `***`, or by their kind and length.
 *
 * @param tm the manager
 * @param path the API call to try, with GET; as for tm_request(). NULL: none, and the steps that need it are skipped
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_URL_NOT_ALLOWED; what goes wrong later is in the
 *        report
 * @return an owned string for tm_string_free(), or NULL
 * @par Threads and forks any thread; blocks for `timeout_ms` at the most
 * @since 0.1, interface 3
 */
char *tm_check(struct tm_manager *tm,
               const char *path,
               struct tm_error **err);

/**
 * Whether this manager's token may be sent to a URL, by whatever HTTP client: to its host's own origin or one in
 * `allowed_origins`. A URL in which HTTP clients may see different hosts (a backslash before the end of its host, a blank or
 * a control character) is refused. Nothing is sent.
 *
 * @param tm the manager
 * @param url absolute, or a path that starts with one `/`
 * @param err NULL, or where an error goes: #TM_URL_NOT_ALLOWED, #TM_INVALID_ARGUMENT for what is no URL
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; never waits
 * @since 0.1, interface 3
 */
enum tm_status tm_check_url(struct tm_manager *tm,
                            const char *url,
                            struct tm_error **err);

/**
 * For callers with their own HTTP client: the server answered this access token with something other than 401. So
 * the token is known to work, and a later 401 to it is a revocation, not a server that refuses every token. Nothing
 * happens if it is no longer the current one.
 *
 * @param tm the manager
 * @param access_token the token that was accepted
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; never waits, and is cheap enough to be called for every answer
 * @since 0.1, interface 3
 */
enum tm_status tm_accept(struct tm_manager *tm,
                         const char *access_token,
                         struct tm_error **err);

/**
 * For callers with their own HTTP client: the server answered 401 to this access token. The next call that
 * needs a token renews it. Nothing happens if it is no longer the current one, so a late 401 does not cost
 * the fresh token.
 *
 * @param tm the manager
 * @param access_token the token that was refused
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; never waits
 * @since 0.1
 */
enum tm_status tm_reject(struct tm_manager *tm, const char *access_token, struct tm_error **err);

/**
 * The HTTP status, such as 200.
 *
 * @param r a response, or NULL
 * @return the status; 0 for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
int32_t tm_response_status(const struct tm_response *r);

/**
 * The body: tm_response_body_len() bytes, decompressed, and behind them a NUL that is not counted.
 *
 * @param r a response, or NULL
 * @return bytes that live as long as the response; NULL for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const void *tm_response_body(const struct tm_response *r);

/**
 * The body's size in bytes.
 *
 * @param r a response, or NULL
 * @return the size; 0 for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
size_t tm_response_body_len(const struct tm_response *r);

/**
 * A header's first value.
 *
 * @param r a response, or NULL
 * @param name the header's name in any case, or NULL
 * @return a string that lives as long as the response, maybe not UTF-8; NULL if absent, or for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const char *tm_response_header(const struct tm_response *r, const char *name);

/**
 * How many headers there are, repeated ones counted each.
 *
 * @param r a response, or NULL
 * @return the number; 0 for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
size_t tm_response_header_count(const struct tm_response *r);

/**
 * The name of the header at an index, in lower case.
 *
 * @param r a response, or NULL
 * @param i the index, below tm_response_header_count()
 * @return a string that lives as long as the response; NULL beyond the last, or for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const char *tm_response_header_name(const struct tm_response *r, size_t i);

/**
 * The value of the header at an index, as received: maybe not UTF-8. Repeated headers keep their order.
 *
 * @param r a response, or NULL
 * @param i the index, below tm_response_header_count()
 * @return a string that lives as long as the response; NULL beyond the last, or for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const char *tm_response_header_value(const struct tm_response *r, size_t i);

/**
 * The URL that answered, after redirects.
 *
 * @param r a response, or NULL
 * @return a string that lives as long as the response; NULL for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const char *tm_response_url(const struct tm_response *r);

/**
 * What a response of 400 and above means, with the server's own code and message: #TM_UNAUTHORIZED,
 * #TM_FORBIDDEN, #TM_RATE_LIMITED, #TM_SERVER_ERROR or #TM_HTTP_ERROR.
 *
 * @param r a response, or NULL
 * @return an error that lives as long as the response and is not freed; NULL below 400, or for NULL
 * @par Threads and forks any thread: a response never changes
 * @since 0.1
 */
const struct tm_error *tm_response_error(const struct tm_response *r);

/**
 * Frees a response and everything borrowed from it.
 *
 * @param r an owned response, or NULL
 * @par Threads and forks any thread, once; also in a forked child
 * @since 0.1
 */
void tm_response_free(struct tm_response *r);

/**
 * A new outcome, to be filled by one request after another: see tm_request_into().
 *
 * @return an owned, empty outcome for tm_outcome_free(); never NULL
 * @par Threads and forks any thread; also in a forked child
 * @since 0.1, interface 2
 */
struct tm_outcome *tm_outcome_new(void);

/**
 * As tm_request(), but puts the response or the error into an outcome that the caller owns. Its members are read
 * without a call, and the next use frees them: for bindings, where calling a C function costs more than its work.
 *
 * @param tm the manager
 * @param method as for tm_request()
 * @param url as for tm_request()
 * @param body as for tm_request()
 * @param body_len as for tm_request()
 * @param request_options_json as for tm_request()
 * @param outcome is filled, by one call at a time; what it held before is freed first. A callback that makes a
 *        request within this call needs another outcome
 * @return #TM_OK if there is a response, whatever its HTTP status; else the code of the outcome's error: see
 *         tm_request(). With a NULL outcome #TM_INVALID_ARGUMENT, and nothing is sent
 * @par Threads and forks any thread; blocks for `timeout_ms` at the most
 * @since 0.1, interface 2
 */
enum tm_status tm_request_into(struct tm_manager *tm,
                               const char *method,
                               const char *url,
                               const void *body,
                               size_t body_len,
                               const char *request_options_json,
                               struct tm_outcome *outcome);

/**
 * Frees an outcome and everything in it.
 *
 * @param outcome an owned outcome that no call uses, or NULL
 * @par Threads and forks any thread, once; also in a forked child
 * @since 0.1, interface 2
 */
void tm_outcome_free(struct tm_outcome *outcome);

/**
 * As tm_request(), with bodies that need not fit in memory: both pass through in pieces of 64 KiB at the most.
 *
 * The callbacks run only on this thread and within this call, with no lock held. They may make calls on any manager, and
 * must not throw. One that never returns loses this call only.
 *
 * @param tm the manager
 * @param method as for tm_request()
 * @param url as for tm_request()
 * @param read gives the request's body; NULL: there is none
 * @param rewind goes back to the body's beginning; NULL: that is not possible. It is called when the request has to be
 *        sent again (after a 401, over another connection, after a redirect) and some of the body was read. If that
 *        is not possible, the call returns what it has: the 401 or the redirect as a response, or the error
 * @param body_len the body's size in bytes, or -1 if that is unknown (it is then sent in chunks, RFC 9112, 7.1). If
 *        the body ends earlier, the call fails with #TM_INVALID_ARGUMENT; no more than `body_len` bytes are
 *        read. Without `read`: 0 or -1
 * @param write takes the body of a 2xx answer as it arrives, decompressed; the response then has no body, and
 *        `max_response_bytes` does not count. The bodies of other answers, and all with NULL, are read whole as
 *        tm_request() reads them. It may already have been called when the call fails
 * @param userdata handed to the callbacks as it is
 * @param request_options_json as for tm_request(); `timeout_ms` is for both bodies, too
 * @param err NULL, or where an error goes: as for tm_request(); #TM_CANCELLED also where a callback ends the call
 * @return as tm_request()
 * @par Threads and forks any thread; blocks for `timeout_ms` at the most, and as long as the callbacks take
 * @since 0.1, interface 3
 */
struct tm_response *tm_request_stream(struct tm_manager *tm,
                                      const char *method,
                                      const char *url,
                                      tm_body_read read,
                                      tm_body_rewind rewind,
                                      int64_t body_len,
                                      tm_body_write write,
                                      void *userdata,
                                      const char *request_options_json,
                                      struct tm_error **err);

/**
 * The access token: what stands behind `Bearer` in an Authorization header (RFC 6750).
 *
 * @param t a token, or NULL
 * @return a string that lives as long as the token; NULL for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
const char *tm_token_access(const struct tm_token *t);

/**
 * The refresh token, for moving a pair elsewhere. Never use it beside this library: the server treats
 * the second use of a refresh token as theft and revokes everything that came from its login.
 *
 * @param t a token, or NULL
 * @return a string that lives as long as the token; NULL if the API gave none, if this process must not
 *         use it (a forked child with the memory store), or for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
const char *tm_token_refresh(const struct tm_token *t);

/**
 * When the access token expires, by this machine's clock.
 *
 * @param t a token, or NULL
 * @return Unix seconds; 0 if unknown, or for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
int64_t tm_token_expires_at(const struct tm_token *t);

/**
 * When the refresh token expires, by this machine's clock.
 *
 * @param t a token, or NULL
 * @return Unix seconds; 0 if unknown, or for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
int64_t tm_token_refresh_expires_at(const struct tm_token *t);

/**
 * How long the access token still lives, counted on a clock that no one can set.
 *
 * @param t a token, or NULL
 * @return seconds, never below 0; 0 if unknown, or for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
int64_t tm_token_seconds_left(const struct tm_token *t);

/**
 * Whether the access token has no more than so many seconds left.
 *
 * @param t a token, or NULL
 * @param buffer_seconds the seconds; below 0 counts as 0
 * @return true if so; false if the lifetime is unknown, or for NULL
 * @par Threads and forks any thread: a token never changes
 * @since 0.1
 */
bool tm_token_should_refresh(const struct tm_token *t, int64_t buffer_seconds);

/**
 * Frees a token. Its bytes are zeroed when nobody else uses them any more.
 *
 * @param t an owned token, or NULL
 * @par Threads and forks any thread, once; also in a forked child
 * @since 0.1
 */
void tm_token_free(struct tm_token *t);

/**
 * Whether a JWT has expired, by this machine's clock (RFC 7519, 4.1.4). Its signature is not checked.
 *
 * @param token the JWT, or NULL
 * @return true from its `exp` on, and for NULL, anything malformed, or a token without `exp`
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
bool tm_jwt_is_expired(const char *token);

/**
 * How long a JWT is still valid, by this machine's clock.
 *
 * @param token the JWT, or NULL
 * @return seconds, never below 0; 0 for NULL, anything malformed, or a token without `exp`
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
int64_t tm_jwt_seconds_left(const char *token);

/**
 * Whether a JWT has no more than so many seconds left.
 *
 * @param token the JWT, or NULL
 * @param buffer_seconds the seconds; below 0 counts as 0
 * @return true if so, and for NULL, anything malformed, or a token without `exp`
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
bool tm_jwt_should_refresh(const char *token, int64_t buffer_seconds);

/**
 * The payload of a JWT as JSON text, as the token carries it. Its signature is not checked.
 *
 * @param token the JWT
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_BAD_TOKEN
 * @return an owned string for tm_string_free(), or NULL
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
char *tm_jwt_payload_json(const char *token, struct tm_error **err);

/**
 * The status that the failed call ended with.
 *
 * @param e an error, or NULL
 * @return the status; #TM_OK for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
enum tm_status tm_error_code(const struct tm_error *e);

/**
 * One sentence: what failed, on what, and what to do. It never holds a password, a token, a key or a body.
 *
 * @param e an error, or NULL
 * @return a string that lives as long as the error; NULL for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
const char *tm_error_message(const struct tm_error *e);

/**
 * The HTTP status of the answer that the error came from.
 *
 * @param e an error, or NULL
 * @return the status; 0 if there was no answer, or for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
int32_t tm_error_http_status(const struct tm_error *e);

/**
 * The API's own error code, as the answer gives it, shortened and redacted.
 *
 * @param e an error, or NULL
 * @return a string that lives as long as the error; NULL if there was none, or for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
const char *tm_error_server_code(const struct tm_error *e);

/**
 * How long to wait before the next try.
 *
 * @param e an error, or NULL
 * @return milliseconds; -1 if unknown, or for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
int64_t tm_error_retry_after_ms(const struct tm_error *e);

/**
 * Whether the same call may succeed later without anyone changing anything: #TM_NETWORK, #TM_TIMEOUT,
 * #TM_RATE_LIMITED, #TM_SERVER_ERROR, #TM_STORE, #TM_LOCK_TIMEOUT.
 *
 * @param e an error, or NULL
 * @return true if so; false for NULL
 * @par Threads and forks any thread: an error never changes
 * @since 0.1
 */
bool tm_error_is_retryable(const struct tm_error *e);

/**
 * Frees an error that a tm_* function put into `*err`.
 *
 * @param e an owned error, or NULL; not one from tm_response_error()
 * @par Threads and forks any thread, once; also in a forked child
 * @since 0.1
 */
void tm_error_free(struct tm_error *e);

/**
 * The name of a status, such as `"TM_LOGIN_REJECTED"`.
 *
 * @param status any number
 * @return a static string; `"TM_UNKNOWN"` for a number that is no status; never NULL
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
const char *tm_status_name(int32_t status);

/**
 * Sets, replaces or (with NULL) removes the log callback of this handle. Nothing is ever written anywhere
 * else. Lines never hold a secret; tokens appear as short fingerprints.
 *
 * The callback runs only on a thread that is inside a call on this handle, with no lock held. It may call
 * other managers, and this one too (see #TM_REENTRANT). Calls that it makes on this handle log no lines, or each
 * line would cause another. It must not throw. A replaced callback and
 * its userdata must stay valid until every call begun before has returned.
 *
 * @param tm the manager
 * @param callback the callback, or NULL
 * @param userdata handed to the callback as it is
 * @param max_level the least important level wanted, 1 to 4; 0: none
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; the callback stays set in a forked child
 * @since 0.1
 */
enum tm_status tm_set_log_callback(struct tm_manager *tm,
                                   tm_log_callback callback,
                                   void *userdata,
                                   int32_t max_level,
                                   struct tm_error **err);

/**
 * Sets, replaces or (with NULL) removes the interrupt callback of this handle.
 *
 * It is called about every 50 ms while a call on this handle waits. What holds for the log callback holds for
 * it, too. Other callers that wait for the same refresh are not affected by the call that it ends.
 *
 * @param tm the manager
 * @param callback the callback, or NULL
 * @param userdata handed to the callback as it is
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks any thread; the callback stays set in a forked child
 * @since 0.1
 */
enum tm_status tm_set_interrupt_callback(struct tm_manager *tm,
                                         tm_interrupt_callback callback,
                                         void *userdata,
                                         struct tm_error **err);

/**
 * Puts bytes into the sink of a load callback; a second call appends.
 *
 * @param sink the sink that the load callback got; NULL does nothing
 * @param data the bytes, copied; may be NULL if `len` is 0
 * @param len their number
 * @par Threads and forks only inside the load callback that got the sink
 * @since 0.1
 */
void tm_sink_put(struct tm_sink *sink, const void *data, size_t len);

/**
 * Whether the store can be used: reads it once, changes nothing and asks no API. For health checks, and for programs that
 * make one call each, which would log in every time while the store is unavailable.
 *
 * @param tm the manager
 * @param err NULL, or where an error goes: #TM_STORE where it cannot be reached, refuses, or holds what cannot be used,
 *     such as a record that was sealed with another key; #TM_LOCK_TIMEOUT, #TM_TIMEOUT, #TM_CANCELLED
 * @return #TM_OK, also for tokens that are kept in memory; or the error's status
 * @par Threads and forks any thread; waits for the store, up to `store.timeout_ms` and `timeout_ms`
 * @since 0.1, interface 3
 */
enum tm_status tm_check_store(struct tm_manager *tm,
                              struct tm_error **err);

/**
 * Keeps the tokens of this handle in a store of the caller's own: any database.
 *
 * Callbacks answer exactly 1: done; 0: no; anything else: failed (so that a forgotten return does not read as
 * success). They run only on a thread that is inside a call on this handle, one at a time, with no lock of
 * the library held. `key` is the option client_id, or the username. What is stored is JSON that holds the
 * tokens: anyone who can read the store can use them.
 *
 * @param tm the manager
 * @param load reads; required
 * @param save writes, compares and deletes; required
 * @param lock takes a lock that every process honours; NULL for a store that no other process shares
 * @param unlock gives it back; NULL if and only if `lock` is
 * @param userdata handed to the callbacks as it is; it and they must stay valid until every call on this
 *        handle that was begun before has returned
 * @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
 * @return #TM_OK, or the error's status
 * @par Threads and forks set it before the first call that needs a token; it stays set in a forked child
 * @since 0.1
 */
enum tm_status tm_set_store(struct tm_manager *tm,
                            tm_store_load load,
                            tm_store_save save,
                            tm_store_lock lock,
                            tm_store_unlock unlock,
                            void *userdata,
                            struct tm_error **err);

/**
 * The library's version, such as `"0.1.0"`.
 *
 * @return a static string; never NULL, never freed
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
const char *tm_version(void);

/**
 * The interface's version that the loaded library implements, to be compared with #TM_ABI_VERSION of the
 * header that a program was compiled with: it must be at least that.
 *
 * @return the number
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
uint32_t tm_abi_version(void);

/**
 * Frees a string that a tm_* function gave as `char *`. Its bytes are zeroed first.
 *
 * @param s the string, or NULL
 * @par Threads and forks any thread; also in a forked child
 * @since 0.1
 */
void tm_string_free(char *s);

/**
 * A new random key of 256 bits for the encrypted stores, in base64.
 *
 * @param err NULL, or where an error goes: #TM_PANIC
 * @return an owned string for tm_string_free(), or NULL
 * @par Threads and forks any thread, any time
 * @since 0.1
 */
char *tm_generate_key(struct tm_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOKENMGR_H */
