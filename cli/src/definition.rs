//! The command line: what `--help`, the manual page, the completions and the parser all come from.

use crate::ffi;
use crate::texts;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use std::ffi::OsString;

pub fn command() -> Command {
    Command::new("tokenmgr")
        .version(ffi::version())
        .about("API tokens and API calls for shell scripts")
        .long_about(
            "Gives shell scripts an API token that is good now. It logs in, refreshes the token ahead of its expiry, \
             and recovers when the server has revoked it, so that a script needs no token handling of its own made of \
             curl and jq.",
        )
        .after_help(texts::after_help())
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .global(true)
                .action(ArgAction::Count)
                .help("Show on stderr what the library does; -vv: in detail")
                .long_help(
                    "Shows on standard error what the library does; -vv in detail. No password, token or body is \
                     ever shown.",
                ),
        )
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .global(true)
                .action(ArgAction::HelpShort)
                .help("Print this page; with a command, that command's")
                .long_help("Prints a short reference; with a command, that command's."),
        )
        .subcommands([
            request(),
            token(),
            exec(),
            status(),
            login(),
            logout(),
            check(),
            doctor(),
            key(),
            jwt(),
            completion(),
            Command::new("manual").hide(true).about("Print the manual page"),
        ])
}

fn flag(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

fn valued(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).allow_hyphen_values(true)
}

fn output(help: &'static str) -> Arg {
    valued("output", "FILE").short('o').value_parser(value_parser!(OsString)).value_hint(ValueHint::FilePath).help(help)
}

fn format(values: &[&'static str], help: &'static str) -> Arg {
    Arg::new("format").long("format").value_name("FORMAT").value_parser(PossibleValuesParser::new(values)).help(help)
}

fn request() -> Command {
    Command::new("request")
        .about("Send an API call and print the answer's body")
        .long_about(
            "Sends an API call with a good token and prints the answer's body. A 401 is recovered from. Any other \
             answer is printed, an error too, unless --fail is given.",
        )
        .args([
            valued("data", "BODY")
                .short('d')
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .help("Send BODY; @FILE: the bytes of FILE; @-: those of stdin")
                .long_help(
                    "Sends BODY. @FILE sends the bytes of FILE, @- those of standard input. The content type is \
                     application/json unless a header says otherwise. A file may have any size: it is read while it \
                     is sent. After a 401 it is sent again. So is what comes from a pipe, up to 1 MiB. More than that \
                     is sent in chunks, without its size being announced, and only once: where the token turns out to \
                     have been revoked, the answer is the 401.",
                ),
            valued("header", "HEADER")
                .short('H')
                .action(ArgAction::Append)
                .value_parser(parse_header)
                .help("Send this header, too, as 'NAME: VALUE'; may be given many times"),
            flag("include")
                .short('i')
                .help("Print a line with the status, the headers and an empty line before the body"),
            output("Write to FILE, which gets its name when it is complete; -: to stdout, as it arrives").long_help(
                "Writes to FILE instead of standard output. The body of a 2xx answer is written as it arrives and may \
                 have any size, to a file in the same folder that is renamed to FILE when it is complete: a transfer \
                 that fails leaves what was there before. A file that is replaced keeps its mode. A device, a pipe, \
                 and a file in a folder that cannot be written to are written directly. -o - writes to standard \
                 output as the body arrives, too; a transfer that fails has then written a part. Without -o, and with \
                 -i, an answer is first received as a whole, and may have the size that the option max_response_bytes \
                 says.",
            ),
            flag("fail")
                .short('f')
                .help("A 4xx or 5xx answer prints its error on stderr, and ends in its code: 3, 4, 6, 7 or 8")
                .long_help(
                    "An answer of 400 and above prints no body, but its error on standard error, and ends in one of \
                     the exit codes below.",
                ),
            valued("timeout", "SECONDS")
                .value_parser(parse_timeout)
                .help("For the whole call, waiting for a token and transferring both bodies included; 2.5 is fine"),
            Arg::new("METHOD").required(true).help("Such as GET"),
            Arg::new("URL").required(true).help("A path, or an absolute URL of the host or of an allowed origin").long_help(
                "A path that starts with /, or an absolute URL of the host or of an allowed origin; to any other the \
                 token is not sent.",
            ),
        ])
}

fn token() -> Command {
    Command::new("token")
        .about("Print an access token that is good now")
        .long_about("Prints an access token that is good now. It logs in or refreshes where that is due.")
        .args([
            flag("bearer")
                .conflicts_with("format")
                .help("Print the whole header, \"Authorization: Bearer TOKEN\": as --format header"),
            format(
                &["json", "env", "header", "exec-credential"],
                "In which form; with its expiry in all of them but header",
            )
            .long_help(
                "In which form. json: an object with access_token, token_type, expires_at (RFC 3339) and expires_in \
                 (seconds). env: a line TOKENMGR_ACCESS_TOKEN=..., quoted for a shell where it has to be, and one with \
                 TOKENMGR_ACCESS_TOKEN_EXPIRES_AT (Unix seconds). header: \"Authorization: Bearer TOKEN\". \
                 exec-credential: what kubectl takes from a credential plugin (client.authentication.k8s.io/v1). What \
                 is unknown of the expiry is left out. json and header say Bearer whatever the option auth says of \
                 calls: where they carry the token otherwise, take the token alone.",
            ),
        ])
}

fn exec() -> Command {
    Command::new("exec")
        .about("Run a program with the token in its environment")
        .long_about(
            "Becomes the program, with an access token that is good now in its environment, and never in its \
             arguments. Signals and the exit code are the program's own. TOKENMGR_PASSWORD, TOKENMGR_OPTIONS and whatever \
             else begins with TOKENMGR_ are taken out of its environment, but for TOKENMGR_HOST, TOKENMGR_USERNAME and \
             names that end in _FILE. The token is not renewed while it runs: a program that runs longer than the token \
             lives asks `tokenmgr token` itself, for which it needs --pass-settings.",
        )
        .override_usage("tokenmgr exec [OPTIONS] -- COMMAND [ARGUMENT]...")
        .args([
            Arg::new("env")
                .long("env")
                .value_name("NAME")
                .value_parser(parse_variable)
                .default_value("TOKENMGR_ACCESS_TOKEN")
                .hide_default_value(true)
                .help("The variable that holds the token, instead of TOKENMGR_ACCESS_TOKEN"),
            flag("pass-settings")
                .help("Leave TOKENMGR_PASSWORD, TOKENMGR_OPTIONS and the like in its environment; else they are taken out"),
            Arg::new("COMMAND")
                .required(true)
                .num_args(1..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::CommandWithArguments)
                .help("The program and its arguments"),
        ])
}

fn status() -> Command {
    Command::new("status")
        .about("Say for how long the token is good, and what it took")
        .long_about(
            "Gets a token the way a call would, logging in if it must, and says for how long it is good and what it \
             took. Says also if what the token store held was of no use, as where other machines seal it with another \
             key.",
        )
        .args([
            flag("json").conflicts_with("format").help("Print the statistics only, as JSON"),
            format(&["json", "prometheus"], "In which form").long_help(
                "In which form. json: one object with both expiries and the statistics. prometheus: text for the \
                 textfile collector of the node exporter; where there is no token, it says tokenmgr_up 0, and the \
                 exit code why.",
            ),
            output("Write to FILE, which gets its name when it is complete"),
        ])
}

fn login() -> Command {
    Command::new("login")
        .about("Log in now, whatever token is held")
        .long_about("Logs in now, whatever token is held, and puts the new tokens into the store.")
}

fn logout() -> Command {
    Command::new("logout").about("Revoke the tokens at the server and forget them").long_about(
        "Revokes the tokens at the server, every token of the account, and takes them out of the store. Where nothing \
         is held, nothing is sent.",
    )
}

fn check() -> Command {
    Command::new("check")
        .about("Try what the options say of the API, and say what does not fit")
        .long_about(
            "Logs in, calls, refreshes and logs out on tokens of its own, and prints step by step what was sent, what \
             was answered and what was understood, without any secret; and of what does not fit, which member of the \
             option auth to change. The exit code is 0 if everything fits, and 1 if not.",
        )
        .args([
            Arg::new("auth")
                .long("auth")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .help("Try what FILE holds as the option auth, with auth_params of TOKENMGR_OPTIONS; nothing is kept")
                .long_help(
                    "Tries what FILE holds as the option auth; no token is kept. Everything else is as TOKENMGR_OPTIONS has \
                     it: the values for {params.NAME} in FILE come from the option auth_params there, such as \
                     {\"auth_params\": {\"team\": \"blue\", \"key\": {\"env\": \"SHOP_KEY\"}}}.",
                ),
            Arg::new("call").long("call").value_name("PATH").help("The API call to try, with GET"),
            flag("json").help("Print the report as JSON"),
        ])
}

fn doctor() -> Command {
    Command::new("doctor")
        .about("Say what would be used from where, what can be reached, and what is wrong")
        .long_about(
            "Says which library, settings, store, proxy and authorities would be used, and from where, and shows no \
             secret; and which files with secrets every user of this machine can read. Then it looks up the name of the \
             host, and of each other that the option auth names, connects, makes a TLS connection and compares the clocks, with a \
             client that has nothing in common with the library's, so that the network's faults can be told from the \
             library's. It does not log in.",
        )
}

fn key() -> Command {
    Command::new("key").about("Print a new key for an encrypted token store").long_about(
        "Prints a new random key of 256 bits, in base64, for the option store.key. Nothing is sent, and nothing is kept.",
    )
}

fn jwt() -> Command {
    Command::new("jwt")
        .about("Show what a token says and whether it has expired; offline")
        .long_about(
            "Prints the token's payload as JSON, and on standard error whether it has expired. No signature is checked \
             and nothing is sent.",
        )
        .args([
            flag("quiet").short('q').help("Say nothing about the expiry"),
            flag("check").help(
                "Print no payload, and exit with 0 if the token is good and with 1 if it has expired or says no expiry",
            ),
            Arg::new("TOKEN").help("The token; without it, or with -, it is read from standard input"),
        ])
}

fn completion() -> Command {
    Command::new("completion")
        .about("Print the completions for a shell")
        .long_about("Prints the completions for a shell; `make install` puts them where the shells look.")
        .arg(Arg::new("SHELL").required(true).value_parser(PossibleValuesParser::new(["bash", "zsh", "fish"])))
}

fn parse_header(text: &str) -> Result<String, String> {
    match text.find(':') {
        None | Some(0) => Err("'Name: value'".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}

fn parse_timeout(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=1e9).contains(seconds));
    seconds.ok_or_else(|| "seconds, such as 2.5".to_owned())
}

fn parse_variable(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['=', '\0']) {
        true => Err("the name of a variable".to_owned()),
        false => Ok(text.to_owned()),
    }
}
