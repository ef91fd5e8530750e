# shellcheck shell=bash
# The forms in which the token and its status are printed, completions, and the manual page. A part of tests/cli/run.

part 'token --format'
keep='{"timeout_ms":5000}' # so that all of them print one token
kept "$keep" token
plain=$out
in_an_hour() { test "$1" -gt $(($(date +%s) + 3500)) -a "$1" -le $(($(date +%s) + 3601)); }
kept "$keep" token --format json
check 'json: the token' is "$code $(field '.access_token, .token_type' | tr '\n' ' ')" "0 $plain Bearer "
check 'json: seconds left' test "$(field .expires_in)" -gt 3500 -a "$(field .expires_in)" -le 3600
check 'json: the expiry' in_an_hour "$(date -d "$(field .expires_at)" +%s)"
kept "$keep" token --format env
check 'env: a shell takes it' is "$(eval "$out" && printf %s "$TOKENMGR_ACCESS_TOKEN")" "$plain"
check 'env: the expiry' in_an_hour "$(eval "$out" && printf %s "$TOKENMGR_ACCESS_TOKEN_EXPIRES_AT")"
# The server's clock for a token, because of its blanks.
dated='{"timeout_ms":5000,"store":{"type":"memory"},"auth":{"login":{"url":"/auth/login","json":{"username":"{username}",
    "password":"{password}"}},"answer":{"access_token":{"header":"Date"}}}}'
TOKENMGR_OPTIONS=$dated run token --format env
check 'env: of any token a shell runs nothing' contains "$(eval "$out" && printf %s "$TOKENMGR_ACCESS_TOKEN")" ' GMT'
kept "$keep" token --format header
check 'header' is "$out" "Authorization: Bearer $plain"
kept "$keep" token --bearer
check '--bearer is the same' is "$out" "Authorization: Bearer $plain"
kept "$keep" token --format exec-credential
check 'exec-credential: its kind' is "$(field '.apiVersion + " " + .kind')" 'client.authentication.k8s.io/v1 ExecCredential'
check 'exec-credential: the token' is "$(field .status.token)" "$plain"
check 'exec-credential: the expiry' in_an_hour "$(date -d "$(field .status.expirationTimestamp)" +%s)"
control '{"omit_expiries":true,"opaque_access_tokens":true}'
expect 0 token --format json
check 'an expiry that is unknown is left out' is "$(field 'keys | join(" ")')" 'access_token token_type'
expect 0 token --format env
check 'in lines, too' is "$(wc -l <"$work/out")" 1
expect 0 token --format exec-credential
check 'and for kubectl' is "$(field '.status | keys | join(" ")')" token
control '{"omit_expiries":false,"opaque_access_tokens":false}'
expect 2 token --format yaml
check 'the formats are named' contains "$err" 'json, env, header, exec-credential'
expect 2 token --format json --bearer

part 'status --format'
kept "$keep" status --format json
check 'json: access token' in_an_hour "$(date -d "$(field .access_token.expires_at)" +%s)"
check 'json: refresh token' test "$(date -d "$(field .refresh_token.expires_at)" +%s)" -gt $(($(date +%s) + 600000))
check 'json: statistics' is "$(field '.statistics.token')" good
check 'json: no token in it' lacks "$out" eyJ
expect 2 status --format json --json
# metric NAME: the value of one, from what was printed last.
metric() { sed -n "s/^tokenmgr_$1{host=\"${api//\//\\/}\",username=\"shop\"} //p" "$work/out"; }
kept "$keep" status --format prometheus
check 'prometheus: up' is "$code $(metric up)" '0 1'
check 'prometheus: the expiry' in_an_hour "$(metric access_token_expires_timestamp_seconds)"
check 'prometheus: statistics' is "$(metric run_logins) $(metric run_has_refresh_token)" '0 1'
lines='# HELP tokenmgr_[a-z0-9_]+ [^\]+|# TYPE tokenmgr_[a-z0-9_]+ gauge|tokenmgr_[a-z0-9_]+\{host="[^"]+",username="[^"]+"\} -?[0-9.]+'
check 'prometheus: nothing but metrics' is "$(grep -Evx "$lines" "$work/out")" ''
check 'prometheus: times are in seconds' is "$(grep -c '_ms{' "$work/out") $(metric run_claim_wait_seconds)" '0 0.0'
check 'prometheus: each is there once' is "$(sed -n 's/^# TYPE //p' "$work/out" | sort | uniq -d)" ''
kept "$keep" status --format prometheus -o "$folder/tokenmgr.prom"
check '-o: a file' is "$code$out $(grep -c '^tokenmgr_up' "$folder/tokenmgr.prom")" '0 1'
check 'with the mode of new files' is "$(stat -c %a "$folder/tokenmgr.prom")" "$(printf %o $((0666 & ~$(umask))))"
TOKENMGR_PASSWORD=wrong-Zq82 run status --format prometheus -o "$folder/tokenmgr.prom"
check 'without a token it is not up' is "$code $(sed -n 's/^tokenmgr_up{.*} //p' "$folder/tokenmgr.prom")" '3 0'
check 'and nothing else is left' is "$(find "$folder" -name '.tokenmgr*')" ''
# shellcheck disable=SC1003 # a backslash
TOKENMGR_USERNAME='a"b\c' run status --format prometheus
check 'a name is escaped' contains "$out" 'username="a\"b\\c"} 0'
TOKENMGR_HOST=https://user:pw-Zq84@api.example.com run status --format prometheus
check 'a password in the host is not shown' lacks "$out$err" Zq84
expect 11 status --format prometheus -o /dev/full
expect 11 status --format json -o "$work/none/file"

part 'completion and manual'
for shell in bash zsh fish; do
    expect 0 completion "$shell"
    check "$shell: it knows the commands" contains "$out" exec-credential
    if command -v "$shell" >/dev/null; then check "$shell can read it" "$shell" -n "$work/out"; fi
done
# clap escapes no colon in a value's name, and zsh takes what follows it for what it is to do.
check 'zsh: no name of a value has a colon' is "$(tokenmgr completion zsh | grep -E "\]:[^:]*: ")" ''
completed() { # WORD...: what bash offers for the last word
    bash -c '. /dev/stdin <<<"$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _tokenmgr tokenmgr "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s " "${COMPREPLY[@]}"' - \
        "$(tokenmgr completion bash)" "$@"
}
check 'bash completes a command' is "$(completed tokenmgr stat)" 'status '
check 'an option' is "$(completed tokenmgr request --time)" '--timeout '
check 'a value' is "$(completed tokenmgr token --format exec)" 'exec-credential '
expect 2 completion ksh
expect 2 completion
expect 2 toke
check 'a command that is nearly right' contains "$err" 'did you mean token?'
expect 0 manual
check 'the manual page is as committed' same_bytes "$work/out" docs/man/tokenmgr.1
