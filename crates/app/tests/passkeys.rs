//! Passkeys, with an authenticator in software: what it should do, and what none should.

mod adding;
pub(crate) mod audited;
mod signing_in;
mod ways_in;

use std::{net::IpAddr, sync::Arc, time::Duration};

use app::{
    App, Caller, Who,
    accounts::{
        self, AccountError, NewSignIn, PasskeyAnswer, Proof, SignUp, Whereabouts,
        passkeys::{self, Ceremony, PasskeySignIn, PasskeyView},
    },
};
use chrono::{DateTime, Utc};
use domain::SetClock;
use sqlx::PgPool;
use testkit::{SoftAuthenticator, TestApp, TestOptions};

const ORIGIN: &str = "https://tools.example.com";
const PASSWORD: &str = "violet tractor humming gate";
/// What stands for the browser.
const BROWSER: &str = "browser";

/// An installation where people have passkeys.
struct World {
    app: TestApp,
    clock: Arc<SetClock>,
}

impl World {
    async fn open(pool: &PgPool) -> Self {
        Self::open_at(pool, ORIGIN).await
    }

    async fn open_at(pool: &PgPool, public_url: &str) -> Self {
        let clock = Arc::new(SetClock::at(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap()));
        let options = TestOptions { clock: clock.clone(), public_url: public_url.to_owned(), ..TestOptions::default() };
        Self { app: TestApp::start_with(pool, options).await, clock }
    }

    fn app(&self) -> &App {
        self.app.app()
    }

    fn later(&self, by: Duration) {
        self.clock.advance(chrono::TimeDelta::from_std(by).unwrap());
    }

    async fn sign_up(&self, email: &str) -> Caller {
        let new =
            SignUp { email: email.parse().unwrap(), name: "Ada".parse().unwrap(), password: PASSWORD.into(), invitation: None };
        let made = accounts::sign_up(self.app(), &anyone(), whereabouts(), new).await.unwrap();
        caller(&made)
    }

    async fn begin_adding(&self, caller: &Caller) -> Ceremony {
        self.try_begin_adding(caller, Proof::Password(PASSWORD.into())).await.unwrap()
    }

    async fn try_begin_adding(&self, caller: &Caller, proof: Proof) -> Result<Ceremony, AccountError> {
        passkeys::begin_registration(self.app(), caller, &whereabouts(), proof).await
    }

    async fn end_adding(&self, caller: &Caller, answer: &PasskeyAnswer) -> Result<PasskeyView, AccountError> {
        passkeys::finish_registration(self.app(), caller, answer, "Laptop".parse().unwrap()).await
    }

    /// Adds a passkey of `authenticator`.
    async fn add(&self, caller: &Caller, authenticator: &mut SoftAuthenticator) -> PasskeyView {
        let begun = self.begin_adding(caller).await;
        self.end_adding(caller, &made(authenticator, &begun)).await.unwrap()
    }

    fn begin_sign_in(&self) -> Ceremony {
        passkeys::begin_sign_in(self.app(), &anyone(), BROWSER).unwrap()
    }

    async fn end_sign_in(&self, answer: PasskeyAnswer) -> Result<NewSignIn, AccountError> {
        let new = PasskeySignIn { browser: BROWSER.to_owned(), answer, cookie: None };
        passkeys::finish_sign_in(self.app(), &anyone(), whereabouts(), new).await
    }

    async fn sign_in(&self, authenticator: &mut SoftAuthenticator) -> Result<NewSignIn, AccountError> {
        let begun = self.begin_sign_in();
        self.end_sign_in(signed(authenticator, &begun)).await
    }
}

fn anyone() -> Caller {
    Caller::of(Who::Anyone)
}

fn caller(made: &NewSignIn) -> Caller {
    Caller::of(Who::Person(made.person))
}

fn whereabouts() -> Whereabouts {
    Whereabouts { address: IpAddr::from([192, 0, 2, 1]), device: "Firefox on Linux".to_owned() }
}

fn made(authenticator: &mut SoftAuthenticator, begun: &Ceremony) -> PasskeyAnswer {
    PasskeyAnswer { state: begun.state.clone(), credential: authenticator.make(&begun.options) }
}

fn signed(authenticator: &mut SoftAuthenticator, begun: &Ceremony) -> PasskeyAnswer {
    PasskeyAnswer { state: begun.state.clone(), credential: authenticator.sign(&begun.options) }
}

fn is_refused<T>(result: &Result<T, AccountError>) -> bool {
    matches!(result, Err(AccountError::PasskeyRefused))
}

fn is_over<T>(result: &Result<T, AccountError>) -> bool {
    matches!(result, Err(AccountError::CeremonyOver))
}
