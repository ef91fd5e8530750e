//! The path of a record in a Vault. Pure.

use crate::store::vault::options::VaultOptions;

/// The placeholder for the client in the option `path`.
const CLIENT: &str = "{client_id}";

/// The secret of a client, as a path below the mount. A client's identity becomes a part of one name, whatever is
/// in it: a Vault takes `%2F` for a slash and refuses `..`, so that percent signs would not do. Everything but
/// letters, digits and what stands in e-mail addresses becomes `~` and its number, and no two clients share a path.
pub fn of(options: &VaultOptions, client_id: &str) -> String {
    let mut name = String::new();
    for byte in client_id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => name.push(byte.into()),
            b'.' if !name.is_empty() && !name.ends_with('.') => name.push('.'),
            _ => escape('~', byte, &mut name),
        }
    }
    if name.is_empty() {
        name.push('~');
    }
    options.path.replace(CLIENT, &name)
}

/// A path as a URL has it.
pub fn in_url(path: &str) -> String {
    let mut url = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' | b'.' | b'~' | b'/' => url.push(byte.into()),
            _ => escape('%', byte, &mut url),
        }
    }
    url
}

fn escape(with: char, byte: u8, text: &mut String) {
    text.push(with);
    text.push_str(&crate::sys::secret::hex(&[byte]).to_ascii_uppercase());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::options::Options;
    use crate::store::options::StoreOptions;
    use std::collections::BTreeSet;

    fn options(more: &str) -> VaultOptions {
        let json = format!(r#"{{"store": {{"type": "vault", "url": "https://vault", "token": "t" {more}}}}}"#);
        match Options::parse(Some(&json)).unwrap().store {
            StoreOptions::Vault(options) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ordinary_names_stand_as_they_are() {
        assert_eq!(of(&options(""), "shop-1_a"), "tokenmgr/shop-1_a");
        assert_eq!(of(&options(""), "john.doe@example.com"), "tokenmgr/john.doe@example.com");
        assert_eq!(of(&options(r#", "path": "popup/tokens""#), "shop"), "popup/tokens");
        assert_eq!(of(&options(r#", "path": "a/{client_id}/b""#), "x/y"), "a/x~2Fy/b");
    }

    #[test]
    fn no_client_breaks_out_and_no_two_share_a_path() {
        let clients = [
            "", ".", "..", "../x", "a/../b", "a/b", "a%2Fb", "a~2Fb", "a b", "a?b", "a#b", "ä", "a..b", "a.b", "~",
            "+", "*", "\n", "a/", "/a", "a\\b", "%2e%2e", "a.", "a..",
        ];
        let paths: BTreeSet<String> = clients.iter().map(|client_id| of(&options(""), client_id)).collect();
        assert_eq!(paths.len(), clients.len());
        for path in paths {
            let name = path.strip_prefix("tokenmgr/").unwrap();
            assert!(
                !name.is_empty() && !name.contains('/') && !name.contains("..") && !name.starts_with('.'),
                "{path}"
            );
            assert_eq!(in_url(&path), path, "it needs no percent sign");
        }
    }

    #[test]
    fn what_the_user_named_goes_into_the_url_whole() {
        assert_eq!(in_url("kv/a b?c#d%2e/ü"), "kv/a%20b%3Fc%23d%252e/%C3%BC");
    }
}
