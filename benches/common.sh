# shellcheck shell=bash
# What benches/run and tests/budget/run share: how the programs of c/ are built, and the server that they call. Source
# it with the repository's root as the current folder, `out` set to the folder for what is built and `dir` to a
# temporary one. `stop_servers` ends what `start_server` and `start_sink` began.

# A proxy or a CA file from the environment would measure something else, and so would a setting of the library's.
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
unset SSL_CERT_FILE SSL_CERT_DIR BENCH_CA BENCH_BUNDLE BENCH_LOGIN "${!TOKENMGR_@}"

: "${out:?}" "${dir:?}"
export BENCH_OUT=$out BENCH_DIR=$dir
core=$(python3 -c 'import os; print(min(os.sched_getaffinity(0)))')
PATH=$PATH:/usr/sbin:/sbin
servers=()

stop_servers() {
    [[ ${#servers[@]} -eq 0 ]] || kill "${servers[@]}" 2>/dev/null || true
    wait
}

# ---- the programs ----

# shellcheck disable=SC2016 # the loader expands it
find_beside='-Wl,-rpath,$ORIGIN'

compile() { "${CC:-gcc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror "$@"; }

# The library as it is shipped: stripped, and under the name that programs linked with it ask for.
stage_library() {
    local soname
    mkdir -p "$out"
    strip -o "$out/libtokenmgr.so" build/lib/libtokenmgr.so
    soname=$(objdump -p "$out/libtokenmgr.so" | awk '$1 == "SONAME" { print $2 }')
    if [[ -n $soname && $soname != libtokenmgr.so ]]; then ln -sf libtokenmgr.so "$out/$soname"; fi
}

build_program() { # name of the file: what loads an engine, or needs none
    compile -o "$out/$1" "benches/c/$1.c" benches/c/harness.c -pthread -ldl
}

build_own_program() { # name of the file: what calls the library itself
    compile -o "$out/$1" "benches/c/$1.c" benches/c/harness.c -Iinclude -L"$out" -ltokenmgr "$find_beside" -pthread -ldl
}

build_engine() { # name of the file, how to link it
    compile -fPIC -shared -o "$out/engine_$1.so" "benches/c/engine_$1.c" "$find_beside" "${@:2}"
}

build_own_engine() { build_engine tokenmgr -Iinclude -L"$out" -ltokenmgr -ldl; }

# Counts the calls of malloc and its like in any program that it is loaded into before the C library.
build_allocation_counter() { compile -fPIC -shared -o "$out/allocations.so" benches/c/allocations.c; }

# ---- the server ----

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# About 1 KB, the size of a real one.
access_token() {
    local scope
    scope=$(printf 'products:read:%03d ' {1..34})
    printf '%s.%s.%s' \
        "$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)" \
        "$(printf '{"sub":"bench","iat":1700000000,"exp":4102444800,"scope":"%s"}' "$scope" | base64url)" \
        "$(printf 'not a signature, only as long as one' | base64url)"
}

token_pair() {
    printf '{"success":true,"data":{"access_token":"%s","refresh_token":"bench-refresh-token",' "$1"
    printf '"access_expires_at":"2100-01-01T00:00:00Z","refresh_expires_at":"2100-01-01T00:00:00Z","client_id":1}}'
}

product_list() {
    printf '{"success":true,"data":['
    printf '{"id":%d,"name":"Gift card","currency":"EUR","value":"25.00","in_stock":true},' {1..12}
    printf '{"id":13,"name":"Gift card","currency":"EUR","value":"50.00","in_stock":false}]}'
}

make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=bench CA' \
        -addext 'basicConstraints=critical,CA:TRUE' -keyout "$dir/ca.key" -out "$dir/ca.pem"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=127.0.0.1' \
        -keyout "$dir/server.key" -out "$dir/server.csr"
    printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$dir/server.ext"
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
        -extfile "$dir/server.ext" -out "$dir/server.pem"
} 2>"$dir/openssl.log"

free_ports() {
    python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))'
}

# Starts nginx, pinned to one core, and exports BENCH_HTTP and BENCH_HTTPS, its addresses, and BENCH_TOKEN. $1: the
# system's authorities, a file, which a client of the https server is to read too.
start_server() {
    local http_port https_port
    BENCH_TOKEN=$(access_token)
    make_certificates
    # The system's roots too, as in real use: reading them is a part of a cold start.
    cat "$dir/ca.pem" "$1" >"$dir/bundle.pem"
    truncate -s 64M "$dir/blob"
    read -r http_port https_port < <(free_ports)
    sed -e "s|@dir@|$dir|" -e "s|@http_port@|$http_port|" -e "s|@https_port@|$https_port|" \
        -e "s|@tokens@|$(token_pair "$BENCH_TOKEN")|" -e "s|@products@|$(product_list)|" \
        benches/nginx.conf >"$dir/nginx.conf"

    # Even a killed run leaves no server behind.
    setpriv --pdeathsig TERM taskset -c "$core" nginx -e "$dir/error.log" -p "$dir" -c "$dir/nginx.conf" &
    servers+=($!)
    BENCH_HTTP=http://127.0.0.1:$http_port
    BENCH_HTTPS=https://127.0.0.1:$https_port
    export BENCH_TOKEN BENCH_HTTP BENCH_HTTPS

    local tries
    for tries in {1..50}; do
        if (: <>"/dev/tcp/127.0.0.1/$http_port") 2>/dev/null; then return; fi
        sleep 0.1
    done
    echo "nginx did not start within $tries tries:" >&2
    cat "$dir/error.log" >&2
    exit 1
}

# Starts the server that uploads go to, and exports BENCH_SINK, its address. nginx either answers before it has read a
# body or keeps it; this one reads and discards.
start_sink() {
    : >"$dir/sink"
    setpriv --pdeathsig TERM "$out/sink" >"$dir/sink" &
    servers+=($!)
    until [[ -s $dir/sink ]]; do
        kill -0 $! || exit 1
        sleep 0.02
    done
    BENCH_SINK=$(<"$dir/sink")
    export BENCH_SINK
}
