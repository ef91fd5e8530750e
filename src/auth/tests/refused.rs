//! What is no dialect: each mistake is named, with the member and what that takes, and without a value.

use super::*;

/// A dialect with one login.
fn login(more: Value) -> Value {
    let mut login = json!({"url": "/login"});
    super::super::member::merge(&mut login, &more);
    json!({"login": login, "answer": {"access_token": "/t"}})
}

fn with(name: &str, value: Value) -> Value {
    let mut auth = login(json!({}));
    auth[name] = value;
    auth
}

#[test]
fn a_mistake_names_the_member_and_what_it_takes() {
    for (auth, said) in [
        (json!("popop"), "auth.preset got a name that it does not know; it takes \"popup\" or \"oauth2\""),
        (json!(7), "auth got a number; it takes a preset's name"),
        (json!({"preset": 7}), "auth.preset got a number"),
        (json!({"file": "nowhere"}), "auth names the file nowhere, which could not be read"),
        (json!({"file": "list.json"}), "auth names a file that does not hold an object"),
        (json!({"file": "broken.json"}), "auth names a file that is not JSON (line 1, column 11)"),
        (json!({"file": "twice.json"}), "auth.login.url stands twice; leave one of the two out"),
        (json!({"file": "x", "preset": "popup"}), "auth.preset is unknown"),
        (json!({"preset": "popup", "logn": {}}), "auth.logn is unknown; did you mean login?"),
        (json!({"preset": "popup", "scope": "x"}), "auth.scope is unknown"),
        (with("login", json!({"url": "/x", "jsn": {}})), "auth.login.jsn is unknown; did you mean json?"),
        (with("login", json!({"json": {}})), "auth.login has no url"),
        (with("login", json!([{"url": "/a"}, {"url": 7.5, "method": {}}])), "auth.login.1.method got an object"),
        (with("login", json!("x")), "auth.login got a string; it takes an object"),
        (
            with("refresh", json!({"url": "/r", "json": {"token": "{refresh_tokn}"}})),
            "auth.refresh.json.token has a name in braces that there is not; did you mean refresh_token?",
        ),
        (with("refresh", json!([{"url": "/r"}])), "auth.refresh got an array; it takes an object"),
        (
            with("answer", json!({"access_token": "token"})),
            "auth.answer.access_token got a string that is no JSON pointer",
        ),
        (
            with("answer", json!({"access_token": "/a~2"})),
            "auth.answer.access_token got a string that is no JSON pointer",
        ),
        (
            with("answer", json!({"access_token": {"header": "a b"}})),
            "auth.answer.access_token got an object; it takes a JSON pointer",
        ),
        (
            with("answer", json!({"access_token": {"headr": "a"}})),
            "auth.answer.access_token.headr is unknown; did you mean header?",
        ),
        (with("answer", json!({"access_token": {"text": false}})), "auth.answer.access_token got an object"),
        (
            with("answer", json!({"acces_token": "/a"})),
            "auth.answer.acces_token is unknown; did you mean access_token?",
        ),
        (
            with("answer", json!({"access_token": "/a", "expires_in_unit": "h"})),
            "auth.answer.expires_in_unit got a name that it does not know; it takes \"s\" or \"ms\" or \"min\"",
        ),
        (
            with("answer", json!({"access_token": "/a", "expires_at_unit": "min"})),
            "auth.answer.expires_at_unit got a name",
        ),
        (
            with("answer", json!({"access_token": "/a", "lifetime_seconds": -1})),
            "auth.answer.lifetime_seconds got a number; it takes a whole number of seconds",
        ),
        (with("answer", json!({})), "auth.answer has no access_token for POST /login"),
        (login(json!({"answer": {"access_token": 7}})), "auth.login.answer.access_token got a number"),
        (login(json!({"answer": {"acess_token": "/a"}})), "auth.login.answer.acess_token is unknown"),
        (login(json!({"keep": {"x": "a"}})), "auth.login.keep.x got a string that is no JSON pointer"),
        (login(json!({"method": "CONNECT"})), "auth.login.method got what is no method"),
        (login(json!({"method": "a b"})), "auth.login.method got what is no method"),
        (login(json!({"success": [200, 99]})), "auth.login.success.1 got a number; it takes a status code"),
        (login(json!({"success": []})), "auth.login.success got an empty array"),
        (login(json!({"success": "6xx"})), "auth.login.success got a string; it takes a status code"),
        (
            login(json!({"json": {}, "form": {"a": "b"}})),
            "auth.login has more than one body; it takes one of json, form and text",
        ),
        (login(json!({"form": {"a": {}}})), "auth.login.form.a got an object; it takes a string"),
        (login(json!({"form": "a=b"})), "auth.login.form got a string; it takes an object of strings"),
        (login(json!({"text": ["a"]})), "auth.login.text got an array"),
        (login(json!({"headers": {"a b": "c"}})), "auth.login.headers has a name that no header can have"),
        (login(json!({"headers": {"X": "a\nb"}})), "auth.login.headers.X holds characters that no header can carry"),
        (
            login(json!({"headers": {"Host": "a"}})),
            "auth.login.headers.Host is a header that the connection itself sets",
        ),
        (login(json!({"basic": ["a"]})), "auth.login.basic got an array; it takes an array of two strings"),
        (login(json!({"basic": "a:b"})), "auth.login.basic got a string; it takes an array of two strings"),
        (login(json!({"basic": ["a:b", "c"]})), "auth.login.basic.0 holds a \":\""),
        (with("call", json!({"headers": {"X": "{x}"}})), "auth.call.headers.X has a name in braces that there is not"),
        (with("call", json!({"header": {}})), "auth.call.header is unknown; did you mean headers?"),
        (with("call", json!(7)), "auth.call got a number; it takes an object"),
        (with("meanings", json!({})), "auth.meanings got an object; it takes an array of meanings"),
        (
            with("meanings", json!([{"of": "logn", "status": 1, "means": "x"}])),
            "auth.meanings.0.of got a name that it does not know",
        ),
        (
            with("meanings", json!([{"status": 401, "means": "x"}])),
            "auth.meanings.0.means got a name that it does not know; it takes \"rejected\"",
        ),
        (with("meanings", json!([{"status": 401}])), "auth.meanings.0 has no means"),
        (with("meanings", json!([{"of": "call", "means": "expired"}])), "auth.meanings.0 fits every answer"),
        (
            with("meanings", json!([{"body": {"a": 1}, "means": "expired"}])),
            "auth.meanings.0.body has a name that is no JSON pointer",
        ),
        (with("meanings", json!([{"body": {"/a": {}}, "means": "expired"}])), "auth.meanings.0.body./a got an object"),
        (with("meanings", json!([{"status": "4x", "means": "expired"}])), "auth.meanings.0.status got a string"),
        (with("assertion", json!({"alg": "RS256"})), "auth.assertion has no key"),
        (
            with("assertion", json!({"key": {"env": "NONE"}, "alg": "RS256"})),
            "auth.assertion.key names the environment variable NONE, which is not set",
        ),
    ] {
        let refusal = refusal(auth.clone());
        assert!(refusal.starts_with(&format!("the option {said}")), "{auth}: {refusal}");
    }
}

#[test]
fn a_template_is_parsed_whole() {
    for (text, said) in [
        ("{", "has a name in braces that there is not"),
        ("a}b", "a \"}\" without a \"{\""),
        ("{username", "that no \"}\" ends"),
        ("{username password}", "that no \"}\" ends"),
        ("{}", "has a name in braces that there is not"),
        ("{Username}", "did you mean username?"),
        ("{params.nothing}", "that the option auth_params does not hold"),
        ("{kept.nothing}", "that no earlier endpoint keeps"),
        ("{access_token}", "a login has none yet"),
        ("{refresh_token}", "a login has none yet"),
        ("{base64(access_token)}", "a login has none yet"),
        ("{path}", "in auth.call only"),
        ("{assertion}", "add the member assertion"),
        ("{issuer.token_endpoint}", "add the member issuer"),
        ("{base46(username)}", "has a function in braces that there is not; did you mean base64?"),
        ("{rot13(username)}", "there are base64, base64url, sha256, json, now"),
        ("{base64(username}", "takes names and 'texts'"),
        ("{base64(username, password)}", "takes names and 'texts'"),
        ("{base64('x)}", "that no \"'\" ends"),
        ("{now('%Q')}", "has a time with %Q"),
        ("{now('%Y', '7y')}", "with an offset that is none"),
        ("{now('%Y', '99999999999999999999d')}", "with an offset that is none"),
        ("{now(username)}", "takes a 'text' there"),
        ("{now('%Y' username)}", "takes a 'format'"),
        ("{json(json(json(json(json(json(json(json(json(username)))))))))}", "deeper than eight"),
    ] {
        let refusal = refusal(login(json!({"json": {"a": {"b": [text]}}})));
        assert!(
            refusal.starts_with("the option auth.login.json.a.b.0 ") && refusal.contains(said),
            "{text}: {refusal}"
        );
    }
    assert!(refusal(with("call", json!({"query": {"a": "{kept.x}"}}))).contains("no earlier endpoint keeps"));
    let steps = json!([{"url": "/a", "text": "{kept.x}", "keep": {"x": "/x"}}, {"url": "/b"}]);
    assert!(refusal(with("login", steps)).starts_with("the option auth.login.0.text uses a {kept.…}"));
}

#[test]
fn a_url_is_a_path_or_https() {
    for url in [
        "",
        "login",
        "//evil.example.com/x",
        "http://api.example.com/x",
        "ftp://x/y",
        "https://",
        "https:///x",
        "https://u:p@x/y",
        "https://x/y#z",
        "/x#y",
        "/x\\y",
        "https://x\\y",
        "/x\ny",
        "https://exämple.com/",
        "https://x:y/",
        "https://x:70000/",
        "{username}/x",
        "{base64(params.url)}/x",
        "http://10.0.0.1/x",
        "http://127.0.0.1.evil.com/x",
        "https://%41/",
    ] {
        let refusal = refusal(with("login", json!({"url": url})));
        assert!(
            refusal.starts_with("the option auth.login.url takes a path that starts with one \"/\""),
            "{url}: {refusal}"
        );
    }
    for url in
        ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:9/x", "HTTPS://x.example.com", "https://x?y=z"]
    {
        compile(with("login", json!({"url": url})));
    }
    let mut auth = with("login", json!({"url": "/x/{assertion}"}));
    auth["assertion"] = json!({"alg": "HS256", "key": {"env": "KEY"}});
    assert!(refusal(auth).contains("auth.login.url uses {assertion} before its query"));
}

#[test]
fn what_credentials_and_params_make_of_a_dialect_is_known_beforehand() {
    let filling = Filling::new();
    let check = |auth: Value, username: &str| {
        let values = Values { username: Some(username), ..filling.values() };
        compile(auth).check(&values).map_err(|error| error.message().to_owned())
    };
    assert_eq!(check(json!("popup"), "shop"), Ok(()));
    let basic = login(json!({"basic": ["{username}", "{password}"]}));
    assert_eq!(check(basic.clone(), "shop"), Ok(()));
    assert!(check(basic, "sh:op").unwrap_err().contains("the first part of basic"));
    assert!(check(login(json!({"headers": {"X": "{params.line}"}})), "shop").unwrap_err().contains("the header x"));
    assert!(check(json!("vault"), "..").unwrap_err().contains("lead to another path"));
    assert!(check(json!("vault"), "").unwrap_err().contains("is empty"));
    assert!(check(with("call", json!({"headers": {"X": "{username}"}})), "a\nb").unwrap_err().contains("the header x"));
    // It is judged when it is used.
    assert_eq!(check(with("login", json!({"url": "{params.http}/x"})), "shop"), Ok(()));
    // Without a password there is no login, and nothing to refuse.
    let values = Values { password: None, ..filling.values() };
    assert!(compile(json!("popup")).check(&values).is_ok());
    assert_eq!(compile(json!("popup")).missing(Stage::Login(0), &values), Some(Name::Password));
    let none = Values { client_id: None, ..filling.values() };
    let error = compile(login(json!({"form": {"c": "{client_id}"}}))).check(&none).unwrap_err();
    assert!(error.message().contains("{client_id}"), "{error}");
}

#[test]
fn auth_params_are_strings_or_sources() {
    let read_params = |value: Value| params(&value, &read).map_err(|error| error.message().to_owned());
    assert_eq!(read_params(json!({"a": {"env": "KEY"}})).unwrap().get("a").unwrap().as_str(), "shared-key");
    assert!(read_params(json!([])).unwrap().is_empty());
    for (value, said) in [
        (json!(7), "the option auth_params got a number; it takes an object of strings"),
        (json!({"a": 7}), "the option auth_params.a got a number; it takes a string, {\"env\": NAME}"),
        (json!({"a": {"env": "X"}}), "the option auth_params.a names the environment variable X, which is not set"),
        (json!({"a": {"fil": "X"}}), "the option auth_params.a.fil is unknown; did you mean file?"),
        (json!({"a": {"env": "X", "file": "Y"}}), "the option auth_params.a got an object; it takes a string"),
        (json!({"a": "x\u{0}"}), "the option auth_params.a holds a NUL"),
    ] {
        let error = read_params(value.clone()).unwrap_err();
        assert!(error.starts_with(said), "{value}: {error}");
    }
}
