//! Undoes an answer's `Content-Encoding` (gzip and deflate), piece by piece and in bounded memory. Pure.

#[cfg(test)]
mod tests;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use http::{HeaderMap, header};
use std::fmt;

/// The most that `output` is given at once.
const PIECE: usize = 16 * 1024;

/// The most encodings that one answer may have on top of each other. More is a mistake or an attack.
const MOST_LAYERS: usize = 2;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// What is wrong with it.
    Damaged(&'static str),
    CutOff,
}

impl fmt::Display for Undecodable {
    /// A phrase for use inside a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecodable::Damaged(what) => write!(f, "its compressed body is damaged: {what}"),
            Undecodable::CutOff => f.write_str("its compressed body is cut off"),
        }
    }
}

/// Undoes an answer's `Content-Encoding`, piece by piece. After an error it is of no more use.
#[derive(Debug)]
pub struct Decoder {
    /// The encoding that was applied last, and so is undone first.
    outer: Layer,
    inner: Option<Layer>,
}

impl Decoder {
    /// `None` where the body is to be taken as it is: it has no encoding, one that the library did not ask
    /// for, or more than two on top of each other.
    pub fn of(headers: &HeaderMap) -> Option<Decoder> {
        headers.get(header::CONTENT_ENCODING)?;
        let mut layers = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',').map(str::trim) {
                match name.to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" => layers.push(Layer::new(Format::Gzip(Gzip::new()))),
                    "deflate" => layers.push(Layer::new(Format::Deflate(Deflate::Undecided(None)))),
                    _ => return None,
                }
                if layers.len() > MOST_LAYERS {
                    return None;
                }
            }
        }
        let outer = layers.pop()?;
        Some(Decoder { outer, inner: layers.pop() })
    }

    /// Feeds bytes as they arrived. `output` gets what they decode to, in pieces, and may end it with an error.
    pub fn push<E: From<Undecodable>>(
        &mut self,
        input: &[u8],
        output: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.inner {
            None => self.outer.push(input, output),
            Some(inner) => self.outer.push(input, &mut |piece| inner.push(piece, output)),
        }
    }

    /// The body has ended: an error where that is too early.
    pub fn finish(&mut self) -> Result<(), Undecodable> {
        let layers = [Some(&self.outer), self.inner.as_ref()];
        if layers.into_iter().flatten().all(Layer::may_end) { Ok(()) } else { Err(Undecodable::CutOff) }
    }
}

/// One encoding and what undoes it.
#[derive(Debug)]
struct Layer {
    format: Format,
    inflater: Inflater,
}

#[derive(Debug)]
enum Format {
    Gzip(Gzip),
    Deflate(Deflate),
}

impl Layer {
    fn new(format: Format) -> Layer {
        Layer { format, inflater: Inflater::default() }
    }

    fn push<E: From<Undecodable>>(&mut self, input: &[u8], output: Output<'_, E>) -> Result<(), E> {
        match &mut self.format {
            Format::Gzip(gzip) => gzip.push(&mut self.inflater, input, output),
            Format::Deflate(deflate) => deflate.push(&mut self.inflater, input, output),
        }
    }

    fn may_end(&self) -> bool {
        match &self.format {
            Format::Gzip(gzip) => matches!(gzip.step, Step::Fixed(0) | Step::Ignored),
            Format::Deflate(deflate) => matches!(deflate, Deflate::Undecided(None) | Deflate::Ended),
        }
    }
}

type Output<'a, E> = &'a mut dyn FnMut(&[u8]) -> Result<(), E>;

/// The decompressor and the memory that it works in, both made when the first byte arrives: many an answer with a
/// `Content-Encoding` has no body.
#[derive(Debug, Default)]
struct Inflater {
    inflate: Option<Decompress>,
    piece: Vec<u8>,
}

impl Inflater {
    /// Begins a new stream.
    fn begin(&mut self, zlib: bool) {
        match &mut self.inflate {
            Some(inflate) => inflate.reset(zlib),
            None => self.inflate = Some(Decompress::new(zlib)),
        }
        self.piece.resize(PIECE, 0);
    }

    /// Inflates until the input is used up or the stream ends. In the latter case, returns what follows it.
    fn push<'a, E: From<Undecodable>>(
        &mut self,
        mut input: &'a [u8],
        output: Output<'_, E>,
    ) -> Result<Option<&'a [u8]>, E> {
        const DAMAGED: Undecodable = Undecodable::Damaged("it is not what its encoding can produce");
        let inflate = self.inflate.as_mut().ok_or(DAMAGED)?;
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(input, &mut self.piece, FlushDecompress::None).map_err(|_| DAMAGED)?;
            let (read, written) = ((inflate.total_in() - read) as usize, (inflate.total_out() - written) as usize);
            input = &input[read..];
            if written > 0 {
                output(&self.piece[..written])?;
            }
            if status == Status::StreamEnd {
                return Ok(Some(input));
            }
            // Only a call that brings nothing says that all the output is out.
            if read == 0 && written == 0 {
                return if input.is_empty() { Ok(None) } else { Err(DAMAGED.into()) };
            }
        }
    }
}

/// RFC 1952: one member or several after each other, each with a header and two sums.
#[derive(Debug)]
struct Gzip {
    step: Step,
    flags: u8,
    is_first_member: bool,
    /// Of the header's bytes.
    header: Crc,
    /// Of the member's content.
    content: Crc,
    /// The bytes of the number that is being read: the member's last eight, or two in the header.
    number: [u8; 8],
}

/// Which byte of a member comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// One of the ten that every header has.
    Fixed(u8),
    ExtraLength(u8),
    Extra(u16),
    Name,
    Comment,
    HeaderSum(u8),
    Content,
    Sums(u8),
    /// What follows the last member is no member: padding, which gzip(1) and curl pass over, too.
    Ignored,
}

impl Gzip {
    const HAS_SUM: u8 = 1 << 1;
    const HAS_EXTRA: u8 = 1 << 2;
    const HAS_NAME: u8 = 1 << 3;
    const HAS_COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    fn new() -> Gzip {
        Gzip {
            step: Step::Fixed(0),
            flags: 0,
            is_first_member: true,
            header: Crc::new(),
            content: Crc::new(),
            number: [0; 8],
        }
    }

    fn push<E: From<Undecodable>>(
        &mut self,
        inflater: &mut Inflater,
        mut input: &[u8],
        output: Output<'_, E>,
    ) -> Result<(), E> {
        while !input.is_empty() && self.step != Step::Ignored {
            if self.step == Step::Content {
                let content = &mut self.content;
                let rest = inflater.push(input, &mut |piece| {
                    content.update(piece);
                    output(piece)
                })?;
                match rest {
                    Some(rest) => (input, self.step) = (rest, Step::Sums(0)),
                    None => return Ok(()),
                }
            } else {
                let (byte, rest) = (input[0], &input[1..]);
                input = rest;
                self.step = self.read(byte)?;
                if self.step == Step::Content {
                    inflater.begin(false);
                    self.content.reset();
                }
            }
        }
        Ok(())
    }

    /// Takes one byte of a header or of what follows the content, and says which comes next.
    fn read(&mut self, byte: u8) -> Result<Step, Undecodable> {
        if self.step == Step::Fixed(0) {
            self.header.reset();
        }
        if !matches!(self.step, Step::HeaderSum(_) | Step::Sums(_)) {
            self.header.update(&[byte]);
        }
        Ok(match self.step {
            Step::Fixed(at) => return self.read_fixed(at, byte),
            Step::ExtraLength(0) => {
                self.number[0] = byte;
                Step::ExtraLength(1)
            }
            Step::ExtraLength(_) => match u16::from_le_bytes([self.number[0], byte]) {
                0 => self.after_extra(),
                length => Step::Extra(length),
            },
            Step::Extra(left @ 2..) => Step::Extra(left - 1),
            Step::Extra(_) => self.after_extra(),
            Step::Name if byte == 0 => self.after_name(),
            Step::Comment if byte == 0 => self.after_comment(),
            Step::HeaderSum(0) => {
                self.number[0] = byte;
                Step::HeaderSum(1)
            }
            Step::HeaderSum(_) => {
                // The lower half of the CRC-32.
                if u32::from(u16::from_le_bytes([self.number[0], byte])) != self.header.sum() & 0xffff {
                    return Err(Undecodable::Damaged("the checksum of its gzip header does not match"));
                }
                Step::Content
            }
            Step::Sums(at) => {
                self.number[usize::from(at)] = byte;
                if at < 7 {
                    return Ok(Step::Sums(at + 1));
                }
                self.check_sums()?;
                self.is_first_member = false;
                Step::Fixed(0)
            }
            Step::Name | Step::Comment | Step::Content | Step::Ignored => self.step,
        })
    }

    fn read_fixed(&mut self, at: u8, byte: u8) -> Result<Step, Undecodable> {
        match (at, byte) {
            (0, 0x1f) | (1, 0x8b) => {}
            (0 | 1, _) if !self.is_first_member => return Ok(Step::Ignored),
            (0 | 1, _) => return Err(Undecodable::Damaged("it does not begin like gzip")),
            (2, 8) => {}
            (2, _) => return Err(Undecodable::Damaged("its gzip header names an unknown method")),
            (3, flags) if flags & Self::RESERVED != 0 => {
                return Err(Undecodable::Damaged("its gzip header has unknown flags"));
            }
            (3, flags) => self.flags = flags,
            // When it was compressed, how hard, and on what: of no interest.
            _ => {}
        }
        Ok(match at {
            ..9 => Step::Fixed(at + 1),
            _ if self.flags & Self::HAS_EXTRA != 0 => Step::ExtraLength(0),
            _ => self.after_extra(),
        })
    }

    fn after_extra(&self) -> Step {
        if self.flags & Self::HAS_NAME != 0 { Step::Name } else { self.after_name() }
    }

    fn after_name(&self) -> Step {
        if self.flags & Self::HAS_COMMENT != 0 { Step::Comment } else { self.after_comment() }
    }

    fn after_comment(&self) -> Step {
        if self.flags & Self::HAS_SUM != 0 { Step::HeaderSum(0) } else { Step::Content }
    }

    fn check_sums(&self) -> Result<(), Undecodable> {
        let [a, b, c, d, e, f, g, h] = self.number;
        if u32::from_le_bytes([a, b, c, d]) != self.content.sum() {
            return Err(Undecodable::Damaged("its checksum does not match"));
        }
        // Both modulo 2^32.
        if u32::from_le_bytes([e, f, g, h]) != self.content.amount() {
            return Err(Undecodable::Damaged("its length does not match"));
        }
        Ok(())
    }
}

/// RFC 9110, 8.4.1.2: a zlib stream. Some servers send it without zlib's header and checksum.
#[derive(Debug)]
enum Deflate {
    /// Too early to tell, with the first byte, if it has arrived.
    Undecided(Option<u8>),
    Content,
    /// What follows is ignored.
    Ended,
}

impl Deflate {
    fn push<E: From<Undecodable>>(
        &mut self,
        inflater: &mut Inflater,
        mut input: &[u8],
        output: Output<'_, E>,
    ) -> Result<(), E> {
        if let Deflate::Undecided(first) = self {
            let (first, second) = match (*first, input) {
                (_, []) => return Ok(()),
                (None, [first]) => {
                    *self = Deflate::Undecided(Some(*first));
                    return Ok(());
                }
                (None, [first, second, rest @ ..]) => {
                    input = rest;
                    (*first, *second)
                }
                (Some(first), [second, rest @ ..]) => {
                    input = rest;
                    (first, *second)
                }
            };
            inflater.begin(is_zlib(first, second));
            *self = Deflate::Content;
            self.inflate(inflater, &[first, second], output)?;
        }
        self.inflate(inflater, input, output)
    }

    fn inflate<E: From<Undecodable>>(
        &mut self,
        inflater: &mut Inflater,
        input: &[u8],
        output: Output<'_, E>,
    ) -> Result<(), E> {
        if matches!(self, Deflate::Content) && !input.is_empty() && inflater.push(input, output)?.is_some() {
            *self = Deflate::Ended;
        }
        Ok(())
    }
}

/// RFC 1950, 2.2. Raw deflate does not begin so: read as that, the first byte is a stored block whose padding is not
/// zero, which no encoder writes.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && (u16::from(first) * 256 + u16::from(second)).is_multiple_of(31)
}
