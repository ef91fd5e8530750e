# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tokenmgr_global_optspecs
    string join \n v/verbose h/help V/version
end

function __fish_tokenmgr_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tokenmgr_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tokenmgr_using_subcommand
    set -l cmd (__fish_tokenmgr_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -s V -l version -d 'Print version'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "request" -d 'Send an API call and print the answer\'s body'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "token" -d 'Print an access token that is good now'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "exec" -d 'Run a program with the token in its environment'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "status" -d 'Say for how long the token is good, and what it took'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "login" -d 'Log in now, whatever token is held'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "logout" -d 'Revoke the tokens at the server and forget them'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "check" -d 'Try what the options say of the API, and say what does not fit'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "doctor" -d 'Say what would be used from where, what can be reached, and what is wrong'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "key" -d 'Print a new key for an encrypted token store'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "jwt" -d 'Show what a token says and whether it has expired; offline'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "completion" -d 'Print the completions for a shell'
complete -c tokenmgr -n "__fish_tokenmgr_needs_command" -f -a "manual" -d 'Print the manual page'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s d -l data -d 'Send BODY; @FILE: the bytes of FILE; @-: those of stdin' -r
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s H -l header -d 'Send this header, too, as \'NAME: VALUE\'; may be given many times' -r
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s o -l output -d 'Write to FILE, which gets its name when it is complete; -: to stdout, as it arrives' -r -F
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -l timeout -d 'For the whole call, waiting for a token and transferring both bodies included; 2.5 is fine' -r
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s i -l include -d 'Print a line with the status, the headers and an empty line before the body'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s f -l fail -d 'A 4xx or 5xx answer prints its error on stderr, and ends in its code: 3, 4, 6, 7 or 8'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand request" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand token" -l format -d 'In which form; with its expiry in all of them but header' -r -f -a "json\t''
env\t''
header\t''
exec-credential\t''"
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand token" -l bearer -d 'Print the whole header, "Authorization: Bearer TOKEN": as --format header'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand token" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand token" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand exec" -l env -d 'The variable that holds the token, instead of TOKENMGR_ACCESS_TOKEN' -r
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand exec" -l pass-settings -d 'Leave TOKENMGR_PASSWORD, TOKENMGR_OPTIONS and the like in its environment; else they are taken out'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand exec" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand exec" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand status" -l format -d 'In which form' -r -f -a "json\t''
prometheus\t''"
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand status" -s o -l output -d 'Write to FILE, which gets its name when it is complete' -r -F
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand status" -l json -d 'Print the statistics only, as JSON'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand status" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand status" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand login" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand login" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand logout" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand logout" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand check" -l auth -d 'Try what FILE holds as the option auth, with auth_params of TOKENMGR_OPTIONS; nothing is kept' -r -F
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand check" -l call -d 'The API call to try, with GET' -r
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand check" -l json -d 'Print the report as JSON'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand check" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand check" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand doctor" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand doctor" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand key" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand key" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand jwt" -s q -l quiet -d 'Say nothing about the expiry'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand jwt" -l check -d 'Print no payload, and exit with 0 if the token is good and with 1 if it has expired or says no expiry'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand jwt" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand jwt" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand completion" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand completion" -s h -l help -d 'Print this page; with a command, that command\'s'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand manual" -s v -l verbose -d 'Show on stderr what the library does; -vv: in detail'
complete -c tokenmgr -n "__fish_tokenmgr_using_subcommand manual" -s h -l help -d 'Print this page; with a command, that command\'s'
