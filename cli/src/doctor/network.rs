//! Name, TCP, TLS, HTTP and clock, with a client that has nothing in common with the library's.

use super::page::Page;
use super::{Options, authorities, route};
use crate::{moment, report};
use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Url};
use serde_json::Value;
use std::error::Error;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// More than a network's delay, and less than what makes tokens look expired.
const MOST_SECONDS_APART: i64 = 30;

pub fn probe(page: &mut Page, url: &Url, options: &Options) {
    page.heading(&format!("network: {}", Page::redacted(url)));
    let route = route::of(url, options);
    let first = match &route.proxy {
        None => Some(url.clone()),
        Some(proxy) => proxy_url(proxy),
    };
    let Some(first) = first else {
        return page.bad("proxy", &format!("{} is no URL", route.why));
    };
    match &route.proxy {
        None => page.good("proxy", &format!("none: {}", route.why)),
        Some(_) => page.good("proxy", &format!("{} (by {})", Page::redacted(&first), route.why)),
    }
    let timeout = options.get("connect_timeout_ms").and_then(Value::as_u64).unwrap_or(10_000);
    let timeout = Duration::from_millis(timeout);
    if let Some(addresses) = look_up(page, &first)
        && connect(page, &addresses, timeout)
    {
        ask(page, url, route.proxy.as_deref(), options, timeout);
    }
}

fn proxy_url(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&text).ok().filter(Url::has_host)?;
    if url.port_or_known_default().is_none() {
        url.set_port(Some(1080)).ok()?; // SOCKS
    }
    Some(url)
}

fn look_up(page: &mut Page, url: &Url) -> Option<Vec<SocketAddr>> {
    let began = Instant::now();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match (host, url.port_or_known_default().unwrap_or_default()).to_socket_addrs() {
        Ok(found) => {
            let addresses: Vec<SocketAddr> = found.collect();
            let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            page.good("name", &format!("{host} is {} ({})", texts.join(", "), took(began)));
            Some(addresses)
        }
        Err(error) => {
            page.bad("name", &format!("{host} has no address: {}", report::reason(&error)));
            None
        }
    }
}

/// One address that answers is enough; of those that do not, the reasons are told.
fn connect(page: &mut Page, addresses: &[SocketAddr], timeout: Duration) -> bool {
    let mut faults = Vec::new();
    for address in addresses {
        let began = Instant::now();
        match TcpStream::connect_timeout(address, timeout) {
            Ok(_) => {
                page.good("TCP", &format!("{address} accepts connections ({})", took(began)));
                return true;
            }
            Err(error) => faults.push(format!("{address}: {}", report::reason(&error))),
        }
    }
    page.bad("TCP", &faults.join("; "));
    false
}

/// One request without a token: any answer will do.
fn ask(page: &mut Page, url: &Url, proxy: Option<&str>, options: &Options, timeout: Duration) {
    let client = match client(page, url, proxy, options, timeout) {
        Ok(client) => client,
        Err(error) => return page.bad("client", &chain(error)),
    };
    let (began, before) = (Instant::now(), moment::now());
    let step = if url.scheme() == "https" { "TLS and HTTP" } else { "HTTP" };
    match client.get(url.clone()).send() {
        Ok(answer) => {
            page.good(step, &format!("status {} without a token ({})", answer.status().as_u16(), took(began)));
            compare_clocks(page, &answer, before);
        }
        Err(error) => page.bad(step, &with_advice(chain(error.without_url()))),
    }
}

fn client(
    page: &mut Page,
    url: &Url,
    proxy: Option<&str>,
    options: &Options,
    timeout: Duration,
) -> reqwest::Result<Client> {
    // It fails where there is one already: for the second URL.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Connecting has its time, and the answer as much again.
    let mut builder =
        Client::builder().no_proxy().redirect(Policy::none()).connect_timeout(timeout).timeout(timeout * 2);
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(reqwest::Error::without_url)?);
    }
    if url.scheme() == "https" {
        builder = authorities::apply(page, options, builder);
    }
    builder.build()
}

/// An error and what it comes from, without any URL: a proxy's may hold a password.
fn chain(error: reqwest::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !text.contains("://") && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = error.source();
    }
    texts.join(": ")
}

fn with_advice(fault: String) -> String {
    match fault.contains("UnknownIssuer") {
        true => fault + "; name the authority that signed its certificate in the option ca_file",
        false => fault,
    }
}

fn compare_clocks(page: &mut Page, answer: &Response, before: i64) {
    let date = answer.headers().get("date").and_then(|date| moment::of_date_header(date.to_str().ok()?));
    let Some(date) = date else {
        return page.good("clock", "the answer has no date to compare this machine's clock with");
    };
    // The answer was made between the two.
    let after = moment::now();
    let apart = if date < before { before - date } else { (date - after).max(0) };
    let whose = if date < before { "ahead of" } else { "behind" };
    match apart {
        0..=1 => page.good("clock", "this machine's is the server's"),
        2..=MOST_SECONDS_APART => page.good("clock", &format!("this machine's is {apart} s {whose} the server's")),
        _ => page.bad(
            "clock",
            &format!("this machine's is {} {whose} the server's; set it by NTP", moment::duration(apart)),
        ),
    }
}

fn took(began: Instant) -> String {
    format!("{} ms", began.elapsed().as_millis())
}
