use super::*;
use encoders::{deflate, gzip, zlib};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Write;

#[path = "encoders.rs"]
mod encoders;

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog, the quick brown fox";

fn decoder(encodings: &[&str]) -> Option<Decoder> {
    let mut headers = HeaderMap::new();
    encodings.iter().for_each(|encoding| {
        headers.append(header::CONTENT_ENCODING, encoding.parse().unwrap());
    });
    Decoder::of(&headers)
}

/// What a body that arrives in these pieces decodes to.
fn decode<'a>(encoding: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Undecodable> {
    let (mut decoder, mut decoded) = (decoder(&[encoding]).expect("a known encoding"), Vec::new());
    for piece in pieces {
        decoder.push(piece, &mut |bytes| {
            assert!(!bytes.is_empty() && bytes.len() <= PIECE);
            decoded.extend_from_slice(bytes);
            Ok::<(), Undecodable>(())
        })?;
    }
    decoder.finish().map(|()| decoded)
}

/// The same result whether it arrives at once, byte by byte, or in two pieces that meet anywhere.
#[track_caller]
fn decode_every_way(encoding: &str, body: &[u8]) -> Result<Vec<u8>, Undecodable> {
    let at_once = decode(encoding, [body]);
    assert_eq!(decode(encoding, body.chunks(1)), at_once, "byte by byte");
    for cut in 0..body.len() {
        assert_eq!(decode(encoding, [&body[..cut], &body[cut..]]), at_once, "in two pieces, at {cut}");
    }
    at_once
}

#[test]
fn headers_say_what_is_undone() {
    let layers = |encodings: &[&str]| {
        decoder(encodings).map(|decoder| {
            let name = |layer: &Layer| match layer.format {
                Format::Gzip(_) => "gzip",
                Format::Deflate(_) => "deflate",
            };
            (name(&decoder.outer), decoder.inner.as_ref().map(name))
        })
    };
    assert_eq!(layers(&[]), None);
    for as_it_is in ["", " ", "identity", "br", "zstd", "compress", "gzip2", "gzip;q=1", "gzip, br", "br, gzip"] {
        assert_eq!(layers(&[as_it_is]), None, "{as_it_is}");
    }
    for once in ["gzip", "x-gzip", "GZIP", "X-GZip", " gzip\t", "gzip, identity", "identity,gzip", ",gzip,", "gzip ,"] {
        assert_eq!(layers(&[once]), Some(("gzip", None)), "{once}");
    }
    assert_eq!(layers(&["Deflate"]), Some(("deflate", None)));
    assert_eq!(layers(&["gzip, gzip"]), Some(("gzip", Some("gzip"))));
    assert_eq!(layers(&["deflate, gzip"]), Some(("gzip", Some("deflate"))), "the last is undone first");
    assert_eq!(layers(&["gzip", "deflate"]), Some(("deflate", Some("gzip"))), "in two lines");
    assert_eq!(layers(&["gzip, gzip, gzip"]), None);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, http::HeaderValue::from_bytes(b"gzip\xff").unwrap());
    assert!(Decoder::of(&headers).is_none());
}

#[test]
fn each_format_is_decoded_however_it_arrives() {
    for text in [TEXT, b"", b"x"] {
        assert_eq!(decode_every_way("gzip", &gzip(text)).as_deref(), Ok(text));
        assert_eq!(decode_every_way("deflate", &zlib(text)).as_deref(), Ok(text));
        assert_eq!(decode_every_way("deflate", &deflate(text)).as_deref(), Ok(text));
        assert_eq!(decode_every_way("gzip, gzip", &gzip(&gzip(text))).as_deref(), Ok(text));
        assert_eq!(decode_every_way("deflate, gzip", &gzip(&deflate(text))).as_deref(), Ok(text));
        assert_eq!(decode_every_way("gzip, deflate", &zlib(&gzip(text))).as_deref(), Ok(text));
    }
}

#[test]
fn a_body_without_bytes_is_empty() {
    for encoding in ["gzip", "deflate", "gzip, deflate", "deflate, gzip"] {
        assert_eq!(decode(encoding, []).as_deref(), Ok(&[][..]), "{encoding}");
        assert_eq!(decode(encoding, [&[][..], &[]]).as_deref(), Ok(&[][..]), "{encoding}");
    }
    assert_eq!(decode("gzip, gzip", [&gzip(b"")[..]]).as_deref(), Ok(&[][..]));
}

/// A member whose header has the fields that `which` says, one bit for each.
fn with_fields(which: u8, extra: &[u8]) -> Vec<u8> {
    let mut builder = GzBuilder::new().mtime(1_700_000_000);
    if which & 1 != 0 {
        builder = builder.extra(extra);
    }
    if which & 2 != 0 {
        builder = builder.filename("name.json");
    }
    if which & 4 != 0 {
        builder = builder.comment("a comment");
    }
    let mut encoder = builder.write(Vec::new(), Compression::fast());
    encoder.write_all(TEXT).unwrap();
    let mut member = encoder.finish().unwrap();
    if which & 8 != 0 {
        // flate2 writes no checksum of the header.
        let end = member.len() - 8 - raw_length(&member);
        member[3] |= Gzip::HAS_SUM;
        let mut sum = Crc::new();
        sum.update(&member[..end]);
        let sum = (sum.sum() as u16).to_le_bytes();
        member.splice(end..end, sum);
    }
    member
}

/// How many bytes `TEXT` takes in this member.
fn raw_length(member: &[u8]) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(TEXT).unwrap();
    let content = encoder.finish().unwrap();
    assert!(member[..member.len() - 8].ends_with(&content));
    content.len()
}

#[test]
fn every_optional_field_of_a_gzip_header_is_passed_over() {
    for which in 0..16 {
        for extra in [&b""[..], b"x", b"ab\x03\x00xyz"] {
            let member = with_fields(which, extra);
            assert_eq!(decode_every_way("gzip", &member).as_deref(), Ok(TEXT), "{which:b} {extra:?}");
        }
    }
    let long = with_fields(1, &vec![7; 65_535]);
    assert_eq!(decode("gzip", [&long[..]]).as_deref(), Ok(TEXT));
}

#[test]
fn all_members_are_decoded() {
    let body = [gzip(b"one "), with_fields(15, b"x"), gzip(b""), gzip(b" four")].concat();
    assert_eq!(decode_every_way("gzip", &body), Ok([b"one ", TEXT, b" four"].concat()));
}

#[test]
fn what_follows_the_last_member_is_ignored_unless_it_begins_like_one() {
    let (member, again) = (gzip(TEXT), gzip(b"again"));
    for padding in [&[0][..], &[0; 512], b"\r\n", b"garbage", b"\x1fgarbage", &[&[0, 0][..], &again].concat()] {
        assert_eq!(decode_every_way("gzip", &[&member, padding].concat()).as_deref(), Ok(TEXT), "{padding:?}");
    }
    assert_eq!(decode_every_way("gzip", &[&member[..], &again[..12]].concat()), Err(Undecodable::CutOff));
    assert_eq!(decode_every_way("gzip", &[&member[..], b"\x1f\x8b"].concat()), Err(Undecodable::CutOff));
    assert!(matches!(
        decode_every_way("gzip", &[&member[..], b"\x1f\x8bgarbage"].concat()),
        Err(Undecodable::Damaged(_))
    ));
    for body in [zlib(TEXT), deflate(TEXT)] {
        assert_eq!(decode_every_way("deflate", &[&body[..], b"\0\0garbage"].concat()).as_deref(), Ok(TEXT));
    }
}

#[test]
fn a_body_that_is_cut_is_told_wherever_that_is() {
    let stacked = gzip(&gzip(TEXT));
    let bodies = [
        ("gzip", gzip(TEXT)),
        ("gzip", with_fields(15, b"x")),
        ("deflate", zlib(TEXT)),
        ("deflate", deflate(TEXT)),
        ("gzip, gzip", stacked),
        // The outer one is whole, the inner one is not.
        ("gzip, gzip", gzip(&gzip(TEXT)[..30])),
    ];
    for (encoding, body) in bodies {
        for end in 1..body.len() {
            assert_eq!(decode(encoding, [&body[..end]]), Err(Undecodable::CutOff), "{encoding} {end}");
        }
    }
    assert_eq!(decode("gzip, gzip", [&gzip(&gzip(TEXT)[..30])[..]]), Err(Undecodable::CutOff));
}

#[test]
fn damage_is_told_from_a_cut_and_says_what_it_is() {
    let damaged = |encoding: &str, body: &[u8]| match decode_every_way(encoding, body) {
        Err(error @ Undecodable::Damaged(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let change = |mut body: Vec<u8>, at: usize| {
        let at = if at > 100 { body.len() - (1000 - at) } else { at };
        body[at] ^= 0x55;
        body
    };
    let begin = "its compressed body is damaged: ";
    for (body, says) in [
        (b"{\"plain\":\"json\"}".to_vec(), "it does not begin like gzip"),
        (change(gzip(TEXT), 1), "it does not begin like gzip"),
        (change(gzip(TEXT), 2), "its gzip header names an unknown method"),
        (change(gzip(TEXT), 3), "its gzip header has unknown flags"),
        (change(gzip(TEXT), 992), "its checksum does not match"),
        (change(gzip(TEXT), 999), "its length does not match"),
        (change(with_fields(8, b""), 10), "the checksum of its gzip header does not match"),
        (change(with_fields(8, b""), 9), "the checksum of its gzip header does not match"),
        (change(gzip(b"again"), 10), "it is not what its encoding can produce"),
    ] {
        assert_eq!(damaged("gzip", &body), format!("{begin}{says}"));
    }
    // Both a block of a type that does not exist, and a checksum that does not match.
    for body in [change(zlib(TEXT), 2), change(zlib(TEXT), 999), vec![0x78, 0xbb, 0, 0, 0, 0], b"\x07\x07".to_vec()] {
        assert_eq!(damaged("deflate", &body), format!("{begin}it is not what its encoding can produce"));
    }
    assert_eq!(Undecodable::CutOff.to_string(), "its compressed body is cut off");
}

#[test]
fn s4_a_bomb_comes_in_pieces_and_the_caller_ends_it() {
    enum Ended {
        ByCaller,
        ByDecoder,
    }
    impl From<Undecodable> for Ended {
        fn from(_: Undecodable) -> Ended {
            Ended::ByDecoder
        }
    }
    let zeros = vec![0; 20_000_000];
    for (encoding, body) in [("gzip", gzip(&zeros)), ("gzip, gzip", gzip(&gzip(&zeros)))] {
        let (mut decoder, mut taken) = (decoder(&[encoding]).unwrap(), 0);
        let end = decoder.push(&body, &mut |piece| {
            taken += piece.len();
            if taken > 1_000_000 { Err(Ended::ByCaller) } else { Ok(()) }
        });
        assert!(matches!(end, Err(Ended::ByCaller)), "{encoding}");
        assert!(taken <= 1_000_000 + PIECE, "{encoding}: {taken}");
    }
}

#[test]
fn nothing_is_held_back_at_the_end() {
    // Around the size of the decompressor's window, where its output comes in two halves.
    for length in (32_700..32_800).chain(65_500..65_600) {
        let text = vec![b'a'; length];
        assert!(decode("deflate", [&deflate(&text)[..]]).as_deref() == Ok(&text), "{length}");
        assert!(decode("deflate", deflate(&text).chunks(1)).as_deref() == Ok(&text), "{length}");
    }
}

/// Bytes that compress well, hardly, or not at all.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(prop_oneof![Just(b'a'), Just(b'b')], 0..3000),
        (any::<u8>(), 0..100_000usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

/// The pieces between these cuts.
fn split<'a>(body: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_members_in_any_pieces_decode_to_what_they_were_made_of(
        members in vec((content(), 0..10u32), 1..5),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut body, mut expected, mut boundaries) = (Vec::new(), Vec::new(), vec![0]);
        for (content, level) in &members {
            let mut encoder = GzEncoder::new(&mut body, Compression::new(*level));
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap();
            expected.extend_from_slice(content);
            boundaries.push(body.len());
        }
        prop_assert!(decode("gzip", split(&body, &cuts)).as_ref() == Ok(&expected));
        prop_assert!(decode("gzip", body.chunks(1)).as_ref() == Ok(&expected));
        let twice = gzip(&body);
        prop_assert!(decode("gzip, gzip", split(&twice, &cuts)).as_ref() == Ok(&expected));
        let end = cut.index(body.len());
        let cut_off = decode("gzip", split(&body[..end], &cuts));
        let expected = if boundaries.contains(&end) { None } else { Some(Undecodable::CutOff) };
        prop_assert_eq!(cut_off.err(), expected);
    }

    #[test]
    fn any_deflate_in_any_pieces_decodes_to_what_it_was_made_of(
        content in content(),
        level in 0..10u32,
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(level));
        zlib.write_all(&content).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::new(level));
        raw.write_all(&content).unwrap();
        for body in [zlib.finish().unwrap(), raw.finish().unwrap()] {
            prop_assert!(decode("deflate", split(&body, &cuts)).as_ref() == Ok(&content));
            prop_assert!(decode("deflate", body.chunks(1)).as_ref() == Ok(&content));
            let end = 1 + cut.index(body.len() - 1);
            prop_assert!(decode("deflate", split(&body[..end], &cuts)) == Err(Undecodable::CutOff));
        }
    }

    #[test]
    fn s4_garbage_ends_in_an_error_or_in_bytes(
        garbage in vec(any::<u8>(), 0..200),
        flags in any::<u8>(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let like_gzip = [&[0x1f, 0x8b, 8, flags & 0x1f], &garbage[..]].concat();
        let like_zlib = [&[0x78, 0x9c], &garbage[..]].concat();
        for body in [&garbage, &like_gzip, &like_zlib] {
            for encoding in ["gzip", "deflate", "gzip, deflate", "deflate, gzip"] {
                // Which of two layers complains first depends on the pieces.
                let told = |result: Result<Vec<u8>, Undecodable>| result.map_err(|error| error == Undecodable::CutOff);
                prop_assert_eq!(told(decode(encoding, split(body, &cuts))), told(decode(encoding, [&body[..]])));
            }
        }
    }
}
