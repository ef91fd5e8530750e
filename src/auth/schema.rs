//! The JSON Schema of dialects, from the names that the compiler itself takes: for editors and for docs/.

use crate::auth::key::Algorithm;
use crate::auth::meaning::{MEANS, OF};
use crate::auth::{answer, assertion, compile, endpoint, meaning, oauth2};
use serde_json::{Map, Value, json};

/// Of the option `auth`.
pub fn schema() -> Value {
    let presets: Vec<&str> = compile::PRESETS.iter().map(|(name, _)| *name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The option auth of libtokenmgr",
        "anyOf": [{"enum": presets}, source(&["file"]), {"$ref": "#/$defs/dialect"}],
        "$defs": {
            "dialect": object(compile::MEMBERS.iter().chain(&oauth2::MEMBERS), dialect_member),
            "endpoint": object(&endpoint::MEMBERS, endpoint_member),
            "answer": object(&answer::MEMBERS, answer_member),
            "meaning": object(&meaning::MEMBERS, meaning_member),
            "assertion": object(&assertion::MEMBERS, assertion_member),
            "place": one_or_many(&json!({"anyOf": [
                {"type": "string", "pattern": "^(/([^~]|~[01])*)?$"},
                closed("header", &json!({"type": "string"})), closed("cookie", &json!({"type": "string"})),
                closed("cookies", &json!({"const": true})), closed("text", &json!({"const": true}))]})),
            "statuses": one_or_many(&json!({"anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599}, {"type": "string", "pattern": "^[1-5](xx|XX|[0-9]{2})$"}]})),
            "scalar": scalar(),
            "fields": {"type": "object", "additionalProperties": one_or_many(&scalar())},
            "headers": {"type": "object", "additionalProperties": {"anyOf": [scalar(), {"type": "null"}]}},
            "secret": {"anyOf": [{"type": "string"}, source(&["env", "file"])]}
        }
    })
}

fn object<'n>(names: impl IntoIterator<Item = &'n &'static str>, member: fn(&str) -> Value) -> Value {
    // Null stands for a member that is left out.
    let properties =
        names.into_iter().map(|name| ((*name).to_owned(), json!({"anyOf": [member(name), {"type": "null"}]})));
    json!({"type": "object", "additionalProperties": false, "properties": properties.collect::<Map<_, _>>()})
}

fn closed(name: &str, value: &Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": [name], "properties": {name: value}})
}

fn source(names: &[&str]) -> Value {
    json!({"anyOf": names.iter().map(|name| closed(name, &json!({"type": "string"}))).collect::<Vec<_>>()})
}

fn one_or_many(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "array", "items": schema}]})
}

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn names<T>(names: &[(&'static str, T)]) -> Value {
    json!({"enum": names.iter().map(|(name, _)| *name).collect::<Vec<_>>()})
}

fn dialect_member(name: &str) -> Value {
    match name {
        "preset" => names(&compile::PRESETS),
        "login" => one_or_many(&reference("endpoint")),
        "refresh" | "logout" => reference("endpoint"),
        "answer" | "assertion" => reference(name),
        "call" => json!({"type": "object", "additionalProperties": false,
            "properties": {"headers": reference("headers"), "query": reference("fields")}}),
        "meanings" => json!({"type": "array", "items": reference("meaning")}),
        "client" => json!({"type": "object", "additionalProperties": false,
            "properties": {"id": {"type": "string"}, "secret": reference("secret")}}),
        "client_auth" => names(&oauth2::CLIENT_AUTH),
        "body" => names(&oauth2::BODIES),
        "scope" | "audience" | "resource" => one_or_many(&json!({"type": "string"})),
        "extra" => reference("fields"),
        "dpop" => json!({"type": "boolean"}),
        "initial_refresh_token" => reference("secret"),
        _ => json!({"type": "string"}),
    }
}

fn endpoint_member(name: &str) -> Value {
    match name {
        "query" | "form" => reference("fields"),
        "headers" | "answer" => reference(name),
        "basic" => json!({"type": "array", "items": scalar(), "minItems": 2, "maxItems": 2}),
        "json" => json!(true),
        "text" => scalar(),
        "success" => reference("statuses"),
        "keep" => json!({"type": "object", "additionalProperties": reference("place")}),
        "meanings" => json!({"type": "array", "items": reference("meaning")}),
        _ => json!({"type": "string"}),
    }
}

fn answer_member(name: &str) -> Value {
    match name {
        "lifetime_seconds" => json!({"type": "integer", "minimum": 1, "maximum": 315_576_000}),
        name if name.ends_with("_in_unit") => names(&answer::DURATIONS),
        name if name.ends_with("_at_unit") => names(&answer::INSTANTS),
        _ => reference("place"),
    }
}

fn meaning_member(name: &str) -> Value {
    match name {
        "of" => one_or_many(&names(&OF)),
        "status" => reference("statuses"),
        "body" => json!({"type": "object", "propertyNames": {"pattern": "^(/|$)"},
            "additionalProperties": one_or_many(&json!({"type": ["string", "number", "boolean", "null"]}))}),
        "means" => names(&MEANS),
        _ => one_or_many(&json!({"type": "string"})),
    }
}

fn assertion_member(name: &str) -> Value {
    match name {
        "alg" => names(&Algorithm::NAMES),
        "key" => reference("secret"),
        "lifetime_seconds" => json!({"type": "integer", "minimum": 1, "maximum": assertion::LONGEST}),
        _ => json!({"type": "object"}),
    }
}

#[cfg(test)]
mod tests {
    /// `WRITE_GENERATED=1` writes the file anew.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dialect.schema.json");
        let schema = format!("{:#}\n", super::schema());
        if std::env::var_os("WRITE_GENERATED").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == schema, "docs/dialect.schema.json is out of date; run this test with WRITE_GENERATED=1");
    }
}
