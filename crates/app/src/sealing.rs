//! Sealing: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under keys of two floors. Master keys are supplied and never kept with what they
//! open; each seals data keys, and a data key seals the secrets of one customer. What is sealed says what it is in its associated data: moved to
//! another row, it does not open.

use std::{fmt, sync::Arc};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use domain::{CustomerId, Digest, EnvName, ServerId};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use store::data_keys::SealedDataKey;
use uuid::Uuid;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The master keys of an installation: the first one seals, each opens what it sealed. Clones share the keys, which are wiped with the last.
#[derive(Clone)]
pub struct MasterKeys(Arc<[MasterKey]>);

struct MasterKey {
    /// The beginning of a digest of the key.
    id: String,
    key: Key,
}

/// Thirty-two random bytes, wiped when they are dropped.
struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// An opened data key.
pub(crate) struct DataKey {
    /// Which it is.
    pub(crate) id: Uuid,
    key: Key,
}

/// Whose a data key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Customer(CustomerId),
    Platform,
}

/// Which secret a sealed value is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretPlace<'a> {
    pub(crate) customer: CustomerId,
    pub(crate) server: ServerId,
    pub(crate) name: &'a EnvName,
    pub(crate) version: u64,
}

/// Why these are no master keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeysError {
    /// None, or more than a rotation needs.
    #[error("there are {0} master keys: there must be 1 to {max}", max = MasterKeys::COUNT_MAX)]
    Count(usize),
    /// The same twice.
    #[error("the same master key is there twice")]
    Twice,
}

/// Why something could not be sealed or opened. Never holds what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random(getrandom::Error),
    /// The key is under a master key that this node was not given.
    #[error("it is sealed under the master key {0}, which is not among those of TOOLWRIGHT_MASTER_KEY")]
    UnknownMaster(String),
    /// It was damaged, or stood for something else.
    #[error("it does not open: it was damaged, moved, or sealed by another key")]
    Broken,
}

impl MasterKeys {
    /// A rotation needs two; more are those that were forgotten.
    pub const COUNT_MAX: usize = 8;

    /// The keys, each of 256 random bits, the one that seals first.
    pub fn new(keys: impl IntoIterator<Item = [u8; KEY_BYTES]>) -> Result<Self, MasterKeysError> {
        let keys: Vec<MasterKey> = keys.into_iter().map(MasterKey::new).collect();
        if keys.is_empty() || keys.len() > Self::COUNT_MAX {
            return Err(MasterKeysError::Count(keys.len()));
        }
        let is_twice = keys.iter().enumerate().any(|(index, key)| keys.iter().skip(index + 1).any(|other| other.id == key.id));
        if is_twice { Err(MasterKeysError::Twice) } else { Ok(Self(keys.into())) }
    }

    /// The ids of the keys, the one that seals first. They tell the keys apart and nothing about them.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that seals.
    pub(crate) fn sealing_id(&self) -> &str {
        // There is one at least.
        self.0.first().map_or("", |key| key.id.as_str())
    }

    /// A new data key, opened and sealed.
    pub(crate) fn make(
        &self,
        owner: Owner,
        created_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<(DataKey, SealedDataKey), SealError> {
        let mut key = Key(Zeroizing::new([0; KEY_BYTES]));
        getrandom::fill(key.0.as_mut_slice()).map_err(SealError::Random)?;
        let opened = DataKey { id: Uuid::now_v7(), key };
        let (master, sealed) = self.seal(&opened, owner)?;
        let customer = owner.customer();
        let kept = SealedDataKey { id: opened.id, customer, master, sealed, created_at };
        Ok((opened, kept))
    }

    /// Opens a data key.
    pub(crate) fn open(&self, sealed: &SealedDataKey) -> Result<DataKey, SealError> {
        let master = self.0.iter().find(|key| key.id == sealed.master);
        let master = master.ok_or_else(|| SealError::UnknownMaster(sealed.master.clone()))?;
        let opened = master.key.open(&sealed.sealed, &Owner::of(sealed).associated_data(sealed.id))?;
        let mut key = Key(Zeroizing::new([0; KEY_BYTES]));
        if opened.len() != KEY_BYTES {
            return Err(SealError::Broken);
        }
        key.0.copy_from_slice(&opened);
        Ok(DataKey { id: sealed.id, key })
    }

    /// The same data key under the master key that seals.
    pub(crate) fn reseal(&self, sealed: &SealedDataKey) -> Result<SealedDataKey, SealError> {
        let opened = self.open(sealed)?;
        let (master, again) = self.seal(&opened, Owner::of(sealed))?;
        Ok(SealedDataKey { master, sealed: again, ..sealed.clone() })
    }

    fn seal(&self, key: &DataKey, owner: Owner) -> Result<(String, Vec<u8>), SealError> {
        let master = self.0.first().ok_or(SealError::Broken)?;
        let sealed = master.key.seal(key.key.0.as_slice(), &owner.associated_data(key.id))?;
        Ok((master.id.clone(), sealed))
    }
}

impl MasterKey {
    /// Of the id's digest 8 bytes tell a handful of keys apart.
    fn new(key: [u8; KEY_BYTES]) -> Self {
        let key = Key(Zeroizing::new(key));
        let digest = Digest::of_parts([b"toolwright master key".as_slice(), key.0.as_slice()]);
        let id = digest.to_string().chars().take(16).collect();
        Self { id, key }
    }
}

impl DataKey {
    /// Seals the value of a secret.
    pub(crate) fn seal(&self, place: &SecretPlace<'_>, value: &SecretString) -> Result<Vec<u8>, SealError> {
        self.key.seal(value.expose_secret().as_bytes(), &place.associated_data(self.id))
    }

    /// Opens the value of a secret.
    pub(crate) fn open(&self, place: &SecretPlace<'_>, sealed: &[u8]) -> Result<SecretString, SealError> {
        let opened = self.key.open(sealed, &place.associated_data(self.id))?;
        let text = std::str::from_utf8(&opened).map_err(|_| SealError::Broken)?;
        Ok(SecretString::from(text))
    }

    /// Another key, made of this one for one use: what is done with it tells nothing about this one and nothing is opened across (NIST SP 800-108,
    /// section 4, with HMAC-SHA256 and one block).
    pub(crate) fn derive(&self, label: &str) -> Self {
        let mut derived = Key(Zeroizing::new([0; KEY_BYTES]));
        // HMAC takes a key of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.as_bytes()) {
            mac.update(&join(&[b"derived key", label.as_bytes()]));
            derived.0.copy_from_slice(&mac.finalize().into_bytes());
        }
        Self { id: self.id, key: derived }
    }

    /// Seals bytes that open only with the same `place`.
    pub(crate) fn seal_bytes(&self, place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.key.seal(plain, &join(place))
    }

    /// Opens what [`DataKey::seal_bytes`] sealed.
    pub(crate) fn open_bytes(&self, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key.open(sealed, &join(place))
    }

    /// The bytes, for what is not sealing.
    pub(crate) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.key.0
    }
}

impl Key {
    /// Nonce, ciphertext and tag. A nonce of 192 random bits does not come twice (section 2 of the draft).
    fn seal(&self, plain: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let payload = Payload { msg: plain, aad: associated_data };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Broken)?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Broken)?;
        let payload = Payload { msg: sealed, aad: associated_data };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Broken)?;
        Ok(Zeroizing::new(opened))
    }

    /// The cipher wipes its copy of the key as well.
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl Owner {
    fn of(key: &SealedDataKey) -> Self {
        key.customer.map_or(Self::Platform, Self::Customer)
    }

    const fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Platform => None,
        }
    }

    fn associated_data(self, key: Uuid) -> Vec<u8> {
        match self {
            Self::Customer(customer) => {
                join(&[b"data key of a customer", customer.as_uuid().as_bytes().as_slice(), key.as_bytes()])
            }
            Self::Platform => join(&[b"data key of the platform", key.as_bytes().as_slice()]),
        }
    }
}

impl SecretPlace<'_> {
    fn associated_data(&self, key: Uuid) -> Vec<u8> {
        join(&[
            b"secret",
            self.customer.as_uuid().as_bytes().as_slice(),
            self.server.as_uuid().as_bytes(),
            self.name.as_str().as_bytes(),
            &self.version.to_le_bytes(),
            key.as_bytes(),
        ])
    }
}

/// Each part after its length, so that no border can be moved.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_le_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.ids()).finish()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters(keys: &[u8]) -> MasterKeys {
        MasterKeys::new(keys.iter().map(|byte| [*byte; KEY_BYTES])).unwrap()
    }

    fn at() -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_secret_opens_where_it_was_sealed_and_nowhere_else() {
        let (customer, server) = (CustomerId::new(), ServerId::new());
        let (name, other): (EnvName, EnvName) = ("KEY".parse().unwrap(), "OTHER".parse().unwrap());
        let (key, _) = masters(&[1]).make(Owner::Customer(customer), at()).unwrap();
        let (another_key, _) = masters(&[1]).make(Owner::Customer(customer), at()).unwrap();
        let place = SecretPlace { customer, server, name: &name, version: 3 };
        let sealed = key.seal(&place, &"the value".into()).unwrap();

        assert_eq!(key.open(&place, &sealed).unwrap().expose_secret(), "the value");
        for elsewhere in [
            SecretPlace { customer: CustomerId::new(), ..place },
            SecretPlace { server: ServerId::new(), ..place },
            SecretPlace { name: &other, ..place },
            SecretPlace { version: 4, ..place },
        ] {
            assert_eq!(key.open(&elsewhere, &sealed).map(drop), Err(SealError::Broken), "{elsewhere:?}");
        }
        assert_eq!(another_key.open(&place, &sealed).map(drop), Err(SealError::Broken));
        assert_ne!(key.seal(&place, &"the value".into()).unwrap(), sealed, "no nonce comes twice");
    }

    #[test]
    fn a_changed_bit_does_not_open() {
        let name: EnvName = "KEY".parse().unwrap();
        let customer = CustomerId::new();
        let (key, kept) = masters(&[1]).make(Owner::Customer(customer), at()).unwrap();
        let place = SecretPlace { customer, server: ServerId::new(), name: &name, version: 1 };
        let sealed = key.seal(&place, &"v".into()).unwrap();

        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open(&place, &changed).map(drop), Err(SealError::Broken), "{index}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(&place, &sealed[..length]).map(drop), Err(SealError::Broken), "{length}");
        }
        let moved = SealedDataKey { customer: None, ..kept };
        assert_eq!(masters(&[1]).open(&moved).map(drop), Err(SealError::Broken), "a customer's key is not the platform's");
    }

    #[test]
    fn a_data_key_moves_from_master_to_master() {
        let (key, under_old) = masters(&[1]).make(Owner::Platform, at()).unwrap();

        assert_eq!(masters(&[2]).open(&under_old).map(drop), Err(SealError::UnknownMaster(under_old.master.clone())));
        let both = masters(&[2, 1]);
        let under_new = both.reseal(&under_old).unwrap();

        assert_eq!((under_new.master.as_str(), under_new.master != under_old.master), (both.sealing_id(), true));
        assert_eq!(masters(&[2]).open(&under_new).unwrap().as_bytes(), key.as_bytes());
        assert_eq!(masters(&[1, 2]).open(&under_new).unwrap().as_bytes(), key.as_bytes());
    }

    #[test]
    fn keys_are_counted_told_apart_and_never_shown() {
        assert_eq!(MasterKeys::new([]).map(drop), Err(MasterKeysError::Count(0)));
        assert_eq!(MasterKeys::new([[1; 32], [2; 32], [1; 32]]).map(drop), Err(MasterKeysError::Twice));
        assert_eq!(MasterKeys::new((0..9).map(|byte| [byte; 32])).map(drop), Err(MasterKeysError::Count(9)));

        let keys = masters(&[0xab, 0xcd]);
        let shown = format!("{keys:?} {:?}", keys.make(Owner::Platform, at()).unwrap().0);

        assert_eq!(keys.ids().count(), 2);
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}
