use super::*;

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600;

#[test]
fn an_instant_is_read_however_servers_write_it() {
    for (text, millis) in [
        ("2026-01-01T00:00:40Z", 40_000),
        ("2026-01-01t00:00:40z", 40_000),
        ("2026-01-01T00:00:40.5+00:00", 40_500),
        ("2026-01-01T00:00:40.1234567Z", 40_123),
        ("2026-01-01T00:00:40.123456789Z", 40_123),
        ("2026-01-01T02:00:40+02:00", 40_000),
        ("2025-12-31T18:30:40-05:30", 40_000),
        ("2026-01-01T00:00:40+0000", 40_000),
        ("2026-01-01T02:00:40+02", 40_000),
        ("2026-01-01 00:00:40", 40_000),
        ("2026-01-01 00:00:40Z", 40_000),
        ("2026-01-01 00:00:40 +0000", 40_000),
        ("2026-01-01 00:00:40 UTC", 40_000),
        ("2026-01-01T00:00:40", 40_000),
        ("2026-01-01T00:01", 60_000),
        (" 2026-01-01T00:00:40Z\n", 40_000),
        ("Thu, 01 Jan 2026 00:00:40 GMT", 40_000),
        ("Thursday, 01-Jan-26 00:00:40 GMT", 40_000),
        ("Thu Jan  1 00:00:40 2026", 40_000),
        ("thu, 1 jan 2026 00:00:40 +0000", 40_000),
    ] {
        assert_eq!(parse(text), Some(NOW * 1000 + millis), "{text}");
    }
    for text in [
        "",
        "soon",
        "2026-01-01",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+25:00",
        "2026-01-01T00:00:00X",
        "Thu, 01 Jan 2026 00:00:40 CET",
        "Xyz, 01 Jan 2026 00:00:40 GMT",
        "é026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Zé",
        "Thu, 01 Jan 20260 00:00:40 GMT",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(parse("1994-11-06T08:49:37Z"), http_date("Sunday, 06-Nov-94 08:49:37 GMT").map(|s| s * 1000));
    assert_eq!(parse("1969-12-31T23:59:59Z"), Some(-1000));
    assert_eq!(parse("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    assert_eq!(parse("1990-12-31T23:59:60Z"), parse("1991-01-01T00:00:00Z"));
}

#[test]
fn retry_after_takes_seconds_fractions_and_the_three_dates_and_is_bounded() {
    let seconds = |text: &str| retry_after(text, None, NOW).map(|wait| wait.as_secs_f64());
    for (text, wait) in [
        ("7", 7.0),
        ("3.5", 3.5),
        (" 3 ", 3.0),
        ("+3", 3.0),
        ("0", 0.0),
        ("99999999999", 3600.0),
        ("9999999999999999999999999999999999999999999999", 3600.0),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        ("Thursday, 01-Jan-26 00:00:09 GMT", 9.0),
        ("Thu Jan  1 00:00:09 2026", 9.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
    ] {
        assert_eq!(seconds(text), Some(wait), "{text}");
    }
    for text in ["", "soon", "-1", "3s", "inf", "nan", "1e9", ".", "+", "1.2.3", "3, 3"] {
        assert_eq!(seconds(text), None, "{text}");
    }
    // On the server's clock, where it says what that is.
    assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:09 GMT", Some(NOW + 2), 0), Some(Duration::from_secs(7)));
}

#[test]
fn times_are_written_as_strftime_writes_them() {
    // Compared with glibc's strftime in the C locale.
    let at = 1_709_210_096; // 2024-02-29T12:34:56Z
    for (letters, text) in [
        ("%Y-%m-%d", "2024-02-29"),
        ("%Y%m%dT%H%M%SZ", "20240229T123456Z"),
        ("%a %A %b %B %h", "Thu Thursday Feb February Feb"),
        (
            "%c|%x|%X|%D|%F|%T|%R|%r",
            "Thu Feb 29 12:34:56 2024|02/29/24|12:34:56|02/29/24|2024-02-29|12:34:56|12:34|12:34:56 PM",
        ),
        ("%C %y %e %I %l %k %j %p %s", "20 24 29 12 12 12 060 PM 1709210096"),
        ("%u %w %U %W %V %G %g", "4 4 08 09 09 2024 24"),
        ("%z %Z %% é %n%t", "+0000 UTC % é \n\t"),
    ] {
        assert_eq!(format(at, letters), text, "{letters}");
        assert_eq!(check_format(letters), Ok(()));
    }
    assert_eq!(format(1_735_516_800, "%G-W%V-%u %U %W"), "2025-W01-1 52 53"); // 2024-12-30
    assert_eq!(format(1_609_459_200, "%G-W%V-%u %U %W %I%p"), "2020-W53-5 00 00 12AM"); // 2021-01-01
    assert_eq!(rfc3339_of(NOW), "2026-01-01T00:00:00Z");
    assert_eq!(check_format("%Y %Q"), Err('Q'));
    assert_eq!(check_format("%"), Err(' '));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_not(text in "\\PC{0,60}", now: i64, date: Option<i64>) {
        let _ = (parse(&text), http_date(&text), retry_after(&text, date, now));
    }

    #[test]
    fn what_is_written_is_read_back(unix in -62_167_219_200i64..253_402_300_799) {
        proptest::prop_assert_eq!(parse(&rfc3339_of(unix)), Some(unix * 1000));
        for form in ["%a, %d %b %Y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"] {
            proptest::prop_assert_eq!(http_date(&format(unix, form)), Some(unix), "{}", form);
        }
    }

    #[test]
    fn any_time_and_any_letters_are_written(unix: i64, letters in "[%a-zA-Z ]{0,20}") {
        let _ = format(unix, &letters);
    }
}
