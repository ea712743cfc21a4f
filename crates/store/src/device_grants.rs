//! What devices without a browser ask for (RFC 8628). Both of its codes are known by their SHA-256 alone.

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, ClientKey, Digest, Scopes};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// The most that wait at one time, of all clients: a kilobyte each.
pub const COUNT_MAX: i64 = 10_000;
/// The most of one client that wait at one time, so that no client takes the places of all others.
pub const OF_CLIENT_MAX: i64 = 1_000;

/// A device's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceGrant {
    /// Of its device code.
    pub sha256: Digest,
    /// The client, as it names itself.
    pub client_id: String,
    /// The row of a registered client.
    pub client_key: Option<ClientKey>,
    /// The audience that its tokens are to have (RFC 8707).
    pub resource: String,
    /// What for.
    pub scopes: Scopes,
    /// What became of it.
    pub state: DeviceState,
    /// Seconds between two questions of the device, at least: 1 to 3600.
    pub interval_s: u32,
    /// When the device asked last.
    pub polled_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From then on it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// What a person allowed: there once it is approved.
    pub authorization: Option<AuthorizationId>,
}

/// What became of a device's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has decided yet.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Tokens were given.
    Redeemed,
}

/// Keeps a new wish, pending; `false` if as many wait already as may, also against others that are made at the same time. Fails if the user
/// code is another's, which happens once in millions of times.
pub async fn insert(connection: &mut PgConnection, new: &DeviceGrant, user_code: &Digest) -> Result<bool, StoreError> {
    let during = || StoreError::during("insert a device grant");
    let mut transaction = connection.begin().await.map_err(during())?;
    // One at a time, so that the count is true. The number has no meaning but to be this statement's alone.
    sqlx::query!("SELECT pg_advisory_xact_lock(8628)").fetch_one(&mut *transaction).await.map_err(during())?;
    let counted = sqlx::query!(
        r#"SELECT count(*) AS "count!", count(*) FILTER (WHERE client_id = $2) AS "of_client!" FROM device_grants
        WHERE expires_at > $1"#,
        new.created_at,
        new.client_id
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    if counted.count >= COUNT_MAX || counted.of_client >= OF_CLIENT_MAX {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO device_grants (sha256, user_code_sha256, client_id, client_key, resource, scopes, interval_s, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.sha256.as_bytes().as_slice(),
        user_code.as_bytes().as_slice(),
        new.client_id,
        new.client_key.map(ClientKey::as_uuid),
        new.resource,
        new.scopes.to_string(),
        i32::try_from(new.interval_s).unwrap_or(i32::MAX),
        new.created_at,
        new.expires_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// The wish of this device code, as it stands.
pub async fn find(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<DeviceGrant>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT sha256, client_id, client_key, resource, scopes, state, interval_s, polled_at, created_at, expires_at, authorization_id
        FROM device_grants WHERE sha256 = $1",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a device grant"))?;
    row.map(DeviceGrant::try_from).transpose()
}

/// As [`find`], and nobody else changes it before the transaction ends.
pub async fn lock(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<DeviceGrant>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT sha256, client_id, client_key, resource, scopes, state, interval_s, polled_at, created_at, expires_at, authorization_id
        FROM device_grants WHERE sha256 = $1 FOR UPDATE",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("lock a device grant"))?;
    row.map(DeviceGrant::try_from).transpose()
}

/// The wish of this user code, as it stands.
pub async fn find_by_user_code(connection: &mut PgConnection, user_code: &Digest) -> Result<Option<DeviceGrant>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT sha256, client_id, client_key, resource, scopes, state, interval_s, polled_at, created_at, expires_at, authorization_id
        FROM device_grants WHERE user_code_sha256 = $1",
        user_code.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a device grant"))?;
    row.map(DeviceGrant::try_from).transpose()
}

/// Says what became of a wish: how often its device may ask, when it did, what a person decided. The caller holds the lock.
pub async fn update(connection: &mut PgConnection, changed: &DeviceGrant) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE device_grants SET state = $2, interval_s = $3, polled_at = $4, authorization_id = $5 WHERE sha256 = $1",
        changed.sha256.as_bytes().as_slice(),
        changed.state.as_str(),
        i32::try_from(changed.interval_s).unwrap_or(i32::MAX),
        changed.polled_at,
        changed.authorization.map(AuthorizationId::as_uuid)
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("change a device grant"))?;
    Ok(())
}

/// Deletes up to `limit` wishes that expired before `before`.
pub async fn delete_expired(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM device_grants WHERE sha256 IN (SELECT sha256 FROM device_grants WHERE expires_at <= $1 LIMIT $2)",
        before,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete expired device grants"))?;
    Ok(done.rows_affected())
}

impl DeviceState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Redeemed => "redeemed",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "pending" => Ok(Self::Pending),
            "approved" => Ok(Self::Approved),
            "denied" => Ok(Self::Denied),
            "redeemed" => Ok(Self::Redeemed),
            _ => Err(StoreError::Corrupt { what: "state of a device grant", source: "it is not known".into() }),
        }
    }
}

struct Row {
    sha256: Vec<u8>,
    client_id: String,
    client_key: Option<Uuid>,
    resource: String,
    scopes: String,
    state: String,
    interval_s: i32,
    polled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    authorization_id: Option<Uuid>,
}

impl TryFrom<Row> for DeviceGrant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            sha256: row.sha256.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            client_id: row.client_id,
            client_key: row.client_key.map(ClientKey::from_uuid),
            resource: row.resource,
            scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
            state: DeviceState::read(&row.state)?,
            interval_s: number::read("interval", row.interval_s.into())?,
            polled_at: row.polled_at,
            created_at: row.created_at,
            expires_at: row.expires_at,
            authorization: row.authorization_id.map(AuthorizationId::from_uuid),
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect};

    fn grant(number: i64, client: &str) -> (DeviceGrant, Digest) {
        let grant = DeviceGrant {
            sha256: Digest::of(format!("device {number}").as_bytes()),
            client_id: client.to_owned(),
            client_key: None,
            resource: "https://as.test/mcp/weather".to_owned(),
            scopes: "mcp:tools".parse().unwrap(),
            state: DeviceState::Pending,
            interval_s: 5,
            polled_at: None,
            created_at: at(0),
            expires_at: at(600),
            authorization: None,
        };
        (grant, Digest::of(format!("user {number}").as_bytes()))
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_wish_is_found_by_either_code_and_changed(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (new, user_code) = grant(0, "client");
        assert!(insert(&mut connection, &new, &user_code).await.unwrap());
        let changed = DeviceGrant { state: DeviceState::Denied, interval_s: 10, polled_at: Some(at(5)), ..new.clone() };

        assert_eq!(find(&mut connection, &new.sha256).await.unwrap().as_ref(), Some(&new));
        assert_eq!(find_by_user_code(&mut connection, &user_code).await.unwrap().as_ref(), Some(&new));
        update(&mut connection, &changed).await.unwrap();
        assert_eq!(lock(&mut connection, &new.sha256).await.unwrap().as_ref(), Some(&changed));
        assert_eq!(delete_expired(&mut connection, at(599), 10).await.unwrap(), 0);
        assert_eq!(delete_expired(&mut connection, at(600), 10).await.unwrap(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_client_has_so_many_waiting_and_others_have_their_own(pool: PgPool) {
        let mut connection = connect(&pool).await;
        for number in 0..OF_CLIENT_MAX {
            let (new, user_code) = grant(number, "busy");
            assert!(insert(&mut connection, &new, &user_code).await.unwrap());
        }

        let (more, user_code) = grant(OF_CLIENT_MAX, "busy");
        assert!(!insert(&mut connection, &more, &user_code).await.unwrap());
        let other = DeviceGrant { client_id: "other".to_owned(), ..more.clone() };
        assert!(insert(&mut connection, &other, &user_code).await.unwrap());
        let (later, user_code) = grant(OF_CLIENT_MAX + 1, "busy");
        let later = DeviceGrant { created_at: at(600), expires_at: at(1_200), ..later };
        assert!(insert(&mut connection, &later, &user_code).await.unwrap(), "those that expired do not count");
    }
}
