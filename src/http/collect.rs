//! Where an answer's body goes: decoded, within its limit, into memory or to the caller's sink.

use crate::http::decode::{Decoder, Undecodable};
use crate::http::fault::Fault;
use crate::http::message::{LARGEST_PIECE, Sink};
use crate::sys::pages::prefer_large;
use http::HeaderMap;

/// The most memory that is reserved for a body because of its announced length; more only as bytes arrive.
const LARGEST_RESERVE: u64 = 64 << 10;

/// Once so much of it is there, a body gets room for its whole announced length, and large pages. What no byte arrives for
/// takes addresses only, and no memory.
const LARGE: usize = 1 << 20;

/// How much is decoded at once. Each of two encodings may make a thousand times as much of it.
const LARGEST_ENCODED: usize = 1 << 10;

/// Collects one body.
pub struct Collector<'a> {
    whole: Whole,
    sink: Option<&'a mut dyn Sink>,
    decoder: Option<Decoder>,
    /// What has come, before it was decoded.
    received: u64,
}

/// A body in memory.
struct Whole {
    bytes: Vec<u8>,
    limit: u64,
    /// How long it is going to be, if that is known.
    announced: u64,
}

impl<'a> Collector<'a> {
    pub fn new(limit: u64, sink: Option<&'a mut dyn Sink>) -> Collector<'a> {
        let whole = Whole { bytes: Vec::new(), limit, announced: 0 };
        Collector { whole, sink, decoder: None, received: 0 }
    }

    /// The answer's head has come: from now on its body is taken. `announced`: its length, if it is known.
    pub fn begin(&mut self, status: u16, headers: &HeaderMap, announced: Option<u64>) -> Result<(), Fault> {
        if !(200..300).contains(&status) {
            self.sink = None;
        }
        self.decoder = Decoder::of(headers);
        let announced = announced.unwrap_or(0);
        if self.sink.is_some() {
            return Ok(());
        }
        if announced > self.whole.limit {
            return Err(Fault::TooLarge(self.whole.limit));
        }
        if self.decoder.is_none() {
            self.whole.announced = announced;
        }
        self.whole.reserve(announced.min(LARGEST_RESERVE) as usize + 1)
    }

    /// Takes a piece as it came. `between` is called between the parts of it that take time: a piece may decode to any
    /// length, and the caller's sink may take any time.
    pub fn take(&mut self, piece: &[u8], between: &mut dyn FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        self.received += piece.len() as u64;
        let Collector { whole, sink, decoder, .. } = self;
        if sink.is_none() && self.received > whole.limit {
            return Err(Fault::TooLarge(whole.limit));
        }
        let Some(decoder) = decoder else {
            return keep(piece, whole, sink, between);
        };
        for part in piece.chunks(LARGEST_ENCODED) {
            between()?;
            decoder.push(part, &mut |piece: &[u8]| keep(piece, whole, sink, between))?;
        }
        Ok(())
    }

    /// The body has ended. Whether it had been encoded.
    pub fn end(&mut self) -> Result<bool, Fault> {
        match &mut self.decoder {
            // The answer to a HEAD names an encoding, but has no body.
            Some(decoder) if self.received > 0 => decoder.finish().map(|()| true).map_err(Fault::from),
            _ => Ok(false),
        }
    }

    /// The body, where it did not go to a sink.
    pub fn whole(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.whole.bytes)
    }
}

fn keep(
    piece: &[u8],
    whole: &mut Whole,
    sink: &mut Option<&mut dyn Sink>,
    between: &mut dyn FnMut() -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(sink) = sink else {
        return whole.append(piece);
    };
    for part in piece.chunks(LARGEST_PIECE) {
        sink.take(part).map_err(Fault::Ended)?;
        between()?;
    }
    Ok(())
}

impl Whole {
    fn append(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if self.bytes.len() as u64 + piece.len() as u64 > self.limit {
            return Err(Fault::TooLarge(self.limit));
        }
        if self.bytes.capacity() - self.bytes.len() <= piece.len() {
            self.grow(piece.len() + 1)?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn grow(&mut self, more: usize) -> Result<(), Fault> {
        if self.bytes.len() < LARGE {
            return self.reserve(more);
        }
        let rest = (self.announced as usize).saturating_sub(self.bytes.len()) + 1;
        if rest < more || self.bytes.try_reserve_exact(rest).is_err() {
            self.reserve(more)?;
        }
        prefer_large(self.bytes.spare_capacity_mut());
        Ok(())
    }

    /// The server decides how much memory this takes, so a lack of it is an error and does not end the process.
    fn reserve(&mut self, more: usize) -> Result<(), Fault> {
        let reserved = self.bytes.try_reserve(more);
        reserved.map_err(|_| Fault::Exhausted("there is no memory left for the answer's body".to_owned()))
    }
}

impl From<Undecodable> for Fault {
    fn from(cause: Undecodable) -> Fault {
        Fault::Broken(cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 64 << 20;

    fn whole(limit: u64, announced: u64) -> Whole {
        Whole { bytes: Vec::new(), limit, announced }
    }

    fn append(whole: &mut Whole, mut length: usize) {
        while length > 0 {
            let piece = length.min(16 << 10);
            whole.append(&vec![7; piece]).expect("it fits");
            length -= piece;
        }
    }

    #[test]
    fn a_body_gets_room_for_its_announced_length_once_a_part_of_it_is_there() {
        let mut body = whole(LIMIT, 40 << 20);
        append(&mut body, LARGE / 2);
        assert!(body.bytes.capacity() <= LARGE);
        append(&mut body, 2 * LARGE);
        let at = body.bytes.as_ptr();
        assert_eq!(body.bytes.capacity(), (40 << 20) + 1);
        append(&mut body, (40 << 20) - 5 * LARGE / 2);
        assert_eq!((body.bytes.as_ptr(), body.bytes.capacity()), (at, (40 << 20) + 1), "there was no room for the NUL");
    }

    #[test]
    fn a_length_that_is_unknown_or_wrong_is_outgrown() {
        for announced in [0, 1, LARGE as u64 + 1] {
            let mut body = whole(LIMIT, announced);
            append(&mut body, 3 * LARGE);
            assert_eq!(body.bytes.len(), 3 * LARGE);
            assert!(body.bytes.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn a_body_ends_at_its_limit() {
        let mut body = whole(2 * LARGE as u64, u64::MAX);
        append(&mut body, 2 * LARGE);
        assert!(matches!(body.append(b"1"), Err(Fault::TooLarge(_))));
    }

    #[test]
    fn a_length_that_no_memory_could_hold_is_not_reserved() {
        let mut body = whole(LIMIT, u64::MAX);
        append(&mut body, 2 * LARGE);
        assert!(body.bytes.capacity() < 8 * LARGE);
    }
}
