//! The accounts elsewhere by which somebody signs in: seeing them, and disconnecting one.

use chrono::{DateTime, Utc};
use domain::{IdentityId, UpstreamId};

use super::ways_in::WaysIn;
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::About,
};

/// An account elsewhere by which somebody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityView {
    /// Its id.
    pub identity_id: IdentityId,
    /// The issuer's identifier.
    pub issuer: String,
    /// The issuer, if whoever runs the platform still names it: otherwise nobody signs in by it.
    pub upstream: Option<UpstreamId>,
    /// What the issuer is called; its identifier, if it is not named any more.
    pub title: String,
    /// What the issuer called them last, if it said so.
    pub label: Option<String>,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
    /// When they signed in by it last, or connected it.
    pub used_at: DateTime<Utc>,
}

/// The accounts elsewhere by which whoever asks signs in, oldest first.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<IdentityView>, AppError> {
    let person = access::require_person(caller, Operation::ListIdentities)?;
    let found = store::identities::list(&mut *app.pool.acquire().await?, person.user).await?;
    Ok(found.into_iter().map(|identity| view(app, identity)).collect())
}

/// Disconnects one of them. The last way in stays: somebody without a password, another issuer and a passkey would never come back.
pub async fn disconnect(app: &App, caller: &Caller, identity: IdentityId) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::DisconnectIdentity)?;
    let mut deed = intent.begin(app).await?;
    let ways_in = WaysIn::lock(app, &mut deed, person.user).await?;
    let known = ways_in.identities.iter().find(|known| known.id == identity);
    let known = known.ok_or_else(|| AppError::not_found("connected account", identity))?;
    store::identities::delete(&mut deed, person.user, identity).await?;
    ways_in.check_left(app, &mut deed, person.user).await?;
    let upstream = app.upstreams.find_issuer(&known.issuer).map(|upstream| upstream.id.as_str().to_owned());
    deed.commit(About::a("identity").id(identity.as_uuid()).detail_if("upstream", upstream)).await?;
    tracing::info!(user = %person.user, "somebody disconnected an issuer");
    Ok(())
}

fn view(app: &App, identity: store::identities::Identity) -> IdentityView {
    let upstream = app.upstreams.find_issuer(&identity.issuer);
    IdentityView {
        identity_id: identity.id,
        title: upstream.map_or_else(|| identity.issuer.clone(), |upstream| upstream.title.clone()),
        upstream: upstream.map(|upstream| upstream.id.clone()),
        issuer: identity.issuer,
        label: identity.label,
        created_at: identity.created_at,
        used_at: identity.used_at,
    }
}
