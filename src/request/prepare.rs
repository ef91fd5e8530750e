//! A request ready to be sent, but for its token.

use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::http::message::Outgoing;
use crate::http::settings::set_headers;
use crate::request::options::RequestOptions;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use std::sync::Arc;

/// A request ready to be sent, but for its token.
pub fn prepare(
    client: &Client,
    method: &str,
    url: &str,
    body: Bytes,
    has_upload: bool,
    options: &RequestOptions,
) -> Result<Outgoing> {
    let method = parse_method(method)?;
    let mut url = client.transport.origins.resolve(url)?;
    for (name, values) in &options.query {
        for value in &values.0 {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    let mut headers = Arc::clone(&client.transport.headers);
    if !options.headers.is_empty() {
        set_headers(Arc::make_mut(&mut headers), &options.headers, Status::TM_INVALID_OPTIONS)?;
    }
    if let Some(content_type) = &options.content_type {
        let value = HeaderValue::from_str(content_type).map_err(|_| {
            Error::new(Status::TM_INVALID_OPTIONS, "the option content_type holds characters that no header can carry")
        })?;
        Arc::make_mut(&mut headers).insert(header::CONTENT_TYPE, value);
    } else if (has_upload || !body.is_empty()) && !headers.contains_key(header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/json");
        Arc::make_mut(&mut headers).insert(header::CONTENT_TYPE, json);
    }
    Ok(Outgoing { method, url, headers, credentials: None, body })
}

fn parse_method(method: &str) -> Result<Method> {
    let upper = method.to_ascii_uppercase();
    match Method::from_bytes(upper.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(Error::invalid_argument(
            "the method is none that an API call can have; pass GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS",
        )),
        Ok(method) => Ok(method),
    }
}
