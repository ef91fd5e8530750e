//! The worked example in docs/DIALECTS.md.

use super::*;

/// The API of the worked example in docs/DIALECTS.md; `live` are the keys of its one session.
fn orders(request: &Arrived, live: &Mutex<Vec<String>>) -> Answer {
    let mut live = live.lock().unwrap();
    let (json, session) = (request.json(), request.header("x-session").map(Value::from));
    let is_live = |key: &Value, live: &Vec<String>| live.iter().any(|known| *key == *known);
    let number = match request.line().as_str() {
        "POST /v1/sessions" if json["secret"] == PASSWORD => 1,
        "PUT /v1/sessions" if is_live(&json["renewal_key"], &live) => 2,
        line => {
            return match session {
                None => Answer::json(401, json!({"error": {"code": "no_session", "text": "where is X-Session?"}})),
                Some(key) if !is_live(&key, &live) => {
                    Answer::json(403, json!({"error": {"code": "session_over", "text": "log in again"}}))
                }
                Some(_) if line == "DELETE /v1/sessions" => Answer::empty(204),
                Some(_) => Answer::json(200, json!({"orders": []})),
            };
        }
    };
    *live = ["key", "renewal"].map(|name| format!("{name}-{number:036}")).to_vec();
    Answer::json(201, json!({"session": {"key": live[0], "renewal_key": live[1], "valid_for": 900}}))
}

/// The fenced blocks in a language within a chapter of a page.
fn blocks(page: &str, chapter: &str, language: &str) -> Vec<String> {
    let chapter = page.split("\n## ").find(|text| text.starts_with(chapter)).expect("the chapter");
    let fence = format!("```{language}\n");
    chapter.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned()).collect()
}

/// RFC 7396, but that nothing is removed.
fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(members) if into.is_object() => {
            members.into_iter().for_each(|(name, value)| merge(&mut into[name], value));
        }
        patch => *into = patch,
    }
}

#[test]
fn the_worked_example_of_the_documentation_works() {
    let page = include_str!("../../../docs/DIALECTS.md");
    let live = Mutex::default();
    let server = Server::start(move |request| orders(request, &live));
    let (jsons, outputs) = (blocks(page, "A worked example", "json"), blocks(page, "A worked example", "text"));
    assert!(jsons.len() == 4 && outputs.len() == 4, "{jsons:?} {outputs:?}");
    let mut auth = json!({});
    for (change, output) in jsons.iter().zip(&outputs) {
        merge(&mut auth, serde_json::from_slice(change.as_bytes()).expect("JSON"));
        let report = check(&speaks(&server, auth.clone()), Some("/v1/orders"));
        for step in report["steps"].as_array().unwrap().iter().filter(|step| step["problem"].is_string()) {
            let line = format!("{}: {}", step["name"].as_str().unwrap(), step["problem"].as_str().unwrap());
            assert!(output.lines().any(|told| told == line), "{line}\nis not in\n{output}");
        }
        assert_eq!(report["ok"] == true, output.trim() == "ok", "{report:#}");
    }
}
