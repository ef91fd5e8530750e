//! Redis's protocol (RESP2): commands as bytes, and bytes as answers. Written here because one command at a time needs
//! little of it, because the memory that a server can make us take has to be bounded, and because tokens are zeroed when they are dropped.

use memchr::memchr;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// How large an answer may be in all, how deep its arrays, and how many elements they may have in all.
const MOST_BYTES: usize = 1 << 20;
const MOST_DEPTH: usize = 8;
const MOST_ELEMENTS: usize = 10_000;

/// The longest line of a number or a length.
const LONGEST_NUMBER: usize = 32;

/// The room for an answer at first; an ordinary record fits.
const FIRST_ROOM: usize = 4 << 10;

/// A command and its arguments.
#[derive(Debug)]
pub struct Command<'a> {
    parts: Vec<Cow<'a, [u8]>>,
}

impl<'a> Command<'a> {
    pub fn new(name: &'static str) -> Command<'a> {
        Command { parts: vec![Cow::Borrowed(name.as_bytes())] }
    }

    pub fn arg<A: AsRef<[u8]> + ?Sized>(mut self, argument: &'a A) -> Command<'a> {
        self.parts.push(Cow::Borrowed(argument.as_ref()));
        self
    }

    /// Adds an argument that is no secret: it is not zeroed.
    pub fn arg_owned(mut self, argument: impl ToString) -> Command<'a> {
        self.parts.push(Cow::Owned(argument.to_string().into_bytes()));
        self
    }

    /// As it is sent.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let framing = 2 * LONGEST_NUMBER;
        let length: usize = self.parts.iter().map(|part| part.len() + framing).sum();
        // One piece of memory: one that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + framing));
        bytes.extend_from_slice(format!("*{}\r\n", self.parts.len()).as_bytes());
        for part in &self.parts {
            bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    Int(i64),
    /// A status, such as `OK`.
    Simple(Vec<u8>),
    Bulk(Zeroizing<Vec<u8>>),
    Array(Vec<Value>),
    Refusal(Refusal),
}

/// An error, as the server says it: `CODE detail`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: String,
    pub detail: String,
}

impl Value {
    /// The first error in it, if there is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Value::Refusal(refusal) => Some(refusal),
            Value::Array(parts) => parts.iter().find_map(Value::refusal),
            _ => None,
        }
    }
}

/// Why bytes are no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// They are no RESP2.
    Malformed,
    TooLarge,
    TooDeep,
    TooManyElements,
}

/// Reads one answer, piece by piece. It looks at every byte once, and holds no more than the limits allow.
#[derive(Debug)]
pub struct Reader {
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer has come from the server.
    filled: usize,
    /// Where the next element begins.
    at: usize,
    /// Up to where no line end is, from `at`.
    searched: usize,
    /// The arrays that are not complete, the outermost first.
    open: Vec<Open>,
    elements: usize,
}

/// An array of which elements are missing.
#[derive(Debug)]
struct Open {
    elements: Vec<Value>,
    missing: usize,
}

/// What stands at the beginning of an element.
enum Element {
    Whole(Value),
    /// An array of so many elements, one at the least.
    Array(usize),
}

impl Reader {
    pub fn new() -> Reader {
        let buffer = Zeroizing::new(vec![0; FIRST_ROOM]);
        Reader { buffer, filled: 0, at: 0, searched: 0, open: Vec::new(), elements: 0 }
    }

    /// Where the next bytes of the server go; never empty.
    pub fn unfilled(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            let mut larger = Zeroizing::new(vec![0; 2 * self.buffer.len()]);
            larger[..self.filled].copy_from_slice(&self.buffer);
            self.buffer = larger;
        }
        &mut self.buffer[self.filled..]
    }

    /// So many bytes have been put there. Gives the answer once it is complete.
    pub fn came(&mut self, count: usize) -> Result<Option<Value>, Unusable> {
        self.filled += count;
        while let Some(element) = self.element()? {
            let complete = match element {
                Element::Whole(value) => self.close(value),
                Element::Array(length) => {
                    self.open.push(Open { elements: Vec::with_capacity(length), missing: length });
                    None
                }
            };
            if complete.is_some() {
                // Nothing else was asked.
                return if self.at == self.filled { Ok(complete) } else { Err(Unusable::Malformed) };
            }
        }
        if self.filled >= MOST_BYTES { Err(Unusable::TooLarge) } else { Ok(None) }
    }

    /// Puts a value into the array it belongs to, and that into its own once it is complete. Gives what belongs to none.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        while let Some(mut array) = self.open.pop() {
            array.elements.push(value);
            array.missing -= 1;
            if array.missing > 0 {
                self.open.push(array);
                return None;
            }
            value = Value::Array(array.elements);
        }
        Some(value)
    }

    /// The next element's beginning, or all of it; `None`: it has not come yet.
    fn element(&mut self) -> Result<Option<Element>, Unusable> {
        let Some(end) = self.line_end()? else {
            return Ok(None);
        };
        let (line, next) = (&self.buffer[self.at..end], end + 2);
        let (kind, rest) = line.split_first().ok_or(Unusable::Malformed)?;
        let element = match kind {
            b'+' => Element::Whole(Value::Simple(rest.to_vec())),
            b'-' => Element::Whole(Value::Refusal(refusal(rest))),
            b':' => Element::Whole(Value::Int(number(rest)?)),
            b'$' => match length(rest)? {
                None => Element::Whole(Value::Nil),
                Some(length) => {
                    if length > MOST_BYTES {
                        return Err(Unusable::TooLarge);
                    }
                    let end = next + length;
                    if self.filled < end + 2 {
                        return Ok(None);
                    }
                    if self.buffer[end..end + 2] != *b"\r\n" {
                        return Err(Unusable::Malformed);
                    }
                    let value = Value::Bulk(Zeroizing::new(self.buffer[next..end].to_vec()));
                    self.move_to(end + 2);
                    return Ok(Some(Element::Whole(value)));
                }
            },
            b'*' => match length(rest)? {
                None => Element::Whole(Value::Nil),
                Some(length) => self.array(length)?,
            },
            _ => return Err(Unusable::Malformed),
        };
        self.move_to(next);
        Ok(Some(element))
    }

    fn array(&mut self, length: usize) -> Result<Element, Unusable> {
        if self.open.len() >= MOST_DEPTH {
            return Err(Unusable::TooDeep);
        }
        self.elements = self.elements.saturating_add(length);
        if self.elements > MOST_ELEMENTS {
            return Err(Unusable::TooManyElements);
        }
        Ok(if length == 0 { Element::Whole(Value::Array(Vec::new())) } else { Element::Array(length) })
    }

    fn move_to(&mut self, at: usize) {
        (self.at, self.searched) = (at, at);
    }

    /// Where the line that begins at `at` ends, if that has come.
    fn line_end(&mut self) -> Result<Option<usize>, Unusable> {
        let found = memchr(b'\n', &self.buffer[self.searched..self.filled]).map(|offset| self.searched + offset);
        let Some(newline) = found else {
            self.searched = self.filled;
            let begun = &self.buffer[self.at..self.filled];
            // What is no Redis at all need not be read to the limit.
            return match begun.first() {
                None | Some(b'+' | b'-') => Ok(None),
                Some(b':' | b'$' | b'*') if begun.len() <= LONGEST_NUMBER => Ok(None),
                Some(_) => Err(Unusable::Malformed),
            };
        };
        self.searched = newline; // it may be looked for again while a bulk string comes
        match newline > self.at && self.buffer[newline - 1] == b'\r' {
            true => Ok(Some(newline - 1)),
            false => Err(Unusable::Malformed),
        }
    }
}

fn number(digits: &[u8]) -> Result<i64, Unusable> {
    let text = if digits.len() <= LONGEST_NUMBER { std::str::from_utf8(digits).ok() } else { None };
    text.and_then(|text| text.parse().ok()).ok_or(Unusable::Malformed)
}

/// A length; `None`: -1, for nothing.
fn length(digits: &[u8]) -> Result<Option<usize>, Unusable> {
    match number(digits)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Unusable::Malformed),
    }
}

fn refusal(line: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(line);
    let (code, detail) = text.split_once(' ').unwrap_or((&text, ""));
    Refusal { code: code.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
