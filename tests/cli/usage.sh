# shellcheck shell=bash
# The command line, and the settings. A part of tests/cli/run.

part 'help and usage'
expect 0 --version
check 'the version' is "$out" "tokenmgr $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
expect 0 --help
check 'the exit codes are in the help' contains "$out" 'whitelisted'
for command in request token status login logout key jwt; do
    expect 0 "$command" --help
    check "help of $command" contains "$out" "Usage: tokenmgr $command"
    check "$command is in the manual" grep -q "^.*\.B.*$command" docs/man/tokenmgr.1
done
expect 2
expect 2 frobnicate
expect 2 login extra
expect 2 login --json
expect 2 token -d x
expect 2 request GET
expect 2 request GET /a /b
expect 2 request GET /api/v1/products -H 'no colon'
expect 2 request GET /api/v1/products -H ': no name'
expect 2 request POST /api/v1/echo -d a -d b
expect 2 request POST /api/v1/echo -d
for seconds in 0 -1 abc inf nan 1e99 ''; do expect 2 request GET /api/v1/products --timeout "$seconds"; done
expect 2 "--password=$password"
expect 2 login -p"$password"

part 'settings'
TOKENMGR_HOST='' expect 2 login
TOKENMGR_HOST='not a url' expect 2 login
TOKENMGR_OPTIONS='{"timeout":1}' expect 2 login
check 'the unknown option is named' contains "$err" timeout
TOKENMGR_OPTIONS='{' expect 2 login
printf '%s\n' "$password" >"$work/password"
(unset TOKENMGR_PASSWORD && TOKENMGR_PASSWORD_FILE=$work/password tokenmgr login)
check 'the password from a file' is $? 0
(unset TOKENMGR_PASSWORD && TOKENMGR_PASSWORD_FILE=$work/none tokenmgr login) 2>"$work/err"
check 'a password file that is missing' contains "$(<"$work/err")" TOKENMGR_PASSWORD_FILE
