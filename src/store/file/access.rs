//! Whose files the store reads, locks and replaces: this user's own, or, with `share_with_group`, those of the folder's
//! group. In a folder that other users may write to, such as `/tmp`, another file may be where ours is expected.

use crate::sys::user;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What a sealed file begins with.
pub const MAGIC: &[u8] = b"TMS1";
/// What a readable one begins with.
const BRACE: &[u8] = br#"{""#;
/// As many links as the kernel follows.
const MOST_LINKS: u32 = 40;

/// Why a file is not ours to use: the end of a sentence that begins with its name.
pub type Unusable = String;

/// Who may share the files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Access {
    /// Processes of one user.
    Owner,
    /// Those of the group that the folder belongs to, this one by its number.
    Group(u32),
}

impl Access {
    /// Where a path leads. A link at its end is followed only if this user or the administrator made it: in a folder
    /// that others write to, the kernel would not follow theirs, so the store does not either.
    pub fn resolve(mut path: PathBuf) -> io::Result<Result<PathBuf, (PathBuf, Unusable)>> {
        for _ in 0..MOST_LINKS {
            // The link is read before anything is asked about it: mostly there is none. And std answers the first statx(2)
            // of a process that fails with another one on a null pointer, at which libraries that wrap it have crashed.
            let leads_to = match std::fs::read_link(&path) {
                Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                    return Ok(Ok(path));
                }
                leads_to => leads_to?,
            };
            let owner = std::fs::symlink_metadata(&path)?.uid();
            if owner != 0 && owner != user::id() {
                let why = format!(
                    "is a link that another user (uid {owner}) made, which is not followed; remove it, or give another store.path"
                );
                return Ok(Err((path, why)));
            }
            path = folder_of(&path).join(leads_to);
        }
        Err(io::Error::from_raw_os_error(libc::ELOOP))
    }

    /// Whether a file belongs to a user who shares the store.
    pub fn check(self, metadata: &Metadata) -> Result<(), Unusable> {
        let is_ours = match self {
            Access::Owner => false,
            Access::Group(group) => metadata.gid() == group,
        };
        if is_ours || metadata.uid() == user::id() {
            return Ok(());
        }
        let belongs = format!("belongs to another user (uid {})", metadata.uid());
        Err(match self {
            Access::Owner => format!(
                "{belongs}; run as that user, or let both use it through the group of its folder with \"share_with_group\": true"
            ),
            Access::Group(group) => format!(
                "{belongs}, and not to the group of its folder (gid {group}); give it to that group, or remove it"
            ),
        })
    }

    /// Why the tokens in a file may have been read by users who do not share them.
    pub fn exposure(self, metadata: &Metadata) -> Option<&'static str> {
        let mode = metadata.mode();
        if mode & 0o007 != 0 {
            return Some("may be read by others than its owner");
        }
        match self {
            _ if mode & 0o070 == 0 => None,
            Access::Owner => Some("may be read by its group, which the option store.share_with_group would allow"),
            Access::Group(group) if group == metadata.gid() => None,
            Access::Group(_) => Some("may be read by another group than that of its folder"),
        }
    }

    /// Gives a file that was just made the group and mode of the store, regardless of the process's umask.
    pub fn prepare(self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let mode = match self {
            Access::Owner => 0o600,
            Access::Group(_) => 0o660,
        };
        if let Access::Group(group) = self
            && metadata.gid() != group
        {
            fchown(file, None, Some(group)).map_err(|cause| {
                io::Error::new(
                    cause.kind(),
                    format!("it could not be given to gid {group}, the folder's group: {cause}"),
                )
            })?;
        }
        if metadata.mode() & 0o7777 != mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// Whether a file's content is a record, or what a damaged disk has left of a sealed one. Anything else is never
/// replaced: it is another file, which `path` names by mistake.
pub fn is_record(content: &[u8]) -> bool {
    /// Members that every record has, and hardly any other JSON.
    #[derive(Deserialize)]
    struct OurFields {
        #[serde(rename = "seq")]
        _seq: IgnoredAny,
        #[serde(rename = "replays")]
        _replays: IgnoredAny,
    }
    content.is_empty() || content.starts_with(MAGIC) || serde_json::from_slice::<OurFields>(content).is_ok()
}

/// Whether the beginning of a file may be what a writer that was killed had written by then.
pub fn may_be_begun(head: &[u8]) -> bool {
    [MAGIC, BRACE].iter().any(|start| head.starts_with(&start[..start.len().min(head.len())]))
}

pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::record::Record;

    #[test]
    fn s3_a_record_is_told_from_other_files() {
        let record = serde_json::to_vec(&Record::default()).unwrap();
        for (content, expected) in [
            (&record[..], true),
            (b"", true),
            (b"TMS1", true),
            (b"TMS1\x00\x01", true),
            (b"TMS", false),
            (b"{}", false),
            (br#"{"access_token":"x"}"#, false),
            (&record[..record.len() - 1], false),
            (b"the victim's own data\n", false),
            (b"PK\x03\x04", false),
        ] {
            assert_eq!(is_record(content), expected, "{content:?}");
        }
    }

    #[test]
    fn s3_what_a_killed_writer_left_is_told_from_other_files() {
        let record = serde_json::to_vec(&Record::default()).unwrap();
        for (head, expected) in [
            (&record[..], true),
            (b"", true),
            (b"T", true),
            (b"TMS1\x00", true),
            (b"{", true),
            (b"TMP", false),
            (b"notes", false),
        ] {
            assert_eq!(may_be_begun(head), expected, "{head:?}");
        }
    }
}
