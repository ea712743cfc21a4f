//! Clients that registered themselves (RFC 7591).

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ClientKey, CustomerId, Digest, MemberRole, Scopes, ServerId, Slug};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, machine_clients, number};

/// A client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its row; the `client_id` is this id as a text.
    pub key: ClientKey,
    /// What it said of itself, as JSON: 32 KiB at most.
    pub metadata: String,
    /// Of its secret; absent of public clients and of those with keys of their own.
    pub secret_sha256: Option<Digest>,
    /// Of the token by which it changes its registration (RFC 7592).
    pub registration_sha256: Option<Digest>,
    /// When it registered.
    pub created_at: DateTime<Utc>,
    /// When somebody let it in, or it asked for a token, last (to the day); absent before that.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From then on it does not exist; use moves it. Absent of a machine client.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is made for, of one that a customer made to act for itself.
    pub machine: Option<Machine>,
}

/// What a client is made for that a customer made to act for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Whose it is.
    pub customer: CustomerId,
    /// What it may use.
    pub audience: MachineAudience,
    /// What for.
    pub scopes: Scopes,
}

/// What a machine client may use: one thing of its customer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineAudience {
    /// A server, by MCP.
    Server {
        /// Its id.
        id: ServerId,
        /// Its public name, which never changes.
        slug: Slug,
    },
    /// All that its customer has, by the management API, as a member of this role; owners are people.
    Management(MemberRole),
}

/// How many clients there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientBounds {
    /// At one time.
    pub count_max: u32,
    /// Registered within an hour.
    pub per_hour_max: u32,
}

/// Whether a client was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It was.
    Done,
    /// There are as many as may be.
    Full,
    /// As many came within the last hour as may.
    TooMany,
}

/// Keeps a new client, if the bounds allow one more: also against others that register at the same time on other nodes.
pub async fn insert(connection: &mut PgConnection, client: &Client, bounds: ClientBounds) -> Result<Registered, StoreError> {
    let during = || StoreError::during("register a client");
    // Whoever is refused anyway does not wait for those who are registered.
    let before = count(connection, client.created_at, bounds).await?;
    if before != Registered::Done {
        return Ok(before);
    }
    let mut transaction = connection.begin().await.map_err(during())?;
    // One at a time, so that the count is true. The number has no meaning but to be this statement's alone.
    sqlx::query!("SELECT pg_advisory_xact_lock(7591)").fetch_one(&mut *transaction).await.map_err(during())?;
    let counted = count(&mut transaction, client.created_at, bounds).await?;
    if counted != Registered::Done {
        return Ok(counted);
    }
    sqlx::query!(
        "INSERT INTO clients (client_key, metadata, secret_sha256, registration_sha256, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)",
        client.key.as_uuid(),
        client.metadata,
        client.secret_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        client.registration_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        client.created_at,
        client.expires_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(Registered::Done)
}

/// The client, unless it expired before `now`.
pub async fn find(connection: &mut PgConnection, key: ClientKey, now: DateTime<Utc>) -> Result<Option<Client>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT client_key, metadata, secret_sha256, registration_sha256, clients.created_at, last_used_at, expires_at,
            clients.customer_id, server_id, slug AS "slug?", role, scopes
        FROM clients LEFT JOIN servers USING (server_id)
        WHERE client_key = $1 AND (expires_at IS NULL OR expires_at > $2)"#,
        key.as_uuid(),
        now
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a client"))?;
    row.map(Client::try_from).transpose()
}

/// Replaces what a client says of itself and what it proves itself by; `false` if it is gone.
pub async fn update(connection: &mut PgConnection, client: &Client) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE clients SET metadata = $2, secret_sha256 = $3, registration_sha256 = $4 WHERE client_key = $1",
        client.key.as_uuid(),
        client.metadata,
        client.secret_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        client.registration_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("change a client"))?;
    Ok(done.rows_affected() == 1)
}

/// Says that a client is used, so that it stays until `expires_at`; without, as of a machine client, it stays as long as it would.
pub async fn touch(
    connection: &mut PgConnection,
    key: ClientKey,
    now: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE clients SET last_used_at = $2, expires_at = greatest(expires_at, $3) WHERE client_key = $1",
        key.as_uuid(),
        now,
        expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("keep a client"))?;
    Ok(())
}

/// Deletes a client with all that it was let do; `false` if it is gone.
pub async fn delete(connection: &mut PgConnection, key: ClientKey) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM clients WHERE client_key = $1", key.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("delete a client"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes up to `limit` clients that expired before `now`, with all that they were let do.
pub async fn delete_expired(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM clients WHERE client_key IN (SELECT client_key FROM clients WHERE expires_at <= $1 LIMIT $2)",
        now,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete expired clients"))?;
    Ok(done.rows_affected())
}

/// Says that a client's statement with this digest was taken; `false` if it was before. It is remembered until `expires_at`.
pub async fn use_assertion(
    connection: &mut PgConnection,
    sha256: &Digest,
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO used_assertions (sha256, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        sha256.as_bytes().as_slice(),
        expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("take a client's assertion"))?;
    Ok(done.rows_affected() == 1)
}

/// Forgets up to `limit` statements that nobody could show again at `now`.
pub async fn delete_used_assertions(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM used_assertions WHERE sha256 IN (SELECT sha256 FROM used_assertions WHERE expires_at <= $1 LIMIT $2)",
        now,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete used assertions"))?;
    Ok(done.rows_affected())
}

/// Whether the bounds allow one more client at `now`.
async fn count(connection: &mut PgConnection, now: DateTime<Utc>, bounds: ClientBounds) -> Result<Registered, StoreError> {
    let counted = sqlx::query!(
        r#"SELECT count(*) AS "count!", count(*) FILTER (WHERE created_at > $2) AS "recent!" FROM clients WHERE expires_at > $1"#,
        now,
        now - TimeDelta::hours(1)
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("count clients"))?;
    if number::read::<u64>("number of clients", counted.count)? >= bounds.count_max.into() {
        return Ok(Registered::Full);
    }
    if number::read::<u64>("number of clients", counted.recent)? >= bounds.per_hour_max.into() {
        return Ok(Registered::TooMany);
    }
    Ok(Registered::Done)
}

struct Row {
    client_key: Uuid,
    metadata: String,
    secret_sha256: Option<Vec<u8>>,
    registration_sha256: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    customer_id: Option<Uuid>,
    server_id: Option<Uuid>,
    slug: Option<String>,
    role: Option<String>,
    scopes: Option<String>,
}

impl TryFrom<Row> for Client {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let digest = |bytes: Option<Vec<u8>>| {
            bytes.map(|bytes| bytes.as_slice().try_into().map_err(StoreError::corrupt("digest"))).transpose()
        };
        let machine = row.customer_id.map(|customer| {
            let customer = CustomerId::from_uuid(customer);
            machine_clients::read_machine(
                customer,
                row.server_id.zip(row.slug.as_deref()),
                row.role.as_deref(),
                row.scopes.as_deref(),
            )
        });
        let machine = machine.transpose()?;
        Ok(Self {
            key: ClientKey::from_uuid(row.client_key),
            metadata: row.metadata,
            secret_sha256: digest(row.secret_sha256)?,
            registration_sha256: digest(row.registration_sha256)?,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            machine,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect};

    const BOUNDS: ClientBounds = ClientBounds { count_max: 3, per_hour_max: 2 };

    fn client(seconds: i64) -> Client {
        Client {
            key: ClientKey::new(),
            metadata: "{}".to_owned(),
            secret_sha256: Some(Digest::of(b"secret")),
            registration_sha256: None,
            created_at: at(seconds),
            last_used_at: None,
            expires_at: Some(at(seconds + 86_400)),
            machine: None,
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn registrations_are_bounded_in_number_and_by_the_hour(pool: PgPool) {
        use Registered::{Done, Full, TooMany};

        let mut connection = connect(&pool).await;

        let mut registered = Vec::new();
        for seconds in [0, 1, 2, 3_602, 3_603] {
            registered.push(insert(&mut connection, &client(seconds), BOUNDS).await.unwrap());
        }

        assert_eq!(registered, [Done, Done, TooMany, Done, Full]);
        assert_eq!(insert(&mut connection, &client(86_401), BOUNDS).await.unwrap(), Done, "expired ones do not count");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_client_that_nobody_uses_expires_and_use_keeps_it(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (unused, used) = (client(0), client(0));
        insert(&mut connection, &unused, BOUNDS).await.unwrap();
        insert(&mut connection, &used, BOUNDS).await.unwrap();
        touch(&mut connection, used.key, at(5), Some(at(90_000))).await.unwrap();

        assert_eq!(find(&mut connection, unused.key, at(86_399)).await.unwrap(), Some(unused.clone()));
        assert_eq!(find(&mut connection, unused.key, at(86_400)).await.unwrap(), None);
        assert_eq!(delete_expired(&mut connection, at(86_400), 10).await.unwrap(), 1);
        assert_eq!(find(&mut connection, used.key, at(86_400)).await.unwrap().unwrap().last_used_at, Some(at(5)));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_client_is_changed_and_deleted(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let kept = client(0);
        insert(&mut connection, &kept, BOUNDS).await.unwrap();
        let changed = Client { metadata: r#"{"a":1}"#.to_owned(), secret_sha256: None, ..kept };

        assert!(update(&mut connection, &changed).await.unwrap());
        assert_eq!(find(&mut connection, changed.key, at(1)).await.unwrap(), Some(changed.clone()));
        assert!(delete(&mut connection, changed.key).await.unwrap());
        assert!(!delete(&mut connection, changed.key).await.unwrap());
    }
}
