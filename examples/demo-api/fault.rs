//! Faults: what goes wrong, on which requests, how often. Queued by the control endpoint, played by `serve`.

use super::routes::{Answer, Content};
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use hyper::{
    StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// An HTTP answer, perhaps late or altered.
    Answer,
    /// The connection is reset (RST), nothing answered.
    Reset,
    /// The connection is closed (FIN), nothing answered.
    Close,
    /// No answer, for as long as the client waits.
    Hang,
    /// Bytes that are not HTTP.
    Garbage,
    /// A web page where JSON belongs.
    Html,
    /// Announces the whole body, sends the first `bytes` of it (half), then closes.
    Truncate,
    /// A byte of the head every `every_ms`.
    TrickleHead,
    /// A byte of the body every `every_ms`.
    TrickleBody,
    /// A body that never ends.
    Endless,
    /// A small gzip body that unpacks to `bytes` (1 GiB).
    Bomb,
    /// JSON nested `bytes` deep (100,000).
    Deep,
    /// One header of `bytes` (1 MiB).
    BigHeader,
    /// The real body with NUL bytes inside.
    Nul,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `/path`, `METHOD /path`; a `*` at the end stands for anything.
    pub route: String,
    #[serde(rename = "do", default = "answer")]
    pub deed: Deed,
    /// How often; null: until cleared.
    #[serde(default = "once")]
    times: Option<u64>,
    /// How many matching requests are spared first.
    #[serde(default)]
    skip: u64,
    /// Is the request carried out, its effects included? If not said: where the answer needs it.
    process: Option<bool>,
    #[serde(default)]
    pub delay_before_ms: u64,
    #[serde(default)]
    pub delay_after_ms: u64,
    pub status: Option<u16>,
    /// A string is sent as it is, anything else as JSON.
    pub body: Option<Value>,
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Seconds, or a date as a string.
    pub retry_after: Option<Value>,
    pub bytes: Option<usize>,
    #[serde(default = "every_ms")]
    every_ms: u64,
}

fn answer() -> Deed {
    Deed::Answer
}

fn once() -> Option<u64> {
    Some(1)
}

fn every_ms() -> u64 {
    20
}

impl Fault {
    pub fn parse(json: Value) -> Result<Fault, String> {
        let fault: Fault = serde_json::from_value(json).map_err(|e| format!("fault: {e}"))?;
        if fault.status.is_some_and(|s| !(200..=999).contains(&s)) {
            return Err("fault: status must be 200 to 999".into());
        }
        for (name, value) in &fault.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(as_text(value)).is_err() {
                return Err(format!("fault: {name} is no header"));
            }
        }
        Ok(fault)
    }

    pub fn processes(&self) -> bool {
        self.process.unwrap_or(match self.deed {
            Deed::Answer => self.status.is_none() && self.body.is_none(),
            Deed::Truncate | Deed::TrickleHead | Deed::TrickleBody | Deed::BigHeader | Deed::Nul => true,
            _ => false,
        })
    }

    /// Is nothing that can be called an answer sent?
    pub fn loses_answer(&self) -> bool {
        matches!(self.deed, Deed::Reset | Deed::Close | Deed::Hang | Deed::Garbage)
    }

    pub fn is_rate_limit(&self) -> bool {
        self.status == Some(429) && !self.processes()
    }

    pub fn every(&self) -> Duration {
        Duration::from_millis(self.every_ms)
    }

    /// What the fault makes of an answer before it is sent.
    pub fn bend(&self, answer: &mut Answer) {
        if let Some(status) = self.status {
            answer.status = StatusCode::from_u16(status).expect("checked when it was queued");
        }
        let bytes = |default| self.bytes.unwrap_or(default);
        match self.deed {
            Deed::Html => {
                set_header(answer, "content-type", "text/html");
                answer.content = Content::Bytes(Bytes::from_static(PAGE));
            }
            Deed::Bomb => {
                set_header(answer, "content-encoding", "gzip");
                answer.content = Content::Bytes(bomb(bytes(1 << 30)).into());
            }
            Deed::Deep => {
                let depth = bytes(100_000);
                let json = "[".repeat(depth) + &"]".repeat(depth);
                answer.content = Content::Bytes(json.into());
            }
            Deed::BigHeader => set_header(answer, "x-big", &"b".repeat(bytes(1 << 20))),
            Deed::Nul => {
                if let Content::Bytes(body) = &answer.content {
                    let (a, b) = body.split_at(body.len() / 2);
                    answer.content = Content::Bytes([a, b"\0\0\0", b].concat().into());
                }
            }
            _ => {}
        }
        if let Some(body) = &self.body {
            answer.content = Content::Bytes(as_text(body).into());
        }
        if let Some(when) = &self.retry_after {
            set_header(answer, "retry-after", &as_text(when));
        }
        for (name, value) in &self.headers {
            set_header(answer, name, &as_text(value));
        }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let pattern = match self.route.split_once(' ') {
            Some((only, pattern)) if only == method => pattern,
            Some(_) => return false,
            None => &self.route,
        };
        match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == pattern,
        }
    }
}

/// The first queued fault for this request, if any; it is used up by that.
pub fn take(queue: &mut Vec<Fault>, method: &str, path: &str) -> Option<Fault> {
    let mut taken = None;
    for (i, fault) in queue.iter_mut().enumerate().filter(|(_, f)| f.matches(method, path)) {
        if fault.skip > 0 {
            fault.skip -= 1;
            continue;
        }
        fault.times = fault.times.map(|n| n.saturating_sub(1));
        taken = Some(i);
        break;
    }
    let i = taken?;
    let fault = queue[i].clone();
    if fault.times == Some(0) {
        queue.remove(i);
    }
    Some(fault)
}

const PAGE: &[u8] = b"<!DOCTYPE html><html><body><h1>Something is in between</h1></body></html>";

fn set_header(answer: &mut Answer, name: &str, value: &str) {
    // What is no header is left out; `parse` has refused it where it could come from outside.
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        answer.headers.insert(name, value);
    }
}

/// A string as it is, anything else as JSON.
fn as_text(json: &Value) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_string)
}

/// Spaces, which JSON allows before any value, as gzip: a block of 1 MiB again and again.
fn bomb(bytes: usize) -> Vec<u8> {
    const BLOCK: usize = 1 << 20;
    let spaces = vec![b' '; BLOCK];
    let mut packed = Vec::with_capacity(BLOCK);
    // A full flush ends on a byte and refers to nothing before it, so copies can follow each other.
    Compress::new(Compression::fast(), false)
        .compress_vec(&spaces, &mut packed, FlushCompress::Full)
        .expect("compressing spaces");
    let mut of_block = Crc::new();
    of_block.update(&spaces);
    let mut crc = Crc::new();
    let blocks = bytes.div_ceil(BLOCK);
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    for _ in 0..blocks {
        out.extend(&packed);
        crc.combine(&of_block);
    }
    out.extend(b"\x03\x00"); // an empty last block
    out.extend(crc.sum().to_le_bytes());
    out.extend(((blocks * BLOCK) as u32).to_le_bytes());
    out
}
