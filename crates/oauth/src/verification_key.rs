//! The public keys of clients that sign statements about themselves (`private_key_jwt`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The keys of a client (RFC 7517, section 5): those of its set that statements can be checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct VerificationKeys(Vec<VerificationKey>);

/// A public key of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationKey {
    /// Its name, by which a statement says which key it was signed with.
    pub id: Option<String>,
    /// The key itself.
    pub material: KeyMaterial,
}

/// The numbers of a key, in base64url as they stand in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// A key on P-256, for ES256 (RFC 7518, section 6.2).
    P256 {
        /// The first coordinate.
        x: String,
        /// The second.
        y: String,
    },
    /// A key on Ed25519, for `EdDSA` (RFC 8037, section 2).
    Ed25519 {
        /// The coordinate.
        x: String,
    },
    /// An RSA key of 2048 to 4096 bits, for RS256 and PS256 (RFC 7518, section 6.3).
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerificationKeysError {
    /// It has not the form of a set.
    #[error("`jwks` must be an object with `keys`")]
    Form,
    /// It has more keys than are read.
    #[error("`jwks` may have {count_max} keys", count_max = VerificationKeys::COUNT_MAX)]
    TooMany,
    /// It has a key that nobody may show.
    #[error("`jwks` must have public keys alone: this one is known to whoever has seen it, and must not be used any more")]
    Private,
    /// It has no key that can be used here.
    #[error("`jwks` has no key for signatures on P-256, on Ed25519, or of RSA with 2048 to 4096 bits")]
    NoneUsable,
}

impl VerificationKeys {
    /// Keys of a set, at most.
    pub const COUNT_MAX: usize = 8;

    /// Reads a set. Keys that cannot be used here are passed over (RFC 7517, section 5).
    pub fn parse(set: &Value) -> Result<Self, VerificationKeysError> {
        Self::check_that_all_are_public(set)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(VerificationKeysError::Form)?;
        if keys.len() > Self::COUNT_MAX {
            return Err(VerificationKeysError::TooMany);
        }
        let keys: Vec<_> = keys.iter().filter_map(VerificationKey::parse).collect();
        if keys.is_empty() { Err(VerificationKeysError::NoneUsable) } else { Ok(Self(keys)) }
    }

    /// Refuses a set that shows what nobody may know, be it used or not.
    pub(crate) fn check_that_all_are_public(set: &Value) -> Result<(), VerificationKeysError> {
        let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // `d` is the private part of all kinds of key, `k` the whole of a shared one.
        let private = keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some());
        if private { Err(VerificationKeysError::Private) } else { Ok(()) }
    }

    /// The keys that a statement can have been signed with: those of the algorithm, and of the name if it says one.
    pub fn matching<'a>(&'a self, algorithm: &'a str, id: Option<&'a str>) -> impl Iterator<Item = &'a VerificationKey> {
        self.0.iter().filter(move |key| key.material.signs(algorithm) && (id.is_none() || key.id.as_deref() == id))
    }
}

impl VerificationKey {
    /// The algorithms of statements: each key has its own, so that none can be taken for another.
    pub const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];
    /// Bytes of a key's name, at most.
    const ID_BYTES_MAX: usize = 256;

    fn parse(key: &Value) -> Option<Self> {
        let text = |name| key.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let material = KeyMaterial::parse(text)?;
        if text("alg").is_some_and(|algorithm| !material.signs(algorithm)) {
            return None;
        }
        match text("kid") {
            Some(id) if id.len() > Self::ID_BYTES_MAX || id.contains(char::is_control) => None,
            id => Some(Self { id: id.map(str::to_owned), material }),
        }
    }

    fn to_json(&self) -> Value {
        let mut key = match &self.material {
            KeyMaterial::P256 { x, y } => serde_json::json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            KeyMaterial::Ed25519 { x } => serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
            KeyMaterial::Rsa { n, e } => serde_json::json!({ "kty": "RSA", "n": n, "e": e }),
        };
        if let (Some(id), Some(members)) = (&self.id, key.as_object_mut()) {
            members.insert("kid".to_owned(), Value::from(id.as_str()));
        }
        key
    }
}

impl KeyMaterial {
    /// Whether a key of this kind signs by `algorithm`.
    #[must_use]
    pub fn signs(&self, algorithm: &str) -> bool {
        match self {
            Self::P256 { .. } => algorithm == "ES256",
            Self::Ed25519 { .. } => algorithm == "EdDSA",
            Self::Rsa { .. } => matches!(algorithm, "RS256" | "PS256"),
        }
    }

    fn parse<'a>(text: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let number = |name, bytes: std::ops::RangeInclusive<usize>| {
            let text = text(name).filter(|text| text.len() <= 1024)?;
            let decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
            bytes.contains(&decoded.len()).then(|| text.to_owned())
        };
        match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Some(Self::P256 { x: number("x", 32..=32)?, y: number("y", 32..=32)? }),
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519 { x: number("x", 32..=32)? }),
            ("RSA", _) => Some(Self::Rsa { n: number("n", 256..=512)?, e: number("e", 1..=4)? }),
            _ => None,
        }
    }
}

impl TryFrom<Value> for VerificationKeys {
    type Error = VerificationKeysError;

    fn try_from(set: Value) -> Result<Self, VerificationKeysError> {
        Self::parse(&set)
    }
}

impl From<VerificationKeys> for Value {
    fn from(keys: VerificationKeys) -> Self {
        let keys: Vec<_> = keys.0.iter().map(VerificationKey::to_json).collect();
        serde_json::json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const P256_X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const P256_Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y, "kid": "1" })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut key = p256();
        key[name] = value;
        json!({ "keys": [key] })
    }

    #[test]
    fn rfc_7517_section_5_keys_that_cannot_be_used_are_passed_over() {
        let keys =
            VerificationKeys::parse(&json!({ "keys": [{ "kty": "EC", "crv": "P-521" }, { "kty": "new" }, 7, p256()] })).unwrap();

        assert_eq!(keys.matching("ES256", Some("1")).count(), 1);
        assert_eq!(keys.matching("ES256", None).count(), 1);
        assert_eq!(keys.matching("ES256", Some("2")).count(), 0);
        assert_eq!(Value::from(keys), json!({ "keys": [p256()] }));
    }

    #[test]
    fn rfc_8725_section_3_1_a_key_has_its_own_algorithms() {
        let rsa = json!({ "kty": "RSA", "n": "A".repeat(342), "e": "AQAB" });
        let keys = VerificationKeys::parse(&json!({ "keys": [rsa, p256()] })).unwrap();

        for (algorithm, count) in [("RS256", 1), ("PS256", 1), ("ES256", 1), ("EdDSA", 0), ("HS256", 0), ("none", 0), ("", 0)] {
            assert_eq!(keys.matching(algorithm, None).count(), count, "{algorithm}");
        }
    }

    #[test]
    fn rfc_7517_section_9_3_a_private_or_shared_key_is_refused() {
        for set in [with("d", json!("AA")), json!({ "keys": [{ "kty": "oct", "k": "AA" }] })] {
            assert_eq!(VerificationKeys::parse(&set), Err(VerificationKeysError::Private));
        }
    }

    #[test]
    fn keys_of_wrong_form_or_number_are_refused() {
        for (set, error) in [
            (json!([]), VerificationKeysError::Form),
            (json!({ "keys": {} }), VerificationKeysError::Form),
            (json!({ "keys": [] }), VerificationKeysError::NoneUsable),
            (with("use", json!("enc")), VerificationKeysError::NoneUsable),
            (with("alg", json!("RS256")), VerificationKeysError::NoneUsable),
            (with("x", json!("AA")), VerificationKeysError::NoneUsable),
            (with("kid", json!("k".repeat(300))), VerificationKeysError::NoneUsable),
            (with("kid", json!("\u{0}")), VerificationKeysError::NoneUsable),
            (json!({ "keys": [{ "kty": "RSA", "n": "A".repeat(171), "e": "AQAB" }] }), VerificationKeysError::NoneUsable),
            (json!({ "keys": vec![p256(); VerificationKeys::COUNT_MAX + 1] }), VerificationKeysError::TooMany),
        ] {
            assert_eq!(VerificationKeys::parse(&set), Err(error), "{set}");
        }
    }
}
