# shellcheck shell=bash
# What keeps the command from an answer or a token, and signals. A part of tests/cli/run.

part 'answers from 400 on'
for pair in 400:8 401:3 403:4 404:8 418:8 429:6 500:7 503:7; do
    status=${pair%:*}
    expect 0 request GET "/api/v1/status/$status"
    check "$status: the answer" is "$(field .error.code)" as_requested
    echo kept >"$work/kept"
    expect "${pair#*:}" request -f GET "/api/v1/status/$status" -o "$work/kept"
    check "$status: no output with -f" is "$out$(<"$work/kept")" kept
done
expect 0 request -f GET /api/v1/status/204

part 'a store that is away'
away='{"timeout_ms":5000, "store": {"type":"redis","url":"redis://127.0.0.1:1","prefix":"}:"}, "headers":{"x":"y"}}'
before=$(counter logins)
for _ in $(seq 5); do
    TOKENMGR_OPTIONS=$away XDG_STATE_HOME=$work/away run token
    check 'a command has a token all the same' exits 0
    check 'and says of which store' contains "$err" '127.0.0.1:1'
done
TOKENMGR_OPTIONS=$away XDG_STATE_HOME=$work/away expect 0 request -f GET /api/v1/products
TOKENMGR_OPTIONS=$away XDG_STATE_HOME=$work/away expect 0 status
check 'all of them are one login' is "$(counter logins)" $((before + 1))
before=$(counter login_arrivals)
for wanted in 3 3 3; do
    TOKENMGR_PASSWORD=wrong-Zq82 TOKENMGR_OPTIONS=$away XDG_STATE_HOME=$work/refused expect "$wanted" token
done
check 'a refused login is not tried by each' is "$(counter login_arrivals)" $((before + 1))
TOKENMGR_OPTIONS=$away XDG_STATE_HOME=/dev/null expect 0 token
for end in '}' ',"timeout_ms":5000}'; do
    TOKENMGR_OPTIONS='{"store":{"type":"file","path":"/proc/none/of","key":"'$(tokenmgr key)'"}'$end \
        XDG_STATE_HOME=$work/away expect 0 token
done
sealed() { printf '{"store":{"type":"file","path":"%s","key":"%s"}}' "$work/sealed" "$1"; }
key=$(tokenmgr key)
TOKENMGR_OPTIONS=$(sealed "$key") expect 0 token
before=$(sha256sum "$work"/sealed*)
TOKENMGR_OPTIONS=$(sealed "$(tokenmgr key)") expect 0 status
check 'a record of another key is named' contains "$err" "$work/sealed"
check 'and left alone' is "$(sha256sum "$work"/sealed*)" "$before"

part 'what keeps it from a token'
TOKENMGR_PASSWORD=wrong-Zq82 expect 3 token
check 'no password in the message' lacks "$err" Zq82
for words in 'check the username' 'correct TOKENMGR_USERNAME and TOKENMGR_PASSWORD'; do # the second one is not sent
    TOKENMGR_PASSWORD=wrong-Zq82 TOKENMGR_OPTIONS='{}' XDG_STATE_HOME=$work/suspended run token
    check "a wrong password: $words" contains "$code$err" "$words"
done
TOKENMGR_PASSWORD='' expect 3 token
check 'how to give one is told' contains "$err" 'set TOKENMGR_PASSWORD or TOKENMGR_PASSWORD_FILE'
TOKENMGR_OPTIONS='{"store":{"type":"callback"}}' XDG_STATE_HOME=$work/away expect 0 token
check 'a store for programs' contains "$err" 'name another in TOKENMGR_OPTIONS'
control '{"whitelist":["203.0.113.1"]}'
expect 4 token
check 'the whitelist is named' contains "$err" whitelist
control '{"whitelist":null}'
fail_login() { control "{\"clear_faults\":true,\"faults\":{\"route\":\"/auth/login\",\"times\":null,$1}}"; }
fail_login '"status":429,"retry_after":30'
expect 6 token
fail_login '"status":503'
expect 7 token
fail_login '"do":"html"'
expect 7 token
fail_login '"do":"garbage"'
expect 5 token
fail_login '"do":"reset"'
expect 5 token
fail_login '"do":"hang"'
TOKENMGR_OPTIONS='{"timeout_ms":300,"store":{"type":"memory"}}' expect 5 token
expect 5 request GET /api/v1/products --timeout 0.3
TOKENMGR_HOST=http://127.0.0.1:1 expect 5 token
TOKENMGR_HOST=https://${api#http://} expect 5 token

part 'signals'
for signal in INT:130 TERM:143 HUP:129; do
    arrived=$(counter login_arrivals)
    # Whoever runs this may ignore signals, and a command in the background ignores SIGINT: not this one.
    env --default-signal=INT,TERM,HUP tokenmgr token >"$work/out" 2>"$work/err" &
    until [ "$(counter login_arrivals)" -gt "$arrived" ]; do sleep 0.02; done
    began=$(date +%s%N)
    kill "-${signal%:*}" $!
    wait $! 2>/dev/null
    check "SIG${signal%:*}" is $? "${signal#*:}"
    check 'ends within a second' test $(($(date +%s%N) - began)) -lt 1300000000
    check 'and says nothing' is "$(<"$work/err")" ''
done
control '{"clear_faults":true}'
