//! What the options name beside the host: other hosts, and files that hold secrets.

use super::{Options, file};
use serde_json::Value;

/// A member of the options, and what it says.
pub type Named = (String, String);

/// The options with the dialect in place of the file that holds it.
pub fn with_dialect(options: &Options) -> Value {
    let mut whole = Value::Object(options.clone());
    let file = whole["auth"].get("file").and_then(Value::as_str).map(file::read);
    // What is wrong with the file, the library says.
    if let Some(Ok(text)) = file
        && let Ok(dialect) = serde_json::from_slice(&text)
    {
        whole["auth"] = dialect;
    }
    whole
}

/// The absolute URLs of the dialect.
pub fn urls(whole: &Value) -> Vec<Named> {
    const NAMES: [&str; 4] = ["url", "issuer", "token_url", "revocation_url"];
    // Below these anything may be called so.
    const HOLDERS: [&str; 5] = ["json", "form", "query", "headers", "extra"];
    let mut urls = Vec::new();
    walk(&whole["auth"], "auth", &mut |path, value| {
        let is_named = NAMES.contains(&path.rsplit('.').next().unwrap_or_default());
        let is_named = is_named && path.split('.').all(|name| !HOLDERS.contains(&name));
        if let Some(text) = value.as_str().filter(|text| is_named && text.contains("://")) {
            urls.push((path.to_owned(), text.to_owned()));
        }
    });
    urls
}

/// The files that secrets are read from.
pub fn secret_files(whole: &Value) -> Vec<Named> {
    let mut files = Vec::new();
    walk(whole, "", &mut |path, value| {
        let is_key = matches!(path, "client_key_file" | "client_cert_file");
        let in_source =
            value.as_object().filter(|map| map.len() == 1 && path != "auth").and_then(|map| map.get("file"));
        if let Some(file) = in_source.or(Some(value).filter(|_| is_key)).and_then(Value::as_str) {
            files.push((path.to_owned(), file.to_owned()));
        }
    });
    if whole.get("client_key_file").is_some() {
        files.retain(|(path, _)| path != "client_cert_file"); // it holds the certificate only
    }
    files
}

fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, value);
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| walk(value, &below(name), visit)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| walk(item, &below(&at.to_string()), visit));
        }
        _ => {}
    }
}
