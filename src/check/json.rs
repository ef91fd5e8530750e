//! Writing JSON.

use crate::auth::json_string;

/// Appends a member of an object whose value is a text.
pub fn member(name: &str, text: &str, json: &mut String) {
    if !json.ends_with(['{', ',']) {
        json.push(',');
    }
    for piece in ["\"", name, "\":", &json_string(text)] {
        json.push_str(piece);
    }
}
