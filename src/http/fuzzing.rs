//! The fuzzer's targets in HTTP: encoded bodies, and what the environment says of proxies.

use crate::http::decode::{Decoder, Undecodable};
use crate::http::origin::{Origins, parse_url};
use crate::http::proxy::Proxies;
use crate::http::redirect;
use http::Method;
use http::{HeaderMap, HeaderValue, header};
use url::Url;

/// The first byte picks the encoding and where the body is split.
pub fn decode(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let encoding = ["gzip", "deflate", "gzip, deflate", "x-gzip"][usize::from(first % 4)];
    let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(encoding))]);
    let decoded = |pieces: &[&[u8]]| {
        let mut decoder = Decoder::of(&headers).expect("the encoding is known");
        let mut decoded = Vec::new();
        let mut keep = |piece: &[u8]| -> Result<(), Undecodable> {
            // More would only take time.
            match decoded.len() < 1 << 20 {
                true => decoded.extend_from_slice(piece),
                false => return Err(Undecodable::CutOff),
            }
            Ok(())
        };
        let outcome =
            pieces.iter().try_for_each(|piece| decoder.push(piece, &mut keep)).and_then(|()| decoder.finish());
        outcome.is_ok().then_some(decoded)
    };
    let (head, tail) = body.split_at(usize::from(first) % (body.len() + 1));
    assert_eq!(decoded(&[body]), decoded(&[head, tail]), "where it is split changes nothing");
}

/// A `Location`, wherever it leads: never away from the origins that may see the token.
pub fn redirect(data: &[u8]) {
    let Ok(location) = HeaderValue::from_bytes(data) else { return };
    let origins = Origins::new("https://a.example/base", &["https://b.example".into()], false).expect("they are valid");
    let from = Url::parse("https://a.example/base/x").expect("it is valid");
    let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
    for status in [301, 307] {
        if let Some(to) = redirect::next(&Method::GET, status, &headers, &from, &origins) {
            assert!(matches!(to.host_str(), Some("a.example" | "b.example")) && to.scheme() == "https", "{to}");
            assert!(to.port_or_known_default() == Some(443) && to.username().is_empty() && to.password().is_none());
        }
    }
    assert!(redirect::next(&Method::POST, 307, &headers, &from, &origins).is_none());
}

pub fn choose_proxy(text: &str) {
    let url = Url::parse("https://api.example.com:8443").expect("it is valid");
    let (proxy, except) = text.split_once('\n').unwrap_or((text, ""));
    let variable = |name: &str| match name {
        "https_proxy" => Some(proxy.into()),
        "no_proxy" => Some(except.into()),
        _ => None,
    };
    if let Ok(proxies) = Proxies::new(None, &variable) {
        let _ = proxies.of(&url).map(|proxy| (proxy.redacted(), proxy.basic().is_some()));
        let text = format!("{proxies:?}");
        let password = parse_url(Url::options(), proxy).ok().and_then(|url| url.password().map(str::to_owned));
        // A short text may occur anywhere, and one that is part of the host's name is no secret.
        let is_telling = |text: &String| text.len() > 6 && proxy.matches(text.as_str()).count() == 1;
        assert!(password.filter(is_telling).is_none_or(|password| !text.contains(&password)), "{text}");
    }
    let _ = Proxies::new(Some(text), &|_| None);
}
