// The C interface. Generated from include/tokenmgr-ffi.h by scripts/command-abi; do not edit.

use std::ffi::{c_char, c_void};

pub const TM_ABI_VERSION: u32 = 3;

pub const TM_OK: i32 = 0;
pub const TM_INVALID_ARGUMENT: i32 = 1;
pub const TM_INVALID_OPTIONS: i32 = 2;
pub const TM_URL_NOT_ALLOWED: i32 = 3;
pub const TM_NETWORK: i32 = 4;
pub const TM_TIMEOUT: i32 = 5;
pub const TM_TLS: i32 = 6;
pub const TM_LOGIN_REJECTED: i32 = 7;
pub const TM_FORBIDDEN: i32 = 8;
pub const TM_RATE_LIMITED: i32 = 9;
pub const TM_SERVER_ERROR: i32 = 10;
pub const TM_BAD_RESPONSE: i32 = 11;
pub const TM_UNAUTHORIZED: i32 = 12;
pub const TM_HTTP_ERROR: i32 = 13;
pub const TM_STORE: i32 = 14;
pub const TM_LOCK_TIMEOUT: i32 = 15;
pub const TM_LOGIN_SUSPENDED: i32 = 16;
pub const TM_REENTRANT: i32 = 17;
pub const TM_BAD_TOKEN: i32 = 18;
pub const TM_RESPONSE_TOO_LARGE: i32 = 19;
pub const TM_PANIC: i32 = 20;
pub const TM_CANCELLED: i32 = 21;

#[repr(C)]
pub struct tm_error {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct tm_manager {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct tm_response {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct tm_sink {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct tm_token {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct tm_outcome {
    pub status: i32,
    pub body: *const c_char,
    pub body_len: usize,
    pub head: *const c_char,
    pub error: *const tm_error,
}

pub type tm_body_read = Option<unsafe extern "C" fn(userdata: *mut c_void, buf: *mut c_void, len: usize) -> i64>;
pub type tm_body_rewind = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i32>;
pub type tm_body_write = Option<unsafe extern "C" fn(userdata: *mut c_void, data: *const c_void, len: usize) -> i32>;
pub type tm_log_callback = Option<unsafe extern "C" fn(userdata: *mut c_void, level: i32, message: *const c_char)>;
pub type tm_interrupt_callback = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i32>;
pub type tm_store_load = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char, out: *mut tm_sink) -> i32>;
pub type tm_store_save = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char, data: *const c_void, len: usize, expected: *const c_void, expected_len: usize, ttl_seconds: i64) -> i32>;
pub type tm_store_lock = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char, wait_ms: i64) -> i32>;
pub type tm_store_unlock = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char) -> i32>;

#[link(name = "tokenmgr")]
unsafe extern "C" {
    pub fn tm_new(host: *const c_char, username: *const c_char, password: *const c_char, options_json: *const c_char, err: *mut *mut tm_error) -> *mut tm_manager;
    pub fn tm_free(tm: *mut tm_manager);
    pub fn tm_request(tm: *mut tm_manager, method: *const c_char, url: *const c_char, body: *const c_void, body_len: usize, request_options_json: *const c_char, err: *mut *mut tm_error) -> *mut tm_response;
    pub fn tm_get_token(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut tm_token;
    pub fn tm_peek_token(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut tm_token;
    pub fn tm_copy_access_token(tm: *mut tm_manager, buf: *mut c_char, buf_size: usize, err: *mut *mut tm_error) -> usize;
    pub fn tm_try_copy_access_token(tm: *mut tm_manager, buf: *mut c_char, cap: usize) -> usize;
    pub fn tm_login(tm: *mut tm_manager, err: *mut *mut tm_error) -> i32;
    pub fn tm_refresh(tm: *mut tm_manager, err: *mut *mut tm_error) -> i32;
    pub fn tm_logout(tm: *mut tm_manager, err: *mut *mut tm_error) -> i32;
    pub fn tm_set_tokens(tm: *mut tm_manager, access_token: *const c_char, refresh_token: *const c_char, expires_at: i64, refresh_expires_at: i64, err: *mut *mut tm_error) -> i32;
    pub fn tm_set_credentials(tm: *mut tm_manager, username: *const c_char, password: *const c_char, err: *mut *mut tm_error) -> i32;
    pub fn tm_stats_json(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut c_char;
    pub fn tm_check(tm: *mut tm_manager, path: *const c_char, err: *mut *mut tm_error) -> *mut c_char;
    pub fn tm_check_url(tm: *mut tm_manager, url: *const c_char, err: *mut *mut tm_error) -> i32;
    pub fn tm_accept(tm: *mut tm_manager, access_token: *const c_char, err: *mut *mut tm_error) -> i32;
    pub fn tm_reject(tm: *mut tm_manager, access_token: *const c_char, err: *mut *mut tm_error) -> i32;
    pub fn tm_response_status(r: *const tm_response) -> i32;
    pub fn tm_response_body(r: *const tm_response) -> *const c_void;
    pub fn tm_response_body_len(r: *const tm_response) -> usize;
    pub fn tm_response_header(r: *const tm_response, name: *const c_char) -> *const c_char;
    pub fn tm_response_header_count(r: *const tm_response) -> usize;
    pub fn tm_response_header_name(r: *const tm_response, i: usize) -> *const c_char;
    pub fn tm_response_header_value(r: *const tm_response, i: usize) -> *const c_char;
    pub fn tm_response_url(r: *const tm_response) -> *const c_char;
    pub fn tm_response_error(r: *const tm_response) -> *const tm_error;
    pub fn tm_response_free(r: *mut tm_response);
    pub fn tm_outcome_new() -> *mut tm_outcome;
    pub fn tm_request_into(tm: *mut tm_manager, method: *const c_char, url: *const c_char, body: *const c_void, body_len: usize, request_options_json: *const c_char, outcome: *mut tm_outcome) -> i32;
    pub fn tm_outcome_free(outcome: *mut tm_outcome);
    pub fn tm_request_stream(tm: *mut tm_manager, method: *const c_char, url: *const c_char, read: tm_body_read, rewind: tm_body_rewind, body_len: i64, write: tm_body_write, userdata: *mut c_void, request_options_json: *const c_char, err: *mut *mut tm_error) -> *mut tm_response;
    pub fn tm_token_access(t: *const tm_token) -> *const c_char;
    pub fn tm_token_refresh(t: *const tm_token) -> *const c_char;
    pub fn tm_token_expires_at(t: *const tm_token) -> i64;
    pub fn tm_token_refresh_expires_at(t: *const tm_token) -> i64;
    pub fn tm_token_seconds_left(t: *const tm_token) -> i64;
    pub fn tm_token_should_refresh(t: *const tm_token, buffer_seconds: i64) -> bool;
    pub fn tm_token_free(t: *mut tm_token);
    pub fn tm_jwt_is_expired(token: *const c_char) -> bool;
    pub fn tm_jwt_seconds_left(token: *const c_char) -> i64;
    pub fn tm_jwt_should_refresh(token: *const c_char, buffer_seconds: i64) -> bool;
    pub fn tm_jwt_payload_json(token: *const c_char, err: *mut *mut tm_error) -> *mut c_char;
    pub fn tm_error_code(e: *const tm_error) -> i32;
    pub fn tm_error_message(e: *const tm_error) -> *const c_char;
    pub fn tm_error_http_status(e: *const tm_error) -> i32;
    pub fn tm_error_server_code(e: *const tm_error) -> *const c_char;
    pub fn tm_error_retry_after_ms(e: *const tm_error) -> i64;
    pub fn tm_error_is_retryable(e: *const tm_error) -> bool;
    pub fn tm_error_free(e: *mut tm_error);
    pub fn tm_status_name(status: i32) -> *const c_char;
    pub fn tm_set_log_callback(tm: *mut tm_manager, callback: tm_log_callback, userdata: *mut c_void, max_level: i32, err: *mut *mut tm_error) -> i32;
    pub fn tm_set_interrupt_callback(tm: *mut tm_manager, callback: tm_interrupt_callback, userdata: *mut c_void, err: *mut *mut tm_error) -> i32;
    pub fn tm_sink_put(sink: *mut tm_sink, data: *const c_void, len: usize);
    pub fn tm_check_store(tm: *mut tm_manager, err: *mut *mut tm_error) -> i32;
    pub fn tm_set_store(tm: *mut tm_manager, load: tm_store_load, save: tm_store_save, lock: tm_store_lock, unlock: tm_store_unlock, userdata: *mut c_void, err: *mut *mut tm_error) -> i32;
    pub fn tm_version() -> *const c_char;
    pub fn tm_abi_version() -> u32;
    pub fn tm_string_free(s: *mut c_char);
    pub fn tm_generate_key(err: *mut *mut tm_error) -> *mut c_char;
}
