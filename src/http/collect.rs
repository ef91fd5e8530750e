//! Where an answer's body goes: decoded, within its limit, into memory or to its owner.

use crate::http::decode::{Decoder, Undecodable};
use crate::http::fault::Fault;
use crate::http::message::{LARGEST_PIECE, Sink};
use http::HeaderMap;

/// No body is announced so large that memory for it is taken before it comes.
const LARGEST_RESERVE: u64 = 64 << 10;

/// How much is decoded at once: it may become a thousand times as much, twice.
const LARGEST_ENCODED: usize = 1 << 10;

/// Collects one body.
pub struct Collector<'a> {
    whole: Vec<u8>,
    limit: u64,
    sink: Option<&'a mut dyn Sink>,
    decoder: Option<Decoder>,
    /// What has come, before it was decoded.
    received: u64,
}

impl<'a> Collector<'a> {
    pub fn new(limit: u64, sink: Option<&'a mut dyn Sink>) -> Collector<'a> {
        Collector { whole: Vec::new(), limit, sink, decoder: None, received: 0 }
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
        if announced > self.limit {
            return Err(Fault::TooLarge(self.limit));
        }
        grow(&mut self.whole, announced.min(LARGEST_RESERVE) as usize + 1)
    }

    /// Takes a piece as it came. `between` is called between the parts of it that take time: a piece may decode to any
    /// length, and a sink's owner may take as long as it likes.
    pub fn take(&mut self, piece: &[u8], between: &mut dyn FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        self.received += piece.len() as u64;
        let Collector { whole, limit, sink, decoder, .. } = self;
        if sink.is_none() && self.received > *limit {
            return Err(Fault::TooLarge(*limit));
        }
        let Some(decoder) = decoder else {
            return keep(piece, whole, *limit, sink, between);
        };
        for part in piece.chunks(LARGEST_ENCODED) {
            between()?;
            decoder.push(part, &mut |piece: &[u8]| keep(piece, whole, *limit, sink, between))?;
        }
        Ok(())
    }

    /// The body has ended. Whether it had been encoded.
    pub fn end(&mut self) -> Result<bool, Fault> {
        match &mut self.decoder {
            // A HEAD's answer says how the body would be encoded that it does not have.
            Some(decoder) if self.received > 0 => decoder.finish().map(|()| true).map_err(Fault::from),
            _ => Ok(false),
        }
    }

    /// The body, where it did not go to a sink.
    pub fn whole(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.whole)
    }
}

fn keep(
    piece: &[u8],
    whole: &mut Vec<u8>,
    limit: u64,
    sink: &mut Option<&mut dyn Sink>,
    between: &mut dyn FnMut() -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(sink) = sink else {
        return append(whole, piece, limit);
    };
    for part in piece.chunks(LARGEST_PIECE) {
        sink.take(part).map_err(Fault::Ended)?;
        between()?;
    }
    Ok(())
}

fn append(whole: &mut Vec<u8>, piece: &[u8], limit: u64) -> Result<(), Fault> {
    if whole.len() as u64 + piece.len() as u64 > limit {
        return Err(Fault::TooLarge(limit));
    }
    grow(whole, piece.len() + 1)?;
    whole.extend_from_slice(piece);
    Ok(())
}

/// A peer decides how much is wanted, so that a lack of memory is an error, not the host's end.
fn grow(whole: &mut Vec<u8>, more: usize) -> Result<(), Fault> {
    whole.try_reserve(more).map_err(|_| Fault::Exhausted("there is no memory left for the answer's body".to_owned()))
}

impl From<Undecodable> for Fault {
    fn from(cause: Undecodable) -> Fault {
        Fault::Broken(cause.to_string())
    }
}
