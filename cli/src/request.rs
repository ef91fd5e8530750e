//! tokenmgr request METHOD URL: one API call with a good token.

use crate::ffi::{Call, Manager, Response, Transfer};
use crate::output::Output;
use crate::upload::Upload;
use crate::{report, session};
use clap::ArgMatches;
use serde_json::{Map, Value, json};
use std::ffi::OsString;

/// What both bodies pass through.
struct Bodies {
    upload: Upload,
    output: Output,
}

impl Transfer for Bodies {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        self.upload.next(into)
    }

    fn rewind(&mut self) -> bool {
        self.upload.rewind()
    }

    fn write(&mut self, data: &[u8]) -> bool {
        self.output.open() && self.output.write(data)
    }
}

pub fn run(given: &ArgMatches) -> i32 {
    let data: Vec<&OsString> = given.get_many("data").into_iter().flatten().collect();
    if data.len() > 1 {
        return report::complain(report::USAGE, "only one body can be sent, and --data was given twice");
    }
    let upload = match Upload::open(data.first().map(|data| data.as_os_str())) {
        Ok(upload) => upload,
        Err(code) => return code,
    };
    let output = Output::new(given.get_one("output").cloned().unwrap_or_else(|| "-".into()));
    match session::open_for_token(given) {
        Ok(manager) => send(&manager, Bodies { upload, output }, given),
        Err(failure) => report::failure(&failure),
    }
}

fn send(manager: &Manager, mut bodies: Bodies, given: &ArgMatches) -> i32 {
    let text = |name| given.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let call = Call {
        method: text("METHOD"),
        url: text("URL"),
        options: &options(given),
        length: bodies.upload.length(),
        can_rewind: bodies.upload.can_rewind(),
        // The head comes before the body, and is known after it.
        is_streamed: given.contains_id("output") && !given.get_flag("include"),
    };
    match manager.request(&call, &mut bodies) {
        Ok(response) => deliver(&response, &mut bodies.output, given),
        Err(failure) => match (bodies.upload.complain(), &bodies.output.error) {
            (Some(code), _) => code,
            (None, Some(_)) => bodies.output.complain(),
            (None, None) => report::failure(&failure),
        },
    }
}

/// A name stands once in a JSON object, so the values of a header that was given repeatedly go into one array.
fn options(given: &ArgMatches) -> String {
    let mut headers = Map::new();
    for header in given.get_many::<String>("header").into_iter().flatten() {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let known = headers.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
        let values = headers.entry(known.unwrap_or_else(|| name.to_owned())).or_insert_with(|| json!([]));
        values.as_array_mut().expect("it was made as one").push(json!(value.trim_start_matches([' ', '\t'])));
    }
    let mut options = Map::from_iter([("headers".to_owned(), Value::Object(headers))]);
    if let Some(seconds) = given.get_one::<f64>("timeout") {
        options.insert("timeout_ms".to_owned(), json!((seconds * 1000.0).round()));
    }
    Value::Object(options).to_string()
}

/// Writes the answer, or what is left of it where the body has been written as it arrived.
fn deliver(response: &Response, output: &mut Output, given: &ArgMatches) -> i32 {
    if let Some(refused) = response.error().filter(|_| given.get_flag("fail")) {
        return report::failure(&refused);
    }
    if !output.open() {
        return output.complain();
    }
    let head = if given.get_flag("include") { head(response) } else { Vec::new() };
    let _ = output.write(&head) && output.write(response.body());
    output.finish()
}

/// The answer's HTTP version and reason phrase are not known here, and a script needs neither.
fn head(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP {}\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(&[name, b": ", value, b"\n"].concat());
    }
    head.push(b'\n');
    head
}
