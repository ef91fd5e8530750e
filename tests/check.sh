# shellcheck shell=bash
# What the shell tests share: checks that count, and the closing line.

passed=0
failed=0

# check WHAT COMMAND...: the command has to succeed; what it says is shown if it does not.
check() {
    local what=$1 said
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$what" "$said"
    fi
}

is() { [ "$1" = "$2" ] || { printf 'is     "%s"\nwanted "%s"\n' "$1" "$2"; return 1; }; }
contains() { case $1 in *"$2"*) ;; *) printf 'lacks  "%s": "%s"\n' "$2" "$1"; return 1 ;; esac; }
lacks() { case $1 in *"$2"*) printf 'holds  "%s": "%s"\n' "$2" "$1"; return 1 ;; esac; }

close_checks() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
