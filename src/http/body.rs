//! A request's body, as hyper takes it: bytes that are there, or pieces that its owner hands in while the connection is
//! driven.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// What hyper sends.
#[derive(Debug)]
pub enum RequestBody {
    Whole(Bytes),
    Pieces(Feed),
}

/// Where a body's pieces are handed in. One piece at a time waits here; the lock is never waited for, as one thread has
/// both sides.
#[derive(Clone, Debug)]
pub struct Feed {
    shared: Arc<Mutex<Pieces>>,
    /// What is still to come; `None`: unknown.
    length: Option<u64>,
}

#[derive(Debug, Default)]
struct Pieces {
    next: Option<Bytes>,
    has_ended: bool,
    is_wanted: bool,
}

impl Feed {
    pub fn new(length: Option<u64>) -> Feed {
        Feed { shared: Arc::default(), length }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pieces) -> T) -> T {
        work(&mut self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Whether hyper waits for the next piece.
    pub fn is_wanted(&self) -> bool {
        self.with(|pieces| pieces.is_wanted)
    }

    /// Hands in the next piece; `None`: there are no more.
    pub fn put(&self, piece: Option<Bytes>) {
        self.with(|pieces| {
            pieces.is_wanted = false;
            pieces.has_ended = piece.is_none();
            pieces.next = piece;
        });
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            RequestBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            RequestBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            RequestBody::Pieces(feed) => {
                let next = feed.with(|pieces| match pieces.next.take() {
                    Some(piece) => Poll::Ready(Some(piece)),
                    None if pieces.has_ended => Poll::Ready(None),
                    None => {
                        pieces.is_wanted = true;
                        Poll::Pending
                    }
                });
                if let (Poll::Ready(Some(piece)), Some(left)) = (&next, &mut feed.length) {
                    *left = left.saturating_sub(piece.len() as u64);
                }
                next.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Whole(bytes) => bytes.is_empty(),
            RequestBody::Pieces(feed) => feed.length == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Pieces(Feed { length: Some(length), .. }) => SizeHint::with_exact(*length),
            RequestBody::Pieces(_) => SizeHint::default(),
        }
    }
}
