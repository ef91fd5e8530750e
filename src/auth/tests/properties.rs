//! Hostile dialects and hostile answers: no panic, no overflow, no secret in an error.

use super::*;
use crate::http::origin::{Origins, parse_absolute};
use proptest::prelude::*;

/// A secret that no message may hold.
const MARK: &str = "hunter2hunter2";

/// JSON that looks a little like a dialect.
fn dialectish() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "preset",
        "login",
        "refresh",
        "logout",
        "answer",
        "call",
        "meanings",
        "assertion",
        "url",
        "json",
        "form",
        "text",
        "basic",
        "headers",
        "query",
        "keep",
        "success",
        "method",
        "access_token",
        "expires_in",
        "expires_at",
        "of",
        "status",
        "body",
        "means",
        "header",
        "cookie",
        "cookies",
        "token_url",
        "issuer",
        "client",
        "id",
        "secret",
        "grant",
        "scope",
        "client_auth",
        "alg",
        "key",
        "claims",
        "/x",
        "env",
        "file",
    ]);
    let texts = prop::sample::select(vec![
        "/x",
        "https://x.example.com/{username}",
        "{kept.x}/y",
        "{params.url}/{params.team}",
        "{username}",
        "{base64(password ':')}",
        "{now('%c', '+1d')}",
        "{{",
        "}",
        "{",
        "oauth2",
        "popup",
        "vault",
        "login",
        "call",
        "4xx",
        "rejected",
        "Bearer {access_token}",
        "RS256",
        "post",
        "{refresh_token}",
        "{assertion}",
        "",
        "é\n",
        "password",
        "hunter2hunter2",
        "{hunter2hunter2}",
        "KEY",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (100u16..600).prop_map(Value::from),
        texts.prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A valid dialect with one thing in it replaced.
fn nearly() -> impl Strategy<Value = Value> {
    let whole = json!({
        "login": [{"url": "/a", "keep": {"x": ["/x", {"cookie": "c"}]}}, {"url": "{kept.x}/s", "json": {"u": "{username}", "p": ["{password}"]},
                  "answer": {"access_token": "/t"}, "success": [200], "headers": {"A": "b"}, "query": {"q": "{uuid}"}}],
        "refresh": {"url": "/r", "basic": ["{username}", "{password}"], "form": {"t": "{refresh_token}"}},
        "logout": {"url": "/o", "text": "{access_token}"},
        "answer": {"access_token": ["/t", {"text": true}], "expires_in": "/e", "expires_at": {"header": "X"}},
        "call": {"headers": {"Authorization": "Bearer {access_token}"}, "query": {"n": "{now}"}},
        "meanings": [{"of": "call", "status": "4xx", "body": {"/e": [1, null]}, "means": "expired"}],
        "assertion": {"alg": "HS256", "key": {"env": "KEY"}, "claims": {"a": "{uuid}"}}
    });
    (any::<prop::sample::Index>(), dialectish()).prop_map(move |(at, replacement)| {
        let mut whole = whole.clone();
        let mut pointers = Vec::new();
        pointers_of(&whole, String::new(), &mut pointers);
        if let Some(place) = whole.pointer_mut(&pointers[at.index(pointers.len())]) {
            *place = replacement;
        }
        whole
    })
}

fn pointers_of(value: &Value, path: String, out: &mut Vec<String>) {
    out.push(path.clone());
    match value {
        Value::Object(map) => {
            for (name, below) in map {
                pointers_of(below, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (at, below) in items.iter().enumerate() {
                pointers_of(below, format!("{path}/{at}"), out);
            }
        }
        _ => {}
    }
}

fn exercise(auth: &Value, status: u16, body: &[u8]) -> std::result::Result<(), TestCaseError> {
    let dialect = match try_compile(auth) {
        Ok(dialect) => dialect,
        Err(error) => {
            prop_assert_eq!(error.status(), crate::error::Status::TM_INVALID_OPTIONS, "{}", error);
            prop_assert!(!error.message().contains(MARK), "{}: {}", auth, error);
            prop_assert!(error.message().starts_with("the option auth"), "{}: {}", auth, error);
            return Ok(());
        }
    };
    let mut filling = Filling::new();
    filling.password = secret(MARK);
    filling.kept.insert("x".to_owned(), secret("https://x.example.com/hunter2hunter2"));
    let values = filling.values();
    let mut secrets: Vec<&Secret> = vec![&filling.password];
    secrets.extend(dialect.secrets());
    let headers = HeaderMap::new();
    if let Err(error) = dialect.check(&values) {
        prop_assert!(!error.message().contains(MARK), "{}", error);
    }
    for stage in [Stage::Login(0), Stage::Login(1), Stage::Refresh, Stage::Logout] {
        if let Some(Err(error)) = dialect.prepare(stage, &values, &MOMENT) {
            prop_assert!(!error.message().contains(MARK), "{}", error);
        }
        let reply = Reply { status, headers: &headers, body, intermediary: None, now: NOW };
        if let Err(refusal) = dialect.read(stage, &values, &reply, &secrets) {
            // A URL that is written out is no secret of ours.
            prop_assert!(
                !refusal.error.message().contains(MARK) || auth.to_string().contains(MARK),
                "{}",
                refusal.error
            );
        }
    }
    let _ = (dialect.fill_call(&values, &MOMENT), dialect.call_means(status, &headers, body), dialect.renews_by());
    Ok(())
}

/// Where a request may go: to the host, to one origin, to any host below a name, or to whatever https URL the value is.
const ADDRESSES: [&str; 8] = [
    "/a/{kept.x}",
    "/{kept.x}/b?c={kept.x}",
    "https://id.example.com/{kept.x}",
    "https://id.example.com/a?b={kept.x}",
    "https://id.example.com:{kept.x}/t",
    "https://{kept.x}.id.example.com/t",
    "{kept.x}/t",
    "{kept.x}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_dialect_is_taken_or_refused(auth in dialectish(), status in 100u16..600, body: Vec<u8>) {
        exercise(&auth, status, &body)?;
    }

    #[test]
    fn nearly_a_dialect_is_taken_or_refused(auth in nearly(), status in 100u16..600) {
        exercise(&auth, status, br#"{"error":"hunter2hunter2","message":"no \"hunter2hunter2\""}"#)?;
    }

    #[test]
    fn any_template_is_parsed_or_refused(text in "[{}()' a-z0-9_.,%+é\\\\-]{0,40}") {
        exercise(&json!({"login": {"url": "/l", "json": {"a": text}}, "answer": {"access_token": "/t"}}), 200, b"{}")?;
    }

    #[test]
    fn any_url_is_taken_or_refused(text in "(https?://|/|\\{kept\\.x\\}|\\{params\\.url\\})?[a-z{}./:@?#%\\\\é -]{0,24}") {
        exercise(&json!({"login": [{"url": "/l", "keep": {"x": "/x"}}, {"url": text}], "answer": {"access_token": "/t"}}), 200, b"{}")?;
    }

    #[test]
    fn any_value_stays_in_its_place_in_a_url(value in "\\PC{1,12}") {
        let dialect = compile(json!({"login": [{"url": "/l", "keep": {"x": "/x"}}, {"url": "/a/{kept.x}/b?c={kept.x}"}], "answer": {"access_token": "/t"}}));
        let mut filling = Filling::new();
        filling.kept.insert("x".to_owned(), secret(&value));
        match dialect.prepare(Stage::Login(1), &filling.values(), &MOMENT).unwrap() {
            Err(_) => prop_assert!(value == "." || value == ".."),
            Ok(prepared) => {
                let url = url::Url::parse("https://api.example.com").unwrap().join(&prepared.url).unwrap();
                let segments: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 3);
                let decoded = percent_encoding::percent_decode_str(segments[1]).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(&decoded, &value);
                prop_assert_eq!(url.query_pairs().next().unwrap().1.into_owned(), value);
            }
        }
    }

    #[test]
    fn no_value_leads_a_request_elsewhere(at: prop::sample::Index, value in "(https?://|//|\\\\|\\.\\.?/|@)?[a-z0-9./@:?#%\\\\é\\[\\]\\x00-\\x20-]{1,24}") {
        let address = ADDRESSES[at.index(ADDRESSES.len())];
        let dialect = compile(json!({"login": [{"url": "/l", "keep": {"x": "/x"}}, {"url": address}], "answer": {"access_token": "/t"}}));
        let mut filling = Filling::new();
        let Some(value) = Secret::new(&value) else { return Ok(()) };
        filling.kept.insert("x".to_owned(), value);
        let Ok(prepared) = dialect.prepare(Stage::Login(1), &filling.values(), &MOMENT).unwrap() else { return Ok(()) };
        let url = match prepared.is_on_host() {
            true => Origins::new("https://api.example.com/base", &[], false).unwrap().resolve(&prepared.url),
            false => parse_absolute(&prepared.url),
        };
        let Ok(url) = url else { return Ok(()) };
        let host = url.host_str().unwrap();
        prop_assert!(url.username().is_empty() && url.password().is_none(), "{}", url);
        match address {
            _ if address.starts_with('/') => prop_assert_eq!(url.origin().ascii_serialization(), "https://api.example.com"),
            _ if address.starts_with("https://{") => prop_assert!(host.ends_with(".id.example.com"), "{}", url),
            _ if address.starts_with("https://") => prop_assert!(host == "id.example.com", "{}", url),
            _ => prop_assert!(url.scheme() == "https" || matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.starts_with("127.") || host.ends_with(".localhost"), "{}", url),
        }
        let is_free = address.starts_with('{');
        prop_assert!(is_free || url.scheme() == "https");
    }

    #[test]
    fn any_answer_is_read_or_refused(status in 100u16..600, body: Vec<u8>, date in "\\PC{0,30}", now: i64) {
        let headers = [("date", date)].into_iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))).collect();
        let reply = Reply { status, headers: &headers, body: &body, intermediary: None, now };
        for preset in ["popup", "simplejwt", "dj-rest-auth", "directus", "vault"] {
            let _ = compile(json!(preset)).read(Stage::Refresh, &Values::default(), &reply, &[]);
        }
    }

    #[test]
    fn any_instants_are_counted_without_overflow(at: i64, after: i64, float: f64, now: i64) {
        let body = json!({"access_token": jwt(at / 2), "expires_at": at, "expires_in": after, "refresh_expires_at": float, "refresh_expires_in": after}).to_string();
        let headers = HeaderMap::new();
        let reply = Reply { status: 200, headers: &headers, body: body.as_bytes(), intermediary: None, now };
        prop_assert!(compile(json!("popup")).read(Stage::Login(0), &Values::default(), &reply, &[]).is_ok());
    }
}
