//! Authorization codes, each of one authorization. A code itself is never kept, only its SHA-256.

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, Digest};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    StoreError,
    authorizations::{self, Authorization},
};

/// A code as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Whose it is.
    pub authorization: AuthorizationId,
    /// Where it was sent, as the client wrote it.
    pub redirect_uri: String,
    /// S256 of the verifier (RFC 7636).
    pub code_challenge: Digest,
    /// From then on it is good for nothing.
    pub expires_at: DateTime<Utc>,
    /// What became of it.
    pub state: CodeState,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// Nobody has shown it.
    Fresh,
    /// Tokens were given for it.
    Redeemed,
    /// Somebody showed it who had not asked for it.
    Burnt,
}

/// Keeps a new code by its digest; it is fresh.
pub async fn insert(connection: &mut PgConnection, sha256: &Digest, code: &Code) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO authorization_codes (sha256, authorization_id, redirect_uri, code_challenge, expires_at)
        VALUES ($1, $2, $3, $4, $5)",
        sha256.as_bytes().as_slice(),
        code.authorization.as_uuid(),
        code.redirect_uri,
        code.code_challenge.as_bytes().as_slice(),
        code.expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert an authorization code"))?;
    Ok(())
}

/// The code with this digest, as it stands once its authorization is locked; with that.
pub async fn lock(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<(Authorization, Code)>, StoreError> {
    let during = || StoreError::during("find an authorization code");
    let digest = sha256.as_bytes().as_slice();
    let whose = sqlx::query_scalar!("SELECT authorization_id FROM authorization_codes WHERE sha256 = $1", digest)
        .fetch_optional(&mut *connection)
        .await
        .map_err(during())?;
    let Some(whose) = whose else { return Ok(None) };
    let Some(authorization) = authorizations::lock(connection, AuthorizationId::from_uuid(whose)).await? else { return Ok(None) };
    // Read again: another may have redeemed it while this one waited.
    let row = sqlx::query_as!(
        Row,
        "SELECT authorization_id, redirect_uri, code_challenge, expires_at, state FROM authorization_codes WHERE sha256 = $1",
        digest
    )
    .fetch_optional(connection)
    .await
    .map_err(during())?;
    row.map(|row| Ok((authorization, row.read()?))).transpose()
}

/// Says what became of the code of an authorization. The caller holds the lock on that.
pub async fn set_state(
    connection: &mut PgConnection,
    authorization: AuthorizationId,
    state: CodeState,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE authorization_codes SET state = $2 WHERE authorization_id = $1",
        authorization.as_uuid(),
        state.as_str()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("redeem an authorization code"))?;
    Ok(())
}

/// Deletes up to `limit` codes that expired before `before`. One that is shown then is unknown, and no replay.
pub async fn delete_expired(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM authorization_codes WHERE sha256 IN (SELECT sha256 FROM authorization_codes WHERE expires_at < $1 LIMIT $2)",
        before,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete expired authorization codes"))?;
    Ok(done.rows_affected())
}

impl CodeState {
    const ALL: [Self; 3] = [Self::Fresh, Self::Redeemed, Self::Burnt];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Redeemed => "redeemed",
            Self::Burnt => "burnt",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| StoreError::Corrupt { what: "state of a code", source: word.into() })
    }
}

struct Row {
    authorization_id: Uuid,
    redirect_uri: String,
    code_challenge: Vec<u8>,
    expires_at: DateTime<Utc>,
    state: String,
}

impl Row {
    fn read(self) -> Result<Code, StoreError> {
        Ok(Code {
            authorization: AuthorizationId::from_uuid(self.authorization_id),
            redirect_uri: self.redirect_uri,
            code_challenge: self.code_challenge.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            expires_at: self.expires_at,
            state: CodeState::read(&self.state)?,
        })
    }
}
