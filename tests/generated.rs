//! What is generated from the sources and committed is up to date: the options' table and JSON Schema, the
//! table of the statistics, the list of symbols. `make docs-tables` writes them anew.

use schemars::schema_for;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tokenmgr::{COUNTERS, GAUGES};
use tokenmgr::{Options, RequestOptions};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a committed file with what it should hold, or writes it where that is asked for.
fn check(path: &Path, expected: &str) {
    if std::env::var_os("WRITE_GENERATED").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{} is out of date; run make docs-tables", path.display());
}

#[test]
fn the_options_table_and_schema_are_current() {
    let options = schema_for!(Options).to_value();
    let request = schema_for!(RequestOptions).to_value();
    let mut page = String::from(
        "# Options\n\nGenerated from `src/options`; do not edit. The same as a JSON Schema: \
         [options.schema.json](options.schema.json).\n\nUnknown keys are refused, whole floats are taken as \
         integers, and `[]` is taken as `{}`.\n\n## Of a manager (`tm_new`)\n\n",
    );
    table(&options, &mut page);
    page.push_str("\n### `store`\n\n| type | other keys | |\n|---|---|---|\n");
    for variant in options["$defs"]["StoreOptions"]["oneOf"].as_array().unwrap() {
        let properties = variant["properties"].as_object().unwrap();
        let keys: Vec<String> = properties
            .iter()
            .filter(|(key, _)| *key != "type")
            .map(|(key, schema)| format!("`{key}`: {}", text(&schema["description"])))
            .collect();
        let name = text(&properties["type"]["const"]);
        writeln!(page, "| `\"{name}\"` | {} | {} |", keys.join("<br>"), text(&variant["description"])).unwrap();
    }
    page.push_str("\n## Of a request (`tm_request`)\n\n");
    table(&request, &mut page);
    check(&root().join("docs/OPTIONS.md"), &page);
    let both = serde_json::json!({ "options": options, "request_options": request });
    check(&root().join("docs/options.schema.json"), &format!("{both:#}\n"));
}

/// One row a property, in the order of the schema.
fn table(schema: &Value, page: &mut String) {
    page.push_str("| name | type | unit | range | default | |\n|---|---|---|---|---|---|\n");
    for (name, property) in schema["properties"].as_object().unwrap() {
        let property = resolve(schema, property);
        let range = match (&property["minimum"], &property["maximum"]) {
            (Value::Null, _) | (_, Value::Null) => choices(&property),
            (min, max) => format!("{min} to {max}"),
        };
        let default = match &property["default"] {
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let description = text(&property["description"]);
        let unit = text(&property["x-unit"]);
        writeln!(page, "| `{name}` | {} | {unit} | {range} | {default} | {description} |", kind(&property)).unwrap();
    }
}

/// A property with what it refers to merged in; its own words win.
fn resolve(schema: &Value, property: &Value) -> Value {
    let mut merged = property.clone();
    let reference = property["$ref"].as_str().or_else(|| property["anyOf"][0]["$ref"].as_str());
    let definition = reference.and_then(|path| schema.pointer(path.trim_start_matches('#')));
    let inner = definition.or_else(|| property.get("anyOf").map(|any| &any[0]));
    if let Some(Value::Object(inner)) = inner {
        for (key, value) in inner {
            merged.as_object_mut().unwrap().entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    merged
}

fn kind(property: &Value) -> String {
    match &property["type"] {
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect();
            kinds.join(" or ")
        }
        Value::String(kind) => kind.clone(),
        _ if property["oneOf"][0]["properties"].is_object() => "object".to_owned(),
        _ => "string".to_owned(),
    }
}

/// The names that an enum takes.
fn choices(property: &Value) -> String {
    let listed = property["enum"].as_array().into_iter().flatten();
    let described = property["oneOf"].as_array().into_iter().flatten().map(|variant| &variant["const"]);
    let names: Vec<String> = listed.chain(described).filter_map(Value::as_str).map(|n| format!("`\"{n}\"`")).collect();
    names.join(", ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\n', " ")
}

#[test]
fn the_statistics_table_is_current() {
    let mut page = String::from(
        "# Statistics\n\nGenerated from `src/stats.rs`; do not edit. `tm_stats_json` gives one JSON object:\n",
    );
    for (heading, rows) in [("Counters: they only rise", COUNTERS), ("Gauges: how things stand", GAUGES)] {
        write!(page, "\n## {heading}\n\n| name | |\n|---|---|\n").unwrap();
        for (name, meaning) in rows {
            writeln!(page, "| `{name}` | {} |", meaning.trim()).unwrap();
        }
    }
    check(&root().join("docs/STATS.md"), &page);
}
