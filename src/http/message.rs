//! Requests and answers, as the rest of the library sees them.

use crate::call::Call;
use crate::error::{Error, Result};
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::token::pair::CallCredentials;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use url::Url;

/// A request that is ready to be sent. The caller keeps it, so that it can be sent again.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    /// Without those that the connection adds. Most calls share their manager's; a change makes a copy.
    pub headers: Arc<HeaderMap>,
    /// What the API knows the token by. `None`: none is sent, or it is among the headers.
    pub credentials: Option<Arc<CallCredentials>>,
    pub body: Bytes,
}

impl Outgoing {
    /// How errors and log lines name it: without the query and without user-info.
    pub fn redacted(&self) -> String {
        let origin = self.url.origin().ascii_serialization();
        format!("{} {origin}{}", self.method, self.url.path())
    }
}

impl Outgoing {
    /// What the server could repeat of this request: the values of its headers, and those in its body.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = secret_values(&self.headers);
        secrets.extend(body_values(&self.body).iter().filter_map(|value| Secret::new(value)));
        secrets
    }
}

/// The values of headers that may be secrets, and the parts of them that blanks separate, as in `Basic …`.
pub fn secret_values(headers: &HeaderMap) -> Vec<Secret> {
    const PUBLIC: [HeaderName; 7] = [
        header::ACCEPT,
        header::ACCEPT_CHARSET,
        header::ACCEPT_ENCODING,
        header::ACCEPT_LANGUAGE,
        header::CACHE_CONTROL,
        header::CONTENT_TYPE,
        header::USER_AGENT,
    ];
    let secret = headers.iter().filter(|(name, _)| !PUBLIC.contains(name));
    let values = secret.filter_map(|(_, value)| std::str::from_utf8(value.as_bytes()).ok());
    let parts = values.flat_map(|value| std::iter::once(value).chain(value.split_whitespace().skip(1)));
    parts.filter_map(Secret::new).collect()
}

/// The values in a body of JSON or of a form, without the short ones, which may be ordinary words; any other body as a
/// whole.
fn body_values(body: &[u8]) -> Vec<String> {
    const LARGEST: usize = 64 << 10;
    const SHORTEST: usize = 6;
    const SHORTEST_NUMBER: usize = 4;
    if body.is_empty() || body.len() > LARGEST {
        return Vec::new();
    }
    let mut values = Vec::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => {
            let mut below = vec![&json];
            while let Some(value) = below.pop() {
                match value {
                    Value::String(text) if text.len() >= SHORTEST => values.push(text.clone()),
                    Value::Number(number) if number.to_string().len() >= SHORTEST_NUMBER => {
                        values.push(number.to_string());
                    }
                    Value::Array(items) => below.extend(items),
                    Value::Object(map) => below.extend(map.values()),
                    _ => {}
                }
            }
        }
        Err(_) => {
            let form = url::form_urlencoded::parse(body).map(|(_, value)| value.into_owned());
            values.extend(form.chain([String::from_utf8_lossy(body).into_owned()]).filter(|v| v.len() >= SHORTEST));
        }
    }
    values
}

/// An answer, read whole, but for a body that went to a [`Sink`].
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub url: Url,
    pub body: Vec<u8>,
    /// Where an intermediary refused: which one, and what to do.
    pub intermediary: Option<String>,
    /// When its head arrived.
    pub arrived: Tick,
}

impl Answer {
    /// A header's first value, if it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Which connection a request may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A kept one, if there is any. If that has died, the request is sent once more over a new one, where `repeatable`
    /// says that this does no harm (R6).
    Kept { repeatable: bool },
    /// A new one: for a refresh token, which would be lost with a kept connection that has died (T3).
    Never,
}

/// Takes a body as it arrives.
pub trait Sink {
    /// Takes the next piece. An error ends the call.
    fn take(&mut self, piece: &[u8]) -> Result<()>;
}

/// Gives a body piece by piece.
pub trait Source {
    /// Puts the next piece into `buffer` and says how long it is; 0: the body has ended. An error ends the call.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;
    /// Goes back to the beginning, if that is possible.
    fn rewind(&mut self) -> bool;
}

/// A request's body that is read while it is sent.
pub struct Upload {
    source: Box<dyn Source>,
    /// Its length; `None`: unknown.
    pub length: Option<u64>,
    /// What was read of it since the beginning.
    read: u64,
    has_ended: bool,
    /// Memory to read it into that is not on its way.
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A piece that is on its way. Its memory comes back, for a later one.
struct Piece {
    memory: Vec<u8>,
    length: usize,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut buffers = self.buffers.lock();
        if buffers.len() < MOST_BUFFERS {
            buffers.push(std::mem::take(&mut self.memory));
        }
    }
}

impl Upload {
    pub fn new(source: Box<dyn Source>, length: Option<u64>) -> Upload {
        Upload { source, length, read: 0, has_ended: length == Some(0), buffers: Arc::default() }
    }

    /// Back to the beginning for a second send; false: it cannot be sent again.
    pub fn rewind(&mut self) -> bool {
        let is_at_beginning = self.read == 0 || self.source.rewind();
        if is_at_beginning {
            self.read = 0;
            self.has_ended = self.length == Some(0);
        }
        is_at_beginning
    }

    /// How long it was, once all of it has been read.
    pub fn whole_length(&self) -> Option<u64> {
        self.has_ended.then_some(self.read)
    }

    /// The next piece; `None`: there are no more.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let unused = self.buffers.lock().pop();
        // One byte more than there should be shows a source that goes on.
        let room = self.length.map_or(LARGEST_READ, |length| LARGEST_READ.min(length.saturating_add(1) as usize));
        let mut memory = unused.unwrap_or_else(|| vec![0; room]);
        let read = self.source.read(&mut memory)?;
        self.read += read as u64;
        self.has_ended = read == 0 || Some(self.read) == self.length;
        let misses = |length| if read == 0 { self.read != length } else { self.read > length };
        if let Some(length) = self.length.filter(|length| misses(*length)) {
            return Err(Error::invalid_argument(format!(
                "the body was announced with {length} bytes and {} after {}; pass its right size, or -1",
                if read == 0 { "ended" } else { "went on" },
                self.read
            )));
        }
        let piece = Piece { memory, length: read, buffers: Arc::clone(&self.buffers) };
        Ok(match read {
            0 => None,
            // Thousands of small pieces may wait to be sent, each in a copy of its own length.
            1..SMALL_PIECE => Some(Bytes::copy_from_slice(piece.as_ref())),
            _ => Some(Bytes::from_owner(piece)),
        })
    }
}

/// The largest piece that a [`Sink`] is given.
pub const LARGEST_PIECE: usize = 64 << 10;

/// The largest piece that a [`Source`] is asked for: with 64 KB an upload takes a quarter more CPU time.
const LARGEST_READ: usize = 256 << 10;

/// A full socket has one piece wait in it, and the next one be read meanwhile.
const MOST_BUFFERS: usize = 3;

/// A piece that is shorter is copied.
const SMALL_PIECE: usize = 16 << 10;

/// Bodies that are not held in memory.
#[derive(Default)]
pub struct Streams<'a> {
    /// Takes the body of a 2xx answer in place of [`Answer::body`].
    pub sink: Option<&'a mut dyn Sink>,
    /// In place of [`Outgoing::body`].
    pub upload: Option<Upload>,
}

impl Streams<'_> {
    /// Makes the request's body ready to be sent again; false: it cannot be.
    pub fn rewind(&mut self, call: &Call) -> bool {
        self.upload.as_mut().is_none_or(|upload| call.run_callback(|| upload.rewind()))
    }
}

/// The limits of one exchange, and what is to happen while it goes on.
pub struct Exchange<'a> {
    pub deadline: Instant,
    /// The largest body that is read whole.
    pub limit: u64,
    /// Called about every 50 ms.
    pub on_tick: Option<&'a mut dyn FnMut()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives each number as a piece of that length, made of its low byte.
    struct Lengths(std::vec::IntoIter<usize>);

    impl Source for Lengths {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let length = self.0.next().unwrap_or(0);
            buffer[..length].fill(length as u8);
            Ok(length)
        }

        fn rewind(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn a_piece_keeps_its_bytes_until_it_is_sent_and_its_memory_then_serves_the_next() {
        let lengths = [LARGEST_READ - 1, LARGEST_READ - 2, LARGEST_READ - 3, 5, 6, LARGEST_READ - 4];
        let mut upload = Upload::new(Box::new(Lengths(Vec::from(lengths).into_iter())), None);
        let mut next = || upload.next_piece().expect("a piece").expect("more");
        let is = |piece: &Bytes, length: usize| piece.len() == length && piece.iter().all(|byte| *byte == length as u8);
        let (first, second) = (next(), next());
        assert!(is(&first, lengths[0]) && is(&second, lengths[1]));
        let memory = second.as_ptr();
        drop((first, second));
        let third = next();
        assert_eq!(third.as_ptr(), memory);
        drop(third);
        // Short ones are copies, of which many may wait.
        let (small, smaller) = (next(), next());
        let last = next();
        assert!(is(&small, 5) && is(&smaller, 6) && is(&last, lengths[5]));
        assert_eq!(last.as_ptr(), memory);
        drop(last);
        assert_eq!(upload.next_piece().expect("the end"), None);
        assert_eq!(upload.whole_length(), Some(lengths.iter().sum::<usize>() as u64));
    }
}
