# shellcheck shell=bash
# What a token says. A part of tests/cli/run.

part 'jwt'
encode() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
jwt() { printf '%s.%s.c2ln' "$(printf '{"alg":"none"}' | encode)" "$(printf %s "$1" | encode)"; }
expired=$(jwt '{"sub":"shop","exp":1000000000}')
expect 0 jwt "$token"
check 'when it expires' grep -Eqx 'expires in 5[0-9] min [0-9]+ s' "$work/err"
expect 0 jwt -q "$expired"
check 'the payload' is "$(field .sub)" shop
check '-q' is "$err" ''
expect 0 jwt "$expired"
check 'expired' contains "$err" expired
run jwt --check -q "$expired"
check '--check, expired' is "$code$out$err" 1
expect 0 jwt --check "$token"
check '--check, good' is "$out" ''
for argument in '' -; do
    run jwt -q $argument <<<"$expired"
    check "from stdin: jwt $argument" is "$code$(field .sub)" 0shop
done
expect 10 jwt not-a-token-Zq83
check 'it is not repeated' lacks "$err" Zq83
