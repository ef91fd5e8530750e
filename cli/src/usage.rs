//! What is wrong with a command line, in one sentence. None holds a value: that may be a secret.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;

pub fn sentence(error: &clap::Error) -> String {
    // The option alone, without the value that its usage shows.
    let option =
        first(error, ContextKind::InvalidArg).map(|text| text.split([' ', '=']).next().unwrap_or_default().to_owned());
    let option = option.unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with("--") => {
            format!("unknown option: {option}{}", suggestion(error, ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            format!("unknown option: {}", option.chars().take(2).collect::<String>())
        }
        ErrorKind::UnknownArgument => "too many arguments".to_owned(),
        ErrorKind::InvalidSubcommand => {
            let name = first(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown command: {name}{}", suggestion(error, ContextKind::SuggestedSubcommand))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "which command?".to_owned()
        }
        ErrorKind::MissingRequiredArgument => {
            format!("arguments are missing: {}", all(error, ContextKind::InvalidArg).join(" "))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let taken = all(error, ContextKind::ValidValue).join(", ");
            let taken = error.source().map_or(taken, ToString::to_string);
            format!("{option} takes {}", if taken.is_empty() { "a value" } else { &taken })
        }
        ErrorKind::TooManyValues => format!("{option} takes no value"),
        ErrorKind::ArgumentConflict => {
            let other = first(error, ContextKind::PriorArg).unwrap_or_default();
            format!("{option} cannot be used with {}", other.split([' ', '=']).next().unwrap_or_default())
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => "the command line cannot be understood".to_owned(),
    }
}

fn all(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    all(error, kind).into_iter().next()
}

fn suggestion(error: &clap::Error, kind: ContextKind) -> String {
    first(error, kind).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
