//! Signing in by an account elsewhere (OpenID Connect Core 1.0, authorization code flow with PKCE): any issuer that whoever runs the platform names.
//!
//! An issuer says who somebody is *there*, by its own words (`iss` and `sub`), and that is all that is believed. An e-mail address opens nothing: ours
//! are not confirmed, and theirs may not be either, so whoever has an account here connects an issuer to it while they are signed in.
//!
//! What comes back from an issuer is taken once, in the browser that it was asked from, for the issuer that was asked (RFC 9700, sections 4.4 and
//! 4.7): the `state` is sealed for all three, and the browser alone has the other half of the seal, in a cookie.

mod answer;
mod begin;
mod freshness;
mod over_egress;
mod people;
mod provider;
mod redeem;
mod settings;
mod state;

use std::{net::IpAddr, sync::Arc, time::Duration};

use domain::UpstreamId;

use self::provider::Provider;
pub use self::{
    answer::{Browser, Finished, UpstreamAnswer, finish},
    begin::{Begun, NewUpstreamSignIn, begin_connection, begin_sign_in},
    settings::{ParseUpstreamIssuerError, UpstreamIssuer, UpstreamSettings},
    state::{STATE_CHARS_MAX, flow_of},
};
use super::AccountError;
use crate::{
    App, AppError,
    limits::{RateExceeded, Rates},
    network::Network,
};

/// The issuers that people sign in by, and what this node knows of them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    /// In the order in which they are shown; a handful.
    all: Vec<Arc<Provider>>,
    /// Who begins sign-ins and comes back from them.
    askers: Rates<Network>,
}

/// Why somebody did not come in by an issuer. The texts are for whoever asked, and have nothing of what an issuer wrote.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The issuer cannot be asked now.
    #[error("{title} cannot be reached at the moment: try again in a minute")]
    Away {
        /// What it is called.
        title: String,
    },
    /// The issuer answers something that is not right, and would do so again.
    #[error("{title} and this installation do not understand each other: whoever runs it finds in its log why")]
    Broken {
        /// What it is called.
        title: String,
    },
    /// The answer is not one to what this browser asked this issuer, or comes too late, or a second time.
    #[error("this sign-in was begun in another browser, is finished already, or took too long: begin it again")]
    Stale,
    /// The person, or the issuer, did not want it.
    #[error("{title} did not let you in, or you turned back there: begin again if you meant to")]
    Denied {
        /// What it is called.
        title: String,
    },
    /// What the issuer says of somebody cannot be believed.
    #[error(
        "what {title} says of you could not be verified: begin again, and tell whoever runs this installation if it happens twice"
    )]
    NotVerified {
        /// What it is called.
        title: String,
    },
    /// The issuer was to ask again who it is, and does not say that it did.
    #[error(
        "{title} let you in without asking again who you are: sign out there, and begin again; if that does not help, tell whoever runs this installation"
    )]
    NotAskedAgain {
        /// What it is called.
        title: String,
    },
    /// There is no account without an address.
    #[error(
        "{title} did not tell your e-mail address: let it do so, or create an account with a password and connect {title} there"
    )]
    NoEmail {
        /// What it is called.
        title: String,
    },
    /// The issuer does not vouch for the address.
    #[error("{title} does not say that your e-mail address is yours: confirm it there, and begin again")]
    EmailNotConfirmed {
        /// What it is called.
        title: String,
    },
    /// Only people of some domains may come.
    #[error("your e-mail address at {title} is of no domain that may come in here: use another account there")]
    Domain {
        /// What it is called.
        title: String,
    },
    /// Somebody has the address here. That it is the same person is not known.
    #[error(
        "there is an account with your e-mail address here: sign in to it as you did so far, and connect {title} on the page of your account"
    )]
    EmailTaken {
        /// What it is called.
        title: String,
    },
    /// The person may do nothing any more.
    #[error("your account here is disabled: ask whoever runs this installation")]
    Disabled,
    /// It was asked for by another sign-in than the one that is there now.
    #[error("you are not signed in as you were when you began: sign in, and connect {title} again")]
    AnotherPerson {
        /// What it is called.
        title: String,
    },
    /// Another account here has it.
    #[error("that account at {title} is connected to another account here: disconnect it there first")]
    ConnectedElsewhere {
        /// What it is called.
        title: String,
    },
    /// It failed as other things about accounts do.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// An issuer, as buttons show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamView {
    /// What it is called in paths.
    pub id: UpstreamId,
    /// What it is called.
    pub title: String,
    /// Whether somebody who is not known here becomes a user.
    pub may_sign_up: bool,
}

impl Upstreams {
    /// Begun and finished sign-ins of one network in a minute: an office of people who all come at nine.
    const PER_NETWORK_AND_MINUTE_MAX: u32 = 60;

    pub(crate) fn new(settings: Vec<UpstreamSettings>) -> Self {
        let all = settings.into_iter().map(|settings| Arc::new(Provider::new(settings)));
        Self { all: all.collect(), askers: Rates::per(Duration::from_mins(1)) }
    }

    /// The issuer that is called so in paths.
    fn require(&self, id: &UpstreamId) -> Result<&Provider, AppError> {
        let found = self.all.iter().find(|provider| provider.settings.id == *id);
        found.map(Arc::as_ref).ok_or_else(|| AppError::not_found("way to sign in", id))
    }

    /// The issuer with this identifier.
    pub(super) fn find_issuer(&self, issuer: &str) -> Option<&UpstreamSettings> {
        self.all.iter().map(|provider| &provider.settings).find(|settings| settings.issuer.as_str() == issuer)
    }

    /// Counts a step against whoever takes it, before anybody's host is asked.
    fn admit(&self, from: IpAddr) -> Result<(), AccountError> {
        self.askers
            .take(Network::of(from), Self::PER_NETWORK_AND_MINUTE_MAX)
            .map(drop)
            .map_err(|RateExceeded { retry_after_s }| AccountError::TooMany { retry_after_s })
    }
}

/// The issuers that people sign in by, in the order in which they are shown.
#[must_use]
pub fn list(app: &App) -> Vec<UpstreamView> {
    app.upstreams.all.iter().map(|provider| provider.view()).collect()
}

impl From<AppError> for UpstreamError {
    fn from(error: AppError) -> Self {
        Self::Account(error.into())
    }
}

impl From<store::StoreError> for UpstreamError {
    fn from(error: store::StoreError) -> Self {
        Self::Account(error.into())
    }
}

/// What somebody else wrote, for our log: on one line, and not long.
fn for_log(text: &impl ToString) -> String {
    text.to_string().chars().take(300).flat_map(char::escape_debug).collect()
}
