//! Refresh tokens: generation after generation of one authorization. A token itself is never kept, only its SHA-256.

use domain::{AuthorizationId, Digest};
use sqlx::PgConnection;

use crate::{
    StoreError,
    authorizations::{self, Authorization},
    number,
};

/// Generations of one authorization that are kept, so that one which is shown again is known for a replay. An older one is merely unknown.
pub const OF_AUTHORIZATION_MAX: u32 = 256;

/// A refresh token as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose it is.
    pub authorization: AuthorizationId,
    /// Which of that authorization's it is, from 0 on.
    pub generation: u32,
}

/// Keeps a token by its digest, and forgets the one [`OF_AUTHORIZATION_MAX`] generations before it.
pub async fn insert(connection: &mut PgConnection, sha256: &Digest, token: &RefreshToken) -> Result<(), StoreError> {
    let during = || StoreError::during("insert a refresh token");
    let generation = i64::from(token.generation);
    sqlx::query!(
        "INSERT INTO refresh_tokens (sha256, authorization_id, generation) VALUES ($1, $2, $3)",
        sha256.as_bytes().as_slice(),
        token.authorization.as_uuid(),
        generation
    )
    .execute(&mut *connection)
    .await
    .map_err(during())?;
    sqlx::query!(
        "DELETE FROM refresh_tokens WHERE authorization_id = $1 AND generation <= $2",
        token.authorization.as_uuid(),
        generation - i64::from(OF_AUTHORIZATION_MAX)
    )
    .execute(connection)
    .await
    .map_err(during())?;
    Ok(())
}

/// The token with this digest, and its authorization, which is locked.
pub async fn lock(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<(Authorization, RefreshToken)>, StoreError> {
    let Some(token) = find(connection, sha256).await? else { return Ok(None) };
    let authorization = authorizations::lock(connection, token.authorization).await?;
    Ok(authorization.map(|authorization| (authorization, token)))
}

/// The token with this digest. Its row never changes; how its authorization stands says what it is worth.
pub async fn find(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<RefreshToken>, StoreError> {
    let row =
        sqlx::query!("SELECT authorization_id, generation FROM refresh_tokens WHERE sha256 = $1", sha256.as_bytes().as_slice())
            .fetch_optional(connection)
            .await
            .map_err(StoreError::during("find a refresh token"))?;
    row.map(|row| {
        Ok(RefreshToken {
            authorization: AuthorizationId::from_uuid(row.authorization_id),
            generation: number::read("generation", row.generation)?,
        })
    })
    .transpose()
}
