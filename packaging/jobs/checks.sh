# shellcheck shell=bash
# The jobs of this folder as checks. For scripts that source tests/check.sh and scripts/demo-api.sh, too, and that have
# `inside PROGRAM ARGUMENT...`, which runs a program where the packages are installed.

# does_job WHAT PROGRAM ARGUMENT...: the program does packaging/jobs, with the library whose path or version holds WHAT.
does_job() {
    local said
    said=$(inside "${@:2}" 2>&1) && contains "$said" 'job done by' && contains "$said" "$1"
}

# does_commands_job PROGRAM: logs in, calls, tells a token, and finds what it keeps from one run to the next.
does_commands_job() {
    local said logins
    logins=$(counter logins)
    said=$(inside "$1" request GET /api/v1/products) && contains "$said" 'Popup Coffee Card' &&
        said=$(inside "$1" token) && contains "$said" . && is "$(($(counter logins) - logins))" 1
}
