/* The C++ header, against the demo API: each function does what its namesake in C does, owners free what they own, and
 * nothing in between allocates. What the library itself does, tests/c shows. */
#include "../c/check.h"

#include <tokenmgr.hpp>

#include <sstream>
#include <thread>

using namespace std::chrono_literals;
using tokenmgr::answer, tokenmgr::cstring, tokenmgr::manager, tokenmgr::response;

// ---- what C++ code allocates: all of it goes through here, the library's own does not ------------------------------

static long allocations;

__attribute__((noinline)) void *operator new(std::size_t size) {
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (void *memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void *memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

template <class Step>
static long allocations_in(Step step) {
    const long before = count(&allocations);
    step();
    return count(&allocations) - before;
}

// ---- checks --------------------------------------------------------------------------------------------------------

/* The step throws an Exception with this code, and its nothrow twin gives the same. */
template <class Exception = tokenmgr::failed, class Step>
static void check_throws(int line, tm_status code, Step step) {
    try {
        step();
    } catch (const Exception &e) {
        if (e.code() != code || std::string_view(e.what()) != e.message() || !e.message())
            check_failed(__FILE__, line, "threw %s (%s), not %s", tm_status_name(e.code()), e.what(), tm_status_name(code));
        return;
    }
    check_failed(__FILE__, line, "did not throw %s", tm_status_name(code));
}
#define CHECK_THROWS(code, ...) check_throws(__LINE__, code, [&] { (void)(__VA_ARGS__); })
#define CHECK_RESULT(result_, status_) \
    do { \
        const auto &given_ = (result_); \
        CHECK_INT(given_.error().code(), status_); \
        CHECK_INT(bool(given_), (status_) == TM_OK); \
        CHECK_INT(bool(given_.error()), (status_) != TM_OK); \
    } while (0)

static manager new_client(cstring options = {}) { return manager(api, USERNAME, PASSWORD, options); }

// ---- handles and strings -------------------------------------------------------------------------------------------

static void handles_move_and_do_not_copy() {
    static_assert(!std::is_copy_constructible_v<manager> && std::is_nothrow_move_constructible_v<manager>);
    static_assert(!std::is_copy_constructible_v<response> && std::is_nothrow_move_assignable_v<response>);
    static_assert(!std::is_copy_constructible_v<tokenmgr::token> && !std::is_copy_constructible_v<tokenmgr::text>);
    static_assert(!std::is_copy_constructible_v<tokenmgr::outcome>);
    static_assert(!std::is_constructible_v<cstring, std::string_view>, "which need not end with a NUL");
    static_assert(sizeof(manager) == sizeof(tm_manager *) && sizeof(response) == sizeof(tm_response *));

    demo("{'reset':true}");
    manager tm = new_client();
    manager moved = std::move(tm);
    CHECK(tm.handle() == nullptr && moved.handle() != nullptr);
    CHECK_RESULT(tm.request(std::nothrow, "GET", "/api/v1/products"), TM_INVALID_ARGUMENT);
    tm = std::move(moved);
    CHECK_INT(tm.request("GET", "/api/v1/products").status(), 200);

    tm_error *err = GARBAGE;
    manager adopted(tokenmgr::adopt, tm_new(api, USERNAME, PASSWORD, NULL, &err));
    CHECK_OK(err);
    CHECK_INT(adopted.request("GET", "/api/v1/products").status(), 200);
}

static void strings_are_those_of_c() {
    const std::string made = "made";
    CHECK(!cstring() && !cstring(nullptr) && cstring(""));
    CHECK(cstring("made") == made && cstring(made) == "made" && cstring("made") != "other");
    CHECK(cstring("made") == std::string_view("made") && cstring() == std::string_view());
    std::ostringstream out;
    out << cstring("made") << cstring();
    CHECK_STRING(out.str().c_str(), "made");
    CHECK(tokenmgr::version() == tm_version());
    CHECK_INT(tokenmgr::abi_version(), TM_ABI_VERSION);
    CHECK(tokenmgr::status_name(TM_TIMEOUT) == "TM_TIMEOUT");
    CHECK_INT(tokenmgr::generate_key().view().size(), 44);
    CHECK_RESULT(tokenmgr::generate_key(std::nothrow), TM_OK);
}

// ---- calls ---------------------------------------------------------------------------------------------------------

static void calls_give_responses() {
    demo("{'reset':true}");
    const manager tm = new_client();
    const std::string path = "/api/v1/echo";
    response r = tm.request("POST", path, "{\"sku\":1}", R"({"query":{"page":2}})");
    CHECK_INT(r.status(), 200);
    CHECK(!r.error());
    CHECK(r.body().find("\"page\"") != std::string_view::npos);
    CHECK_CONTAINS(r.url().c_str(), "/api/v1/echo");
    CHECK(r.header("Content-Type") == r.header("content-type") && r.header("content-type"));
    CHECK(!r.header("x-none"));
    CHECK(r.header_count() > 1);
    CHECK(r.header_name(0) && r.header_value(0) && !r.header_name(r.header_count()));
    CHECK_INT(std::move(r).checked().status(), 200);

    auto given = tm.request(std::nothrow, "GET", "/api/v1/blob?bytes=100000");
    CHECK_RESULT(given, TM_OK);
    CHECK_INT(given->body().size(), 100000);
    CHECK_INT((*given).status(), 200);
    CHECK(tm_response_status((*given).handle()) == 200);
}

static void refusals_are_responses_until_they_are_checked() {
    demo("{'reset':true}");
    const manager tm = new_client();
    response r = tm.request("GET", "/api/v1/status/404");
    CHECK_INT(r.error().code(), TM_HTTP_ERROR);
    CHECK_INT(r.error().http_status(), 404);
    CHECK(r.error().server_code() == "as_requested");
    try {
        std::move(r).checked();
        CHECK(!"threw");
    } catch (const tokenmgr::refused &e) {
        CHECK_INT(e.response().status(), 404);
        CHECK_INT(e.code(), TM_HTTP_ERROR);
        CHECK_STRING(e.what(), e.message().c_str());
        CHECK(!e.retry_after());
    }
    demo("{'faults':{'route':'/api/v1/products','status':503,'retry_after':7,'times':9}}");
    check_throws<tokenmgr::refused>(__LINE__, TM_SERVER_ERROR, [&] { tm.request("GET", "/api/v1/products").checked(); });
    r = tm.request("GET", "/api/v1/products");
    CHECK(r.error().retry_after() == 7000ms && r.error().is_retryable());
}

static void outcomes_are_used_again() {
    demo("{'reset':true}");
    const manager tm = new_client();
    tokenmgr::outcome into;
    CHECK_INT(tm.request_into(into, "GET", "/api/v1/products"), TM_OK);
    CHECK_INT(into.status(), 200);
    CHECK(into.body().find("name") != std::string_view::npos && !into.error());
    CHECK_CONTAINS(into.head().c_str(), "/api/v1/products\n");
    CHECK_INT(tm.request_into(into, "GET", "https://elsewhere.example"), TM_URL_NOT_ALLOWED);
    CHECK_INT(into.error().code(), TM_URL_NOT_ALLOWED);
    CHECK(into.status() == 0 && into.body().empty() && !into.head());
    const tokenmgr::outcome moved = std::move(into);
    CHECK(moved.error() && !into.error() && into.status() == 0 && into.body().empty());
}

static void failures_are_thrown_or_given() {
    demo("{'reset':true}");
    CHECK_THROWS(TM_INVALID_OPTIONS, manager(api, USERNAME, PASSWORD, "{\"no\":1}"));
    CHECK_RESULT(manager::make(std::nothrow, api, USERNAME, PASSWORD, "{\"no\":1}"), TM_INVALID_OPTIONS);
    CHECK_RESULT(manager::make(std::nothrow, api, USERNAME, PASSWORD), TM_OK);

    const manager tm(api, USERNAME); /* which has no password, here or in the environment */
    CHECK_THROWS(TM_LOGIN_REJECTED, tm.login());
    CHECK_THROWS(TM_LOGIN_REJECTED, tm.request("GET", "/api/v1/products"));
    auto given = tm.get_token(std::nothrow);
    CHECK_RESULT(given, TM_LOGIN_REJECTED);
    CHECK(!given.error().retry_after() && !given.error().is_retryable());
    CHECK_INT(given.error().http_status(), 0);
    auto moved = std::move(given); /* and with it what the error is borrowed from */
    CHECK_THROWS(TM_LOGIN_REJECTED, std::move(moved).value());
    CHECK_RESULT(tm.login(std::nothrow), TM_LOGIN_REJECTED);
    CHECK_RESULT(tm.refresh(std::nothrow), TM_LOGIN_REJECTED);
    CHECK_RESULT(tm.logout(std::nothrow), TM_OK);

    std::exception_ptr kept;
    try {
        tm.refresh();
    } catch (const tokenmgr::exception &) {
        kept = std::current_exception();
    }
    std::thread([&] { CHECK_THROWS(TM_LOGIN_REJECTED, std::rethrow_exception(kept)); }).join();
}

// ---- tokens --------------------------------------------------------------------------------------------------------

static void tokens_are_snapshots() {
    demo("{'reset':true}");
    const manager tm = new_client();
    CHECK(!tm.peek_token() && !tm.peek_token().access());
    CHECK_INT(tm.peek_token().seconds_left().count(), 0);
    const tokenmgr::token first = tm.get_token();
    CHECK(first && first.access() && first.refresh());
    CHECK_BETWEEN(first.seconds_left().count(), 3500, 3600);
    CHECK(first.should_refresh(2h) && !first.should_refresh(1min));
    const auto now = std::chrono::system_clock::now();
    CHECK(first.expires_at() > now + 50min && first.expires_at() < now + 61min);
    CHECK(first.refresh_expires_at() > now + 24h);
    CHECK(tm_token_access(first.handle()) == first.access().c_str());
    CHECK(tm.peek_token().access() == first.access() && (*tm.get_token(std::nothrow)).access() == first.access());
    CHECK_RESULT(tm.peek_token(std::nothrow), TM_OK);

    char buffer[4096];
    CHECK_INT(tm.copy_access_token(buffer, sizeof buffer), first.access().view().size());
    CHECK(first.access() == buffer);
    CHECK_INT(tm.try_copy_access_token(buffer, sizeof buffer), strlen(buffer));
    CHECK_INT(*tm.copy_access_token(std::nothrow, nullptr, 0), strlen(buffer));
    CHECK(tm.access_token() == buffer);

    demo("{'access_token_bytes':5000}");
    tm.refresh();
    CHECK(tm.access_token() == tm.get_token().access() && tm.access_token().size() > 4000);
    tm.login();
    CHECK_COUNT("logins", 2);
    tm.logout();
    CHECK_INT(tm.try_copy_access_token(buffer, sizeof buffer), 0);
    CHECK_COUNT("logouts", 1);
}

static void pairs_and_credentials_are_set() {
    demo("{'reset':true}");
    const manager source = new_client(), tm(api, USERNAME, "wrong");
    const tokenmgr::token pair = source.get_token();
    tm.set_tokens(pair.access());
    CHECK(tm.peek_token().access() == pair.access() && !tm.peek_token().refresh());
    tm.set_tokens(pair.access(), pair.refresh(), pair.expires_at(), pair.refresh_expires_at());
    CHECK(tm.peek_token().refresh_expires_at() == pair.refresh_expires_at());
    CHECK_RESULT(tm.set_tokens(std::nothrow, nullptr), TM_INVALID_ARGUMENT);
    tm.reject(pair.access());
    CHECK_INT(tm.request("GET", "/api/v1/products").status(), 200);
    CHECK_COUNT("refreshes", 1);
    tm.accept(tm.get_token().access());
    CHECK_RESULT(tm.accept(std::nothrow, nullptr), TM_INVALID_ARGUMENT);
    CHECK_RESULT(tm.reject(std::nothrow, nullptr), TM_INVALID_ARGUMENT);
    tm.set_credentials(nullptr, PASSWORD);
    tm.login();
    CHECK_RESULT(tm.set_credentials(std::nothrow, nullptr, nullptr), TM_INVALID_ARGUMENT);

    tm.check_url("/api/v1/products");
    CHECK_THROWS(TM_URL_NOT_ALLOWED, tm.check_url("https://elsewhere.example/"));
    CHECK_RESULT(tm.check_url(std::nothrow, "/api/v1/products"), TM_OK);
    tm.check_store();
    CHECK_RESULT(tm.check_store(std::nothrow), TM_OK);
    CHECK_CONTAINS(tm.stats_json().get().c_str(), "\"logins\"");
    CHECK_RESULT(tm.stats_json(std::nothrow), TM_OK);
    CHECK_CONTAINS(tm.check("/api/v1/products").get().c_str(), "\"ok\":true");
    CHECK_RESULT(tm.check(std::nothrow, "products"), TM_INVALID_ARGUMENT);
}

static void jwts_are_read() {
    const cstring none = "not a JWT", ended = "e30.eyJzdWIiOiJ4IiwiZXhwIjoxfQ.x"; /* {"sub":"x","exp":1} */
    CHECK(tokenmgr::jwt::is_expired(ended) && tokenmgr::jwt::should_refresh(ended, 0s));
    CHECK_INT(tokenmgr::jwt::seconds_left(ended).count(), 0);
    CHECK(tokenmgr::jwt::payload_json(ended).view() == R"({"sub":"x","exp":1})");
    CHECK_THROWS(TM_BAD_TOKEN, tokenmgr::jwt::payload_json(none));
    CHECK_RESULT(tokenmgr::jwt::payload_json(std::nothrow, none), TM_BAD_TOKEN);
}

// ---- bodies in pieces ----------------------------------------------------------------------------------------------

struct upload_and_download {
    std::size_t total, sent = 0, rewound = 0, received = 0;

    std::size_t size() const { return total; }
    std::size_t read(char *into, std::size_t room) {
        const std::size_t piece = room < total - sent ? room : total - sent;
        memset(into, 'x', piece);
        sent += piece;
        return piece;
    }
    bool rewind() {
        sent = 0;
        rewound++;
        return true;
    }
    void write(std::string_view piece) { received += piece.size(); }
};

struct download {
    std::size_t received = 0, most;
    void write(std::string_view piece) {
        received += piece.size();
        if (received > most) throw std::runtime_error("the disk is full");
    }
};

struct upload {
    const char *left;
    std::size_t read(char *into, std::size_t) {
        if (*left == '!') throw std::runtime_error("the file is gone");
        if (*left == '\0') return 0;
        *into = *left++;
        return 1;
    }
};

struct upload_of_no_size : upload {
    std::size_t size() const { throw std::runtime_error("the file has no size"); }
};

static void bodies_come_and_go_in_pieces() {
    demo("{'reset':true}");
    const manager tm = new_client();
    tm.login();
    demo("{'revoke':{'what':'access'}}");
    upload_and_download both{300000};
    response r = tm.request_stream("POST", "/api/v1/echo", both, R"({"content_type":"text/plain"})");
    CHECK_INT(r.status(), 200);
    CHECK(r.body().empty() && both.received > 300000);
    CHECK_BETWEEN(both.rewound, 1, 2); /* a token that is new is sent once more before it is given up */

    download all{0, 1000000};
    CHECK_INT(tm.request_stream("GET", "/api/v1/blob?bytes=500000", all).status(), 200);
    CHECK_INT(all.received, 500000);
    upload chunked{"unknown size"};
    CHECK(tm.request_stream("POST", "/api/v1/echo", chunked).body().find("unknown size") != std::string_view::npos);
    CHECK_RESULT(tm.request_stream(std::nothrow, "GET", "/api/v1/status/404", all), TM_OK);
}

/* What a callback throws comes out of the call, as itself; in its place the nothrow twin has a code. */
static void what_a_body_throws_is_thrown() {
    demo("{'reset':true}");
    const manager tm = new_client();
    auto thrown = [&](auto bodies, const char *method, const char *url) {
        try {
            (void)tm.request_stream(method, url, bodies);
        } catch (const std::runtime_error &e) {
            return std::string(e.what());
        }
        return std::string("nothing");
    };
    CHECK_STRING(thrown(download{0, 100000}, "GET", "/api/v1/blob?bytes=500000").c_str(), "the disk is full");
    CHECK_STRING(thrown(upload{"half!"}, "POST", "/api/v1/echo").c_str(), "the file is gone");
    upload_of_no_size no_size{{"a body"}};
    CHECK_STRING(thrown(no_size, "POST", "/api/v1/echo").c_str(), "the file has no size");
    CHECK_RESULT(tm.request_stream(std::nothrow, "POST", "/api/v1/echo", no_size), TM_CANCELLED);
    download little{0, 10};
    CHECK_RESULT(tm.request_stream(std::nothrow, "GET", "/api/v1/blob?bytes=500000", little), TM_CANCELLED);
    CHECK_INT(tm.request("GET", "/api/v1/products").status(), 200);
}

// ---- callbacks of a handle -----------------------------------------------------------------------------------------

static void lines_and_interrupts_come_to_their_objects() {
    demo("{'reset':true}");
    manager tm = new_client();
    long lines = 0, asked = 0;
    auto log = [&lines](tokenmgr::log_level level, cstring message) noexcept {
        lines += level <= tokenmgr::log_level::debug && message && message != "";
    };
    tm.set_log_callback(log, tokenmgr::log_level::debug);
    manager moved = std::move(tm); /* callbacks go along with the handle */
    moved.login();
    CHECK(lines > 0);
    moved.set_log_callback(nullptr);
    const long before = lines;
    moved.login();
    CHECK_INT(lines, before);

    const auto interrupt = [&asked]() noexcept { return ++asked > 1; };
    moved.set_interrupt_callback(interrupt);
    demo("{'faults':{'route':'/api/v1/products','do':'hang'}}");
    CHECK_THROWS(TM_CANCELLED, moved.request("GET", "/api/v1/products"));
    CHECK_INT(asked, 2);
    moved.set_interrupt_callback(nullptr);
    demo("{'faults':{'route':'/api/v1/products','delay_before_ms':200}}");
    CHECK_INT(moved.request("GET", "/api/v1/products").status(), 200);
    CHECK_INT(asked, 2);
}

/* A store as a C++ program would write it, which can be told to throw. */
struct caller_store {
    std::string record;
    int locks = 0, unlocks = 0;
    bool is_away = false;

    answer load(cstring key, tokenmgr::sink out) {
        if (is_away) throw std::runtime_error("away");
        CHECK(key == USERNAME);
        out.put(record);
        return answer::done;
    }
    answer save(cstring, std::string_view data, std::optional<std::string_view> expected, std::chrono::seconds ttl) {
        if (is_away) throw std::runtime_error("away");
        CHECK(ttl >= 0s);
        if (expected.value_or("") != record) return answer::no;
        record = data;
        return answer::done;
    }
    answer lock(cstring, std::chrono::milliseconds wait) {
        CHECK(wait >= 0ms);
        locks++;
        return is_away ? answer::failed : answer::done;
    }
    answer unlock(cstring) {
        unlocks++;
        return answer::done;
    }
};

struct private_store { /* that nobody shares, so that it has no lock */
    std::string record;
    answer load(cstring, tokenmgr::sink out) { return out.put(record), answer::done; }
    answer save(cstring, std::string_view data, std::optional<std::string_view>, std::chrono::seconds) {
        return record = data, answer::done;
    }
};

static void tokens_are_kept_in_a_store_of_ones_own() {
    demo("{'reset':true}");
    caller_store shared;
    manager first = new_client(), second = new_client();
    first.set_store(shared);
    second.set_store(shared);
    CHECK_INT(first.request("GET", "/api/v1/products").status(), 200);
    CHECK_INT(second.request("GET", "/api/v1/products").status(), 200);
    CHECK_COUNT("logins", 1);
    CHECK(shared.locks > 0 && shared.locks == shared.unlocks && !shared.record.empty());
    first.check_store();
    shared.is_away = true;
    CHECK_THROWS(TM_STORE, first.check_store());
    CHECK_INT(first.request("GET", "/api/v1/products").status(), 200);

    private_store own;
    manager third = new_client();
    third.set_store(own);
    third.login();
    CHECK(!own.record.empty());
}

// ---- no allocation of its own --------------------------------------------------------------------------------------

static void nothing_in_between_allocates() {
    demo("{'reset':true}");
    caller_store store; /* whose record is a std::string: made before */
    store.record.reserve(100000);
    auto log = [](tokenmgr::log_level, cstring) noexcept {};
    CHECK_INT(allocations_in([&] {
        manager tm = new_client();
        tm.set_store(store);
        tm.set_log_callback(log, tokenmgr::log_level::debug);
        response r = tm.request("GET", "/api/v1/products").checked();
        tokenmgr::outcome into;
        tm.request_into(into, "GET", "/api/v1/products");
        upload_and_download both{100000};
        (void)tm.request_stream("POST", "/api/v1/echo", both);
        char buffer[4096];
        tm.copy_access_token(buffer, sizeof buffer);
        const tokenmgr::token token = tm.get_token();
        tm.set_tokens(token.access(), token.refresh(), token.expires_at());
        CHECK(tm.stats_json().view().size() > 10);
        CHECK_RESULT(tm.request(std::nothrow, "GET", "https://elsewhere.example"), TM_URL_NOT_ALLOWED);
        CHECK_THROWS(TM_URL_NOT_ALLOWED, tm.check_url("https://elsewhere.example"));
        check_throws<tokenmgr::refused>(__LINE__, TM_HTTP_ERROR, [&] { tm.request("GET", "/api/v1/status/404").checked(); });
    }), 0);
    CHECK_INT(allocations_in([] { ::operator delete(::operator new(1)); }), 1); /* the counting counts */
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    handles_move_and_do_not_copy();
    strings_are_those_of_c();
    calls_give_responses();
    refusals_are_responses_until_they_are_checked();
    outcomes_are_used_again();
    failures_are_thrown_or_given();
    tokens_are_snapshots();
    pairs_and_credentials_are_set();
    jwts_are_read();
    bodies_come_and_go_in_pieces();
    what_a_body_throws_is_thrown();
    lines_and_interrupts_come_to_their_objects();
    tokens_are_kept_in_a_store_of_ones_own();
    nothing_in_between_allocates();
    return check_end();
}
