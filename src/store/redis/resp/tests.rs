use super::*;
use proptest::prelude::*;

/// Has the bytes come in pieces of a size.
fn read(bytes: &[u8], piece: usize) -> Result<Option<Value>, Unusable> {
    let mut reader = Reader::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = reader.unfilled();
        let count = piece.min(room.len()).min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        let came = reader.came(count)?;
        assert!(came.is_none() || rest.is_empty(), "complete before its end");
        if came.is_some() {
            return Ok(came);
        }
    }
    Ok(None)
}

fn bulk(text: &str) -> Value {
    Value::Bulk(Zeroizing::new(text.as_bytes().to_vec()))
}

#[test]
fn answers_are_read_however_their_bytes_come() {
    let refusal =
        |code: &str, detail: &str| Value::Refusal(Refusal { code: code.to_owned(), detail: detail.to_owned() });
    for (bytes, expected) in [
        ("+OK\r\n", Value::Simple(b"OK".to_vec())),
        (":-17\r\n", Value::Int(-17)),
        ("$-1\r\n", Value::Nil),
        ("*-1\r\n", Value::Nil),
        ("*0\r\n", Value::Array(Vec::new())),
        ("$0\r\n\r\n", bulk("")),
        ("$5\r\na\r\nb\n\r\n", bulk("a\r\nb\n")),
        ("-ERR no such thing\r\n", refusal("ERR", "no such thing")),
        ("-MOVED 3999 127.0.0.1:6381\r\n", refusal("MOVED", "3999 127.0.0.1:6381")),
        ("-LOADING\r\n", refusal("LOADING", "")),
        (
            "*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n$-1\r\n",
            Value::Array(vec![bulk("a"), Value::Array(vec![Value::Int(1), Value::Array(Vec::new())]), Value::Nil]),
        ),
    ] {
        for piece in [1, 2, 3, 1000] {
            assert_eq!(read(bytes.as_bytes(), piece), Ok(Some(expected.clone())), "{bytes:?} by {piece}");
        }
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes.as_bytes()[..end], 1), Ok(None), "{bytes:?} to {end}");
        }
    }
}

#[test]
fn what_is_no_redis_is_refused() {
    for bytes in [
        "HTTP/1.1 400 Bad Request\r\n",
        "HTTP", // before its line ends
        "\r\n",
        "+OK\n",
        ":\r\n",
        ":1x\r\n",
        "$-2\r\n",
        "$x\r\n",
        "$1\r\nab\r\n",
        "*-2\r\n",
        "_\r\n",
        "$00000000000000000000000000000000000000001",
        "+OK\r\n+OK\r\n", // two answers to one question
    ] {
        let read = |piece| {
            let mut reader = Reader::new();
            bytes.as_bytes().chunks(piece).try_for_each(|some| {
                reader.unfilled()[..some.len()].copy_from_slice(some);
                reader.came(some.len()).map(drop)
            })
        };
        assert_eq!(read(bytes.len()), Err(Unusable::Malformed), "{bytes:?}");
    }
}

#[test]
fn s4_an_answer_is_bounded() {
    let largest = |length: usize| format!("${length}\r\n{}\r\n", "x".repeat(length)).into_bytes();
    let nested = |depth: usize| format!("{}:1\r\n", "*1\r\n".repeat(depth)).into_bytes();
    let wide = |elements: usize| format!("*{elements}\r\n{}", ":1\r\n".repeat(elements)).into_bytes();
    let two = |elements: usize| [b"*2\r\n".to_vec(), wide(elements), wide(elements)].concat();
    for (good, what) in
        [(largest(MOST_BYTES - 20), "large"), (nested(8), "deep"), (wide(10_000), "wide"), (two(4_999), "two")]
    {
        assert!(matches!(read(&good, 4096), Ok(Some(_))), "{what}");
    }
    for (bad, why) in [
        (largest(MOST_BYTES), Unusable::TooLarge),
        (format!("${}\r\n", usize::MAX / 2).into_bytes(), Unusable::TooLarge),
        (format!("+{}", "x".repeat(2 * MOST_BYTES)).into_bytes(), Unusable::TooLarge),
        (nested(9), Unusable::TooDeep),
        (wide(10_001), Unusable::TooManyElements),
        (format!("*{}\r\n", i64::MAX).into_bytes(), Unusable::TooManyElements),
        (two(5_000), Unusable::TooManyElements),
    ] {
        assert_eq!(read(&bad, 4096), Err(why));
    }
    let mut reader = Reader::new();
    let taken = std::iter::repeat_with(|| {
        let count = reader.unfilled().len();
        reader.unfilled().fill(b'+');
        (count, reader.came(count))
    });
    let taken: usize = taken.take_while(|(_, came)| came.is_ok()).map(|(count, _)| count).sum();
    assert!(taken < MOST_BYTES && reader.buffer.len() <= MOST_BYTES, "{taken} bytes were taken");
}

proptest! {
    /// Whatever comes, it is read without a panic, and the same in pieces of any size.
    #[test]
    fn s4_any_bytes_are_an_answer_or_refused(bytes in "([*$:+-](-?[0-9]{1,2}|[a-c]{0,3})\r?\n|[a-c]{0,4}\r\n){0,12}", piece in 1usize..8) {
        let outcome = |piece: usize| {
            let mut reader = Reader::new();
            for some in bytes.as_bytes().chunks(piece) {
                reader.unfilled()[..some.len()].copy_from_slice(some);
                match reader.came(some.len()) {
                    Ok(None) => {}
                    // What comes behind an answer is found where it comes with it, or before the next command.
                    ended => return ended.ok().flatten(),
                }
            }
            None
        };
        if let Some(value) = outcome(bytes.len().max(1)) {
            prop_assert_eq!(outcome(piece), Some(value));
        }
    }
}

#[test]
fn a_refusal_is_found_wherever_it_stands() {
    let answer = read(b"*2\r\n:1\r\n*1\r\n-NOPERM no\r\n", 100).unwrap().unwrap();
    assert_eq!(answer.refusal().map(|refusal| &*refusal.code), Some("NOPERM"));
    assert_eq!(Value::Array(vec![Value::Nil]).refusal(), None);
}

#[test]
fn a_command_is_an_array_of_its_parts() {
    let command = Command::new("SET").arg("k\r\n").arg(&b"\xff"[..]).arg_owned(7);
    assert_eq!(&command.encode()[..], b"*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$1\r\n\xff\r\n$1\r\n7\r\n");
}
