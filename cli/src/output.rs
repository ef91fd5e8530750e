//! Where an answer goes: standard output, or a file. The file is written under another name beside its own, which it gets
//! when it is complete: a transfer that fails leaves nothing, and what was there before.

use crate::{ffi, report};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub struct Output {
    /// `-`: standard output.
    name: OsString,
    file: Option<File>,
    part: Option<Part>,
    /// What went wrong while it was written.
    pub error: Option<io::Error>,
}

/// A file that does not have its name yet.
struct Part {
    written: PathBuf,
    name: PathBuf,
}

impl Output {
    pub fn new(name: OsString) -> Output {
        Output { name, file: None, part: None, error: None }
    }

    /// Opens it, unless it is open; false: `error` says why not.
    pub fn open(&mut self) -> bool {
        if self.file.is_none() {
            let opened = if self.name == "-" { standard_output() } else { self.open_file() };
            match opened {
                Ok(file) => self.file = Some(file),
                Err(error) => self.error = Some(error),
            }
        }
        self.file.is_some()
    }

    fn open_file(&mut self) -> io::Result<File> {
        let existing = fs::metadata(&self.name).ok();
        let Some(existing) = existing else {
            return self.open_part(PathBuf::from(&self.name), None);
        };
        // A device and a pipe are not to be replaced.
        if !existing.is_file() {
            return File::create(&self.name);
        }
        ffi::may_write(Path::new(&self.name))?;
        // What a symbolic link points to is replaced, not the link.
        let path = fs::canonicalize(&self.name)?;
        match self.open_part(path, Some(existing.permissions().mode() & 0o777)) {
            // The file may be writable where its folder is not.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                File::create(&self.name)
            }
            opened => opened,
        }
    }

    /// Opens a file in the folder of `path`, with this mode, or that which a new file has.
    fn open_part(&mut self, path: PathBuf, mode: Option<u32>) -> io::Result<File> {
        let mut number = 0;
        let (file, written) = loop {
            let written = path.with_file_name(format!(".tokenmgr-{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(mode.unwrap_or(0o666)).open(&written) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                opened => break (opened?, written),
            }
        };
        self.part = Some(Part { written, name: path });
        if let Some(mode) = mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(file)
    }

    /// Writes to what is open; false: it could not.
    pub fn write(&mut self, data: &[u8]) -> bool {
        let Some(file) = &self.file else { return false };
        let written = write_whole(file, data);
        self.error = written.err();
        self.error.is_none()
    }

    /// Opens it, writes, and finishes: what is written at once. Returns the exit code.
    pub fn put(mut self, data: &[u8]) -> i32 {
        if !self.open() || !self.write(data) {
            return self.complain();
        }
        self.finish()
    }

    /// Closes it and gives it its name. Returns the exit code.
    pub fn finish(&mut self) -> i32 {
        let closed = match self.file.take() {
            Some(file) if self.error.is_none() => ffi::close(file),
            _ => Ok(()),
        };
        self.error = self.error.take().or(closed.err());
        if let (None, Some(part)) = (&self.error, &self.part) {
            match fs::rename(&part.written, &part.name) {
                Ok(()) => self.part = None,
                Err(error) => self.error = Some(error),
            }
        }
        self.complain()
    }

    /// Says what went wrong, if anything did. Returns the exit code.
    pub fn complain(&self) -> i32 {
        self.error.as_ref().map_or(report::DONE, |error| report::unwritable(&self.name, error))
    }
}

/// Leaves nothing of what was not finished.
impl Drop for Output {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(&part.written);
        }
    }
}

/// Prints to standard output, and returns the exit code.
pub fn print(text: &str) -> i32 {
    Output::new("-".into()).put(text.as_bytes())
}

pub fn print_line(text: &str) -> i32 {
    print(&format!("{text}\n"))
}

/// std's own buffers, and does not let a signal end a write.
fn standard_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

fn write_whole(mut file: &File, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match file.write(data) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => data = &data[written..],
            // But for a signal that ends the program.
            Err(error) if error.kind() == ErrorKind::Interrupted && ffi::caught_signal().is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
