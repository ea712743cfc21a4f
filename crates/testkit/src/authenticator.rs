//! An authenticator in software (Web Authentication Level 3, section 6), with the browser around it: it makes keys on P-256, counts its signatures,
//! and does as it is told, also what none should do.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use uuid::Uuid;

/// User present (section 6.1, table of flags).
const PRESENT: u8 = 0x01;
/// User verified.
const VERIFIED: u8 = 0x04;
/// A public key follows.
const ATTESTED: u8 = 0x40;

/// An authenticator in a browser.
#[derive(Debug, Clone)]
pub struct SoftAuthenticator {
    /// The page's origin, as the browser writes it down.
    pub origin: String,
    /// For whom it signs; without it, for whom it is asked to.
    pub rp_id: Option<String>,
    /// Whether it verifies its user.
    pub verifies_user: bool,
    /// Signatures made; without it, it does not count.
    pub counter: Option<u32>,
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: Vec<u8>,
    secret: SigningKey,
    user_handle: String,
}

impl SoftAuthenticator {
    /// One without keys, on pages of `origin`.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), rp_id: None, verifies_user: true, counter: Some(0), keys: Vec::new() }
    }

    /// What `navigator.credentials.create` gives for these options (section 5.1.3), as the script of the pages sends it.
    pub fn make(&mut self, options: &Value) -> String {
        let secret = SigningKey::from_slice(Digest::of(Uuid::now_v7().as_bytes()).as_bytes()).expect("a number below the order");
        let id = Uuid::now_v7().as_bytes().repeat(2);
        self.give(Key { id, secret, user_handle: text(options, "/user/id") }, options)
    }

    /// The same with the id and the key that it made last, which none should do.
    pub fn make_again(&mut self, options: &Value) -> String {
        let last = self.keys.last().expect("it made one").clone();
        self.give(Key { user_handle: text(options, "/user/id"), ..last }, options)
    }

    fn give(&mut self, key: Key, options: &Value) -> String {
        let data = self.authenticator_data(&text(options, "/rp/id"), ATTESTED, &attested(&key));
        let client_data = self.client_data("webauthn.create", options);
        let answer = credential(
            &key.id,
            &json!({
                "attestationObject": encode(&attestation_object(&data)),
                "clientDataJSON": encode(client_data.as_bytes()),
            }),
        );
        self.keys.push(key);
        answer
    }

    /// What `navigator.credentials.get` gives for these options (section 5.1.4), by the newest key that is allowed.
    pub fn sign(&mut self, options: &Value) -> String {
        self.counter = self.counter.map(|counter| counter + 1);
        let allowed = options.pointer("/allowCredentials").and_then(Value::as_array);
        let allowed: Vec<_> = allowed.into_iter().flatten().map(|one| text(one, "/id")).collect();
        let is_allowed = |key: &&Key| allowed.is_empty() || allowed.contains(&encode(&key.id));
        let key = self.keys.iter().rev().find(is_allowed).expect("the authenticator has such a key");
        let data = self.authenticator_data(&text(options, "/rpId"), 0, &[]);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [data.as_slice(), Digest::of(client_data.as_bytes()).as_bytes()].concat();
        let signature: Signature = key.secret.sign(&signed);
        credential(
            &key.id,
            &json!({
                "authenticatorData": encode(&data),
                "clientDataJSON": encode(client_data.as_bytes()),
                "signature": encode(signature.to_der().as_bytes()),
                "userHandle": key.user_handle,
            }),
        )
    }

    /// Section 6.1.
    fn authenticator_data(&self, asked_by: &str, flags: u8, attested: &[u8]) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().unwrap_or(asked_by);
        let flags = flags | PRESENT | if self.verifies_user { VERIFIED } else { 0 };
        let counter = self.counter.unwrap_or(0).to_be_bytes();
        [Digest::of(rp_id.as_bytes()).as_bytes().as_slice(), &[flags], &counter, attested].concat()
    }

    /// Section 5.8.1.
    fn client_data(&self, kind: &str, options: &Value) -> String {
        json!({ "type": kind, "challenge": text(options, "/challenge"), "origin": self.origin, "crossOrigin": false }).to_string()
    }
}

/// Section 6.5.2: of no known make, with the key's id and its public half in COSE (RFC 9053, section 7.1).
fn attested(key: &Key) -> Vec<u8> {
    let point = key.secret.verifying_key().to_encoded_point(false);
    let (x, y) = (point.x().expect("a point with coordinates"), point.y().expect("a point with coordinates"));
    let length = u16::try_from(key.id.len()).expect("a short id").to_be_bytes();
    let kind = [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
    [[0; 16].as_slice(), &length, &key.id, &kind, x, &[0x22, 0x58, 0x20], y].concat()
}

/// Section 6.5.4 in CBOR, with no attestation (section 8.7).
fn attestation_object(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short data").to_be_bytes();
    [b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x59".as_slice(), &length, data].concat()
}

fn credential(id: &[u8], response: &Value) -> String {
    json!({ "id": encode(id), "rawId": encode(id), "type": "public-key", "response": response }).to_string()
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn text(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).expect("the options are whole").to_owned()
}
