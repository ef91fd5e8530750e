//! What a report shows of what it was given.

use super::*;

#[test]
fn s2_what_a_dialect_holds_is_shown_unless_it_looks_like_a_secret() {
    let (_, server) = start();
    let login = json!({"url": "/login",
        "json": {"user": "{username}", "pass": "{password}", "kind": "m.login.oauth2", "tenant": "k3y7x9q2", "session": "hunter"},
        "query": {"lang": "de", "app": "0a1b2c3d"},
        "headers": {"X-Kind": "shop", "X-App": "app-9f8e7d6c5b", "X-Session-Name": "hunter", "Authorization": "hunter",
            "X-Api-Key": "hunter", "Cookie": "kind=hunter"}});
    let report = check(&speaks(&server, but("/login", login)), None);
    let sent = &step(&report, "login")["sent"];
    let body = r#"{"kind":"m.login.oauth2","pass":"***","session":"***","tenant":"***","user":"ann"}"#;
    assert_eq!(sent["body"], body);
    assert_eq!(sent["url"], format!("{}/login?app=***&lang=de", server.url()));
    let headers = &sent["headers"];
    assert_eq!((&headers["x-kind"], &headers["cookie"]), (&json!("shop"), &json!("kind=***")));
    for name in ["x-app", "x-session-name", "authorization", "x-api-key"] {
        assert_eq!(headers[name], "***", "{headers:#}");
    }
}

#[test]
fn s2_what_a_url_was_given_with_is_shown_unless_its_name_speaks_of_a_secret() {
    let server = Server::start(|_| Answer::json(200, json!({"token": "access-0123456789"})));
    let auth = json!({"login": {"url": "/login?api_key=k-4711&lang=de"}, "answer": {"access_token": "/token"}});
    let report = check(&speaks(&server, auth), Some("/items?api_key=k-4712&page=2"));
    for (name, url) in [("login", "/login?api_key=***&lang=de"), ("call", "/items?api_key=***&page=2")] {
        assert_eq!(step(&report, name)["sent"]["url"], server.url() + url);
    }
}

/// Whatever came, in every place and many encodings.
fn echo(request: &Arrived, heard: &Mutex<Vec<String>>) -> Value {
    use base64::Engine;
    let mut heard = heard.lock().unwrap();
    let values =
        request.head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(_, value)| value.to_owned());
    heard.extend(values.chain([request.body.clone(), request.target().to_owned()]).filter(|text| text.len() > 3));
    let mut echo =
        json!({"message": request.body, "detail": request.head, "code": request.body, "error": request.head});
    for text in heard.iter() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for told in [text.clone(), encoded, hex, escaped] {
            echo[&told] = json!({"token": told, "type": told, "expires": told});
            echo[format!("{told}_token")] = json!([told]);
        }
    }
    echo
}

#[test]
fn s2_a_server_that_repeats_everything_everywhere_gets_no_secret_into_the_report() {
    use base64::Engine;
    const KEY: &str = "param-secret-99";
    for refuses in [false, true] {
        let tokens = Tokens::new();
        let issued = Arc::<Mutex<Vec<String>>>::default();
        let (heard, mine) = (Mutex::<Vec<String>>::default(), Arc::clone(&issued));
        let server = Server::start(move |request| {
            let mut body = echo(request, &heard);
            if matches!(request.path(), "/login" | "/renew") && !refuses {
                let (access, refresh) = tokens.issue();
                mine.lock().unwrap().extend([access.clone(), refresh.clone()]);
                body["data"] = json!({"token": access, "renewal": refresh, "note": "kept-secret-1", "ttl": 3600});
            }
            let is_call = request.path() == "/items";
            let code = if refuses || (is_call && !tokens.is_good(request.header("x-session").unwrap_or_default())) {
                400
            } else {
                200
            };
            let told = request.header("x-session").map_or_else(|| PASSWORD.to_owned(), str::to_owned);
            Answer::json(code, body)
                .with("WWW-Authenticate", &format!("Bearer error=\"{told}\", {told}"))
                .with("Location", &format!("/{told}?{told}"))
                .with("Set-Cookie", &format!("{}={told}", told.replace(['=', ' ', ';'], "-")))
                .with("Allow", &told)
                .with("Retry-After", &told)
                .with(&format!("X-Token-{}", KEY), KEY)
        });
        let mut auth = fitting();
        auth["login"]["keep"] = json!({"note": "/data/note"});
        auth["login"]["headers"] = json!({"X-Key": "{params.key}", "X-Digest": "{sha256(password)}", "X-Both": "{base64(username ':' password)}"});
        auth["refresh"]["headers"] = json!({"X-Note": "{kept.note}"});
        auth["call"]["query"] = json!({"sig": "{base64(params.key ':' access_token)}"});
        let options = json!({"auth": auth, "auth_params": {"key": KEY}, "headers": {"X-Api-Key": "option-secret-7"}});
        let report = manager(&server, options).check(Some("/items?q=1")).expect("a report");
        let mut secrets: Vec<String> = issued.lock().unwrap().clone();
        secrets.extend([PASSWORD, KEY, "option-secret-7"].map(str::to_owned));
        secrets.extend((!refuses).then(|| "kept-secret-1".to_owned()));
        for secret in secrets {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&secret);
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            let escaped: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for form in [secret.clone(), encoded.trim_end_matches('=').to_owned(), hex, escaped] {
                assert!(!report.contains(&form), "{form} is in {report}");
            }
        }
        assert!(report.contains("***"), "{report}");
        assert!(server.count("POST /login") == 1 && report.contains(USER));
    }
}
