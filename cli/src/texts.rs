//! What the help pages and the manual page say beside the commands and their options.

/// Scripts branch on these: a number is never given a new meaning.
pub const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "jwt --check: the token has expired. check, doctor: something is wrong."),
    ("2", "Wrong usage, options or URL; nothing was sent."),
    ("3", "The credentials were rejected, or logging in is suspended after recent rejections."),
    ("4", "This machine's IP address is not whitelisted for the account."),
    ("5", "Network failure, TLS failure or timeout."),
    ("6", "Too many requests (429)."),
    ("7", "Server error (5xx), or an answer that cannot be used."),
    ("8", "Another answer from 400 to 499, with request --fail."),
    ("9", "The token store failed."),
    ("10", "What was given to jwt is not a JWT."),
    ("11", "A file, or standard input or output, could not be read or written."),
    ("12", "Internal error."),
    ("126", "exec: the program could not be run; 127: there is none."),
    ("128+n", "Ended by signal n; 130 after Ctrl-C."),
];

pub const AFTER_EXIT_CODES: &str = "Every failure prints one sentence on standard error, but for a reader of standard \
     output that has gone away. Without --fail an answer of any status, once there is one, is a success of request. \
     exec ends as the program that it runs does.";

pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("TOKENMGR_HOST", "The API, such as https://api.example.com, maybe with a path prefix."),
    ("TOKENMGR_USERNAME, TOKENMGR_PASSWORD", "The credentials."),
    (
        "TOKENMGR_USERNAME_FILE, TOKENMGR_PASSWORD_FILE",
        "Files that hold the credentials, used where the variables above are not set.",
    ),
    ("TOKENMGR_OPTIONS", "The library's options, as one JSON object."),
];

pub const NO_PASSWORD: &str = "There is no option for a password: arguments are visible to every user of the machine.";

pub const STORE: &str = "Tokens are kept from one command to the next, and shared by those that run at the same time, unless \
     TOKENMGR_OPTIONS names another store (\"store\": {\"type\": \"memory\"} for none). While that store cannot be \
     used, the commands that need a token say so and use these files, so that not every command logs in.";

pub const FILES: &[(&str, &str)] = &[(
    "$XDG_STATE_HOME/tokenmgr/",
    "A file for each account (username and host), encrypted, and the key that they are encrypted with, which is made \
     when it is first needed; ~/.local/state/tokenmgr/ unless XDG_STATE_HOME is set. All are readable by their owner \
     only. A file holds one token: two scopes or descriptions of the API that an account is used with in turn push out each \
     other's, unless the option client_id tells them apart. Where the folder cannot be written to, a warning says so, and every command logs in for itself.",
)];

/// What each is for, and its lines.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("The names of all products:", "tokenmgr request -f GET /api/v1/products | jq '.data[].name'"),
    ("Sending what another program wrote:", "make_order | tokenmgr request -f -d @- POST /api/v1/orders"),
    (
        "With curl, and without the token in the process list:",
        "tokenmgr token --bearer | curl -H @- \"$TOKENMGR_HOST/api/v1/products\"",
    ),
    ("A program that takes the token from its environment:", "tokenmgr exec --env API_TOKEN -- ./report --today"),
    ("For Prometheus, every minute:", "tokenmgr status --format prometheus -o /var/lib/node_exporter/tokenmgr.prom"),
    (
        "Branching on the reason of a failure:",
        "tokenmgr request -f -o products.json GET /api/v1/products\n\
         case $? in\n    \
             0) ;;\n    \
             3) echo \"check the password\" ;;\n    \
             4) echo \"ask for this machine to be whitelisted\" ;;\n    \
             5|6|7) echo \"will try again later\" ;;\n    \
             *) exit 1 ;;\n\
         esac",
    ),
];

/// What stands below the list of commands in `tokenmgr --help`.
pub fn after_help() -> String {
    let mut text = String::new();
    paragraph(&mut text, &format!("Settings come from the environment. {NO_PASSWORD}"), 0);
    for (names, meaning) in ENVIRONMENT {
        text += &format!("  {names}\n");
        paragraph(&mut text, meaning, 6);
    }
    text.push('\n');
    paragraph(&mut text, STORE, 0);
    text += "\nExit codes:\n";
    for (code, meaning) in EXIT_CODES {
        text += &format!("  {code:<7}");
        let begin = text.len();
        paragraph(&mut text, meaning, 9);
        text.replace_range(begin..begin + 9, "");
    }
    text += "\nExamples:\n";
    for (_, lines) in EXAMPLES.iter().filter(|(_, lines)| !lines.contains('\n')) {
        text += &format!("  {lines}\n");
    }
    text
}

/// Adds the words in lines of 80 columns.
fn paragraph(text: &mut String, words: &str, indent: usize) {
    let mut column = 0;
    for word in words.split(' ') {
        if column > 0 && column + 1 + word.len() > 80 {
            text.push('\n');
            column = 0;
        }
        let space = if column == 0 { indent } else { 1 };
        *text += &format!("{:space$}{word}", "");
        column += space + word.len();
    }
    text.push('\n');
}
