//! What the fuzzer feeds of HTTP: encoded bodies, and what the environment says of proxies.

use super::decode::{Decoder, Undecodable};
use super::proxy::Proxies;
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
            // Enough of a bomb is enough.
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

pub fn choose_proxy(text: &str) {
    let url = Url::parse("https://api.example.com:8443").expect("it is valid");
    let (proxy, except) = text.split_once('\n').unwrap_or((text, ""));
    let variable = |name: &str| match name {
        "https_proxy" => Some(proxy.into()),
        "no_proxy" => Some(except.into()),
        _ => None,
    };
    if let Ok(proxies) = Proxies::new(None, &variable) {
        let _ = proxies.of(&url).map(|proxy| (proxy.shown(), proxy.basic().is_some()));
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
    let _ = Proxies::new(Some(text), &|_| None);
}
