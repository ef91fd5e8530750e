//! The fuzzer's target in sealing.

use crate::options::SecretSource;
use crate::store::seal::{Seal, Unopened};
use crate::sys::secret::{Secret, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::OnceLock;

/// Only what was sealed here opens, and not where a byte was changed.
pub fn sealed(data: &[u8]) {
    static SEAL: OnceLock<(Seal, Vec<u8>)> = OnceLock::new();
    let (seal, sample) = SEAL.get_or_init(|| {
        // Another in each run: what the fuzzer learnt in an earlier one would open.
        let key = Secret::new(&STANDARD.encode(random::<32>())).expect("it is text");
        let seal = Seal::new(&SecretSource::Given(key), &[]).expect("32 bytes in base64");
        let sample = seal.seal("shop", b"{\"access_token\":\"a\"}");
        (seal, sample)
    });
    // The fuzzer watches comparisons, and so learns the sample.
    assert!(data == sample || seal.open("shop", data).is_err());
    // Bytes that are laid over a sealed record, from a place on; zeros change nothing.
    let Some((at, over)) = data.split_first() else { return };
    let mut changed = sample.clone();
    for (byte, over) in changed.iter_mut().skip(usize::from(*at)).zip(over) {
        *byte ^= over;
    }
    match seal.open("shop", &changed) {
        Ok(_) => assert_eq!(changed, *sample),
        Err(Unopened::ForeignKey(_)) => assert_ne!(changed[..4], sample[..4]),
        Err(Unopened::Damaged) => assert_ne!(changed, *sample),
    }
    let plain = seal.open("shop", &seal.seal("shop", data)).expect("it was sealed here");
    assert_eq!(**plain, *data);
}
