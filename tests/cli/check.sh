# shellcheck shell=bash
# Trying out what the options say of an API. A part of tests/cli/run.

part 'check'
run check --call /api/v1/products
check 'everything fits' is "$code$err" 0
for line in 'login: ok' 'call: ok' 'refresh: ok' "  sent        POST $api/auth/login" '  answered    200' \
    '  understood  access_token: .* \(from .*\)' 'ok'; do
    check "it says: $line" grep -Eqx "$line" "$work/out"
done
for secret in "$password" eyJ; do check "no secret: ${secret:0:3}..." lacks "$out" "$secret"; done
run check
check 'without a call it is left out' is "$code $(grep -Ec '^call: left out' "$work/out")" '0 1'
run check --json --call /api/v1/products
check 'as JSON' is "$code $(field '.ok, .steps[0].name, .steps[0].sent.method' | tr '\n' ' ')" '0 true login POST '
expect 2 check --call http://127.0.0.1:1/elsewhere
tokenmgr check >/dev/full 2>"$work/err"
check 'a report that cannot be written' is "$? $(cut -c 1-21 "$work/err")" '11 tokenmgr: cannot writ'
# A description of the same API, with one mistake.
dialect() { # where the access token stands
    printf '%s' '{"login":{"url":"/auth/login","json":{"username":"{username}","password":"{password}"}},
        "answer":{"access_token":"'"$1"'","expires_in":"/data/expires_in"},
        "call":{"headers":{"Authorization":"Bearer {access_token}"}}}'
}
dialect /data/access_token >"$work/auth.json"
before=$(find "$XDG_STATE_HOME" -type f | sort)
TOKENMGR_OPTIONS='{"timeout_ms":5000}' run check --auth "$work/auth.json" --call /api/v1/products
check 'a description that fits' is "$code$err" 0
dialect /data/token >"$work/auth.json"
TOKENMGR_OPTIONS='{"timeout_ms":5000}' run check --auth "$work/auth.json" --call /api/v1/products
check 'one that does not' is "$code$err" 1
check 'what is wrong' grep -qx 'login: WRONG' "$work/out"
check 'in short, too' is "$(tail -n 1 "$work/out" | cut -c 1-33)" 'login: auth.answer.access_token: '
check 'what to change' grep -Eqx '  change      auth\.answer\.access_token' "$work/out"
check 'nothing of it is kept' is "$(find "$XDG_STATE_HOME" -type f | sort)" "$before"
run check --help
check 'where its values come from is told' contains "$out" 'auth_params of TOKENMGR_OPTIONS'
expect 2 check --auth "$work/none"
TOKENMGR_OPTIONS='{"proxy":"http://127.0.0.1:1",' expect 2 check --auth "$work/auth.json"
check 'options that cannot be read are not left out' contains "$err" 'not valid JSON'
TOKENMGR_PASSWORD=wrong-Zq82 run check
check 'credentials that are refused' is "$code" 1
