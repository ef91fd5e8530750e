# shellcheck shell=bash
# The program that takes the token's place. A part of tests/cli/run.

part 'exec'
keep='{"timeout_ms":5000}'
kept "$keep" token
plain=$out
# shellcheck disable=SC2016 # for the program's shell
{
    kept "$keep" exec -- sh -c 'printf %s "$TOKENMGR_ACCESS_TOKEN"'
    check 'the token is in the environment' is "$code$out" "0$plain"
    kept "$keep" exec --env API_TOKEN -- sh -c 'printf %s "$API_TOKEN,${TOKENMGR_ACCESS_TOKEN-none}"'
    check 'in the variable that is asked for' is "$code$out" "0$plain,none"
    kept "$keep" exec -- sh -c 'tr "\0" " " </proc/$$/cmdline'
    check 'and not in the arguments' lacks "$code$out" "${plain:0:20}"
    TOKENMGR_OPTIONS=$keep tokenmgr exec -- sh -c 'echo $$' >"$work/out" &
    wait $!
    check 'it is the same process' is "$(<"$work/out")" $!
    { kept "$keep" exec -- sh -c 'kill -TERM $$'; } 2>/dev/null # where the shell says so, too
    check 'it dies as the program dies' is "$code" 143
    TOKENMGR_OPTIONS=$keep tokenmgr exec -- sh -c 'kill -0 $PPID; yes' 2>/dev/null | head -n 1 >/dev/null
    check 'a reader that leaves ends the program' is "${PIPESTATUS[0]}" 141
}
kept "$keep" exec -- sh -c 'exit 42'
check 'its exit code is the program'"'"'s' is "$code$err" 42
kept "$keep" exec -- printf '%s,' -v --env x -- --help
check 'arguments are the program'"'"'s own' is "$out" '-v,--env,x,--,--help,'
kept "$keep" exec printf '%s,' a -v
check 'without --, too' is "$out" 'a,-v,'
kept "$keep" exec cat <<<input
check 'and so is its input' is "$out" input
TOKENMGR_STORE_KEY=key-Zq86 TOKENMGR_PASSWORD_FILE=$work/password kept "$keep" exec -- env
names=$(grep -o '^TOKENMGR_[A-Z_]*' "$work/out" | sort | tr '\n' ' ')
check 'of the settings it has what is no secret' is "$names" \
    'TOKENMGR_ACCESS_TOKEN TOKENMGR_HOST TOKENMGR_PASSWORD_FILE TOKENMGR_USERNAME '
kept "$keep" exec --pass-settings -- tokenmgr token
check 'or all, for a program that runs tokenmgr itself' is "$code$out" "0$plain"
expect 127 exec -- no-such-program
check 'it is named' contains "$err" no-such-program
expect 126 exec -- "$work"
expect 2 exec
expect 2 exec --env '' -- true
expect 2 exec --env a=b -- true
TOKENMGR_PASSWORD=wrong-Zq82 expect 3 exec -- touch "$work/was-run"
check 'without a token it is not run' test ! -e "$work/was-run"
control '{"faults":{"route":"/auth/login","do":"hang"}}'
arrived=$(counter login_arrivals)
env --default-signal=INT tokenmgr exec -- touch "$work/was-run" 2>"$work/err" &
until [ "$(counter login_arrivals)" -gt "$arrived" ]; do sleep 0.02; done
kill -INT $!
wait $! 2>/dev/null
check 'Ctrl-C before it runs' is "$? $(<"$work/err")" '130 '
check 'and then it does not' test ! -e "$work/was-run"
control '{"clear_faults":true}'
