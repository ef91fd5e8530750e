#compdef tokenmgr

autoload -U is-at-least

_tokenmgr() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_tokenmgr_commands" \
"*::: :->tokenmgr" \
&& ret=0
    case $state in
    (tokenmgr)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:tokenmgr-command-$line[1]:"
        case $line[1] in
            (request)
_arguments "${_arguments_options[@]}" : \
'*-d+[Send BODY; @FILE\: the bytes of FILE; @-\: those of stdin]:BODY:_default' \
'*--data=[Send BODY; @FILE\: the bytes of FILE; @-\: those of stdin]:BODY:_default' \
'*-H+[Send this header, too, as '\''NAME\: VALUE'\''; may be given many times]:HEADER:_default' \
'*--header=[Send this header, too, as '\''NAME\: VALUE'\''; may be given many times]:HEADER:_default' \
'-o+[Write to FILE, which gets its name when it is complete; -\: to stdout, as it arrives]:FILE:_files' \
'--output=[Write to FILE, which gets its name when it is complete; -\: to stdout, as it arrives]:FILE:_files' \
'--timeout=[For the whole call, waiting for a token and transferring both bodies included; 2.5 is fine]:SECONDS:_default' \
'-i[Print a line with the status, the headers and an empty line before the body]' \
'--include[Print a line with the status, the headers and an empty line before the body]' \
'-f[A 4xx or 5xx answer prints its error on stderr, and ends in its code\: 3, 4, 6, 7 or 8]' \
'--fail[A 4xx or 5xx answer prints its error on stderr, and ends in its code\: 3, 4, 6, 7 or 8]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
':METHOD -- Such as GET:_default' \
':URL -- A path, or an absolute URL of the host or of an allowed origin:_default' \
&& ret=0
;;
(token)
_arguments "${_arguments_options[@]}" : \
'--format=[In which form; with its expiry in all of them but header]:FORMAT:(json env header exec-credential)' \
'(--format)--bearer[Print the whole header, "Authorization\: Bearer TOKEN"\: as --format header]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(exec)
_arguments "${_arguments_options[@]}" : \
'--env=[The variable that holds the token, instead of TOKENMGR_ACCESS_TOKEN]:NAME:_default' \
'--pass-settings[Leave TOKENMGR_PASSWORD, TOKENMGR_OPTIONS and the like in its environment; else they are taken out]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
'*::COMMAND -- The program and its arguments:_cmdambivalent' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--format=[In which form]:FORMAT:(json prometheus)' \
'-o+[Write to FILE, which gets its name when it is complete]:FILE:_files' \
'--output=[Write to FILE, which gets its name when it is complete]:FILE:_files' \
'(--format)--json[Print the statistics only, as JSON]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(login)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(logout)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--auth=[Try what FILE holds as the option auth, with auth_params of TOKENMGR_OPTIONS; nothing is kept]:FILE:_files' \
'--call=[The API call to try, with GET]:PATH:_default' \
'--json[Print the report as JSON]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(key)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
(jwt)
_arguments "${_arguments_options[@]}" : \
'-q[Say nothing about the expiry]' \
'--quiet[Say nothing about the expiry]' \
'--check[Print no payload, and exit with 0 if the token is good and with 1 if it has expired or says no expiry]' \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
'::TOKEN -- The token; without it, or with -, it is read from standard input:_default' \
&& ret=0
;;
(completion)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
':SHELL:(bash zsh fish)' \
&& ret=0
;;
(manual)
_arguments "${_arguments_options[@]}" : \
'*-v[Show on stderr what the library does; -vv\: in detail]' \
'*--verbose[Show on stderr what the library does; -vv\: in detail]' \
'-h[Print this page; with a command, that command'\''s]' \
'--help[Print this page; with a command, that command'\''s]' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_tokenmgr_commands] )) ||
_tokenmgr_commands() {
    local commands; commands=(
'request:Send an API call and print the answer'\''s body' \
'token:Print an access token that is good now' \
'exec:Run a program with the token in its environment' \
'status:Say for how long the token is good, and what it took' \
'login:Log in now, whatever token is held' \
'logout:Revoke the tokens at the server and forget them' \
'check:Try what the options say of the API, and say what does not fit' \
'doctor:Say what would be used from where, what can be reached, and what is wrong' \
'key:Print a new key for an encrypted token store' \
'jwt:Show what a token says and whether it has expired; offline' \
'completion:Print the completions for a shell' \
'manual:Print the manual page' \
    )
    _describe -t commands 'tokenmgr commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__check_commands] )) ||
_tokenmgr__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr check commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__completion_commands] )) ||
_tokenmgr__subcmd__completion_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr completion commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__doctor_commands] )) ||
_tokenmgr__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr doctor commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__exec_commands] )) ||
_tokenmgr__subcmd__exec_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr exec commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__jwt_commands] )) ||
_tokenmgr__subcmd__jwt_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr jwt commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__key_commands] )) ||
_tokenmgr__subcmd__key_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr key commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__login_commands] )) ||
_tokenmgr__subcmd__login_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr login commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__logout_commands] )) ||
_tokenmgr__subcmd__logout_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr logout commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__manual_commands] )) ||
_tokenmgr__subcmd__manual_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr manual commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__request_commands] )) ||
_tokenmgr__subcmd__request_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr request commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__status_commands] )) ||
_tokenmgr__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr status commands' commands "$@"
}
(( $+functions[_tokenmgr__subcmd__token_commands] )) ||
_tokenmgr__subcmd__token_commands() {
    local commands; commands=()
    _describe -t commands 'tokenmgr token commands' commands "$@"
}

if [ "$funcstack[1]" = "_tokenmgr" ]; then
    _tokenmgr "$@"
else
    compdef _tokenmgr tokenmgr
fi
