//! Texts that a client carries for us and brings back: sealed, so that nobody else reads or makes one. What would have to be kept for
//! everybody who may never come back is kept by them, and fills nothing here.
//!
//! A sealed text says what it is for, whom it is bound to, and until when it counts. It may come back more than once: where once is all
//! that may be, something is kept as well.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::{App, AppError, sealing::DataKey};

/// The key of sealed texts, made of the platform's own.
pub(crate) struct Seals(DataKey);

/// What a sealed text is for, and whom. It opens for exactly the same.
#[derive(Debug, Clone, Copy)]
pub struct SealedFor<'a> {
    /// The one use that it has.
    pub purpose: &'static str,
    /// Whom or what it is bound to, such as the bytes of an id; empty if anyone may bring it.
    pub bound_to: &'a [u8],
}

const MOMENT_BYTES: usize = 8;

/// Seals `plain` until `until` (whole seconds), as text of the characters of base64url: four for three bytes, and 64 more.
pub fn seal(app: &App, sealed_for: SealedFor<'_>, until: DateTime<Utc>, plain: &[u8]) -> Result<String, AppError> {
    app.seals.seal(sealed_for, until, plain)
}

/// What was sealed for the same use and whom, if its time has not come.
#[must_use]
pub fn open(app: &App, sealed_for: SealedFor<'_>, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    app.seals.open(sealed_for, app.clock.now(), sealed)
}

impl Seals {
    pub(crate) fn new(platform: &DataKey) -> Self {
        Self(platform.derive("sealed texts"))
    }

    fn seal(&self, sealed_for: SealedFor<'_>, until: DateTime<Utc>, plain: &[u8]) -> Result<String, AppError> {
        let dated = Zeroizing::new([until.timestamp().to_le_bytes().as_slice(), plain].concat());
        let sealed = self.0.seal_bytes(&sealed_for.place(), &dated);
        let sealed = sealed.map_err(|error| AppError::internal("cannot seal a text", error))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn open(&self, sealed_for: SealedFor<'_>, now: DateTime<Utc>, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let dated = self.0.open_bytes(&sealed_for.place(), &sealed).ok()?;
        let (until, plain) = dated.split_first_chunk::<MOMENT_BYTES>()?;
        (now.timestamp() < i64::from_le_bytes(*until)).then(|| Zeroizing::new(plain.to_vec()))
    }
}

impl<'a> SealedFor<'a> {
    const fn place(&self) -> [&'a [u8]; 2] {
        [self.purpose.as_bytes(), self.bound_to]
    }
}

#[cfg(test)]
mod tests {
    use domain::CustomerId;

    use super::*;
    use crate::sealing::{MasterKeys, Owner};

    const FOR_ADA: SealedFor<'_> = SealedFor { purpose: "test", bound_to: b"ada" };

    fn seals() -> Seals {
        Seals::new(&MasterKeys::new([[1; 32]]).unwrap().make(Owner::Platform, at(0)).unwrap().0)
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_text_opens_for_the_same_use_and_whom_until_its_time() {
        let seals = seals();
        let sealed = seals.seal(FOR_ADA, at(60), b"the request").unwrap();

        assert_eq!(seals.open(FOR_ADA, at(59), &sealed).unwrap().as_slice(), b"the request");
        for (sealed_for, now) in [
            (FOR_ADA, at(60)),
            (SealedFor { bound_to: b"bob", ..FOR_ADA }, at(0)),
            (SealedFor { bound_to: b"", ..FOR_ADA }, at(0)),
            (SealedFor { purpose: "tes", bound_to: b"tada" }, at(0)),
        ] {
            assert!(seals.open(sealed_for, now, &sealed).is_none(), "{sealed_for:?} {now}");
        }
    }

    #[test]
    fn a_text_that_was_changed_or_made_by_another_installation_does_not_open() {
        let (ours, theirs) = (seals(), seals());
        let sealed = ours.seal(FOR_ADA, at(60), b"the request").unwrap();

        assert!(theirs.open(FOR_ADA, at(0), &sealed).is_none());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert!(ours.open(FOR_ADA, at(0), std::str::from_utf8(&changed).unwrap()).is_none(), "{place}");
        }
        for text in ["", "A", "not base64!", &sealed[..sealed.len() - 1]] {
            assert!(ours.open(FOR_ADA, at(0), text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_key_of_texts_is_not_the_key_it_was_made_of() {
        let (key, _) = MasterKeys::new([[1; 32]]).unwrap().make(Owner::Customer(CustomerId::new()), at(0)).unwrap();

        assert_ne!(key.derive("one").as_bytes(), key.as_bytes());
        assert_ne!(key.derive("one").as_bytes(), key.derive("two").as_bytes());
        assert_eq!(key.derive("one").as_bytes(), key.derive("one").as_bytes());
    }
}
