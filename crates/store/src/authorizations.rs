//! Authorizations: each is one issued right, the family of a code, its refresh tokens and its access tokens. Whoever changes what belongs to one
//! locks its row first ([`lock`]), so that of two nodes with the same code or refresh token one is first.

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, ClientKey, ConsentId, Digest, Scopes, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, consents::Subject, number};

/// The most authorizations in force of one consent, as of one client on many machines: the oldest beyond it is revoked.
pub const OF_CONSENT_MAX: i64 = 32;

/// An authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its id, which its access tokens name.
    pub id: AuthorizationId,
    /// The consent that it came of, and who gave that; absent of a client that acts for itself.
    pub given: Option<Given>,
    /// The client, as it names itself.
    pub client_id: String,
    /// The row of a registered client.
    pub client_key: Option<ClientKey>,
    /// What it is for.
    pub subject: Subject,
    /// The audience of its tokens (RFC 8707).
    pub resource: String,
    /// What it is good for; an access token may have less.
    pub scopes: Scopes,
    /// How often its refresh token was replaced.
    pub generation: u32,
    /// When last.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When a token was last given out or, to the minute, used; absent before the first.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From then on nothing that came of it is worth anything.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Who gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// The consent.
    pub consent: ConsentId,
    /// Its user.
    pub user: UserId,
}

impl Authorization {
    /// Whether its tokens are good at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Keeps a new authorization, and revokes the oldest of its consent beyond [`OF_CONSENT_MAX`], which make room for it; gives those, as they are then.
pub async fn insert(connection: &mut PgConnection, new: &Authorization) -> Result<Vec<Authorization>, StoreError> {
    let during = || StoreError::during("insert an authorization");
    let (server, customer) = new.subject.columns();
    let consent = new.given.map(|given| given.consent.as_uuid());
    sqlx::query!(
        "INSERT INTO authorizations (authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource,
            scopes, created_at, last_used_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        new.id.as_uuid(),
        consent,
        new.given.map(|given| given.user.as_uuid()),
        new.client_id,
        new.client_key.map(ClientKey::as_uuid),
        server,
        customer,
        new.resource,
        new.scopes.to_string(),
        new.created_at,
        new.last_used_at,
        new.expires_at
    )
    .execute(&mut *connection)
    .await
    .map_err(during())?;
    let rows = sqlx::query_as!(
        Row,
        "UPDATE authorizations SET revoked_at = $2 WHERE authorization_id IN (
            SELECT authorization_id FROM authorizations WHERE consent_id = $1 AND revoked_at IS NULL
            ORDER BY authorization_id DESC OFFSET $3)
        RETURNING authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes, generation,
            rotated_at, created_at, last_used_at, expires_at, revoked_at",
        consent,
        new.created_at,
        OF_CONSENT_MAX
    )
    .fetch_all(connection)
    .await
    .map_err(during())?;
    rows.into_iter().map(Authorization::try_from).collect()
}

/// The authorization of this id, revoked or not.
pub async fn find(connection: &mut PgConnection, id: AuthorizationId) -> Result<Option<Authorization>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes, generation,
            rotated_at, created_at, last_used_at, expires_at, revoked_at
        FROM authorizations WHERE authorization_id = $1",
        id.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an authorization"))?;
    row.map(Authorization::try_from).transpose()
}

/// The one authorization in force of a machine client, which `new` becomes if there is none; else it is good until the end of `new` at least, and
/// was used then. Those that ended are deleted, so that a client has one row however often it comes. `None` if the client is gone. In a transaction.
pub async fn upsert_of_machine(
    connection: &mut PgConnection,
    key: ClientKey,
    new: &Authorization,
) -> Result<Option<Authorization>, StoreError> {
    let during = || StoreError::during("authorize a machine client");
    // One at a time of a client.
    let client = sqlx::query!("SELECT client_key FROM clients WHERE client_key = $1 FOR NO KEY UPDATE", key.as_uuid())
        .fetch_optional(&mut *connection)
        .await
        .map_err(during())?;
    if client.is_none() {
        return Ok(None);
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE authorizations SET last_used_at = $2, expires_at = greatest(expires_at, $3)
        WHERE client_key = $1 AND consent_id IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes, generation,
            rotated_at, created_at, last_used_at, expires_at, revoked_at",
        key.as_uuid(),
        new.created_at,
        new.expires_at
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(during())?;
    if let Some(row) = row {
        return row.try_into().map(Some);
    }
    sqlx::query!("DELETE FROM authorizations WHERE client_key = $1 AND consent_id IS NULL", key.as_uuid())
        .execute(&mut *connection)
        .await
        .map_err(during())?;
    insert(connection, new).await?;
    Ok(Some(new.clone()))
}

/// As [`find`], and nobody else changes it, its code or its refresh tokens before the transaction ends.
pub async fn lock(connection: &mut PgConnection, id: AuthorizationId) -> Result<Option<Authorization>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes, generation,
            rotated_at, created_at, last_used_at, expires_at, revoked_at
        FROM authorizations WHERE authorization_id = $1 FOR UPDATE",
        id.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("lock an authorization"))?;
    row.map(Authorization::try_from).transpose()
}

/// The ids of what came of a user's consent.
pub async fn list_of_consent(
    connection: &mut PgConnection,
    user: UserId,
    consent: ConsentId,
) -> Result<Vec<AuthorizationId>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT authorization_id FROM authorizations WHERE user_id = $1 AND consent_id = $2",
        user.as_uuid(),
        consent.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the authorizations of a consent"))?;
    Ok(found.into_iter().map(AuthorizationId::from_uuid).collect())
}

/// The ids of what a registered client was let do.
pub async fn list_of_client(connection: &mut PgConnection, client: ClientKey) -> Result<Vec<AuthorizationId>, StoreError> {
    let found = sqlx::query_scalar!("SELECT authorization_id FROM authorizations WHERE client_key = $1", client.as_uuid())
        .fetch_all(connection)
        .await
        .map_err(StoreError::during("list the authorizations of a client"))?;
    Ok(found.into_iter().map(AuthorizationId::from_uuid).collect())
}

/// The authorization that a code is of, as it stands.
pub async fn find_by_code(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<Authorization>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes, generation,
            rotated_at, created_at, last_used_at, authorizations.expires_at, revoked_at
        FROM authorizations JOIN authorization_codes USING (authorization_id) WHERE sha256 = $1",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the authorization of a code"))?;
    row.map(Authorization::try_from).transpose()
}

/// The authorization that a refresh token is of, as it stands.
pub async fn find_by_refresh_token(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<Authorization>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT authorization_id, consent_id, user_id, client_id, client_key, server_id, customer_id, resource, scopes,
            authorizations.generation, rotated_at, created_at, last_used_at, expires_at, revoked_at
        FROM authorizations JOIN refresh_tokens USING (authorization_id) WHERE sha256 = $1",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the authorization of a refresh token"))?;
    row.map(Authorization::try_from).transpose()
}

/// Revokes an authorization for good; `false` if it is gone or revoked already.
pub async fn revoke(connection: &mut PgConnection, id: AuthorizationId, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE authorizations SET revoked_at = $2 WHERE authorization_id = $1 AND revoked_at IS NULL",
        id.as_uuid(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("revoke an authorization"))?;
    Ok(done.rows_affected() == 1)
}

/// Says what became of an authorization: how its refresh tokens stand, when a token was last given out, when it ends. The caller holds the lock.
pub async fn update(connection: &mut PgConnection, changed: &Authorization) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE authorizations SET generation = $2, rotated_at = $3, last_used_at = $4, expires_at = $5 WHERE authorization_id = $1",
        changed.id.as_uuid(),
        i64::from(changed.generation),
        changed.rotated_at,
        changed.last_used_at,
        changed.expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("change an authorization"))?;
    Ok(())
}

/// Says that tokens of authorizations were used, each at its moment. Those that somebody changes at this moment are passed over, so that this waits for
/// nobody: they are in use in any case.
pub async fn set_used(connection: &mut PgConnection, used: &[(AuthorizationId, DateTime<Utc>)]) -> Result<(), StoreError> {
    let (ids, moments): (Vec<_>, Vec<_>) = used.iter().map(|(id, at)| (id.as_uuid(), *at)).unzip();
    sqlx::query!(
        "WITH used AS (
            SELECT authorization_id, at FROM authorizations
                JOIN unnest($1::uuid[], $2::timestamptz[]) AS noted (id, at) ON id = authorization_id
            FOR NO KEY UPDATE OF authorizations SKIP LOCKED
        )
        UPDATE authorizations SET last_used_at = greatest(last_used_at, at) FROM used
        WHERE authorizations.authorization_id = used.authorization_id",
        &ids,
        &moments
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("note the use of authorizations"))?;
    Ok(())
}

/// Deletes up to `limit` authorizations that expired, or were revoked, before `before`.
pub async fn delete_ended(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM authorizations WHERE authorization_id IN (
            (SELECT authorization_id FROM authorizations WHERE expires_at < $1 LIMIT $2)
            UNION ALL (SELECT authorization_id FROM authorizations WHERE revoked_at < $1 LIMIT $2)
            LIMIT $2)",
        before,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete ended authorizations"))?;
    Ok(done.rows_affected())
}

struct Row {
    authorization_id: Uuid,
    consent_id: Option<Uuid>,
    user_id: Option<Uuid>,
    client_id: String,
    client_key: Option<Uuid>,
    server_id: Option<Uuid>,
    customer_id: Option<Uuid>,
    resource: String,
    scopes: String,
    generation: i64,
    rotated_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Authorization {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let given = row.consent_id.zip(row.user_id);
        Ok(Self {
            id: AuthorizationId::from_uuid(row.authorization_id),
            given: given.map(|(consent, user)| Given { consent: ConsentId::from_uuid(consent), user: UserId::from_uuid(user) }),
            client_id: row.client_id,
            client_key: row.client_key.map(ClientKey::from_uuid),
            subject: Subject::read(row.server_id, row.customer_id)?,
            resource: row.resource,
            scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
            generation: number::read("generation", row.generation)?,
            rotated_at: row.rotated_at,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    }
}
