# shellcheck shell=bash
# For scripts that need the demo API as a server of their own. Source it, with the repository's root as the current
# folder; examples/demo-api/README.md tells what `control` can ask for.

# No setting of whoever runs this is to get between the server and what is run against it.
unset "${!TOKENMGR_@}" http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

# start_demo_api LOG [OPTION]...: starts it on a free port of the loopback interface and sets `api` to its address.
# It ends when its stdin does, and so with the script that started it, however that ends.
start_demo_api() {
    local log=$1
    shift
    : >"$log"
    exec {api_stdin}> >(exec build/libexec/demo-api --parent-exits "$@" >"$log" 2>&1)
    api_process=$!
    until api=$(sed -n 's/^listening on //p' "$log") && [ -n "$api" ]; do
        kill -0 "$api_process" 2>/dev/null || { cat "$log" >&2; return 1; }
        sleep 0.02
    done
}

# Ends it, or does nothing where none was started.
stop_demo_api() {
    [ -n "${api_stdin:-}" ] || return 0
    exec {api_stdin}>&-
    wait "$api_process" || true
}

# control JSON: changes how the server behaves.
control() {
    curl -fsS -o /dev/null -d "$1" "$api/control"
}

# counter NAME: what the server has counted.
counter() {
    curl -fsS "$api/control/counters" | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"
}
