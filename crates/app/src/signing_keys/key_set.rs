//! The keys of a moment, opened: one signs, each verifies what it signed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use oauth::{AccessTokenClaims, PublicKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::AppError;

/// An uncompressed point: a byte 4, x, y (SEC 1, section 2.3.3).
const POINT_BYTES: usize = 65;

/// The keys of a moment.
#[derive(Default)]
pub(crate) struct KeySet {
    signing: Option<Signing>,
    verifying: Vec<Verifying>,
}

struct Signing {
    kid: String,
    key: EncodingKey,
}

struct Verifying {
    kid: String,
    public: PublicKey,
    key: DecodingKey,
    /// Absent of the one that signs.
    until: Option<DateTime<Utc>>,
}

/// Exactly what our tokens have in their header. What names a key in any other way, or wants something understood, is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    alg: Algorithm,
    typ: String,
    kid: String,
}

/// A token that none of these keys signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSigned;

impl KeySet {
    /// Adds a key that verifies, until `until` if it was replaced. `point` is its public half; `None` if that is none.
    pub(super) fn add(&mut self, point: &[u8], until: Option<DateTime<Utc>>) -> Option<()> {
        let public = public_key(point)?;
        // The verifier takes the point as SEC 1 has it.
        self.verifying.push(Verifying { kid: public.id(), public, key: DecodingKey::from_ec_der(point), until });
        Some(())
    }

    /// Sets the key that signs, whose private half is `pkcs8`.
    pub(super) fn set_signing(&mut self, kid: &str, pkcs8: &[u8]) {
        self.signing = Some(Signing { kid: kid.to_owned(), key: EncodingKey::from_ec_der(pkcs8) });
    }

    /// Whether there is a key of this name, ended or not.
    pub(super) fn knows(&self, kid: &str) -> bool {
        self.verifying.iter().any(|key| key.kid == kid)
    }

    /// The public keys that verify at `now`.
    pub(crate) fn public(&self, now: DateTime<Utc>) -> impl Iterator<Item = PublicKey> {
        self.verifying.iter().filter(move |key| key.verifies(now)).map(|key| key.public)
    }

    /// Signs `claims` as an access token.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, AppError> {
        let missing = || AppError::Conflict { message: "there is no key that access tokens are signed with".to_owned() };
        let signing = self.signing.as_ref().ok_or_else(missing)?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(AccessTokenClaims::TYPE.to_owned());
        header.kid = Some(signing.kid.clone());
        jsonwebtoken::encode(&header, claims, &signing.key)
            .map_err(|error| AppError::internal("cannot sign an access token", error))
    }

    /// The claims of an access token that one of these keys signed, by the algorithm ES256 and no other. What they say is the caller's to check.
    pub(crate) fn verify<T: DeserializeOwned>(&self, token: &str, now: DateTime<Utc>) -> Result<T, NotSigned> {
        let kid = kid_of(token).ok_or(NotSigned)?;
        let key = self.verifying.iter().find(|key| key.kid == kid && key.verifies(now)).ok_or(NotSigned)?;
        jsonwebtoken::decode(token, &key.key, &signature_alone()).map(|decoded| decoded.claims).map_err(|_| NotSigned)
    }
}

impl Verifying {
    fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The name of the key that a token says it was signed by, if its header is one of ours.
pub(crate) fn kid_of(token: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: TokenHeader = serde_json::from_slice(&header).ok()?;
    (header.alg == Algorithm::ES256 && header.typ == AccessTokenClaims::TYPE).then_some(header.kid)
}

/// The public key at a point; `None` if the point has another length or form.
pub(super) fn public_key(point: &[u8]) -> Option<PublicKey> {
    let coordinates = point.strip_prefix(&[4]).filter(|_| point.len() == POINT_BYTES)?;
    let (x, y) = coordinates.split_first_chunk::<32>()?;
    Some(PublicKey::from_coordinates(*x, y.try_into().ok()?))
}

/// Times, issuer and audience are compared by `oauth`, against a clock that is passed in.
fn signature_alone() -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation
}

impl fmt::Debug for KeySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids = self.verifying.iter().map(|key| &key.kid);
        out.debug_list().entries(kids).finish()
    }
}
