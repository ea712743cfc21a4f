//! One issuer: what it says of itself, kept for a while, and for longer while it is away.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AdditionalProviderMetadata, DiscoveryError, IssuerUrl, JsonWebKeySet, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Semaphore};

use super::{
    UpstreamError, UpstreamSettings, UpstreamView, for_log,
    over_egress::{AskError, OverEgress},
};
use crate::{App, accounts::SignUpPolicy};

/// What an issuer says of itself (OpenID Connect Discovery 1.0, section 3), with its keys.
pub(super) type Documents = ProviderMetadata<
    OfAnswers,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What it says of its answers besides.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OfAnswers {
    /// That each of them names it (RFC 9207, section 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for OfAnswers {}

/// One issuer.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) settings: UpstreamSettings,
    known: Mutex<Known>,
    /// Codes that are redeemed there at one time; more are refused at once, since each may last seconds.
    pub(super) places: Semaphore,
}

/// What this node knows of an issuer.
#[derive(Debug, Default)]
struct Known {
    documents: Option<Arc<Documents>>,
    /// Until then they are believed.
    fresh_until: DateTime<Utc>,
    /// Until then they are believed while the issuer is away.
    ends_at: DateTime<Utc>,
    /// It failed, and is left alone until then.
    away_until: DateTime<Utc>,
    /// Its keys were asked for, and are not asked for again until then.
    keys_until: DateTime<Utc>,
}

impl Provider {
    /// A key that the issuer gives up is believed no longer than this.
    const FRESH: TimeDelta = TimeDelta::minutes(10);
    /// An issuer that is away for so long keeps nobody from the way to it.
    const STALE_MAX: TimeDelta = TimeDelta::hours(24);
    /// An issuer that is away is asked again after this; those who come meanwhile are told at once.
    const ASKED_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(10);
    /// Tokens with keys that are not known do not make us ask more often.
    const KEYS_EVERY: TimeDelta = TimeDelta::seconds(30);
    const PLACES: usize = 32;

    pub(super) fn new(settings: UpstreamSettings) -> Self {
        Self { settings, known: Mutex::default(), places: Semaphore::new(Self::PLACES) }
    }

    pub(super) fn view(&self) -> UpstreamView {
        UpstreamView {
            id: self.settings.id.clone(),
            title: self.settings.title.clone(),
            may_sign_up: self.settings.sign_up == SignUpPolicy::Open,
        }
    }

    /// What the issuer says of itself: what it said a short while ago, or says now. While it is away, what it said last is believed for a day.
    /// Those who come meanwhile wait for the one answer, some seconds at most.
    pub(super) async fn documents(&self, app: &App) -> Result<Arc<Documents>, UpstreamError> {
        let mut known = self.known.lock().await;
        let now = app.clock.now();
        if let Some(documents) = known.documents.as_ref().filter(|_| now < known.fresh_until) {
            return Ok(Arc::clone(documents));
        }
        if now >= known.away_until {
            match self.discover(app).await {
                Ok(documents) => {
                    let documents = Arc::new(documents);
                    known.fresh_until = now + Self::FRESH;
                    known.ends_at = known.fresh_until + Self::STALE_MAX;
                    known.documents = Some(Arc::clone(&documents));
                    return Ok(documents);
                }
                Err(error) => {
                    known.away_until = now + Self::ASKED_AGAIN_AFTER;
                    if let Fault::Broken = self.judge("says of itself what is not right", &error) {
                        known.documents = None;
                        return Err(self.broken());
                    }
                }
            }
        }
        known.documents.clone().filter(|_| now < known.ends_at).ok_or_else(|| self.away())
    }

    /// The same with the issuer's keys of this moment, for a token with a key that is not among those of `before`; `None` if they were asked for
    /// just now.
    pub(super) async fn with_new_keys(
        &self,
        app: &App,
        before: &Arc<Documents>,
    ) -> Result<Option<Arc<Documents>>, UpstreamError> {
        let mut known = self.known.lock().await;
        let now = app.clock.now();
        if let Some(newer) = known.documents.as_ref().filter(|documents| !Arc::ptr_eq(documents, before)) {
            return Ok(Some(Arc::clone(newer)));
        }
        if now < known.keys_until {
            return Ok(None);
        }
        known.keys_until = now + Self::KEYS_EVERY;
        let client = OverEgress::new(app, &self.settings.issuer);
        match JsonWebKeySet::fetch_async(before.jwks_uri(), &client).await {
            Ok(keys) => {
                let documents = Arc::new(Documents::clone(before).set_jwks(keys));
                known.documents = Some(Arc::clone(&documents));
                Ok(Some(documents))
            }
            Err(error) => Err(match self.judge("gives no keys", &error) {
                Fault::Away => self.away(),
                Fault::Broken => self.broken(),
            }),
        }
    }

    pub(super) fn away(&self) -> UpstreamError {
        UpstreamError::Away { title: self.settings.title.clone() }
    }

    pub(super) fn broken(&self) -> UpstreamError {
        UpstreamError::Broken { title: self.settings.title.clone() }
    }

    async fn discover(&self, app: &App) -> Result<Documents, DiscoveryError<AskError>> {
        let issuer = &self.settings.issuer;
        let url = IssuerUrl::new(issuer.as_str().to_owned()).map_err(DiscoveryError::UrlParse)?;
        let client = OverEgress::new(app, issuer);
        let documents = Documents::discover_async(url, &client).await?;
        // Where browsers are sent to, which is not asked by ourselves.
        if issuer.may_name(documents.authorization_endpoint().url()) && documents.token_endpoint().is_some() {
            Ok(documents)
        } else {
            Err(DiscoveryError::Validation("it names no endpoints that can be used".to_owned()))
        }
    }

    fn judge(&self, what: &str, error: &DiscoveryError<AskError>) -> Fault {
        let fault = match error {
            DiscoveryError::Request(AskError::Unreachable | AskError::TooSlow) => Fault::Away,
            DiscoveryError::Response(status, ..) if status.is_server_error() || status.as_u16() == 429 => Fault::Away,
            _ => Fault::Broken,
        };
        tracing::warn!(upstream.id = %self.settings.id, error = for_log(error), "an issuer {what}");
        fault
    }
}

/// Whether it is worth asking again.
enum Fault {
    Away,
    Broken,
}
