//! What X.509 certificates' algorithms are called, for messages.

/// The sizes of RSA keys that ring verifies signatures of.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Object identifiers as DER has them, and what their use is called.
const SIGNATURES: [(&[u8], &str); 13] = [
    (b"\x2a\x86\x48\xce\x3d\x04\x01", "an ECDSA signature with SHA-1"),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x01", "an ECDSA signature with SHA-224"),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", "an ECDSA signature with SHA-512, the usual one of P-521 keys"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", "an RSA signature with MD5"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "an RSA signature with SHA-1"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", "an RSA signature with SHA-224"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "an RSA-PSS signature with unusual parameters"),
    (b"\x2a\x86\x48\xce\x38\x04\x03", "a DSA signature"),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x02", "a DSA signature"),
    (b"\x2b\x65\x71", "an Ed448 signature"),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x11", "an ML-DSA-44 signature"),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x12", "an ML-DSA-65 signature"),
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x13", "an ML-DSA-87 signature"),
];
const EC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
const RSA_KEY: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const RSA_PSS_KEY: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
const ED25519_KEY: &[u8] = b"\x2b\x65\x70";
const CURVES: [(&[u8], Option<&str>); 5] = [
    (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", None), // P-256
    (b"\x2b\x81\x04\x00\x22", None),             // P-384
    (b"\x2b\x81\x04\x00\x23", Some("a P-521 key")),
    (b"\x2b\x81\x04\x00\x21", Some("a P-224 key")),
    (b"\x2b\x81\x04\x00\x0a", Some("a secp256k1 key")),
];

/// What a signature's AlgorithmIdentifier, less its header, stands for.
pub fn signature_name(identifier: &[u8]) -> String {
    let Some((_, oid, _)) = element(identifier) else {
        return "a signature of an unknown kind".to_owned();
    };
    match SIGNATURES.iter().find(|(known, _)| *known == oid) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("a signature of the kind {}", dotted(oid)),
    }
}

/// What a public key's AlgorithmIdentifier, less its header, stands for; none if keys of the kind are supported.
pub fn unsupported_key_name(identifier: &[u8]) -> Option<String> {
    let (_, oid, parameters) = element(identifier)?;
    match oid {
        RSA_KEY | ED25519_KEY => None,
        RSA_PSS_KEY => Some("an RSA key that is for RSA-PSS only".to_owned()),
        EC_KEY => match element(parameters) {
            Some((_, curve, _)) => match CURVES.iter().find(|(known, _)| *known == curve) {
                Some((_, name)) => name.map(str::to_owned),
                None => Some(format!("a key on the elliptic curve {}", dotted(curve))),
            },
            None => Some("a key on an unnamed elliptic curve".to_owned()),
        },
        _ => Some(format!("a key of the kind {}", dotted(oid))),
    }
}

/// What an RSA key is called whose size is not supported.
pub fn unsupported_rsa_name(bits: usize) -> Option<String> {
    (!RSA_BITS.contains(&bits)).then(|| format!("an RSA key of {bits} bits"))
}

/// The size of the RSA key in a SubjectPublicKeyInfo, less its header.
pub fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (_, identifier, rest) = element(key)?;
    if element(identifier)?.1 != RSA_KEY {
        return None;
    }
    let (_, bits, _) = element(rest)?;
    let (_, numbers, _) = element(bits.strip_prefix(&[0])?)?;
    let (_, modulus, _) = element(numbers)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// The first element of some DER: its tag, its content, and what follows it.
pub fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// An object identifier as people write it.
fn dotted(oid: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first);
                number -= first * 40;
            }
            numbers.push(number);
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_called_by_their_names() {
        let cases: [(&[u8], &str); 4] = [
            (
                b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
                "an ECDSA signature with SHA-512, the usual one of P-521 keys",
            ),
            (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00", "an RSA signature with SHA-1"),
            (b"\x06\x03\x2a\x81\x1c", "a signature of the kind 1.2.156"),
            (b"\x06\x7f\x2a", "a signature of an unknown kind"),
        ];
        for (identifier, name) in cases {
            assert_eq!(signature_name(identifier), name);
        }
    }

    #[test]
    fn keys_that_are_supported_have_no_name_here() {
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", None),
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", None),
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23", Some("a P-521 key")),
            (
                b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07",
                Some("a key on the elliptic curve 1.3.36.3.3.2.8.1.1.7"),
            ),
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", Some("a key on an unnamed elliptic curve")),
            (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", None),
            (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", Some("an RSA key that is for RSA-PSS only")),
            (b"\x06\x03\x2b\x65\x71", Some("a key of the kind 1.3.101.113")),
        ];
        for (identifier, name) in cases {
            assert_eq!(unsupported_key_name(identifier).as_deref(), name);
        }
    }

    #[test]
    fn damaged_der_is_no_element() {
        for der in [&b""[..], b"\x30", b"\x30\x01", b"\x30\x82\x01", b"\x30\x84\x00\x00\x00\x00", b"\x30\x80"] {
            assert_eq!(element(der), None, "{der:?}");
        }
        assert_eq!(element(b"\x04\x81\x02ab\x05\x00"), Some((4, &b"ab"[..], &b"\x05\x00"[..])));
        assert_eq!(rsa_bits(b"\x30\x00"), None);
    }
}
