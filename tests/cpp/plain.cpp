/* A program that is compiled without exceptions. */

#include <cstdio>
#include <cstring>
#include <tokenmgr.hpp>

struct caller_store {
    char record[8192] = {};
    std::size_t size = 0;

    tokenmgr::answer load(tokenmgr::cstring, tokenmgr::sink out) noexcept {
        if (size > 0) out.put({record, size});
        return tokenmgr::answer::done;
    }
    tokenmgr::answer save(tokenmgr::cstring, std::string_view data, std::optional<std::string_view>, std::chrono::seconds) noexcept {
        if (data.size() > sizeof record) return tokenmgr::answer::failed;
        std::memcpy(record, data.data(), size = data.size());
        return tokenmgr::answer::done;
    }
};

struct counter {
    std::size_t bytes = 0;
    void write(std::string_view piece) noexcept { bytes += piece.size(); }
};

int main(int, char **arguments) {
    tokenmgr::result<tokenmgr::manager> made = tokenmgr::manager::make(std::nothrow, arguments[1], "demo", "demo-password");
    if (!made) return std::fprintf(stderr, "%s\n", made.error().message().c_str()), 1;
    tokenmgr::manager tm = std::move(made).value();
    caller_store store;
    tm.set_store(store);
    counter counted;
    if (!tm.request_stream(std::nothrow, "GET", "/api/v1/products", counted) || counted.bytes == 0 || store.size == 0) return 2;
    tokenmgr::result<tokenmgr::response> missing = tm.request(std::nothrow, "GET", "/api/v1/status/404");
    if (!missing || missing->error().code() != TM_HTTP_ERROR) return 3;
    std::move(*missing).checked(); /* would throw, and so ends the program */
    return 4;
}
