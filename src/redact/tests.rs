use super::*;

#[test]
fn s2_scrub_takes_out_tokens_and_keeps_words() {
    let password = Secret::new("s3cr3t!").unwrap();
    assert_eq!(scrub("bad password s3cr3t! for you", &[&password]), "bad password [secret] for you");
    assert_eq!(scrub("token eyJhbGciOi.J9 is expired", &[]), "token [secret] is expired");
    assert_eq!(scrub("Bearer 0123456789abcdef0123456789abcdef", &[]), "Bearer [secret]");
    assert_eq!(scrub("{\"refresh_token\":\"0123456789abcdef0123456789\"}", &[]), "{\"refresh_token\":\"[secret]\"}");
    assert_eq!(scrub("IP 203.0.113.7 is not whitelisted", &[]), "IP 203.0.113.7 is not whitelisted");
    assert_eq!(scrub("two\nlines\u{7}", &[]), "two lines");
}

#[test]
fn s2_scrub_puts_no_secret_together_from_its_pieces() {
    let secret = Secret::new("hunter2hunter2").unwrap();
    assert!(!scrub("hunter2hu\u{1}nter2", &[&secret]).contains("hunter2hunter2"));
    let spaced = Secret::new("two words").unwrap();
    assert_eq!(scrub("it is two  words", &[&spaced]), "it is [secret]");
    let tabbed = Secret::new("two \t words").unwrap();
    assert_eq!(scrub("it is two \t words", &[&tabbed]), "it is [secret]");
}

#[test]
fn s2_scrub_cuts_at_500_bytes_on_a_character() {
    let long = "é ".repeat(400);
    let redacted = scrub(&long, &[]);
    assert!(redacted.len() <= 500 && redacted.len() > 490);
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("no NUL")
}

#[test]
fn s2_what_a_server_quotes_of_what_it_was_sent_is_no_longer_than_a_code() {
    let long = "x y".repeat(20);
    assert_eq!(scrub_echo(&format!("\"{long}\" is wrong"), &[]), "\"[…]\" is wrong");
    assert_eq!(scrub_echo(&format!("'{long}' and 'color'"), &[]), "'[…]' and 'color'");
    assert_eq!(scrub_echo("it's «no» \"code\"", &[]), "it's «no» \"code\"");
    assert_eq!(scrub_echo(&format!("unfinished “{long}"), &[]), "unfinished “[…]");
}

#[test]
fn s2_ordinary_words_are_shown() {
    let password = secret("pass-word");
    for words in ["wrong username or password", "try 10% later & again", "code 0x1234 at https://a.example/%20b"] {
        assert_eq!(scrub(words, &[&password]), words);
    }
}

#[test]
fn s2_a_secret_is_found_in_other_letters() {
    let key = secret("Key-aBcD99");
    for words in ["no user with KEY-ABCD99", "no user with key-abcd99", "got S0VZLUFCQ0Q5OQ=="] {
        assert_eq!(scrub(words, &[&key]), WITHHELD);
    }
}

#[test]
fn s2_a_number_is_found_as_a_server_may_write_it() {
    let pin = secret("0012345678");
    for words in ["0012345678", "got 12345678", "got 12345678.0", "got 1.2345678e7", "got 12,345,678", "got 12'345'678"]
    {
        assert!(!scrub(words, &[&pin]).contains("345"), "{words}: {}", scrub(words, &[&pin]));
    }
    let long = secret("9876543210123456789");
    for words in ["got 9876543210123457000", "got 9.876543210123457e+18"] {
        assert_eq!(scrub(words, &[&long]), WITHHELD, "{words}");
    }
}

#[test]
fn s2_a_secret_is_found_in_another_character_set() {
    let key = secret("Gehéimwört-ÄÖ7");
    for words in [
        "no GEHÉIMWÖRT-ÄÖ7",
        "no Geh\u{fffd}imw\u{fffd}rt-\u{fffd}\u{fffd}7",
        "no GehÃ©imwÃ¶rt-Ã„Ã–7",
        "no Geh?imw?rt-??7",
        "no Gehimwrt-7",
        "no Geh%E9imw%F6rt-%C4%D67",
        r"no Geh\xc3\xa9imw\xc3\xb6rt-\xc3\x84\xc3\x967",
        "no Geh&eacute;imw&ouml;rt-&Auml;&Ouml;7",
        "no G\u{200b}eh\u{ad}éimwört-ÄÖ7",
    ] {
        assert_eq!(scrub(words, &[&key]), WITHHELD, "{words}");
    }
    assert_eq!(scrub("no fa&ccedil;ade-99", &[&secret("façade-99")]), WITHHELD);
    assert_eq!(
        scrub(r"no b'\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89'", &[&secret("パスワード")]),
        WITHHELD
    );
    assert_eq!(scrub("is it ?????", &[&secret("パスワード")]), "is it ?????", "nothing is left of it");
}

#[test]
fn s2_a_secret_is_found_in_base64_on_several_lines() {
    let key = secret("Correct Horse+Battery/Staple");
    assert_eq!(scrub("got Q29ycmVjdCBIb3\nJzZStCYXR0ZXJ5\nL1N0YXBsZQ==", &[&key]), WITHHELD);
}

/// What a server may wrap a value in.
const ENCODERS: [fn(&str) -> String; 13] = [
    |text| text.encode_utf16().map(|unit| format!("%u{unit:04x}")).collect(),
    |text| text.bytes().map(|byte| format!("{byte:02x}:")).collect(),
    |text| text.bytes().map(|byte| format!("{byte:02X} ")).collect(),
    |text| text.bytes().map(|byte| format!("0x{byte:02x}, ")).collect(),
    |text| serde_json::to_string(text).unwrap(),
    |text| serde_json::json!({"got": {"value": text}}).to_string(),
    |text| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
    |text| {
        text.chars().fold(String::new(), |all, c| match c {
            '&' => all + "&amp;",
            '<' => all + "&lt;",
            '>' => all + "&gt;",
            '"' => all + "&quot;",
            '\'' => all + "&#39;",
            c if !c.is_ascii() => all + &format!("&#x{:x};", u32::from(c)),
            c => all + &c.to_string(),
        })
    },
    |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
    |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string(),
    |text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
    |text| base64::engine::general_purpose::STANDARD.encode(text),
    |text| crate::sys::secret::hex(text.as_bytes()),
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(30))]
    #[test]
    fn s2_no_secret_comes_through_in_any_encoding_nor_in_two(
        text in "[a-zA-Z0-9&%+<>\"'\\\\/äöüß€😀 =_.-]{3}[a-zA-Z0-9äß%&]{5,20}",
        around in "[a-z ]{0,10}",
    ) {
        let sent = secret(&text);
        for first in ENCODERS {
            for second in ENCODERS.iter().map(Some).chain([None]) {
                let once = first(&text);
                let wrapped = second.map_or_else(|| once.clone(), |second| second(&format!("{around} {once}")));
                let redacted = scrub(&format!("it got {wrapped} {around}"), &[&sent]);
                proptest::prop_assert!(!redacted.contains(&text) && !redacted.contains(&wrapped), "{} in {}", wrapped, redacted);
                proptest::prop_assert!(!repeats(&redacted, &[&sent]), "{} in {}", wrapped, redacted);
            }
        }
    }
}
