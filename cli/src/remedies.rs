//! The library speaks to programs that call it: where it names a function of its own, this command has another way.

/// What the library says, and what is said in its place.
const REMEDIES: [(&str, &str); 4] = [
    (
        "give one with tm_set_credentials, or tokens with tm_set_tokens",
        "set TOKENMGR_PASSWORD or TOKENMGR_PASSWORD_FILE",
    ),
    ("correct them with tm_set_credentials", "correct TOKENMGR_USERNAME and TOKENMGR_PASSWORD"),
    ("make one with tm_generate_key or tokenmgr key", "make one with tokenmgr key"),
    (
        "but no callbacks were set; call tm_set_store before the first call that needs a token",
        "which is for programs; name another in TOKENMGR_OPTIONS",
    ),
];

pub fn of_this_command(message: &str) -> String {
    REMEDIES.iter().fold(message.to_owned(), |message, (theirs, ours)| message.replace(theirs, ours))
}
