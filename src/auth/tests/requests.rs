//! Templates and encodings: what stands where.

use super::*;

/// One login with all of it.
fn login(endpoint: Value) -> Dialect {
    compile(json!({"login": endpoint, "answer": {"access_token": "/t"}}))
}

fn text(template: &str) -> String {
    let prepared = prepare(&login(json!({"url": "/x", "text": template})), Stage::Login(0)).unwrap();
    String::from_utf8(prepared.body.to_vec()).unwrap()
}

#[test]
fn names_and_functions_stand_for_their_values() {
    for (template, value) in [
        ("{username}|{ username }|{client_id}", "shop|shop|client-7"),
        ("{params.domain}", "default"),
        ("{basic}", "c2hvcDpwInc6w7YgZA=="),
        ("{now} {now_unix}", "2026-01-01T00:00:00Z 1767225600"),
        ("{now('%Y-%m-%d', '+7d')}", "2026-01-08"),
        ("{now('%H:%M:%S', '-1s')} {now('%M','90m')} {now('%d', '+25h')}", "23:59:59 30 02"),
        ("{base64(params.code ':' username)}", "eC4xOnNob3A="),
        ("{base64url('>>>???')} {base64('>>>???')}", "Pj4-Pz8_ Pj4+Pz8/"),
        ("{sha256('abc')}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "{base64(sha256('abc') '')}",
            "YmE3ODE2YmY4ZjAxY2ZlYTQxNDE0MGRlNWRhZTIyMjNiMDAzNjFhMzk2MTc3YTljYjQxMGZmNjFmMjAwMTVhZA==",
        ),
        ("{\u{7b}\"a\":\"{json('q\"\\')}\"}}", "{\"a\":\"q\\\"\\\\\"}"),
        ("{base64('it''s {}' now('%Y'))}", "aXQncyB7fTIwMjY="),
        ("{{username}}", "{username}"),
        ("é{username}é", "éshopé"),
        ("", ""),
    ] {
        assert_eq!(text(template), value, "{template}");
    }
}

#[test]
fn a_uuid_is_one_a_request() {
    let both = text("{uuid} {uuid}");
    assert_eq!(both, "07070707-0707-4707-8707-070707070707 07070707-0707-4707-8707-070707070707");
}

#[test]
fn a_value_is_encoded_for_where_it_stands() {
    let dialect = login(json!({
        "url": "/a/{params.team}/b?x={params.team}", "query": {"q&": "{username}={params.team}", "r": ["1", 2]},
        "headers": {"X-Team": "t {params.team}"}, "json": {"k\"": ["{params.line}", 1, 1.5, true, null, "{{}}"]},
    }));
    assert_eq!(
        request_text(&dialect, Stage::Login(0)),
        "POST /a/a%2Fb%20c/b?x=a%2Fb%20c&q%26=shop%3Da%2Fb%20c&r=1&r=2\ncontent-type: application/json\nx-team: t a/b c\n\n{\"k\\\"\":[\"a\\nb\",1,1.5,true,null,\"{}\"]}"
    );
    let form = login(json!({"url": "/x", "form": {"a b": "{params.team}&é", "n": 7, "l": ["x", "y"], "y": true}}));
    assert!(request_text(&form, Stage::Login(0)).ends_with("\n\na+b=a%2Fb+c%26%C3%A9&l=x&l=y&n=7&y=true"));
    let kinds = login(json!({"url": "/x", "headers": {"Content-Type": "text/xml", "Accept": "*/*"}, "text": "<a/>"}));
    let prepared = prepare(&kinds, Stage::Login(0)).unwrap();
    assert_eq!(
        (&prepared.headers["content-type"], &prepared.headers["accept"]),
        (&"text/xml".parse().unwrap(), &"*/*".parse().unwrap())
    );
    let plain = prepare(&login(json!({"url": "/x"})), Stage::Login(0)).unwrap();
    assert!(plain.body.is_empty() && !plain.headers.contains_key("content-type"));
    assert_eq!(plain.headers["accept"], "application/json");
}

#[test]
fn basic_is_rfc_7617s() {
    let dialect = login(json!({"url": "/x", "basic": ["{username}", "{password}"]}));
    assert_eq!(request_text(&dialect, Stage::Login(0)), "POST /x\nauthorization: Basic c2hvcDpwInc6w7YgZA==");
}

#[test]
fn values_in_urls_lead_nowhere_else() {
    let url = |url: &str, kept: &str| {
        let dialect = compile(json!({
            "login": [{"url": "/a", "keep": {"x": "/x"}}, {"url": url}], "answer": {"access_token": "/t"}
        }));
        let mut filling = Filling::new();
        filling.kept.insert("x".to_owned(), secret(kept));
        let prepared = dialect.prepare(Stage::Login(1), &filling.values(), &MOMENT).unwrap();
        prepared.map(|prepared| prepared.url.to_string()).map_err(|error| error.status())
    };
    use crate::error::Status::{TM_INVALID_OPTIONS, TM_URL_NOT_ALLOWED};
    for (template, kept, result) in [
        ("{kept.x}", "https://a.example.com/v1?k=1", Ok("https://a.example.com/v1?k=1")),
        ("{kept.x}/s", "https://a.example.com/v1/", Ok("https://a.example.com/v1/s")),
        ("{kept.x}/s", "http://127.0.0.1:8080", Ok("http://127.0.0.1:8080/s")),
        ("{kept.x}?a=b", "https://a.example.com/v1", Ok("https://a.example.com/v1?a=b")),
        ("{kept.x}.evil.com/s", "https://a.example.com", Ok("https://a.example.com/.evil.com/s")),
        ("{kept.x}{params.team}", "https://a.example.com", Ok("https://a.example.com/a%2Fb%20c")),
        ("{kept.x}/s", "https://a.example.com/?q=1", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "http://a.example.com", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "/path", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "https://u:p@a.example.com", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "https://a.example.com\\@evil.com", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "https://a.exa\nmple.com", Err(TM_URL_NOT_ALLOWED)),
        ("{kept.x}/s", "javascript:alert(1)", Err(TM_URL_NOT_ALLOWED)),
        ("https://{kept.x}.example.com/s", "eu-1", Ok("https://eu-1.example.com/s")),
        ("https://{kept.x}/s", "a.example.com:8443", Ok("https://a.example.com:8443/s")),
        ("https://a.example.com:{kept.x}/s", "8443", Ok("https://a.example.com:8443/s")),
        ("https://{kept.x}.example.com/s", "evil.com/", Err(TM_INVALID_OPTIONS)),
        ("https://{kept.x}.example.com/s", "evil.com#", Err(TM_INVALID_OPTIONS)),
        ("https://{kept.x}.example.com/s", "u@evil.com", Err(TM_INVALID_OPTIONS)),
        ("https://{kept.x}/s", "a:b", Err(TM_INVALID_OPTIONS)),
        ("http://{kept.x}/s", "evil.com", Err(TM_URL_NOT_ALLOWED)),
        ("http://{kept.x}/s", "localhost", Ok("http://localhost/s")),
        ("/a/{kept.x}/b", "..", Err(TM_INVALID_OPTIONS)),
        ("/a/.{kept.x}/b", ".", Err(TM_INVALID_OPTIONS)),
        ("/{kept.x}", "/evil.com", Ok("/%2Fevil.com")),
        ("/a/{kept.x}", "b?c#d&e%", Ok("/a/b%3Fc%23d%26e%25")),
        ("/a?b={kept.x}", "c&d=e#f", Ok("/a?b=c%26d%3De%23f")),
        ("/a?b={kept.x}", "..", Ok("/a?b=..")),
    ] {
        assert_eq!(url(template, kept), result.map(str::to_owned), "{template} {kept}");
    }
}

#[test]
fn a_refresh_is_known_by_what_it_uses() {
    let renews_by = |refresh: Value| {
        compile(
            json!({"login": {"url": "/l", "keep": {"s": "/s"}}, "refresh": refresh, "answer": {"access_token": "/t"}}),
        )
        .renews_by()
    };
    let by = |text: &str| renews_by(json!({"url": "/r", "text": text}));
    assert_eq!(renews_by(Value::Null), None);
    assert_eq!(by("{refresh_token}"), Some(RenewsBy::RefreshToken));
    assert_eq!(by("{access_token} {base64(refresh_token)}"), Some(RenewsBy::RefreshToken));
    assert_eq!(by("{sha256(access_token)}"), Some(RenewsBy::AccessToken));
    assert_eq!(by("{kept.s}"), Some(RenewsBy::Neither));
    let headers = json!({"url": "/r", "headers": {"Authorization": "Bearer {access_token}"}});
    assert_eq!(renews_by(headers), Some(RenewsBy::AccessToken));
    assert_eq!(renews_by(json!({"url": "/r?t={access_token}"})), Some(RenewsBy::AccessToken));
}

#[test]
fn a_call_carries_what_it_says() {
    let dialect = compile(json!({"login": {"url": "/l", "keep": {"session": "/s"}}, "answer": {"access_token": "/t"},
        "call": {"headers": {"Authorization": "Basic {base64(params.code ':' access_token)}", "X-S": "{kept.session}"},
                 "query": {"token": "{access_token}", "for": "{path}"}}}));
    let filled = dialect.fill_call(&Filling::new().values(), &MOMENT).unwrap();
    assert_eq!(*filled.query, "for=%2Forders&token=the-access-token");
    assert_eq!(call_headers(&dialect), ["authorization: Basic eC4xOnRoZS1hY2Nlc3MtdG9rZW4=", "x-s: s-1"]);
    assert!(!dialect.call.is_fixed(), "the path changes");
    let secrets: Vec<&str> = filled.secrets.iter().map(Secret::as_str).collect();
    assert!(secrets.contains(&"s-1") && secrets.contains(&"eC4xOnRoZS1hY2Nlc3MtdG9rZW4="), "{}", secrets.join(" "));
    // The default, and nothing at all.
    let query =
        compile(json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"}, "call": {"query": {"a": "b"}}}));
    assert_eq!(call_headers(&query), ["authorization: Bearer the-access-token"]);
    let none = compile(json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"}, "call": {"headers": {}}}));
    assert!(call_headers(&none).is_empty());
    for template in
        ["{uuid}", "{now}", "{now('%Y')}", "{base64(now_unix)}", "{username}", "{base64(password)}", "{client_id}"]
    {
        let dialect = compile(
            json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"}, "call": {"headers": {"X": template}}}),
        );
        assert!(!dialect.call.is_fixed(), "{template}");
    }
}

#[test]
fn s2_nothing_shows_what_a_dialect_or_a_request_holds() {
    let dialect = compile(json!({
        "login": {"url": "/bot{params.key}/x", "basic": ["me", "l1teral-pw"], "headers": {"X-Api-Key": "l1teral-key", "X-Auth": "Token l1teral-word"},
                  "json": {"secret": "l1teral-secret", "kind": "password", "text": "l1teral-text"}},
        "answer": {"access_token": "/t"}
    }));
    let prepared = prepare(&dialect, Stage::Login(0)).unwrap();
    let debug = format!("{dialect:?} {prepared:?}");
    for text in ["l1teral", "p4r4m-key"] {
        assert!(!debug.contains(text), "{text}");
    }
    assert_eq!(prepared.redacted, "POST /bot{params.key}/x");
    let held: Vec<&str> = dialect.secrets().iter().map(Secret::as_str).collect();
    for text in ["l1teral-pw", "l1teral-key", "l1teral-word", "l1teral-secret", "p4r4m-key"] {
        assert!(held.contains(&text), "{text}");
    }
    // Ordinary words are none.
    assert!(!held.contains(&"password") && !held.contains(&"Token"));
    assert!(prepared.secrets.iter().any(|secret| secret.as_str() == "p4r4m-key"));
    let echoed = r#"{"error":"no l1teral-secret for p4r4m-key"}"#;
    let (_, error) = refused(&dialect, Stage::Login(0), 401, &[], echoed);
    assert!(error.message().contains("(no [secret] for [secret])"), "{error}");
}

#[test]
fn what_distinguishes_pairs_is_stable_and_tells_dialects_apart() {
    let identity = |auth: Value| compile(auth).identity().to_owned();
    let login = |more: Value| {
        let mut auth = json!({"login": {"url": "/l", "json": {"password": "one"}}, "answer": {"access_token": "/t"}});
        super::super::member::merge(&mut auth, &more);
        auth
    };
    let own = identity(login(json!({})));
    assert_eq!(own, identity(login(json!({}))));
    assert_eq!(own.len(), "own:".len() + 32);
    // A new password is none of a pair's identity, all else is.
    assert_eq!(own, identity(login(json!({"login": {"json": {"password": "two"}}}))));
    for other in [
        json!({"login": {"json": {"user": "two"}}}),
        json!({"login": {"url": "/m"}}),
        json!({"answer": {"access_token": "/id_token"}}),
        json!({"login": {"json": {"password": "{params.key}"}}}),
    ] {
        assert_ne!(own, identity(login(other.clone())), "{other}");
    }
    // A check hides what stands under these names; here it tells two accounts apart.
    for name in ["session", "jwt"] {
        let of = |value: &str| identity(login(json!({"login": {"json": {name: value}}})));
        assert_ne!(of("one"), of("two"), "{name}");
    }
    let oauth = |scope: Value| identity(json!({"preset": "oauth2", "token_url": "/t", "scope": scope}));
    assert_ne!(oauth(json!("a")), oauth(json!("b")));
    assert_ne!(identity(json!("vault")), identity(json!("popup")));
}

#[test]
fn an_optional_value_is_empty_where_there_is_none_and_leaves_its_member_out() {
    let (there, none) = ("{kept.session?}{params.domain?}", "{kept.none?}{params.none?}");
    let dialect = compile(json!({"answer": {"access_token": "/t"}, "login": {"url": "/x"},
        "refresh": {"url": "/r?a={kept.none?}", "query": {"q": there, "n": none, "m": ["1", none]},
            "headers": {"X-There": there, "X-None": none, "X-Fixed": "", "X-Mixed": "a{kept.none?}"},
            "form": {"f": there, "n": none, "e": "", "h": "{base64(kept.none?)}"}},
        "call": {"headers": {"X-There": there, "X-None": none}, "query": {"n": none, "q": there}}}));
    assert_eq!(
        request_text(&dialect, Stage::Refresh),
        "POST /r?a=&m=1&q=s-1default\ncontent-type: application/x-www-form-urlencoded\nx-fixed: \nx-mixed: a\n\
         x-there: s-1default\n\ne=&f=s-1default&h="
    );
    assert_eq!(call_headers(&dialect), ["x-there: s-1default"]);
    let filling = Filling::new();
    let filled = dialect.fill_call(&filling.values(), &MOMENT).unwrap();
    assert_eq!(*filled.query, "q=s-1default");
    assert!(filled.secrets.contains(&filling.kept["session"]) && dialect.call.is_fixed());
    let bare = dialect.fill_call(&Values { kept: None, ..filling.values() }, &MOMENT).unwrap();
    assert_eq!(bare.headers[0].1, "default");
}

#[test]
fn only_what_may_be_missing_is_optional() {
    for template in ["{username?}", "{kept.a??}", "{params.domain??}", "{params.?x}", "{?}", "{now?('%Y')}"] {
        let why = refusal(json!({"login": {"url": "/x", "text": template}, "answer": {"access_token": "/t"}}));
        assert!(why.starts_with("the option auth.login.text "), "{template}: {why}");
    }
    let why = refusal(json!({"login": {"url": "{kept.a?}/x"}, "answer": {"access_token": "/t"}}));
    assert!(why.starts_with("the option auth.login.url takes a path"), "{why}");
}
