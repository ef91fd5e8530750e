use super::*;
use crate::request::options::RequestOptions;

fn message(json: &str) -> String {
    let error = Options::parse(Some(json)).unwrap_err();
    assert_eq!(error.status(), crate::error::Status::TM_INVALID_OPTIONS);
    error.message().to_owned()
}

#[test]
fn nothing_an_empty_object_and_an_empty_array_are_the_defaults() {
    for json in [None, Some("{}"), Some("[]")] {
        assert_eq!(Options::parse(json).unwrap(), Options::default());
    }
    assert_eq!(Options::parse(Some(r#"{"headers":[]}"#)).unwrap(), Options::default());
}

#[test]
fn whole_floats_are_integers() {
    let options = Options::parse(Some(r#"{"timeout_ms":5000.0}"#)).unwrap();
    assert_eq!(options.timeout_ms, Millis(5000));
    assert!(message(r#"{"timeout_ms":5000.5}"#).contains("got 5000.5; it takes a whole number of milliseconds"));
}

#[test]
fn a_wrong_value_names_the_key_its_kind_and_what_is_taken() {
    assert_eq!(
        message(r#"{"timeout_ms":"s3cr3t"}"#),
        "the option timeout_ms got a string; it takes a whole number of milliseconds from 1 to 86400000"
    );
    assert_eq!(
        message(r#"{"timeout_ms":0}"#),
        "the option timeout_ms got 0; it takes a whole number of milliseconds from 1 to 86400000"
    );
    assert_eq!(message(r#"{"persistent":"yes"}"#), "the option persistent got a string; it takes true or false");
    assert_eq!(
        message(r#"{"min_tls":"1.1"}"#),
        "the option min_tls got a name that it does not know; it takes \"1.2\" or \"1.3\""
    );
    assert_eq!(message(r#"{"min_tls":1.2}"#), "the option min_tls got a number; it takes a string");
    assert_eq!(
        message(r#"{"allowed_origins":"x"}"#),
        "the option allowed_origins got a string; it takes an array of strings"
    );
    assert_eq!(message(r#"{"user_agent":7}"#), "the option user_agent got a number; it takes a string");
    assert!(message(r#"{"headers":{"a":{}}}"#).starts_with("the option headers.a got an object; it takes a string"));
    assert!(message(r#"{"headers":["a"]}"#).starts_with("the option headers got an array; it takes an object"));
}

#[test]
fn a_wrong_member_of_a_store_is_named() {
    let types = r#""memory" or "callback" or "file" or "redis" or "vault""#;
    let secret = r#"a string, {"env": NAME} or {"file": PATH}"#;
    for (store, says) in [
        (r#""memory""#, "the option store got a string; it takes an object".to_owned()),
        ("7", "the option store got a number; it takes an object".to_owned()),
        ("{}", "the option store.type is missing; it is required there".to_owned()),
        ("[]", "the option store.type is missing; it is required there".to_owned()),
        (r#"{"path":"/x"}"#, "the option store.type is missing; it is required there".to_owned()),
        (r#"{"type":3}"#, "the option store.type got a number; it takes a string".to_owned()),
        (r#"{"type":"nowhere"}"#, format!("the option store.type got a name that it does not know; it takes {types}")),
        (r#"{"type":"memory","x":1}"#, "the option store.x is unknown; leave it out".to_owned()),
        (r#"{"type":"callback","id":3}"#, "the option store.id got a number; it takes a string".to_owned()),
        (r#"{"type":"file"}"#, "the option store.path is missing; it is required there".to_owned()),
        (
            r#"{"type":"redis","database":-1}"#,
            "the option store.database got -1; it takes a whole number from 0 to 65535".to_owned(),
        ),
        (r#"{"type":"redis","key":{"envv":"X"}}"#, format!("the option store.key got an object; it takes {secret}")),
        (
            r#"{"type":"file","path":"/x","key":{"env":"X","file":"/x"}}"#,
            format!("the option store.key got an object; it takes {secret}"),
        ),
        (r#"{"type":"vault","token":{}}"#, format!("the option store.token got an object; it takes {secret}")),
        (
            r#"{"type":"redis","old_keys":[{"env":7}]}"#,
            "the option store.old_keys.env got a number; it takes a string".to_owned(),
        ),
        (
            r#"{"type":"vault","timeout_ms":0}"#,
            "the option store.timeout_ms got 0; it takes a whole number of milliseconds from 1 to 86400000".to_owned(),
        ),
    ] {
        assert_eq!(message(&format!(r#"{{"store":{store}}}"#)), says, "{store}");
    }
}

#[test]
fn an_unknown_key_is_refused_and_a_near_miss_suggested() {
    assert_eq!(message(r#"{"timout_ms":1}"#), "the option timout_ms is unknown; did you mean timeout_ms?");
    assert_eq!(
        message(r#"{"refresh_before_second":1}"#),
        "the option refresh_before_second is unknown; did you mean refresh_before_seconds?"
    );
    assert!(message(r#"{"zzz":1}"#).starts_with("the option zzz is unknown; there are timeout_ms, connect_timeout_ms"));
    assert!(message(r#"{"store":{"type":"callback","idd":"x"}}"#).contains("did you mean id?"));
    assert_eq!(message(r#"{"store":{"type":"memory","path":"x"}}"#), "the option store.path is unknown; leave it out");
}

#[test]
fn s2_no_value_is_ever_quoted() {
    for json in [
        r#"{"proxy":["hunter2"]}"#,
        r#"{"timeout_ms":"hunter2"}"#,
        r#"{"store":{"type":"hunter2"}}"#,
        r#"{"store":{"type":"callback","id":["hunter2"]}}"#,
        r#"{"user_agent": hunter2}"#,
        r#""hunter2""#,
    ] {
        assert!(!message(json).contains("hunter2"), "{json}: {}", message(json));
    }
}

#[test]
fn what_is_not_one_object_is_refused() {
    assert!(message("7").contains("are a number; pass one JSON object"));
    assert!(message("[1]").contains("are an array; pass one JSON object"));
    assert!(message("{").contains("not valid JSON (line 1"));
    assert!(message(r#"{"timeout_ms":NaN}"#).contains("at or behind timeout_ms (line 1"));
    assert!(message(r#"{"headers":{"a":1}} x"#).contains("not valid JSON (line 1"));
    assert!(message(&"[".repeat(100_000)).contains("not valid JSON"));
}

#[test]
fn no_text_with_a_nul_comes_in_by_json() {
    for (json, option) in [
        (r#"{"client_id":"a\u0000b"}"#, "the option client_id "),
        (r#"{"client_id":"\u0000"}"#, "the option client_id "),
        (r#"{"store":{"type":"callback","id":"a\u0000"}}"#, "the option store.id "),
        (r#"{"store":{"type":"redis","url":["redis://a","redis://\u0000"]}}"#, "the option store.url "),
        (r#"{"headers":{"a":["b","c\u0000"]}}"#, "the option headers.a "),
        (r#"{"headers":{"a\u0000":"b"}}"#, "the option headers "),
        (r#"{"ca_file":"/a\u0000b"}"#, "the option ca_file "),
        (r#"{"a\u0000":1}"#, "the options "),
    ] {
        assert!(message(json).starts_with(&format!("{option}got a text with a NUL")), "{json}: {}", message(json));
    }
    for json in [r#"{"query":{"a":"\u0000"}}"#, r#"{"content_type":"a\u0000"}"#, r#"{"query":{"\u0000":"a"}}"#] {
        let refused = RequestOptions::parse(Some(json)).unwrap_err();
        assert!(refused.message().contains("got a text with a NUL"), "{json}: {}", refused.message());
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_by_name() {
    for (json, twice) in [
        (r#"{"timeout_ms":1,"timeout_ms":1}"#, "timeout_ms"),
        (r#"{"timeout_ms":1,"timeout_\u006ds":2}"#, "timeout_ms"),
        (r#"{"headers":{"a":"1","b":"2","a":"3"}}"#, "headers.a"),
        (r#"{"auth":{"login":[{"url":"/a"},{"url":"/b","url":"/c"}]}}"#, "auth.login.url"),
        (r#"{"auth_params":{"key":"hunter2","key":"hunter3"}}"#, "auth_params.key"),
    ] {
        assert_eq!(message(json), format!("the option {twice} stands twice; leave one of the two out"));
    }
    let refused = RequestOptions::parse(Some(r#"{"query":{"id":1,"id":2}}"#)).unwrap_err();
    assert_eq!(refused.message(), "the option query.id stands twice; leave one of the two out");
    assert!(Options::parse(Some(r#"{"headers":{"a":"1","A":"1"},"auth":{"preset":"popup"}}"#)).is_ok());
}

#[test]
fn a_number_that_would_arrive_as_another_is_refused_by_name() {
    for number in
        ["18446744073709551616", "-9223372036854775809", "1e400", "-1e400", "1e20", "18446744073709551621", "1e19999"]
    {
        for (json, option) in [
            (format!(r#"{{"timeout_ms":{number}}}"#), "timeout_ms"),
            (format!(r#"{{"headers":{{"a":["1",{number}]}}}}"#), "headers.a"),
            (format!(r#"{{"store":{{"type":"redis","url":"redis://a","timeout_ms":{number}}}}}"#), "store.timeout_ms"),
        ] {
            let message = message(&json);
            assert!(message.starts_with(&format!("the option {option} got a number beyond 64 bits")), "{message}");
        }
        let refused = RequestOptions::parse(Some(&format!(r#"{{"query":{{"id":{number}}}}}"#))).unwrap_err();
        assert!(refused.message().contains("the option query.id got a number beyond 64 bits"), "{}", refused.message());
    }
    for (number, arrives) in [
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1e3", "1000"),
        ("-0", "-0"),
        ("1.5", "1.5"),
        ("1e19", "10000000000000000000"),
    ] {
        let options = RequestOptions::parse(Some(&format!(r#"{{"query":{{"id":{number}}}}}"#))).unwrap();
        assert_eq!(options.query["id"].0, [arrives], "{number}");
    }
    let timeout = |number: &str| Options::parse(Some(&format!(r#"{{"refresh_before_seconds":{number}}}"#)));
    assert_eq!(timeout("1e3").unwrap().refresh_before_seconds.0, 1000);
    assert_eq!(timeout("-0").unwrap().refresh_before_seconds.0, 0);
    for wrong in ["1.5", "-1", "-0.5", "1e9"] {
        assert!(timeout(wrong).unwrap_err().message().contains("refresh_before_seconds got "), "{wrong}");
    }
}

#[test]
fn options_that_need_each_other_say_so() {
    assert!(message(r#"{"ca_only":true}"#).contains("needs ca_file"));
    assert!(message(r#"{"client_key_file":"k"}"#).contains("needs client_cert_file"));
    assert!(message(r#"{"persistent":true,"store":{"type":"callback"}}"#).contains("store.id is missing"));
    assert!(message(r#"{"store":{"type":"redis"}}"#).contains("store.url is missing"));
}

#[test]
fn a_request_takes_arrays_and_scalars_as_values() {
    let options =
        RequestOptions::parse(Some(r#"{"query":{"a":["1",2],"b":true},"idempotent":true,"timeout_ms":9}"#)).unwrap();
    assert_eq!(options.query["a"].0, ["1", "2"]);
    assert_eq!(options.query["b"].0, ["true"]);
    assert!(options.idempotent);
    let wrong = RequestOptions::parse(Some(r#"{"header":{}}"#)).unwrap_err();
    assert!(wrong.message().contains("did you mean headers?"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken_or_refused_in_words(json in "\\PC{0,80}") {
        if let Err(error) = Options::parse(Some(&json)) {
            proptest::prop_assert!(!error.message().is_empty());
        }
    }
}
