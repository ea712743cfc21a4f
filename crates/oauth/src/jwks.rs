//! Public keys in JSON (RFC 7517).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The public keys of this server, as they are published (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key on P-256, which tokens are signed with (RFC 7518, section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    x: [u8; 32],
    y: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
    kid: String,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl PublicKey {
    /// The key at this point of the curve.
    #[must_use]
    pub const fn from_coordinates(x: [u8; 32], y: [u8; 32]) -> Self {
        Self { x, y }
    }

    /// Its `kid`: the key's own thumbprint (RFC 7638, section 3), so that no two keys can have one.
    #[must_use]
    pub fn id(&self) -> String {
        let [x, y] = [self.x, self.y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }

    fn jwk(&self) -> Jwk {
        let [x, y] = [self.x, self.y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        Jwk { kty: "EC", crv: "P-256", x, y, kid: self.id(), alg: "ES256", usage: "sig" }
    }
}

impl FromIterator<PublicKey> for JwkSet {
    fn from_iter<Keys: IntoIterator<Item = PublicKey>>(keys: Keys) -> Self {
        Self { keys: keys.into_iter().map(|key| key.jwk()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7517, appendix A.1.
    fn key() -> PublicKey {
        let coordinate = |text| URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap();
        PublicKey::from_coordinates(
            coordinate("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"),
            coordinate("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"),
        )
    }

    #[test]
    fn rfc_7517_appendix_a_1_a_set_of_public_keys() {
        let set = serde_json::to_value([key()].into_iter().collect::<JwkSet>()).unwrap();
        let jwk = &set["keys"][0];

        assert_eq!(
            (&jwk["kty"], &jwk["crv"], &jwk["alg"], &jwk["use"]),
            (&"EC".into(), &"P-256".into(), &"ES256".into(), &"sig".into())
        );
        assert_eq!(jwk["x"], "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");
        assert_eq!(jwk["y"], "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        assert!(jwk.get("d").is_none());
    }

    #[test]
    fn rfc_7638_section_3_the_id_is_the_thumbprint() {
        // `{"crv":"P-256","kty":"EC","x":"MKBC..","y":"4Etl.."}`, hashed by another program.
        assert_eq!(key().id(), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }
}
