//! Reading a file that an option or a variable names, inside a call that has a time limit: only regular files are read, so
//! that nothing waits, and no more than the caller can use.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest file that holds one secret.
const LARGEST_SECRET: u64 = 64 << 10;

/// Opens a file for reading if it is a regular one. `O_NONBLOCK`, since opening a pipe waits for its writer; `flags`
/// are further ones.
pub fn open_regular(path: &Path, flags: libc::c_int) -> io::Result<File> {
    let not_regular = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | flags).open(path);
    let file = opened.map_err(|cause| match cause.raw_os_error() {
        // The error of opening a socket.
        Some(libc::ENXIO) => not_regular(),
        _ => cause,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Reads a file whole, `largest` bytes at the most.
pub fn read(file: File, largest: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // As large as the file, so that it does not move while it grows and leave parts of a secret behind.
    let capacity = file.metadata()?.len().min(largest) as usize + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(largest + 1).read_to_end(&mut content)?;
    match content.len() as u64 > largest {
        true => Err(too_large(largest)),
        false => Ok(content),
    }
}

fn too_large(largest: u64) -> io::Error {
    let redacted = match largest >> 20 {
        0 => format!("{} KiB", largest >> 10),
        whole => format!("{whole} MiB"),
    };
    io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {redacted}"))
}

/// Reads the secret in a file, without what editors put around it: a byte-order mark and one line end.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    secret_text(&read(open_regular(path, 0)?, LARGEST_SECRET)?)
}

fn secret_text(bytes: &[u8]) -> io::Result<Zeroizing<String>> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(Zeroizing::new(without_line_end(text).to_owned()))
}

/// The same for a credential, which is read once, when a manager is made: it may also come from a pipe that another process
/// writes to, as a shell's `<(command)` is. It waits for the writer for [`PATIENCE`] at the most.
pub fn read_credential(path: &Path) -> io::Result<Zeroizing<String>> {
    match std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo()) {
        true => secret_text(&read_pipe(path)?),
        false => read_secret(path),
    }
}

/// How long the writer of a pipe may take.
const PATIENCE: Duration = Duration::from_secs(5);

fn read_pipe(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut pipe = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let mut content = Zeroizing::new(vec![0; LARGEST_SECRET as usize]);
    let mut length = 0;
    let begun = Instant::now();
    loop {
        match pipe.read(&mut content[length..]) {
            Ok(0) if length == content.len() => return Err(too_large(LARGEST_SECRET)),
            Ok(0) if length == 0 => {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "nothing came out of the pipe"));
            }
            Ok(0) => break,
            Ok(read) => length += read,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) if cause.kind() == ErrorKind::WouldBlock && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::new(ErrorKind::TimedOut, "nothing came out of the pipe"));
            }
            Err(cause) => return Err(cause),
        }
    }
    content.truncate(length);
    Ok(content)
}

/// Without one line end.
pub fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::process::Command;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("tokenmgr-files-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).expect("a new folder");
            Folder(path)
        }

        fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join("file");
            std::fs::write(&path, content).expect("a file");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_secret_loses_a_byte_order_mark_and_one_line_end() {
        let folder = Folder::new("secret");
        for (content, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
            (" hunter2 ", " hunter2 "),
            ("\u{feff}hunter2\r\n", "hunter2"),
            ("\u{feff}\u{feff}hunter2", "\u{feff}hunter2"),
            ("hunter\u{feff}2", "hunter\u{feff}2"),
            ("\u{feff}", ""),
            ("", ""),
        ] {
            assert_eq!(read_secret(&folder.file(content)).expect(content).as_str(), secret, "{content:?}");
        }
    }

    #[test]
    fn nothing_but_a_regular_file_of_a_fair_size_is_read() {
        let folder = Folder::new("kinds");
        let why = |path: &Path| read_secret(path).expect_err("a refusal").to_string();
        let pipe = folder.0.join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let socket = folder.0.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for path in [&pipe, &socket, &folder.0, Path::new("/dev/zero"), Path::new("/dev/tty")] {
            let why = why(path);
            assert!(why.contains("not a regular file"), "{}: {why}", path.display());
        }
        let largest = LARGEST_SECRET as usize;
        assert_eq!(read_secret(&folder.file("x".repeat(largest))).expect("it fits").len(), largest);
        assert_eq!(why(&folder.file("x".repeat(largest + 1))), "it is larger than 64 KiB");
        assert_eq!(why(&folder.file(b"hunter2\xff")), "it is not UTF-8 text");
        assert!(why(&folder.0.join("missing")).contains("No such file"));
        // A link is what container platforms make of a secret.
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(folder.file("hunter2"), &link).expect("a link");
        assert_eq!(read_secret(&link).expect("a secret").as_str(), "hunter2");
    }
}
