# shellcheck shell=bash
# The token, and what is kept of it between commands. A part of tests/cli/run.

part 'login, token, status, logout'
before=$(counter logins)
expect 0 login
check 'login says nothing' is "$out$err" ''
check 'login logs in' is "$(counter logins)" $((before + 1))
expect 0 token
token=$out
check 'a JWT' grep -Eqx '[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+' "$work/out"
check 'curl takes it' curl -fsS -H "Authorization: Bearer $(tokenmgr token)" "$api/api/v1/products"
curl_with_pipe() { tokenmgr token --bearer | curl -fsS -H @- "$api/api/v1/products"; }
check 'curl takes it through a pipe' curl_with_pipe
expect 0 status
check 'status tells the time left' grep -Eqx 'access token:  59 min [0-9]+ s left, until .* UTC' "$work/out"
check 'of the refresh token too' grep -Eqx 'refresh token: 6 d 23 h left, until .* UTC' "$work/out"
check 'status holds no token' lacks "$out" eyJ
other_machine='{"store":{"type":"file","path":"'$work'/shared","key":"'$(tokenmgr key)'"}}'
this_machine='{"store":{"type":"file","path":"'$work'/shared","key":"'$(tokenmgr key)'"}}'
TOKENMGR_OPTIONS=$other_machine run login
TOKENMGR_OPTIONS=$this_machine run status
check 'status tells of a key that differs' contains "$err" 'is sealed with another key'
# Without a folder for a token of its own it logs in, and replaces the record.
XDG_STATE_HOME=/proc/none TOKENMGR_OPTIONS=$this_machine run status
check 'and says so where it replaces it' contains "$out$err" 'is sealed with another key'
limited=$(ulimit -f 0; XDG_STATE_HOME=$work/limited TOKENMGR_OPTIONS='{}' env --default-signal=XFSZ tokenmgr token 2>/dev/null)
check 'a limit on the size of files costs no more than what is kept' contains "$limited" eyJ
expect 0 status --json
check 'status --json is JSON' is "$(field type)" object
before=$(counter logout_arrivals)
expect 0 logout
check 'nothing held: nothing revoked' is "$(counter logout_arrivals)" "$before"
expect 0 login -v
check '-v shows what happens' contains "$err" 'tokenmgr: info: '
expect 0 login -vv

part 'what is kept between commands'
kept() { # OPTIONS COMMAND...: with the command's own store
    TOKENMGR_OPTIONS=$1 run "${@:2}"
}
state=$XDG_STATE_HOME/tokenmgr
before=$(counter logins)
rm -rf "$state"
expect 0 token
check 'with the memory store nothing is kept' test ! -e "$state"
before=$(counter logins)
for _ in $(seq 100); do kept '' token || break; done
check 'a hundred commands' exits 0
check 'are one login' is "$(counter logins)" $((before + 1))
first=$out
for options in '{}' ' { } ' '[]' '{"timeout_ms":5000}' '{"headers":{"store":"x"}}'; do
    kept "$options" token
    check "$options: the same token" is "$code$out" "0$first"
done
modes() { stat -c %a "$state" "$state"/* | sort -u | tr '\n' ' '; }
check 'the folder and what is in it are the user'"'"'s own' is "$(modes)" '600 700 '
check 'nothing in it can be read' lacks "$(cat "$state"/shop@* | tr -d '\0')" eyJ
kept '{}' request -f GET /api/v1/products
check 'a call uses it' is "$code$(counter logins)" "0$((before + 1))"
TOKENMGR_USERNAME=other kept '{}' token
check 'another account has its own' is "$code" 3
kept '{}' token
check 'and does not disturb the first' is "$out" "$first"
seq 20 | TOKENMGR_OPTIONS='{}' XDG_STATE_HOME=$work/fresh xargs -P 20 -I{} tokenmgr token | sort -u >"$work/tokens"
check 'twenty at once have one token' is "$(wc -l <"$work/tokens")" 1
check 'of one login' is "$(counter logins)" $((before + 2))
kept '{}' logout
check 'logout revokes it' is "$code$(counter logouts)" 01
kept '{}' token
check 'and the next logs in' is "$(counter logins)" $((before + 3))
XDG_STATE_HOME=$work/err/none kept '{}' token
check 'a folder that cannot be made is said' contains "$err" 'set XDG_STATE_HOME'
check 'and costs a login only' is "$code$(counter logins)" 0$((before + 4))
HOME='' XDG_STATE_HOME='' kept '' token
check 'no home at all is said' contains "$err" 'set HOME'
HOME=$work/home XDG_STATE_HOME='' kept '' token
check 'the default folder' test -e "$work/home/.local/state/tokenmgr/key"
mkdir -p "$work/piped/tokenmgr" && mkfifo "$work/piped/tokenmgr/key"
TOKENMGR_OPTIONS='{}' XDG_STATE_HOME=$work/piped timeout 20 tokenmgr token >"$work/out" 2>"$work/err"
check 'a pipe for a key is refused and not waited for' is "$?$(grep -c 'not a regular file' "$work/err")" 21
kept '{"client_id":"one"}' token
before=$(counter logins)
kept '{"client_id":"two"}' token
kept '{"client_id":"one"}' token
kept '{"client_id":"two"}' token
check 'another client_id has a file of its own' is "$code$(counter logins)" 0$((before + 1))
(unset TOKENMGR_USERNAME && TOKENMGR_OPTIONS='{}' TOKENMGR_USERNAME_FILE=<(printf shop) tokenmgr token) >"$work/out" 2>"$work/err"
check 'a username from a pipe' is "$?$(<"$work/err")" 0
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work"
    mkdir -p "$work/foreign/tokenmgr" && chmod 755 "$work/foreign" "$work/foreign/tokenmgr"
    tokenmgr key >"$work/foreign/tokenmgr/key" && chmod 600 "$work/foreign/tokenmgr/key"
    TOKENMGR_OPTIONS='{}' XDG_STATE_HOME=$work/foreign setpriv --reuid=65534 --clear-groups build/bin/tokenmgr token \
        >"$work/out" 2>"$work/err"
    check 'a key of someone else costs a login only' is $? 0
    check 'and is said' contains "$(<"$work/err")" 'set XDG_STATE_HOME'
fi
expect 0 key
check 'a key' is "$(base64 -d <<<"$out" | wc -c)" 32
TOKENMGR_OPTIONS='{"store":{"type":"nowhere"}}' expect 2 token
