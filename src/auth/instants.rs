//! Instants as servers write them and as templates write them. Pure: what the time is now is passed in.

use std::time::Duration;

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A date and a time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    fn of(unix: i64) -> Civil {
        let (days, second) = (unix.div_euclid(DAY), unix.rem_euclid(DAY));
        // Counted in eras of 400 years that begin with March, so that a leap day is the last of its year.
        let days = days + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil { year, month, day, hour: second / 3600, minute: second / 60 % 60, second: second % 60 }
    }

    /// Unix seconds; `None`: there is no such time. A leap second counts as the one after it.
    fn unix(self) -> Option<i64> {
        let Civil { year, month, day, hour, minute, second } = self;
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(is_leap),
            1..=12 => 31,
            _ => return None,
        };
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
        if !(0..=9999).contains(&year) || !(1..=length).contains(&day) || !is_time {
            return None;
        }
        Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
    }

    fn weekday(self) -> i64 {
        (days(self.year, self.month, self.day) + 4).rem_euclid(7)
    }

    /// From 0.
    fn day_of_year(self) -> i64 {
        days(self.year, self.month, self.day) - days(self.year, 1, 1)
    }
}

/// Days since 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// A number of so many digits at the beginning, and the rest.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let head = text.get(..count)?;
    let is_number = head.bytes().all(|byte| byte.is_ascii_digit());
    Some((head.parse().ok().filter(|_| is_number)?, &text[count..]))
}

/// `h:m:s` at the beginning, and the rest. Seconds may be left out.
fn time_of_day(text: &str) -> Option<((i64, i64, i64), &str)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    match rest.strip_prefix(':') {
        None => Some(((hour, minute, 0), rest)),
        Some(rest) => digits(rest, 2).map(|(second, rest)| ((hour, minute, second), rest)),
    }
}

/// An instant as text, in Unix milliseconds: RFC 3339 and what is commonly written for it (a blank for the `T`, lower case,
/// `+0000`, any fraction, no zone for UTC), or an HTTP date.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    rfc3339(text).or_else(|| http_date(text)?.checked_mul(1000))
}

fn rfc3339(text: &str) -> Option<i64> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let ((hour, minute, second), rest) = time_of_day(rest.strip_prefix(['T', 't', ' '])?)?;
    let (millis, rest) = match rest.strip_prefix(['.', ',']) {
        None => (0, rest),
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let thousandths = format!("{:0<3}", &fraction[..end.min(3)]);
            (digits(&thousandths, 3).filter(|_| end > 0)?.0, &fraction[end..])
        }
    };
    let unix = Civil { year, month, day, hour, minute, second }.unix()?;
    Some((unix - zone(rest.trim_start())?) * 1000 + millis)
}

/// Seconds ahead of UTC.
fn zone(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, rest) = digits(text.strip_prefix(['+', '-'])?, 2)?;
    let (minutes, rest) = match rest {
        "" => (0, ""),
        rest => digits(rest.strip_prefix(':').unwrap_or(rest), 2)?,
    };
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// An HTTP date in Unix seconds, in any of RFC 9110's three forms: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
pub fn http_date(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split([' ', ',', '-']).filter(|part| !part.is_empty()).collect();
    let month = |name: &str| {
        let at = MONTHS.iter().position(|month| month[..3].eq_ignore_ascii_case(name))?;
        i64::try_from(at + 1).ok()
    };
    let number = |text: &str| digits(text, text.len()).filter(|_| (1..=4).contains(&text.len())).map(|(n, _)| n);
    let (day, name, year, time) = match *parts.as_slice() {
        [_, name, day, time, year] if month(name).is_some() => (day, name, year, time),
        // Other zones than GMT are not for HTTP; what they would mean is known all the same.
        [_, day, name, year, time, "GMT" | "UTC" | "UT" | "Z" | "+0000"] => (day, name, year, time),
        _ => return None,
    };
    let is_day = DAYS
        .iter()
        .any(|day| parts[0].len() >= 3 && day.to_ascii_lowercase().starts_with(&parts[0].to_ascii_lowercase()));
    let ((hour, minute, second), "") = time_of_day(time)? else { return None };
    let year = match (year.len(), number(year)?) {
        (4, year) => year,
        // RFC 9110: no more than 50 years ahead; whoever still writes two digits does so in this century.
        (2, short) if short < 70 => 2000 + short,
        (2, short) => 1900 + short,
        _ => return None,
    };
    let date = Civil { year, month: month(name)?, day: number(day)?, hour, minute, second };
    date.unix().filter(|_| is_day)
}

/// A `Retry-After` header: seconds, perhaps with a fraction, or a date. Never more than an hour: a mistake there must not
/// stop a service for a day.
pub fn retry_after(text: &str, date: Option<i64>, now_seconds: i64) -> Option<Duration> {
    const LONGEST: u64 = 3600;
    let text = text.trim();
    let number = text.strip_prefix('+').unwrap_or(text);
    if number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let seconds: f64 = number.parse().ok()?;
        return Some(Duration::from_secs_f64(seconds.min(LONGEST as f64)));
    }
    let at = http_date(text)?;
    let seconds = u64::try_from(at.saturating_sub(date.unwrap_or(now_seconds))).unwrap_or(0);
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

/// RFC 3339, to the second, in UTC.
pub fn rfc3339_of(unix: i64) -> String {
    format(unix, "%Y-%m-%dT%H:%M:%SZ")
}

/// The first letter behind a `%` that strftime does not know.
pub fn check_format(format: &str) -> Result<(), char> {
    const LETTERS: &str = "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%";
    let mut letters = format.chars();
    while letters.by_ref().any(|letter| letter == '%') {
        match letters.next() {
            Some(letter) if LETTERS.contains(letter) => {}
            other => return Err(other.unwrap_or(' ')),
        }
    }
    Ok(())
}

/// strftime in UTC, with C's names.
pub fn format(unix: i64, format: &str) -> String {
    let at = Civil::of(unix.clamp(-62_167_219_200, 253_402_300_799));
    let mut out = String::new();
    write(at, unix, format, &mut out);
    out
}

fn write(at: Civil, unix: i64, format: &str, out: &mut String) {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => field(at, unix, letters.next().unwrap_or('%'), out),
            other => out.push(other),
        }
    }
}

fn field(at: Civil, unix: i64, letter: char, out: &mut String) {
    let (of_year, weekday) = (at.day_of_year(), at.weekday());
    let (day_name, month_name) = (DAYS[weekday as usize % 7], MONTHS[(at.month - 1) as usize % 12]);
    let twelve = (at.hour + 11) % 12 + 1;
    // Of a number: how many digits, and what stands before it.
    let (number, width, fill) = match letter {
        'C' => (at.year / 100, 2, '0'),
        'd' => (at.day, 2, '0'),
        'e' => (at.day, 2, ' '),
        'g' => (iso_week(at).0 % 100, 2, '0'),
        'G' => (iso_week(at).0, 4, '0'),
        'H' => (at.hour, 2, '0'),
        'I' => (twelve, 2, '0'),
        'j' => (of_year + 1, 3, '0'),
        'k' => (at.hour, 2, ' '),
        'l' => (twelve, 2, ' '),
        'm' => (at.month, 2, '0'),
        'M' => (at.minute, 2, '0'),
        's' => (unix, 1, '0'),
        'S' => (at.second, 2, '0'),
        'u' => ((weekday + 6) % 7 + 1, 1, '0'),
        'U' => ((of_year + 7 - weekday) / 7, 2, '0'),
        'V' => (iso_week(at).1, 2, '0'),
        'w' => (weekday, 1, '0'),
        'W' => ((of_year + 7 - (weekday + 6) % 7) / 7, 2, '0'),
        'y' => (at.year % 100, 2, '0'),
        'Y' => (at.year, 4, '0'),
        _ => {
            let text = match letter {
                'a' => &day_name[..3],
                'A' => day_name,
                'b' | 'h' => &month_name[..3],
                'B' => month_name,
                'n' => "\n",
                'p' if at.hour < 12 => "AM",
                'p' => "PM",
                't' => "\t",
                'z' => "+0000",
                'Z' => "UTC",
                'c' => return write(at, unix, "%a %b %e %H:%M:%S %Y", out),
                'D' | 'x' => return write(at, unix, "%m/%d/%y", out),
                'F' => return write(at, unix, "%Y-%m-%d", out),
                'r' => return write(at, unix, "%I:%M:%S %p", out),
                'R' => return write(at, unix, "%H:%M", out),
                'T' | 'X' => return write(at, unix, "%H:%M:%S", out),
                _ => "%",
            };
            return out.push_str(text);
        }
    };
    let digits = number.to_string();
    out.extend(std::iter::repeat_n(fill, usize::saturating_sub(width, digits.len())));
    out.push_str(&digits);
}

/// ISO 8601: a week belongs to the year that its Thursday is in.
fn iso_week(at: Civil) -> (i64, i64) {
    let day = days(at.year, at.month, at.day);
    let thursday = day - (at.weekday() + 6) % 7 + 3;
    let year = Civil::of(thursday * DAY).year;
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

#[cfg(test)]
#[path = "tests/instants.rs"]
mod tests;
