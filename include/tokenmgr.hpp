/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * libtokenmgr for C++17 and later: the C interface with RAII, exceptions and callables. Written by hand. This file is all
 * there is: it compiles to the calls of tokenmgr.h.
 */

#ifndef TOKENMGR_HPP
#define TOKENMGR_HPP

#include <tokenmgr.h>

#if __cplusplus < 201703L && !(defined(_MSVC_LANG) && _MSVC_LANG >= 201703L)
#error "tokenmgr.hpp is for C++17 and later: compile with -std=c++17, or include tokenmgr.h, which is for any C++"
#endif

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/**
 * @file tokenmgr.hpp
 * @brief The C interface for C++.
 *
 * Each function does what the tm_* function of its name does; the reference is tokenmgr.h. What is added:
 *
 * - **Owners.** Handles free themselves. They can be moved, not copied, and are empty afterwards. `handle()` is the
 *   C handle, for anything that wants it.
 * - **Errors.** Functions throw tokenmgr::exception. With `std::nothrow` as their first argument they are noexcept and
 *   give a tokenmgr::result. A response of 400 and above is no error of its call: see response::checked(). Compiled
 *   without exceptions (`-fno-exceptions`), what would throw ends the program by std::abort().
 * - **Memory.** Nothing here allocates, but where a std::string is asked for, and what C++ needs for an exception. What is
 *   returned as a view is borrowed from its handle.
 * - **Threads.** A const member may be called by any number of threads at once.
 * - **Callbacks** are objects of the caller's, passed by reference, which must outlive every call begun before they
 *   are replaced. No exception passes through C: each function here says what becomes of one.
 */
namespace tokenmgr {

/**
 * A string that ends with a NUL, as C takes it and gives it; or none. A std::string_view need not end with one, and so is
 * none: make a std::string of it. One that was returned lives as long as the handle that it came from.
 */
class cstring {
 public:
    constexpr cstring(std::nullptr_t = nullptr) noexcept {}
    constexpr cstring(const char *text) noexcept : text_(text) {}
    cstring(const std::string &text) noexcept : text_(text.c_str()) {}

    /** Whether there is one: an empty string is one, too. */
    constexpr explicit operator bool() const noexcept { return text_ != nullptr; }
    constexpr const char *c_str() const noexcept { return text_; }
    constexpr std::string_view view() const noexcept { return text_ ? std::string_view(text_) : std::string_view(); }
    constexpr operator std::string_view() const noexcept { return view(); }

    friend constexpr bool operator==(cstring a, cstring b) noexcept { return a.view() == b.view(); }
    friend constexpr bool operator!=(cstring a, cstring b) noexcept { return a.view() != b.view(); }
    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, cstring text) {
        return out << text.view();
    }

 private:
    const char *text_ = nullptr;
};

/** A moment by this machine's clock. */
using moment = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;

/** Says that a constructor takes over a handle of C's. */
struct adopt_t {};
inline constexpr adopt_t adopt{};

namespace detail {

struct deleter {
    void operator()(tm_manager *tm) const noexcept { tm_free(tm); }
    void operator()(tm_response *r) const noexcept { tm_response_free(r); }
    void operator()(tm_outcome *outcome) const noexcept { tm_outcome_free(outcome); }
    void operator()(tm_token *t) const noexcept { tm_token_free(t); }
    void operator()(tm_error *e) const noexcept { tm_error_free(e); }
    void operator()(char *s) const noexcept { tm_string_free(s); }
};

template <class Handle>
using owned = std::unique_ptr<Handle, deleter>;

template <class Exception>
[[noreturn]] void raise(Exception &&e) {
#ifdef __cpp_exceptions
    throw std::forward<Exception>(e);
#else
    static_cast<void>(e);
    std::abort();
#endif
}

/** What a step of the caller's gives; or, where it throws, what `caught` gives in its handler. */
template <class Step, class Caught>
auto guarded(Step step, [[maybe_unused]] Caught caught) noexcept {
#ifdef __cpp_exceptions
    try {
        return step();
    } catch (...) {
        return caught();
    }
#else
    return step();
#endif
}

/** An object of the caller's, as C keeps it for callbacks, which give it back its type. */
template <class T>
void *userdata(T &object) noexcept {
    return const_cast<void *>(static_cast<const void *>(std::addressof(object)));
}

inline std::optional<moment> known_moment(std::int64_t unix_seconds) noexcept {
    if (unix_seconds == 0) return std::nullopt;
    return moment(std::chrono::seconds(unix_seconds));
}

inline std::int64_t unix_seconds(std::optional<moment> at) noexcept { return at ? at->time_since_epoch().count() : 0; }

}  // namespace detail

/** Why something failed; or nothing, with the code #TM_OK. Borrowed: it lives as long as what it came from. */
class error {
 public:
    constexpr explicit error(const tm_error *e = nullptr) noexcept : handle_(e) {}

    constexpr explicit operator bool() const noexcept { return handle_ != nullptr; }
    tm_status code() const noexcept { return tm_error_code(handle_); }
    cstring message() const noexcept { return tm_error_message(handle_); }
    int http_status() const noexcept { return tm_error_http_status(handle_); }
    cstring server_code() const noexcept { return tm_error_server_code(handle_); }
    std::optional<std::chrono::milliseconds> retry_after() const noexcept {
        const std::int64_t ms = tm_error_retry_after_ms(handle_);
        return ms < 0 ? std::nullopt : std::optional(std::chrono::milliseconds(ms));
    }
    bool is_retryable() const noexcept { return tm_error_is_retryable(handle_); }
    constexpr const tm_error *handle() const noexcept { return handle_; }

 private:
    const tm_error *handle_;
};

/** What is thrown: a failed or a refused. */
class exception : public std::exception, public error {
 public:
    using error::error;
    const char *what() const noexcept override { return message() ? message().c_str() : tm_status_name(code()); }
};

/** A call failed. It owns its error, so it can be moved, not copied; std::current_exception() keeps it, too. */
class failed : public exception {
 public:
    explicit failed(detail::owned<tm_error> e) noexcept : exception(e.get()), owned_(std::move(e)) {}

 private:
    detail::owned<tm_error> owned_;
};

/** What a function gave, or why it failed: for callers that want no exceptions. */
template <class T>
class [[nodiscard]] result {
 public:
    result(T value) noexcept : value_(std::move(value)) {}
    explicit result(detail::owned<tm_error> e) noexcept : error_(std::move(e)) {}

    explicit operator bool() const noexcept { return value_.has_value(); }
    /** Only where there is a value. */
    T &operator*() noexcept { return *value_; }
    T *operator->() noexcept { return &*value_; }
    /** Takes the value out; throws failed where there is none. */
    T value() && {
        if (!value_) detail::raise(failed(std::move(error_)));
        return std::move(*value_);
    }
    tokenmgr::error error() const noexcept { return tokenmgr::error(error_.get()); }

 private:
    std::optional<T> value_;
    detail::owned<tm_error> error_;
};

template <>
class [[nodiscard]] result<void> {
 public:
    result() noexcept = default;
    explicit result(detail::owned<tm_error> e) noexcept : error_(std::move(e)) {}

    explicit operator bool() const noexcept { return error_ == nullptr; }
    void value() && {
        if (error_) detail::raise(failed(std::move(error_)));
    }
    tokenmgr::error error() const noexcept { return tokenmgr::error(error_.get()); }

 private:
    detail::owned<tm_error> error_;
};

namespace detail {

/** Where a C function puts its error. */
class slot {
 public:
    operator tm_error **() noexcept { return &error_; }

    template <class Owner, class Handle>
    result<Owner> made(Handle *handle) noexcept {
        if (error_) return result<Owner>(owned<tm_error>(error_));
        return Owner(adopt, handle);
    }
    template <class Value>
    result<Value> gave(Value value) noexcept {
        if (error_) return result<Value>(owned<tm_error>(error_));
        return value;
    }
    result<void> did(tm_status) noexcept { return error_ ? result<void>(owned<tm_error>(error_)) : result<void>(); }

 private:
    tm_error *error_ = nullptr;
};

}  // namespace detail

/** A string that the library made: statistics, a key, the payload of a JWT. It is zeroed when it is freed. */
class text {
 public:
    text(adopt_t, char *s) noexcept : owned_(s) {}
    cstring get() const noexcept { return owned_.get(); }
    std::string_view view() const noexcept { return get().view(); }
    operator std::string_view() const noexcept { return view(); }

 private:
    detail::owned<char> owned_;
};

/** An immutable snapshot of a token pair; or none, whose members give nothing. */
class token {
 public:
    token(adopt_t, tm_token *t) noexcept : owned_(t) {}
    explicit operator bool() const noexcept { return owned_ != nullptr; }
    cstring access() const noexcept { return tm_token_access(handle()); }
    cstring refresh() const noexcept { return tm_token_refresh(handle()); }
    std::optional<moment> expires_at() const noexcept { return detail::known_moment(tm_token_expires_at(handle())); }
    std::optional<moment> refresh_expires_at() const noexcept {
        return detail::known_moment(tm_token_refresh_expires_at(handle()));
    }
    std::chrono::seconds seconds_left() const noexcept { return std::chrono::seconds(tm_token_seconds_left(handle())); }
    bool should_refresh(std::chrono::seconds buffer) const noexcept {
        return tm_token_should_refresh(handle(), buffer.count());
    }
    const tm_token *handle() const noexcept { return owned_.get(); }

 private:
    detail::owned<tm_token> owned_;
};

/** An HTTP response, read whole. */
class response {
 public:
    response(adopt_t, tm_response *r) noexcept : owned_(r) {}
    int status() const noexcept { return tm_response_status(handle()); }
    std::string_view body() const noexcept {
        return {static_cast<const char *>(tm_response_body(handle())), tm_response_body_len(handle())};
    }
    cstring header(cstring name) const noexcept { return tm_response_header(handle(), name.c_str()); }
    std::size_t header_count() const noexcept { return tm_response_header_count(handle()); }
    cstring header_name(std::size_t i) const noexcept { return tm_response_header_name(handle(), i); }
    cstring header_value(std::size_t i) const noexcept { return tm_response_header_value(handle(), i); }
    cstring url() const noexcept { return tm_response_url(handle()); }
    /** What a status of 400 and above means; nothing below. */
    tokenmgr::error error() const noexcept { return tokenmgr::error(tm_response_error(handle())); }
    /** This response, or, where its status is 400 or above, a refused thrown that holds it. */
    response checked() &&;
    const tm_response *handle() const noexcept { return owned_.get(); }

 private:
    detail::owned<tm_response> owned_;
};

/** A response of 400 and above, thrown by response::checked(). */
class refused : public exception {
 public:
    explicit refused(tokenmgr::response r) noexcept : exception(r.error().handle()), response_(std::move(r)) {}
    const tokenmgr::response &response() const noexcept { return response_; }

 private:
    tokenmgr::response response_;
};

inline response response::checked() && {
    if (error()) detail::raise(refused(std::move(*this)));
    return std::move(*this);
}

/** The result of a request, used for one request after another: see manager::request_into(). */
class outcome {
 public:
    outcome() noexcept : owned_(tm_outcome_new()) {}
    int status() const noexcept { return members().status; }
    std::string_view body() const noexcept { return {members().body, members().body_len}; }
    /** Lines: the URL, then for each header its name and its value. */
    cstring head() const noexcept { return members().head; }
    /** Why there is no response, or what a status of 400 and above means. */
    tokenmgr::error error() const noexcept { return tokenmgr::error(members().error); }
    tm_outcome *handle() noexcept { return owned_.get(); }

 private:
    const tm_outcome &members() const noexcept {
        static constexpr tm_outcome none{};
        return owned_ ? *owned_ : none;
    }
    detail::owned<tm_outcome> owned_;
};

/** What a store answers. */
enum class answer : std::int32_t { done = 1, no = 0, failed = -1 };

/** Where a store's load() puts the bytes that it found. */
class sink {
 public:
    explicit sink(tm_sink *handle) noexcept : handle_(handle) {}
    void put(std::string_view data) noexcept { tm_sink_put(handle_, data.data(), data.size()); }

 private:
    tm_sink *handle_;
};

enum class log_level : std::int32_t { none = 0, error = 1, warning = 2, info = 3, debug = 4 };

namespace detail {

// Which of the members that an object of callbacks may have it has.
template <class T, class = void> struct reads : std::false_type {};
template <class T, class = void> struct rewinds : std::false_type {};
template <class T, class = void> struct writes : std::false_type {};
template <class T, class = void> struct is_sized : std::false_type {};
template <class T, class = void> struct locks : std::false_type {};
template <class T>
struct reads<T, std::void_t<decltype(std::declval<T &>().read(std::declval<char *>(), std::size_t()))>> : std::true_type {};
template <class T> struct rewinds<T, std::void_t<decltype(std::declval<T &>().rewind())>> : std::true_type {};
template <class T>
struct writes<T, std::void_t<decltype(std::declval<T &>().write(std::string_view()))>> : std::true_type {};
template <class T> struct is_sized<T, std::void_t<decltype(std::declval<T &>().size())>> : std::true_type {};
template <class T>
struct locks<T, std::void_t<decltype(std::declval<T &>().lock(cstring(), std::chrono::milliseconds()))>> : std::true_type {};

/** The bodies of one request_stream(). What one of them throws waits here until the call has returned. */
template <class Bodies>
struct passage {
    Bodies &bodies;
    std::exception_ptr thrown;

    template <class Step, class Result>
    static Result guarded(void *self, Step step, Result if_it_throws) noexcept {
        passage &p = *static_cast<passage *>(self);
        if (p.thrown) return if_it_throws;
        return detail::guarded([&] { return step(p.bodies); }, [&] { return p.thrown = std::current_exception(), if_it_throws; });
    }
    static std::int64_t read(void *self, void *buf, std::size_t len) noexcept {
        return guarded(self, [&](Bodies &b) { return std::int64_t(b.read(static_cast<char *>(buf), len)); }, std::int64_t(-1));
    }
    static std::int32_t rewind(void *self) noexcept {
        return guarded(self, [](Bodies &b) { return std::int32_t(b.rewind() ? 1 : 0); }, 0);
    }
    static std::int32_t write(void *self, const void *data, std::size_t len) noexcept {
        const std::string_view piece(static_cast<const char *>(data), len);
        return guarded(self, [&](Bodies &b) { return b.write(piece), 1; }, 0);
    }

    tm_response *send(tm_manager *tm, cstring method, cstring url, cstring options_json, tm_error **err) noexcept {
        static_assert(reads<Bodies>() || writes<Bodies>(), "bodies need read(char *, size_t) or write(string_view)");
        tm_body_read reader = nullptr;
        tm_body_rewind rewinder = nullptr;
        tm_body_write writer = nullptr;
        std::int64_t size = -1;
        if constexpr (reads<Bodies>()) reader = &passage::read;
        if constexpr (rewinds<Bodies>()) rewinder = &passage::rewind;
        if constexpr (writes<Bodies>()) writer = &passage::write;
        if constexpr (is_sized<Bodies>()) {
            size = guarded(this, [](Bodies &b) { return std::int64_t(b.size()); }, std::int64_t(-1));
        }
        return tm_request_stream(tm, method.c_str(), url.c_str(), reader, rewinder, size, writer, this,
                                 options_json.c_str(), err);
    }
};

/** The callbacks of a store. One that throws has failed. */
template <class Store>
struct keeping {
    template <class Step>
    static std::int32_t guarded(void *store, Step step) noexcept {
        return detail::guarded([&] { return static_cast<std::int32_t>(step(*static_cast<Store *>(store))); },
                               [] { return static_cast<std::int32_t>(answer::failed); });
    }
    static std::int32_t load(void *store, const char *key, tm_sink *out) noexcept {
        return guarded(store, [&](Store &s) { return s.load(cstring(key), sink(out)); });
    }
    static std::int32_t save(void *store, const char *key, const void *data, std::size_t len, const void *expected,
                             std::size_t expected_len, std::int64_t ttl) noexcept {
        std::optional<std::string_view> before;
        if (expected) before.emplace(static_cast<const char *>(expected), expected_len);
        const std::string_view record(static_cast<const char *>(data), len);
        return guarded(store, [&](Store &s) { return s.save(cstring(key), record, before, std::chrono::seconds(ttl)); });
    }
    static std::int32_t lock(void *store, const char *key, std::int64_t wait_ms) noexcept {
        return guarded(store, [&](Store &s) { return s.lock(cstring(key), std::chrono::milliseconds(wait_ms)); });
    }
    static std::int32_t unlock(void *store, const char *key) noexcept {
        return guarded(store, [&](Store &s) { return s.unlock(cstring(key)); });
    }

    static tm_status set(tm_manager *tm, Store &store, tm_error **err) noexcept {
        if constexpr (locks<Store>()) return tm_set_store(tm, load, save, lock, unlock, userdata(store), err);
        else return tm_set_store(tm, load, save, nullptr, nullptr, userdata(store), err);
    }
};

}  // namespace detail

/** One API client: its credentials, tokens, store and connections. */
class manager {
 public:
    /** None: from the environment, as tm_new() says. */
    explicit manager(cstring host = {}, cstring username = {}, cstring password = {}, cstring options_json = {})
        : manager(make(std::nothrow, host, username, password, options_json).value()) {}
    manager(adopt_t, tm_manager *tm) noexcept : owned_(tm) {}

    static result<manager> make(const std::nothrow_t &, cstring host = {}, cstring username = {}, cstring password = {},
                                cstring options_json = {}) noexcept {
        detail::slot err;
        return err.made<manager>(tm_new(host.c_str(), username.c_str(), password.c_str(), options_json.c_str(), err));
    }
    tm_manager *handle() const noexcept { return owned_.get(); }

    // Calls.

    response request(cstring method, cstring url, std::string_view body = {}, cstring options_json = {}) const {
        return request(std::nothrow, method, url, body, options_json).value();
    }
    result<response> request(const std::nothrow_t &, cstring method, cstring url, std::string_view body = {},
                             cstring options_json = {}) const noexcept {
        detail::slot err;
        return err.made<response>(tm_request(handle(), method.c_str(), url.c_str(), body.data(), body.size(),
                                             options_json.c_str(), err));
    }
    /** Never throws: the result is in `into`, errors too. */
    tm_status request_into(outcome &into, cstring method, cstring url, std::string_view body = {},
                           cstring options_json = {}) const noexcept {
        return tm_request_into(handle(), method.c_str(), url.c_str(), body.data(), body.size(), options_json.c_str(),
                               into.handle());
    }
    /**
     * Sends and takes bodies in pieces, by those of these members that `bodies` has: `size_t read(char *, size_t)`, which
     * gives the next piece of the request's body, 0 at its end; with it `bool rewind()`, and `size()`, how much there is;
     * and `void write(std::string_view)`, which takes a piece of the answer's. What one throws ends the call, and is thrown.
     */
    template <class Bodies>
    response request_stream(cstring method, cstring url, Bodies &bodies, cstring options_json = {}) const {
        detail::passage<Bodies> passage{bodies, nullptr};
        detail::slot err;
        auto given = err.made<response>(passage.send(handle(), method, url, options_json, err));
        if (passage.thrown) std::rethrow_exception(passage.thrown);
        return std::move(given).value();
    }
    /** Likewise; but what a member throws is dropped: in read() or write() it ends the call with #TM_CANCELLED. */
    template <class Bodies>
    result<response> request_stream(const std::nothrow_t &, cstring method, cstring url, Bodies &bodies,
                                    cstring options_json = {}) const noexcept {
        detail::passage<Bodies> passage{bodies, nullptr};
        detail::slot err;
        return err.made<response>(passage.send(handle(), method, url, options_json, err));
    }

    // Tokens.

    token get_token() const { return get_token(std::nothrow).value(); }
    result<token> get_token(const std::nothrow_t &) const noexcept {
        detail::slot err;
        return err.made<token>(tm_get_token(handle(), err));
    }
    /** An empty token where none is held. */
    token peek_token() const { return peek_token(std::nothrow).value(); }
    result<token> peek_token(const std::nothrow_t &) const noexcept {
        detail::slot err;
        return err.made<token>(tm_peek_token(handle(), err));
    }
    std::size_t copy_access_token(char *buf, std::size_t size) const {
        return copy_access_token(std::nothrow, buf, size).value();
    }
    result<std::size_t> copy_access_token(const std::nothrow_t &, char *buf, std::size_t size) const noexcept {
        detail::slot err;
        return err.gave(tm_copy_access_token(handle(), buf, size, err));
    }
    /** Never blocks; 0 where copy_access_token() might. */
    std::size_t try_copy_access_token(char *buf, std::size_t size) const noexcept {
        return tm_try_copy_access_token(handle(), buf, size);
    }
    /** The same in a string, which allocates. */
    std::string access_token() const {
        std::string found(1200, '\0');
        for (;;) {
            const std::size_t len = copy_access_token(found.data(), found.size() + 1);
            const bool fits = len <= found.size();
            found.resize(len);
            if (fits) return found;
        }
    }
    void login() const { login(std::nothrow).value(); }
    result<void> login(const std::nothrow_t &) const noexcept { return did(tm_login); }
    void refresh() const { refresh(std::nothrow).value(); }
    result<void> refresh(const std::nothrow_t &) const noexcept { return did(tm_refresh); }
    void logout() const { logout(std::nothrow).value(); }
    result<void> logout(const std::nothrow_t &) const noexcept { return did(tm_logout); }
    void set_tokens(cstring access, cstring refresh = {}, std::optional<moment> expires_at = {},
                    std::optional<moment> refresh_expires_at = {}) const {
        set_tokens(std::nothrow, access, refresh, expires_at, refresh_expires_at).value();
    }
    result<void> set_tokens(const std::nothrow_t &, cstring access, cstring refresh = {},
                            std::optional<moment> expires_at = {}, std::optional<moment> refresh_expires_at = {}) const noexcept {
        return did(tm_set_tokens, access.c_str(), refresh.c_str(), detail::unix_seconds(expires_at),
                   detail::unix_seconds(refresh_expires_at));
    }
    /** No username: it stays. */
    void set_credentials(cstring username, cstring password) const {
        set_credentials(std::nothrow, username, password).value();
    }
    result<void> set_credentials(const std::nothrow_t &, cstring username, cstring password) const noexcept {
        return did(tm_set_credentials, username.c_str(), password.c_str());
    }

    // For callers with their own HTTP client.

    void check_url(cstring url) const { check_url(std::nothrow, url).value(); }
    result<void> check_url(const std::nothrow_t &, cstring url) const noexcept { return did(tm_check_url, url.c_str()); }
    void accept(cstring access_token) const { accept(std::nothrow, access_token).value(); }
    result<void> accept(const std::nothrow_t &, cstring access_token) const noexcept {
        return did(tm_accept, access_token.c_str());
    }
    void reject(cstring access_token) const { reject(std::nothrow, access_token).value(); }
    result<void> reject(const std::nothrow_t &, cstring access_token) const noexcept {
        return did(tm_reject, access_token.c_str());
    }

    // Looking into it.

    text stats_json() const { return stats_json(std::nothrow).value(); }
    result<text> stats_json(const std::nothrow_t &) const noexcept {
        detail::slot err;
        return err.made<text>(tm_stats_json(handle(), err));
    }
    text check(cstring path = {}) const { return check(std::nothrow, path).value(); }
    result<text> check(const std::nothrow_t &, cstring path = {}) const noexcept {
        detail::slot err;
        return err.made<text>(tm_check(handle(), path.c_str(), err));
    }
    void check_store() const { check_store(std::nothrow).value(); }
    result<void> check_store(const std::nothrow_t &) const noexcept { return did(tm_check_store); }

    /** `log(tokenmgr::log_level, tokenmgr::cstring)`, noexcept; or nullptr for none any more. */
    template <class Log>
    void set_log_callback(Log &log, log_level most = log_level::info) {
        static_assert(std::is_nothrow_invocable_v<Log &, log_level, cstring>, "a log callback is noexcept");
        const auto call = [](void *log_, std::int32_t level, const char *message) noexcept {
            (*static_cast<Log *>(log_))(static_cast<log_level>(level), cstring(message));
        };
        did(tm_set_log_callback, tm_log_callback(call), detail::userdata(log), static_cast<std::int32_t>(most)).value();
    }
    void set_log_callback(std::nullptr_t) { did(tm_set_log_callback, nullptr, nullptr, 0).value(); }

    /** `bool interrupt()`, noexcept: whether the call is to end; or nullptr for none any more. */
    template <class Interrupt>
    void set_interrupt_callback(Interrupt &interrupt) {
        static_assert(std::is_nothrow_invocable_r_v<bool, Interrupt &>, "an interrupt callback is noexcept, and gives a bool");
        const auto call = [](void *interrupt_) noexcept {
            return std::int32_t((*static_cast<Interrupt *>(interrupt_))() ? 1 : 0);
        };
        did(tm_set_interrupt_callback, tm_interrupt_callback(call), detail::userdata(interrupt)).value();
    }
    void set_interrupt_callback(std::nullptr_t) { did(tm_set_interrupt_callback, nullptr, nullptr).value(); }

    /**
     * Keeps tokens in a store of the caller's own. Its members give an answer, and one that throws has failed:
     * `load(cstring key, sink out)`, `save(cstring key, std::string_view data, std::optional<std::string_view> expected,
     * std::chrono::seconds ttl)`, and, where processes share it, `lock(cstring key, std::chrono::milliseconds wait)` and
     * `unlock(cstring key)`.
     */
    template <class Store>
    void set_store(Store &store) {
        detail::slot err;
        err.did(detail::keeping<Store>::set(handle(), store, err)).value();
    }

 private:
    template <class Function, class... Arguments>
    result<void> did(Function function, Arguments... arguments) const noexcept {
        detail::slot err;
        return err.did(function(handle(), arguments..., err));
    }

    detail::owned<tm_manager> owned_;
};

/** JWTs, of any origin. Signatures are not checked. */
namespace jwt {

inline bool is_expired(cstring token) noexcept { return tm_jwt_is_expired(token.c_str()); }
inline std::chrono::seconds seconds_left(cstring token) noexcept {
    return std::chrono::seconds(tm_jwt_seconds_left(token.c_str()));
}
inline bool should_refresh(cstring token, std::chrono::seconds buffer) noexcept {
    return tm_jwt_should_refresh(token.c_str(), buffer.count());
}
inline result<text> payload_json(const std::nothrow_t &, cstring token) noexcept {
    detail::slot err;
    return err.made<text>(tm_jwt_payload_json(token.c_str(), err));
}
inline text payload_json(cstring token) { return payload_json(std::nothrow, token).value(); }

}  // namespace jwt

inline result<text> generate_key(const std::nothrow_t &) noexcept {
    detail::slot err;
    return err.made<text>(tm_generate_key(err));
}
inline text generate_key() { return generate_key(std::nothrow).value(); }

inline cstring status_name(tm_status status) noexcept { return tm_status_name(status); }
inline cstring version() noexcept { return tm_version(); }
/** Of the library that was loaded: at least TM_ABI_VERSION, or it is too old for the program. */
inline std::uint32_t abi_version() noexcept { return tm_abi_version(); }

}  // namespace tokenmgr

#endif  // TOKENMGR_HPP
