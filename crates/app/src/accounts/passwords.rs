//! Digests of passwords: argon2id (RFC 9106), on a bounded number of threads that nothing else waits for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::AppError;

/// Memory of one digest, in KiB, and passes over it: the first choice of the OWASP Password Storage Cheat Sheet, some 20 ms of one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// A salt and a digest that belong to no password.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Passwords that may wait to be digested, for each that is: a second or two.
const WAITING_PER_THREAD_MAX: usize = 32;

/// Makes and checks digests of passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// Those that are digested at one time.
    running: Arc<Semaphore>,
    /// Those that are or wait to be.
    admitted: Arc<Semaphore>,
    /// Digests that were made, to be kept or to be compared.
    digested: Arc<AtomicU64>,
}

impl Passwords {
    /// Digests on `threads` threads at one time.
    pub(crate) fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        Self {
            running: Arc::new(Semaphore::new(threads)),
            admitted: Arc::new(Semaphore::new(threads * (WAITING_PER_THREAD_MAX + 1))),
            digested: Arc::default(),
        }
    }

    /// The digest of a password, as it is kept.
    pub(crate) async fn digest(&self, password: SecretString) -> Result<String, AppError> {
        let made = self.run(move || Ok(argon2()?.hash_password(password.expose_secret().as_bytes())?.to_string())).await?;
        made.map_err(|error| AppError::internal("cannot digest a password", error.to_string()))
    }

    /// Whether `password` is the one with this digest. Without a digest it is none, which is found out by the same work.
    pub(crate) async fn is_right(&self, password: SecretString, digest: Option<String>) -> Result<bool, AppError> {
        let is_somebodys = digest.is_some();
        let digest = digest.unwrap_or_else(nobodys_digest);
        let checked = self
            .run(move || {
                let digest = PasswordHash::new(&digest)?;
                match argon2()?.verify_password(password.expose_secret().as_bytes(), &digest) {
                    Ok(()) => Ok(true),
                    Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await?;
        let is_right = checked.map_err(|error| AppError::internal("cannot check a password", error.to_string()))?;
        Ok(is_right && is_somebodys)
    }

    /// How many digests were made.
    pub(crate) fn digested(&self) -> u64 {
        self.digested.load(Ordering::Relaxed)
    }

    /// Does `work` when a thread is free. Whoever stops waiting for it does not free the thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
    ) -> Result<argon2::password_hash::Result<T>, AppError> {
        let admitted = self.admit()?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| full())?;
        self.digested.fetch_add(1, Ordering::Relaxed);
        let task = tokio::task::spawn_blocking(move || {
            let _places = (admitted, running);
            work()
        });
        task.await.map_err(|error| AppError::internal("the digest of a password broke off", error))
    }

    fn admit(&self) -> Result<OwnedSemaphorePermit, AppError> {
        Arc::clone(&self.admitted).try_acquire_owned().map_err(|_: TryAcquireError| full())
    }
}

fn argon2() -> argon2::password_hash::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn nobodys_digest() -> String {
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${NOBODYS}")
}

fn full() -> AppError {
    AppError::Unavailable { message: "this node checks as many passwords as it can".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other_is() {
        let passwords = Passwords::new(1);

        let digest = passwords.digest("violet tractor".into()).await.unwrap();

        assert!(digest.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{digest}");
        assert!(passwords.is_right("violet tractor".into(), Some(digest.clone())).await.unwrap());
        assert!(!passwords.is_right("violet tractoR".into(), Some(digest)).await.unwrap());
    }

    #[tokio::test]
    async fn for_nobody_the_same_work_is_done() {
        let passwords = Passwords::new(1);

        assert!(!passwords.is_right("violet tractor".into(), None).await.unwrap());

        assert_eq!(passwords.digested(), 1);
        assert!(PasswordHash::new(&nobodys_digest()).is_ok());
    }

    #[tokio::test]
    async fn as_many_wait_as_there_is_room_for() {
        let passwords = Arc::new(Passwords::new(1));
        let held = passwords.running.clone().acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..=WAITING_PER_THREAD_MAX)
            .map(|_| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.is_right("x".into(), None).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;

        let refused = passwords.is_right("x".into(), None).await;

        assert!(matches!(refused, Err(AppError::Unavailable { .. })), "{refused:?}");
        assert_eq!(passwords.digested(), 0, "no thread is free");
        for task in waiting {
            task.abort();
        }
        drop(held);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(passwords.is_right("x".into(), None).await.is_ok(), "whoever went away freed their place");
    }
}
