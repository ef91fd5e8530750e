//! Where an answer's body goes: decoded, within its limit, into memory or to the caller's sink.

use crate::http::decode::{Decoder, Undecodable};
use crate::http::fault::Fault;
use crate::http::message::{LARGEST_PIECE, Sink};
use http::HeaderMap;

/// The most memory that is reserved for a body because of its announced length; more only as bytes arrive.
const LARGEST_RESERVE: u64 = 64 << 10;

/// How much is decoded at once. Each of two encodings may make a thousand times as much of it.
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
    /// length, and the caller's sink may take any time.
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
            // The answer to a HEAD names an encoding, but has no body.
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

/// The server decides how much memory this takes, so a lack of it is an error and does not end the process.
fn grow(whole: &mut Vec<u8>, more: usize) -> Result<(), Fault> {
    whole.try_reserve(more).map_err(|_| Fault::Exhausted("there is no memory left for the answer's body".to_owned()))
}

impl From<Undecodable> for Fault {
    fn from(cause: Undecodable) -> Fault {
        Fault::Broken(cause.to_string())
    }
}
