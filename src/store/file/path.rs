//! The path of a client's file. Pure.

use std::path::PathBuf;

/// The placeholder for the client in the option `path`.
const CLIENT: &str = "{client_id}";

/// The path of a client's file. A client's identity becomes a part of one name, whatever is in it: everything but
/// letters, digits and `-_@` becomes `%` and its number. So it is never a way to another folder, no two clients share a
/// file, and, as the result has no dot, none has the name of another's `.lock` or `.tmp`.
pub fn of(option: &str, client_id: &str) -> PathBuf {
    let mut name = String::new();
    for byte in client_id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => name.push(byte.into()),
            _ => {
                name.push('%');
                name.push_str(&crate::sys::secret::hex(&[byte]).to_ascii_uppercase());
            }
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    PathBuf::from(option.replace(CLIENT, &name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn s3_a_client_stands_in_the_path_by_its_name() {
        for (option, client_id, path) in [
            ("/d/{client_id}", "shop-1_a", "/d/shop-1_a"),
            ("/d/{client_id}.tokens", "john.doe@example.com", "/d/john%2Edoe@example%2Ecom.tokens"),
            ("/d/{client_id}/tokens", "a/b", "/d/a%2Fb/tokens"),
            ("/d/tokens", "shop", "/d/tokens"),
        ] {
            assert_eq!(of(option, client_id).to_str(), Some(path));
        }
    }

    #[test]
    fn s3_no_client_leaves_the_folder_and_no_two_share_a_file() {
        let clients = [
            "",
            ".",
            "..",
            "../x",
            "a",
            "a/b",
            "a%2Fb",
            "a.lock",
            "a.tmp",
            "a%2Elock",
            "/etc/x",
            "ä",
            "\0",
            "\n",
            "%",
            "{client_id}",
            "a b",
            "A",
        ];
        for option in ["/d/{client_id}", "/d/{client_id}k", "/d/{client_id}.lock", "/d/{client_id}.lock.lock"] {
            let files = |client_id: &&str| {
                let path = of(option, client_id).to_str().unwrap().to_owned();
                [format!("{path}.lock"), format!("{path}.tmp"), path]
            };
            let all: BTreeSet<String> = clients.iter().flat_map(files).collect();
            assert_eq!(all.len(), 3 * clients.len(), "{option}: {all:?}");
            for path in all {
                let name = path.strip_prefix("/d/").unwrap();
                assert!(!name.contains('/') && !name.starts_with('.') && !name.contains('\0'), "{path}");
            }
        }
    }
}
