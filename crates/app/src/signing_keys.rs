//! What access tokens are signed with (ES256, RFC 7518, section 3.4). One key signs on all nodes; those before it verify until their last token
//! has expired, so that a rotation logs nobody out (SEC-5). There is no key that everybody has: the local profile makes one at its first
//! start, any other is told to by `toolwright keys rotate` (SEC-4). The private half is sealed in the database under the platform's own data key.

mod key_set;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::Clock;
use p256::{
    SecretKey,
    elliptic_curve::sec1::ToEncodedPoint as _,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _},
};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    PgConnection, Pool,
    signing_keys::{COUNT_MAX, Replaced, Rotated, SigningKey},
};
use zeroize::Zeroizing;

pub(crate) use self::key_set::{KeySet, kid_of};
use crate::{
    App, AppError,
    application::open_platform_key,
    audit::{About, Act, Intent},
    sealing::{DataKey, MasterKeys, SealError},
};

/// A key, without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyView {
    /// Its name in tokens and in the JWK set: its thumbprint (RFC 7638).
    pub kid: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it does.
    pub state: SigningKeyState,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKeyState {
    /// It signs, and verifies.
    Signs,
    /// It verifies what it signed before, until then.
    Verifies(DateTime<Utc>),
    /// It does nothing since then.
    Ended(DateTime<Utc>),
}

/// How a key takes the place of another.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// How long an access token lives ([`crate::OauthSettings::access_token`]): for as long, and a few minutes, the key before it verifies.
    pub access_token: Duration,
    /// The key, as PEM (PKCS #8); without one, it is drawn.
    pub supplied: Option<SecretString>,
}

/// Lets something happen once a second.
#[derive(Debug, Default)]
pub(crate) struct OnceASecond(AtomicI64);

/// Clocks of nodes differ by seconds, and a node that hears no notices reads its keys again within a minute: until then it signs by the key before.
const NODES_LAG_MAX: Duration = Duration::from_mins(5);

/// Lets another key sign from now on, on every node that runs.
pub async fn rotate(
    pool: &Pool,
    masters: &MasterKeys,
    clock: &dyn Clock,
    rotation: &Rotation,
) -> Result<SigningKeyView, AppError> {
    let sealing = sealing_key(&open_platform_key(pool, masters, clock).await?);
    let now = clock.now();
    let secret = match &rotation.supplied {
        Some(pem) => SecretKey::from_pkcs8_pem(pem.expose_secret()).map_err(|_| {
            AppError::invalid("the key is not usable: it must be a P-256 private key as PEM (PKCS #8, `BEGIN PRIVATE KEY`)")
        })?,
        None => draw()?,
    };
    let key = seal(&sealing, &secret, now)?;
    let verifies_until = now + rotation.access_token + NODES_LAG_MAX;
    let mut transaction = pool.begin().await?;
    match store::signing_keys::rotate(&mut transaction, &key, verifies_until).await? {
        Rotated::Done => {
            let about = about(&key.kid).detail("supplied", rotation.supplied.is_some());
            Intent::of_program(Act::RotateSigningKey).record(&mut transaction, about, now).await?;
            transaction.commit().await?;
            Ok(view(key, now))
        }
        Rotated::HasOne => Err(AppError::Conflict { message: format!("the key {} is there already", key.kid) }),
        Rotated::Full => Err(AppError::Conflict {
            message: format!("{COUNT_MAX} keys verify already: retire one, or wait until one has ended (`toolwright keys list`)"),
        }),
    }
}

/// All keys, the one that signs first.
pub async fn list(pool: &Pool, clock: &dyn Clock) -> Result<Vec<SigningKeyView>, AppError> {
    let now = clock.now();
    let kept = store::signing_keys::list(&mut *pool.acquire().await?).await?;
    Ok(kept.into_iter().map(|key| view(key, now)).collect())
}

/// Ends a key that was replaced, at once: what it signed is not believed any more, by any node. For a key that somebody else has got hold of.
pub async fn retire(pool: &Pool, clock: &dyn Clock, kid: &str) -> Result<(), AppError> {
    let (mut transaction, now) = (pool.begin().await?, clock.now());
    if store::signing_keys::retire(&mut transaction, kid, now).await? {
        Intent::of_program(Act::RetireSigningKey).record(&mut transaction, about(kid), now).await?;
        return Ok(transaction.commit().await?);
    }
    Err(AppError::Conflict {
        message: format!(
            "there is no key `{}` that was replaced: rotate before you retire the one that signs",
            kid.escape_debug()
        ),
    })
}

/// Sees to it that there is a key, at the start of a node: one is made if `make` says so.
pub(crate) async fn prepare(pool: &Pool, sealing: &DataKey, now: DateTime<Utc>, make: MissingKey) -> Result<(), AppError> {
    let mut connection = pool.acquire().await?;
    if store::signing_keys::list(&mut connection).await?.iter().any(|key| key.replaced.is_none()) {
        return Ok(());
    }
    if make == MissingKey::Refused {
        return Err(AppError::Conflict {
            message: "there is no key that access tokens are signed with: make one with `toolwright keys rotate`, with the settings of this start"
                .to_owned(),
        });
    }
    let key = seal(sealing, &draw()?, now)?;
    // Another node may have been faster, which is as good.
    drop(connection);
    let mut transaction = pool.begin().await?;
    if store::signing_keys::insert_first(&mut transaction, &key).await? == Rotated::HasOne {
        return Ok(());
    }
    Intent::of_program(Act::MakeSigningKey).record(&mut transaction, about(&key.kid), now).await?;
    transaction.commit().await?;
    tracing::info!(kid = key.kid, "made a key that access tokens are signed with; it is sealed in the database");
    Ok(())
}

/// What becomes of a start without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingKey {
    /// One is made: for the local profile.
    Made,
    /// The start fails.
    Refused,
}

impl OnceASecond {
    fn may_now(&self, now: DateTime<Utc>) -> bool {
        let second = now.timestamp();
        self.0.swap(second, Ordering::Relaxed) != second
    }
}

/// What the private halves are sealed with.
pub(crate) fn sealing_key(platform: &DataKey) -> DataKey {
    platform.derive("signing keys")
}

/// The keys of this moment.
pub(crate) async fn current(app: &App) -> Result<Arc<KeySet>, AppError> {
    let read = || async { read(&mut *app.pool.acquire().await?, &app.signing_seal).await.map(Arc::new) };
    app.memory.signing_keys.get(&(), read).await
}

/// As [`current`], read again if a key of this name is not among them: another node may sign by a key whose notice has not come yet. Once a second at
/// most, so that nobody makes work by inventing names.
pub(crate) async fn current_with(app: &App, kid: &str) -> Result<Arc<KeySet>, AppError> {
    let keys = current(app).await?;
    if keys.knows(kid) || !app.memory.signing_keys_looked_up.may_now(app.clock.now()) {
        return Ok(keys);
    }
    app.memory.signing_keys.drop_one(&());
    current(app).await
}

async fn read(connection: &mut PgConnection, sealing: &DataKey) -> Result<KeySet, AppError> {
    let mut keys = KeySet::default();
    for kept in store::signing_keys::list(connection).await? {
        let until = kept.replaced.map(|replaced| replaced.verifies_until);
        keys.add(&kept.public_key, until).ok_or_else(|| AppError::internal("a signing key cannot be read", SealError::Broken))?;
        if until.is_none() {
            keys.set_signing(&kept.kid, &open(sealing, &kept)?);
        }
    }
    Ok(keys)
}

fn about(kid: &str) -> About {
    About::a("signing_key").named(kid)
}

fn draw() -> Result<SecretKey, AppError> {
    let failed = |error| AppError::internal("cannot draw a signing key", error);
    let mut bytes = Zeroizing::new([0; 32]);
    // All but one in 2^32 numbers of 256 bits are below the order of the group.
    for _ in 0..8 {
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| failed(SealError::Random(error)))?;
        if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(key);
        }
    }
    Err(failed(SealError::Broken))
}

fn seal(sealing: &DataKey, secret: &SecretKey, now: DateTime<Utc>) -> Result<SigningKey, AppError> {
    let point = secret.public_key().to_encoded_point(false);
    let public = key_set::public_key(point.as_bytes());
    let kid = public.ok_or_else(|| AppError::internal("cannot make a signing key", SealError::Broken))?.id();
    let number = Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
    let sealed = sealing.seal_bytes(&[b"signing key", kid.as_bytes()], number.as_slice());
    let sealed = sealed.map_err(|error| AppError::internal("cannot seal a signing key", error))?;
    Ok(SigningKey { kid, public_key: point.as_bytes().to_vec(), sealed, created_at: now, replaced: None })
}

/// The private key as PKCS #8, if it is the one of its public half: a row that somebody else wrote signs nothing.
fn open(sealing: &DataKey, kept: &SigningKey) -> Result<Zeroizing<Vec<u8>>, AppError> {
    let failed = |error| AppError::internal(format!("cannot open the signing key {}", kept.kid), error);
    let number = sealing.open_bytes(&[b"signing key", kept.kid.as_bytes()], &kept.sealed).map_err(failed)?;
    let secret = SecretKey::from_slice(&number).map_err(|_| failed(SealError::Broken))?;
    if secret.public_key().to_encoded_point(false).as_bytes() != kept.public_key {
        return Err(failed(SealError::Broken));
    }
    let document = secret.to_pkcs8_der().map_err(|_| failed(SealError::Broken))?;
    Ok(Zeroizing::new(document.as_bytes().to_vec()))
}

fn view(key: SigningKey, now: DateTime<Utc>) -> SigningKeyView {
    let state = match key.replaced {
        None => SigningKeyState::Signs,
        Some(Replaced { verifies_until, .. }) if now < verifies_until => SigningKeyState::Verifies(verifies_until),
        Some(Replaced { verifies_until, .. }) => SigningKeyState::Ended(verifies_until),
    };
    SigningKeyView { kid: key.kid, created_at: key.created_at, state }
}
