//! The API's routes: from a request to an answer, in one step and without I/O.

use super::{
    auth::{Done, Refusal, refuse},
    oauth2, session,
    settings::Settings,
    state::State,
    token::fingerprint,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::{
    HeaderMap, Method, StatusCode, Version,
    header::{
        ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use serde_json::{Map, Value, json};
use std::{io::Write, net::IpAddr};
use url::form_urlencoded;

pub struct Ask {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub peer: IpAddr,
}

pub enum Content {
    Bytes(Bytes),
    /// The test pattern, this long.
    Pattern(u64),
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
    /// For the log.
    pub note: String,
}

impl Ask {
    pub fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }

    fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The token of a call: each kind of login has its own place for it.
    fn token(&self) -> Option<&str> {
        self.bearer().or_else(|| self.header(session::TOKEN))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn query(&self, name: &str) -> Option<String> {
        field(self.query.as_bytes(), name)
    }

    /// A field of a body that is a form.
    pub fn form(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
}

impl Answer {
    pub fn json(status: StatusCode, json: &Value, note: impl Into<String>) -> Answer {
        Answer::new(status, "application/json", json.to_string(), note)
    }

    pub fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>, note: impl Into<String>) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Answer { status, headers, content: Content::Bytes(body.into()), note: note.into() }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.insert(name, value);
        self
    }
}

/// The whole API, under the documented envelope or the older one.
pub fn answer(state: &mut State, ask: &Ask) -> Answer {
    let post = ask.method == Method::POST;
    match ask.path.as_str() {
        "/auth/login" | "/auth/refresh" | "/auth/logout" if !post => not_allowed(&state.settings, "POST"),
        "/auth/login" => render(state.login(&ask.body, ask.peer), &state.settings),
        "/auth/refresh" => render(state.refresh(&ask.body, ask.peer), &state.settings),
        "/auth/logout" => render(state.logout(ask.bearer()), &state.settings),
        path => {
            if let Some(call) = path.strip_prefix("/api/v1/") {
                match state.authorize(ask.token(), ask.peer) {
                    Ok((client_id, note)) => Answer { note, ..api(state, ask, call, client_id) },
                    Err(refusal) => refused(refusal, &state.settings),
                }
            } else if let Some(endpoint) = path.strip_prefix("/oauth2/") {
                oauth2::answer(state, ask, endpoint)
            } else if let Some(path) = path.strip_prefix("/regions/") {
                session::answer(state, ask, path)
            } else {
                refused(refuse(404, "not_found", "No such path"), &state.settings)
            }
        }
    }
}

fn api(state: &mut State, ask: &Ask, call: &str, client_id: u64) -> Answer {
    let set = &state.settings;
    let reads = ask.method == Method::GET || ask.method == Method::HEAD;
    let number = |name| ask.query(name).and_then(|n| n.parse::<u64>().ok());
    match call {
        "products" | "categories" | "blob" if !reads => not_allowed(set, "GET"),
        "orders" if ask.method != Method::POST => not_allowed(set, "POST"),
        "products" => done(products(), set),
        "categories" => done(categories(), set),
        "orders" => order(state, ask, client_id),
        "echo" => done(echo(ask), set),
        "blob" => blob(number("bytes").unwrap_or(0), ask.query("gzip").as_deref() == Some("1"), set),
        "redirect" => redirect(ask, set),
        _ => match call.strip_prefix("status/").and_then(|s| s.parse::<u16>().ok()) {
            Some(code) if (200..=999).contains(&code) => as_requested(code, set),
            _ => refused(refuse(404, "not_found", "No such path"), set),
        },
    }
}

fn render(outcome: Result<Done, Refusal>, set: &Settings) -> Answer {
    match outcome {
        Ok(Done { data, note }) => Answer { note, ..done(data, set) },
        Err(refusal) => refused(refusal, set),
    }
}

fn done(data: Value, set: &Settings) -> Answer {
    let json = if set.old_envelope { data } else { json!({"success": true, "data": data}) };
    Answer::json(StatusCode::OK, &json, "")
}

pub fn refused(refusal: Refusal, set: &Settings) -> Answer {
    let Refusal { status, code, message, retry_after_seconds, note } = refusal;
    let status = StatusCode::from_u16(status).expect("a status of ours");
    let json = match set.old_envelope {
        true => json!({"error": code, "message": message}),
        false => {
            let name = status.canonical_reason().unwrap_or("Error").replace(' ', "") + "Error";
            json!({"error": {"name": name, "code": code, "message": message}})
        }
    };
    let mut answer = Answer::json(status, &json, note);
    if let Some(seconds) = retry_after_seconds {
        answer = answer.with(RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        answer = answer.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

pub fn not_allowed(set: &Settings, allow: &'static str) -> Answer {
    refused(refuse(405, "method_not_allowed", "This path takes another method"), set)
        .with(ALLOW, HeaderValue::from_static(allow))
}

fn products() -> Value {
    json!([
        {"id": 1, "name": "Popup Coffee Card", "category_id": 1, "currency": "EUR", "values": [5, 10, 25]},
        {"id": 2, "name": "Popup Cinema Card", "category_id": 2, "currency": "EUR", "values": [15, 30]},
        {"id": 3, "name": "Popup Book Card", "category_id": 2, "currency": "USD", "values": [10, 50, 100]},
    ])
}

fn categories() -> Value {
    json!([{"id": 1, "name": "Food and drink"}, {"id": 2, "name": "Leisure"}])
}

fn order(state: &mut State, ask: &Ask, client_id: u64) -> Answer {
    let Ok(item) = serde_json::from_slice::<Value>(&ask.body) else {
        return refused(refuse(400, "invalid_json", "The body is not valid JSON"), &state.settings);
    };
    let key = ask.header("idempotency-key");
    let (number, replayed) = state.order(client_id, key);
    let data = json!({
        "order_id": number, "replayed": replayed, "idempotency_key": key,
        "order": item, "headers": headers(ask),
    });
    done(data, &state.settings)
}

fn echo(ask: &Ask) -> Value {
    let query: Vec<_> = form_urlencoded::parse(ask.query.as_bytes()).collect();
    json!({
        "method": ask.method.as_str(),
        "path": ask.path,
        "query_string": ask.query,
        "query": query,
        "version": format!("{:?}", ask.version),
        "headers": headers(ask),
        "bearer": ask.bearer().map(fingerprint),
        "body": String::from_utf8_lossy(&ask.body),
        "body_base64": STANDARD.encode(&ask.body),
        "body_bytes": ask.body.len(),
    })
}

/// Name → list of values, without credentials.
fn headers(ask: &Ask) -> Map<String, Value> {
    let is_secret = |name: &str| [AUTHORIZATION.as_str(), "cookie", session::TOKEN].contains(&name);
    let public = ask.headers.keys().filter(|name| !is_secret(name.as_str()));
    let values =
        |name| ask.headers.get_all(name).iter().map(|v| json!(String::from_utf8_lossy(v.as_bytes()))).collect();
    public.map(|name| (name.to_string(), Value::Array(values(name)))).collect()
}

/// The byte at `i` of every test pattern.
pub fn pattern(i: u64) -> u8 {
    (i % 251) as u8
}

fn blob(bytes: u64, gzip: bool, set: &Settings) -> Answer {
    const KIND: &str = "application/octet-stream";
    const MOST_AT_ONCE: u64 = 256 << 20;
    if !gzip {
        return Answer { content: Content::Pattern(bytes), ..Answer::new(StatusCode::OK, KIND, "", "") };
    }
    if bytes > MOST_AT_ONCE {
        return refused(refuse(400, "too_large", "At most 256 MiB can be compressed"), set);
    }
    let plain: Vec<u8> = (0..bytes).map(pattern).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&plain).and_then(|()| encoder.finish()).expect("writing to memory");
    Answer::new(StatusCode::OK, KIND, packed, "").with(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
}

fn redirect(ask: &Ask, set: &Settings) -> Answer {
    let status = ask.query("status").map_or(Some(302), |s| s.parse().ok());
    let status = status.filter(|s| (300..=399).contains(s)).and_then(|s| StatusCode::from_u16(s).ok());
    let to = ask.query("to").and_then(|to| HeaderValue::try_from(to).ok());
    match (status, to) {
        (Some(status), Some(to)) => Answer::json(status, &json!({"message": "See Location"}), "").with(LOCATION, to),
        _ => refused(refuse(400, "invalid_redirect", "Wanted: to=URL and status=3xx"), set),
    }
}

/// An answer of that status, with a body as the API would write it.
pub fn as_requested(code: u16, set: &Settings) -> Answer {
    let status = StatusCode::from_u16(code).expect("checked by the caller");
    let mut answer = match code {
        ..400 => done(json!({"status": code}), set),
        _ => refused(refuse(code, "as_requested", "The status that was asked for"), set),
    };
    if matches!(code, 204 | 304) {
        answer.content = Content::Bytes(Bytes::new());
        answer.headers.remove(CONTENT_TYPE);
    }
    Answer { status, ..answer }
}
