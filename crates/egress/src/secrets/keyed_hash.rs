//! What a placeholder cannot do: a hash that is keyed with a secret (RFC 2104).

use ::hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::SecretError;

/// HMAC of `data` by the hash that Web Cryptography calls `algorithm`.
pub(crate) fn hmac(algorithm: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, SecretError> {
    match algorithm {
        "SHA-1" => keyed::<Hmac<Sha1>>(key, data),
        "SHA-256" => keyed::<Hmac<Sha256>>(key, data),
        "SHA-384" => keyed::<Hmac<Sha384>>(key, data),
        "SHA-512" => keyed::<Hmac<Sha512>>(key, data),
        _ => None,
    }
    .ok_or_else(|| SecretError::Algorithm(algorithm.chars().take(32).collect()))
}

/// `None` never comes: HMAC takes a key of any length.
fn keyed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mac = M::new_from_slice(key).ok()?;
    Some(mac.chain_update(data).finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn the_published_examples_hold() {
        // RFC 2202 and RFC 4231, test case 2 of each.
        let of = |algorithm| hex(&hmac(algorithm, b"Jefe", b"what do ya want for nothing?").unwrap());

        assert_eq!(of("SHA-1"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(of("SHA-256"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(
            of("SHA-384"),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
        );
        assert!(of("SHA-512").starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"));
    }

    #[test]
    fn another_hash_is_refused() {
        assert_eq!(hmac("MD5", b"k", b"d"), Err(SecretError::Algorithm("MD5".to_owned())));
    }
}
