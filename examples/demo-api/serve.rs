//! One request from its arrival to its answer, faults and all.

use super::{
    Shared, control,
    fault::{self, Deed, Fault},
    routes::{self, Answer, Ask, Content},
    token::http_date,
    wire::{Busy, Line, Payload},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, Version,
    body::Incoming,
    header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue},
};
use std::{future::pending, io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};

pub async fn serve(
    shared: Arc<Shared>,
    line: Arc<Line>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> io::Result<Response<Payload>> {
    let busy = Busy::on(&line);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let ask = Ask {
        path: head.uri.path().to_string(),
        query: head.uri.query().unwrap_or_default().to_string(),
        method: head.method,
        version: head.version,
        headers: head.headers,
        body,
        peer,
    };
    let version = ask.version;
    if ask.path == "/control" || ask.path.starts_with("/control/") {
        if line.turns_out_control() {
            shared.forget_connection();
        }
        let answer = control::answer(&shared, ask).await;
        return Ok(send(&shared, version, answer, None, busy));
    }

    let (fault, current) = arrive(&shared, &ask);
    let (is_api, what) = (ask.is_api(), format!("{} {}", ask.method, ask.path));
    let answer = match &fault {
        None => shared.change(|state| routes::answer(state, &ask)),
        // On a task of its own: a server carries on with what it has begun, whoever still waits.
        Some(fault) => {
            let work = tokio::spawn(process(shared.clone(), ask, fault.clone()));
            work.await.map_err(io::Error::other)?
        }
    };
    let status = answer.status.as_u16();
    let lost = fault.as_ref().is_some_and(Fault::loses_answer);
    shared.log(|| match &fault {
        None => format!("{what} {status} {}", answer.note),
        Some(f) if lost => format!("{what} --- {} (fault: {:?})", answer.note, f.deed),
        Some(f) => format!("{what} {status} {} (fault: {:?})", answer.note, f.deed),
    });
    shared.change(|state| match (is_api, lost) {
        (true, true) => state.counters.add("api_lost"),
        (true, false) => state.counters.api_answer(status),
        (false, _) => {}
    });
    if let Some(fault) = &fault {
        spoil(&line, fault).await;
    }
    drop(current);
    Ok(send(&shared, version, answer, fault.as_ref(), busy))
}

/// Counts a request in, and finds the fault that awaits it.
fn arrive(shared: &Arc<Shared>, ask: &Ask) -> (Option<Fault>, Current) {
    let fault = shared.change(|state| {
        let fault = fault::take(&mut state.faults, ask.method.as_str(), &ask.path);
        let counters = &mut state.counters;
        counters.add("requests_current");
        counters.add(match ask.version {
            Version::HTTP_2 => "requests_h2",
            _ => "requests_h1",
        });
        if fault.is_some() {
            counters.add("faults");
        }
        match ask.path.as_str() {
            "/auth/login" => counters.add("login_arrivals"),
            "/auth/logout" => counters.add("logout_arrivals"),
            "/auth/refresh" => {
                counters.add("refresh_arrivals");
                // A 429 tells the client that its token was not looked at: it may come again.
                if !fault.as_ref().is_some_and(Fault::is_rate_limit) {
                    state.note_arrival(&ask.body);
                }
            }
            _ if ask.is_api() => counters.add("api_arrivals"),
            _ => {}
        }
        fault
    });
    (fault, Current(shared.clone()))
}

/// What a fault does to the connection. It does not return where no answer is to be sent.
async fn spoil(line: &Line, fault: &Fault) {
    const NONSENSE: &[u8] = b"\x00\xffNOT/HTTP \x16\x03 at all\n\n\x00\r\n";
    match fault.deed {
        Deed::Reset | Deed::Close => {
            line.cut(fault.deed == Deed::Reset);
            pending().await
        }
        Deed::Hang => pending().await,
        Deed::Garbage => line.say_instead(Bytes::from_static(NONSENSE)),
        Deed::TrickleHead => line.slow_head(fault.every()),
        _ => {}
    }
}

/// Carries the request out as far as the fault lets it, and bends the answer.
async fn process(shared: Arc<Shared>, ask: Ask, fault: Fault) -> Answer {
    sleep(Duration::from_millis(fault.delay_before_ms)).await;
    let mut answer = match fault.processes() {
        true => shared.change(|state| routes::answer(state, &ask)),
        false => routes::as_requested(fault.status.unwrap_or(200), &shared.state().settings),
    };
    sleep(Duration::from_millis(fault.delay_after_ms)).await;
    fault.bend(&mut answer);
    answer
}

fn send(shared: &Shared, version: Version, answer: Answer, fault: Option<&Fault>, busy: Busy) -> Response<Payload> {
    let Answer { status, mut headers, content, .. } = answer;
    let deed = fault.map(|f| f.deed);
    let length = match &content {
        Content::Bytes(body) => body.len() as u64,
        Content::Pattern(bytes) => *bytes,
    };
    if deed != Some(Deed::Endless) && !matches!(status.as_u16(), 204 | 304) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let nothing = Bytes::new();
    let (first, rest) = match (fault, content) {
        (Some(f), content) if f.deed == Deed::Truncate => {
            let keep = f.bytes.map_or(length / 2, |bytes| bytes as u64);
            (nothing, Some(truncated(part(content, keep.min(length)))))
        }
        (Some(f), content) if f.deed == Deed::TrickleBody => {
            (nothing, Some(trickled(part(content, length), f.every())))
        }
        (Some(f), _) if f.deed == Deed::Endless => {
            let start = br#"{"success":true,"data":{"access_token":""#;
            (Bytes::from_static(start), Some(endless()))
        }
        (_, Content::Bytes(body)) => (body, None),
        (_, Content::Pattern(bytes)) => (nothing, Some(patterned(bytes))),
    };
    let state = shared.state();
    if !state.settings.omit_date && !headers.contains_key(DATE) {
        let date = HeaderValue::try_from(http_date(state.now_ms()));
        headers.insert(DATE, date.expect("a date"));
    }
    if state.settings.announce_close && version != Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    drop(state);
    let mut response = Response::new(Payload::new(first, rest, busy));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn part(content: Content, bytes: u64) -> Bytes {
    match content {
        Content::Bytes(body) => body.slice(..bytes as usize),
        Content::Pattern(_) => (0..bytes).map(routes::pattern).collect(),
    }
}

/// A body fed by a task of its own, which ends when nobody reads it any more.
fn fed<F: Future<Output = ()> + Send + 'static>(feed: impl FnOnce(mpsc::Sender<Bytes>) -> F) -> mpsc::Receiver<Bytes> {
    let (into, body) = mpsc::channel(1);
    tokio::spawn(feed(into));
    body
}

fn truncated(part: Bytes) -> mpsc::Receiver<Bytes> {
    fed(|body| async move {
        // HTTP closes a connection whose body ends early; once there is room again, the part is on its way.
        let _ = body.send(part).await;
        let _ = body.reserve().await;
    })
}

fn trickled(all: Bytes, every: Duration) -> mpsc::Receiver<Bytes> {
    fed(move |body| async move {
        for i in 0..all.len() {
            if body.send(all.slice(i..=i)).await.is_err() {
                break;
            }
            sleep(every).await;
        }
    })
}

fn endless() -> mpsc::Receiver<Bytes> {
    let block = Bytes::from(vec![b'a'; 64 << 10]);
    fed(|body| async move { while body.send(block.clone()).await.is_ok() {} })
}

fn patterned(bytes: u64) -> mpsc::Receiver<Bytes> {
    const BLOCK: u64 = 251 * 261; // whole rounds of the pattern, so that every block is the same
    let block: Bytes = (0..BLOCK.min(bytes)).map(routes::pattern).collect();
    fed(move |body| async move {
        let mut left = bytes;
        while left > 0 && body.send(block.slice(..left.min(BLOCK) as usize)).await.is_ok() {
            left -= left.min(BLOCK);
        }
    })
}

/// A request that is being worked on, for the gauge.
struct Current(Arc<Shared>);

impl Drop for Current {
    fn drop(&mut self) {
        self.0.change(|state| state.counters.drop_one("requests_current"));
    }
}
