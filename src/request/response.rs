//! What an API call brings back: the answer, and for one of 400 and above, what it means.

use crate::error::Error;
use http::HeaderMap;
use url::Url;

/// An HTTP response, read whole.
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub url: Url,
    pub body: Vec<u8>,
    /// `None` below 400.
    pub error: Option<Error>,
}

impl std::fmt::Debug for Response {
    /// S2: without the body, and without what a URL's query or a header may hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("path", &self.url.path())
            .field("body_len", &self.body.len())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
