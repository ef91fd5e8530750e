# shellcheck shell=bash
# What the doctor finds, in order and not. A part of tests/cli/run.

part 'doctor'
soname=$(cd build/lib && echo libtokenmgr.so.?)
run doctor
check 'all is well' is "$code$err" 0
for line in 'ok     file: .*/'"$soname" "ok     TOKENMGR_HOST: $api/" 'ok     TOKENMGR_USERNAME: shop' \
    'ok     TOKENMGR_PASSWORD: is set .*' 'ok     TOKENMGR_OPTIONS: names store, timeout_ms' \
    'ok     proxy: none: .*' 'ok     name: 127.0.0.1 is .*' 'ok     TCP: 127.0.0.1:.*' 'ok     HTTP: status .*' \
    'ok     clock: .*' 'ok     type: memory.*' 'ok     use: .*'; do
    check "it says: $line" grep -Eqx "  $line" "$work/out"
done
check 'nothing is sent to log in' is "$(counter login_arrivals)" "$(tokenmgr doctor >/dev/null; counter login_arrivals)"
# wrong TEXT: doctor has to end with 1, and to say this of what is wrong.
wrong() {
    run doctor
    check "exit 1: $1" exits 1
    check "wrong: $1" grep -Eq "^  WRONG  $1" "$work/out"
    cat "$work/out" >>"$work/said"
}
TOKENMGR_HOST='' wrong 'TOKENMGR_HOST: is not set'
TOKENMGR_HOST='no url' wrong 'TOKENMGR_HOST: is no URL'
TOKENMGR_OPTIONS='{}' TOKENMGR_HOST=https://user:pw-Zq84@nowhere.invalid wrong 'use: '
TOKENMGR_USERNAME='' wrong 'TOKENMGR_USERNAME: is not set, nor is TOKENMGR_USERNAME_FILE'
TOKENMGR_PASSWORD='' TOKENMGR_PASSWORD_FILE=$work/none wrong 'TOKENMGR_PASSWORD_FILE: cannot read'
(TOKENMGR_PASSWORD='' TOKENMGR_PASSWORD_FILE=$work/password tokenmgr doctor) >"$work/out"
check 'a password from a file' grep -Fqx "  ok     TOKENMGR_PASSWORD_FILE: $work/password" "$work/out"
TOKENMGR_OPTIONS='{' wrong 'TOKENMGR_OPTIONS: is not one JSON object'
TOKENMGR_OPTIONS='{"timeout":1}' wrong 'use: .*timeout'
TOKENMGR_OPTIONS='{"store":{"type":"redis","url":"redis://:pw-Zq84@127.0.0.1:1"}}' wrong 'use: .*127.0.0.1:1'
TOKENMGR_OPTIONS='{}' XDG_STATE_HOME=/proc/none wrong 'type: tokens are not kept'
TOKENMGR_HOST=http://127.0.0.1:1 wrong 'TCP: 127.0.0.1:1: Connection refused'
TOKENMGR_HOST=https://nowhere.invalid wrong 'name: nowhere.invalid has no address'
TOKENMGR_HOST=https://${api#http://} wrong 'TLS and HTTP: '
control '{"clock_skew_ms":600000}'
wrong "clock: this machine's is (10 min 0|9 min 5.) s behind the server's"
control '{"clock_skew_ms":-600000}'
wrong "clock: this machine's is (10 min 0|9 min 5.) s ahead of the server's"
control '{"clock_skew_ms":0,"omit_date":true}'
run doctor
check 'a server without a clock' is "$code $(grep -c 'no date' "$work/out")" '0 1'
control '{"omit_date":false}'

part 'doctor: what the options name'
nowhere=http://127.0.0.1:1
oauth='"preset":"oauth2","token_url":"'$nowhere/oauth2/token'"'
TOKENMGR_OPTIONS="{\"auth\":{$oauth},\"store\":{\"type\":\"memory\"}}" wrong 'TCP: 127.0.0.1:1: Connection refused'
check 'a token endpoint elsewhere' grep -Fqx "  ok     auth.token_url: $nowhere" "$work/out"
cat >"$work/auth.json" <<END
{"login": [{"url": "https://{params.team}.example.com/login"}, {"url": "$nowhere/session", "json": {"url": "http://192.0.2.1"}}],
 "assertion": {"alg": "HS256", "key": {"file": "$work/shared.key"}}, "answer": {"access_token": "/token"}}
END
printf 'key-Zq87' >"$work/shared.key"
chmod 644 "$work/shared.key"
readable="auth.assertion.key: every user of this machine can read $work/shared.key"
options="{\"auth\":{\"file\":\"$work/auth.json\"},\"auth_params\":{\"team\":\"red\"},\"store\":{\"type\":\"memory\"}}"
TOKENMGR_OPTIONS=$options wrong 'TCP: 127.0.0.1:1: Connection refused'
check 'and those of a file' grep -Fqx "  ok     auth.login.1.url: $nowhere" "$work/out"
check 'but for one that only requests tell' grep -q '^  warn   auth.login.0.url: its host is not tried' "$work/out"
check 'and what an endpoint sends' lacks "$(<"$work/out")" 192.0.2.1
check 'a key that everyone can read' grep -Fq "  warn   $readable; chmod o=" "$work/out"
chmod 640 "$work/shared.key"
TOKENMGR_OPTIONS=$options run doctor
check 'and one that not everyone can' lacks "$(<"$work/out")" "$readable"
chmod 644 "$work/password"
TOKENMGR_PASSWORD='' TOKENMGR_PASSWORD_FILE=$work/password run doctor
check 'a password that everyone can read is no fault' is \
    "$code $(grep -c "^  warn   TOKENMGR_PASSWORD_FILE: every user" "$work/out")" '0 1'
chmod 600 "$work/password"

part 'doctor: files that are none'
# They hold no one up, whether anybody writes to them or not.
mkfifo "$work/silent"
exec 8<>"$work/silent"
for file in "$work/silent" /dev/zero; do
    TOKENMGR_OPTIONS="{\"auth\":{\"file\":\"$file\"},\"store\":{\"type\":\"memory\"}}" wrong "use: .*$file"
    TOKENMGR_OPTIONS="{\"ca_file\":\"$file\",\"store\":{\"type\":\"memory\"}}" wrong "use: .*$file"
    SSL_CERT_FILE=$file TOKENMGR_HOST=https://${api#http://} wrong 'authorities: cannot read'
done
exec 8>&-
TOKENMGR_PASSWORD='' TOKENMGR_PASSWORD_FILE=$work/silent run doctor
check 'a pipe is left to the library' grep -q '^  warn   TOKENMGR_PASSWORD_FILE: is a pipe' "$work/out"

part 'doctor: proxies'
http_proxy=http://user:pw-Zq84@127.0.0.1:1 wrong 'TCP: 127.0.0.1:1'
check 'whose proxy it is' grep -Eqx '  ok     proxy: http://127.0.0.1:1/ \(by \$http_proxy\)' "$work/out"
http_proxy=http://user:pw-Zq84@127.0.0.1:1 no_proxy=127.0.0.1 run doctor
check 'no_proxy excepts' is "$code $(grep -c 'no_proxy excepts' "$work/out")" '0 1'
TOKENMGR_OPTIONS='{"proxy":"none","store":{"type":"memory"}}' http_proxy=http://127.0.0.1:1 run doctor
check 'and so does the option' is "$code $(grep -c 'the option proxy says none' "$work/out")" '0 1'
# To a proxy the demo API is one: it answers what it does not know with 404.
TOKENMGR_HOST=http://127.0.0.1:1 http_proxy=$api run doctor
check 'a proxy that answers' is "$code $(grep -c "proxy: $api/ (by .http_proxy)" "$work/out")" '0 1'
TOKENMGR_HOST=https://api.example.com TOKENMGR_OPTIONS="{\"proxy\":\"${api/:\/\//://user:pw-Zq84@}\",\"store\":{\"type\":\"memory\"}}" \
    wrong 'TLS and HTTP: '

part 'doctor: TLS'
signed=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${signed[@]}" -days 2 -subj '/CN=demo authority' -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req "${signed[@]}" -subj '/CN=demo' -keyout "$work/tls.key" -out "$work/tls.csr" 2>/dev/null
openssl x509 -req -days 2 -in "$work/tls.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -out "$work/tls.pem" \
    -extfile <(echo 'subjectAltName=IP:127.0.0.1') 2>/dev/null
exec {tls_stdin}> >(exec build/libexec/demo-api --parent-exits --tls-cert "$work/tls.pem" --tls-key "$work/tls.key" >"$work/tls.log" 2>&1)
until grep -q 'listening on' "$work/tls.log" 2>/dev/null; do sleep 0.02; done
tls=$(sed -n 's/^listening on //p' "$work/tls.log")
TOKENMGR_HOST=$tls wrong 'TLS and HTTP: .*UnknownIssuer; .* ca_file'
check 'it says whose authorities' grep -Eq '^  (ok|WRONG)  +authorities: ' "$work/out"
for only in true false; do
    TOKENMGR_HOST=$tls TOKENMGR_OPTIONS="{\"ca_file\":\"$work/ca.pem\",\"ca_only\":$only,\"store\":{\"type\":\"memory\"}}" run doctor
    check "with its authority, ca_only $only" grep -Eq '^  ok     TLS and HTTP: status' "$work/out"
    check "it is named, ca_only $only" grep -Fqx "  ok     ca_file: $work/ca.pem" "$work/out"
done
TOKENMGR_HOST=$tls TOKENMGR_OPTIONS="{\"ca_file\":\"$work/none\"}" wrong 'ca_file: cannot read'
TOKENMGR_HOST=$tls TOKENMGR_OPTIONS="{\"ca_file\":\"$work/password\"}" wrong 'ca_file: .* holds no PEM'
unset SSL_CERT_DIR
TOKENMGR_HOST=$tls SSL_CERT_FILE=$work/ca.pem run doctor
check 'the variable of OpenSSL' grep -Fqx "  ok     authorities: 1 from \$SSL_CERT_FILE, $work/ca.pem" "$work/out"
exec {tls_stdin}>&-
check 'no secret of a proxy or a store' lacks "$(<"$work/said")" Zq84
