//! The body of a request: the text itself, a file, or standard input. It need not fit in memory.

use crate::{ffi, report};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// So much of a pipe is read before the request, which then is sent with its size, and sent again where it has to be.
const MOST_BEFORE: u64 = 1 << 20;

#[derive(Default)]
pub struct Upload {
    /// `-`: standard input.
    name: OsString,
    /// None: all of the body is in `head`.
    file: Option<File>,
    /// What comes before the rest of the file.
    head: Vec<u8>,
    /// How much of `head` has been sent.
    sent: usize,
    /// Where in the file the body begins, if it can be read again.
    start: Option<u64>,
    length: Option<u64>,
    /// What ended the call.
    error: Option<io::Error>,
}

impl Upload {
    /// `data`: as for --data. What goes wrong is said; then there is the exit code.
    pub fn open(data: Option<&OsStr>) -> Result<Upload, i32> {
        let data = data.map(OsStr::as_bytes).unwrap_or_default();
        let Some(name) = data.strip_prefix(b"@") else {
            return Ok(Upload { head: data.to_vec(), length: Some(data.len() as u64), ..Upload::default() });
        };
        let name = OsStr::from_bytes(name);
        let opened =
            if name == "-" { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(name) };
        opened.and_then(|file| Upload::read(name, file)).map_err(|error| report::unreadable(name, &error))
    }

    fn read(name: &OsStr, mut file: File) -> io::Result<Upload> {
        let mut upload = Upload { name: name.to_owned(), ..Upload::default() };
        // Some files in /proc have the size 0, but are not empty.
        let size = Some(file.metadata()?).filter(std::fs::Metadata::is_file).map_or(0, |status| status.len());
        if size > 0
            && let Ok(start) = file.stream_position()
            && start < size
        {
            upload.start = Some(start);
            upload.length = Some(size - start);
            upload.file = Some(file);
            return Ok(upload);
        }
        // All of it, or the beginning of what is too large.
        file.by_ref().take(MOST_BEFORE).read_to_end(&mut upload.head)?;
        if (upload.head.len() as u64) < MOST_BEFORE {
            upload.length = Some(upload.head.len() as u64);
        } else {
            upload.file = Some(file);
        }
        Ok(upload)
    }

    /// The body's size, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    pub fn can_rewind(&self) -> bool {
        self.file.is_none() || self.start.is_some()
    }

    /// The next piece: how much of it, 0 at the end; None where it could not be read.
    pub fn next(&mut self, into: &mut [u8]) -> Option<usize> {
        let left = &self.head[self.sent..];
        if !left.is_empty() {
            let piece = left.len().min(into.len());
            into[..piece].copy_from_slice(&left[..piece]);
            self.sent += piece;
            return Some(piece);
        }
        let Some(file) = &mut self.file else { return Some(0) };
        loop {
            match file.read(into) {
                Ok(got) => return Some(got),
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    if ffi::caught_signal().is_some() {
                        return None; // it ends the program
                    }
                }
                Err(error) => {
                    self.error = Some(error);
                    return None;
                }
            }
        }
    }

    pub fn rewind(&mut self) -> bool {
        self.sent = 0;
        match (&mut self.file, self.start) {
            (None, _) => true,
            (Some(file), Some(start)) => file.seek(SeekFrom::Start(start)).is_ok(),
            (Some(_), None) => false,
        }
    }

    /// Says why it could not be read, if it could not. Returns the exit code.
    pub fn complain(&self) -> Option<i32> {
        self.error.as_ref().map(|error| report::unreadable(&self.name, error))
    }
}
