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
        "# Options\n\nGenerated from the sources (`client/options.rs`, `request/options.rs`, `store/options.rs`); do not edit. \
         The same as a JSON Schema: [options.schema.json](options.schema.json).\n\n\
         Unknown keys are refused, whole floats are taken as integers, and `[]` is taken as `{}`. A *secret* is a string, \
         `{\"env\": NAME}` (a variable of the environment) or `{\"file\": PATH}`.\n\n## Of a manager (`tm_new`)\n\n",
    );
    table(&options, &options, &mut page);
    page.push_str("\n## Of the option `store`\n\nAn object with `type` and the keys of that type.\n");
    for variant in options["$defs"]["StoreOptions"]["oneOf"].as_array().unwrap() {
        let name = text(&variant["properties"]["type"]["const"]);
        writeln!(page, "\n### `{{\"type\": \"{name}\"}}`\n\n{}\n", text(&variant["description"])).unwrap();
        table(&options, variant, &mut page);
    }
    page.push_str("\n## Of a request (`tm_request`)\n\n");
    table(&request, &request, &mut page);
    check(&root().join("docs/OPTIONS.md"), &page);
    let both = serde_json::json!({ "options": options, "request_options": request });
    check(&root().join("docs/options.schema.json"), &format!("{both:#}\n"));
}

/// One row a property, in the order of the schema, but for what only tells the object's type. `whole` is the schema that
/// it refers into.
fn table(whole: &Value, object: &Value, page: &mut String) {
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows = String::new();
    for (name, property) in object["properties"].as_object().unwrap() {
        if property["const"].is_string() {
            continue;
        }
        let shapes = shapes(whole, property);
        // The property's own words come first, and win over those of its type.
        let found = |key: &str| shapes.iter().map(|shape| &shape[key]).find(|value| !value.is_null());
        let range = match (found("minimum"), found("maximum")) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            _ => choices(&shapes),
        };
        let default = match &property["default"] {
            Value::Null if required.contains(&name.as_str()) => "required".to_owned(),
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let [unit, description] = ["x-unit", "description"].map(|key| found(key).map_or_else(String::new, text));
        let kinds = kinds(whole, &shapes);
        writeln!(rows, "| `{name}` | {kinds} | {unit} | {range} | {default} | {description} |").unwrap();
    }
    match rows.is_empty() {
        true => page.push_str("It has no other keys.\n"),
        false => write!(page, "| name | type | unit | range | default | |\n|---|---|---|---|---|---|\n{rows}").unwrap(),
    }
}

/// A schema and everything that it may be instead: what it refers to, and what its `anyOf` and `oneOf` list. What has a
/// name of its own here (`x-kind`) is not taken apart.
fn shapes<'a>(whole: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if schema["x-kind"].is_string() {
        return vec![schema];
    }
    let referred = schema["$ref"].as_str().and_then(|path| whole.pointer(path.trim_start_matches('#')));
    let listed = ["anyOf", "oneOf"].iter().flat_map(|several| schema[several].as_array().into_iter().flatten());
    let others = referred.into_iter().chain(listed);
    std::iter::once(schema).chain(others.flat_map(|other| shapes(whole, other))).collect()
}

/// What JSON an option takes, in the order of its schema.
fn kinds(whole: &Value, shapes: &[&Value]) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for shape in shapes {
        let named = [&shape["x-kind"], &shape["type"]].into_iter().find(|kind| !kind.is_null());
        let listed = match named {
            Some(Value::Array(several)) => several.iter().map(text).collect(),
            Some(Value::String(one)) if one == "array" && shape["items"].is_object() => {
                let items = self::kinds(whole, &self::shapes(whole, &shape["items"]));
                vec![if items.contains(' ') { format!("array of {items}") } else { format!("array of {items}s") }]
            }
            Some(one) => vec![text(one)],
            None => Vec::new(),
        };
        kinds.extend(listed);
    }
    let mut seen = std::collections::BTreeSet::from(["null".to_owned()]);
    kinds.retain(|kind| seen.insert(kind.clone()));
    if kinds.is_empty() { "any".to_owned() } else { kinds.join(" or ") }
}

/// The names that an enum takes.
fn choices(shapes: &[&Value]) -> String {
    let listed = shapes.iter().flat_map(|shape| shape["enum"].as_array().into_iter().flatten());
    let described = shapes.iter().map(|shape| &shape["const"]);
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
