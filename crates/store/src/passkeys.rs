//! Passkeys: public keys that people sign in with, and the ceremonies that were ended with them.

use chrono::{DateTime, Utc};
use domain::{PasskeyId, PasskeyName, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, number};

/// A passkey, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose it is.
    pub user: UserId,
    /// What it is called.
    pub name: PasskeyName,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When somebody came in by it last; absent if nobody did.
    pub used_at: Option<DateTime<Utc>>,
}

/// What a signature is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The passkey.
    pub id: PasskeyId,
    /// Whose it is.
    pub user: UserId,
    /// The public key with its counter, as JSON.
    pub credential: String,
}

/// The public key of a new passkey.
#[derive(Debug, Clone, Copy)]
pub struct NewCredential<'a> {
    /// As the authenticator chose it.
    pub id: &'a [u8],
    /// The key with its counter, as JSON.
    pub text: &'a str,
    /// The host that it was made for.
    pub rp_id: &'a str,
}

/// What a passkey is after it was used.
#[derive(Debug, Clone, Copy)]
pub struct UsedCredential<'a> {
    /// The key with its counter, as JSON.
    pub text: &'a str,
    /// The host at which it was used.
    pub rp_id: &'a str,
}

/// Keeps a new passkey; `false` if somebody has one with this credential id.
pub async fn insert(connection: &mut PgConnection, passkey: &Passkey, credential: NewCredential<'_>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO passkeys (passkey_id, user_id, credential_id, credential, name, created_at, used_at, rp_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING",
        passkey.id.as_uuid(),
        passkey.user.as_uuid(),
        credential.id,
        credential.text,
        passkey.name.as_str(),
        passkey.created_at,
        passkey.used_at,
        credential.rp_id
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a passkey"))?;
    Ok(done.rows_affected() == 1)
}

/// A person's passkeys, newest first, `limit` at most.
pub async fn list(connection: &mut PgConnection, user: UserId, limit: i64) -> Result<Vec<Passkey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT passkey_id, user_id, name, created_at, used_at FROM passkeys WHERE user_id = $1
        ORDER BY passkey_id DESC LIMIT $2",
        user.as_uuid(),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list passkeys"))?;
    rows.into_iter().map(Passkey::try_from).collect()
}

/// The credential ids of a person's passkeys, `limit` at most.
pub async fn list_credential_ids(connection: &mut PgConnection, user: UserId, limit: i64) -> Result<Vec<Vec<u8>>, StoreError> {
    sqlx::query_scalar!(
        "SELECT credential_id FROM passkeys WHERE user_id = $1 ORDER BY passkey_id DESC LIMIT $2",
        user.as_uuid(),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the credential ids of a user"))
}

/// How many of a person's passkeys are for this host: by others they do not come in there.
pub async fn count_for(connection: &mut PgConnection, user: UserId, rp_id: &str) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM passkeys WHERE user_id = $1 AND rp_id = $2"#,
        user.as_uuid(),
        rp_id
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("count the passkeys of a user"))?;
    number::read("number of passkeys", count)
}

/// Whose passkey has this credential id, disabled or not.
pub async fn find_user(connection: &mut PgConnection, credential_id: &[u8]) -> Result<Option<UserId>, StoreError> {
    let found = sqlx::query_scalar!("SELECT user_id FROM passkeys WHERE credential_id = $1", credential_id)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find the user of a passkey"))?;
    Ok(found.map(UserId::from_uuid))
}

/// The passkey with this credential id. In a transaction nobody else changes it until the end, so that of two signatures with one counter one
/// is refused.
pub async fn hold(connection: &mut PgConnection, credential_id: &[u8]) -> Result<Option<Held>, StoreError> {
    let row =
        sqlx::query!("SELECT passkey_id, user_id, credential FROM passkeys WHERE credential_id = $1 FOR UPDATE", credential_id)
            .fetch_optional(connection)
            .await
            .map_err(StoreError::during("hold a passkey"))?;
    Ok(row.map(|row| Held {
        id: PasskeyId::from_uuid(row.passkey_id),
        user: UserId::from_uuid(row.user_id),
        credential: row.credential,
    }))
}

/// Writes down that a passkey was used, and what its credential is from now on.
pub async fn set_used(
    connection: &mut PgConnection,
    passkey: PasskeyId,
    credential: UsedCredential<'_>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE passkeys SET credential = $2, rp_id = $3, used_at = $4 WHERE passkey_id = $1",
        passkey.as_uuid(),
        credential.text,
        credential.rp_id,
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("note the use of a passkey"))?;
    Ok(())
}

/// Calls one of a person's passkeys something else; how it is then, or `None` if they have none such.
pub async fn rename(
    connection: &mut PgConnection,
    user: UserId,
    passkey: PasskeyId,
    name: &PasskeyName,
) -> Result<Option<Passkey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND passkey_id = $2
        RETURNING passkey_id, user_id, name, created_at, used_at",
        user.as_uuid(),
        passkey.as_uuid(),
        name.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("rename a passkey"))?;
    row.map(Passkey::try_from).transpose()
}

/// Removes one of a person's passkeys; how it was, or `None` if they have none such.
pub async fn delete(connection: &mut PgConnection, user: UserId, passkey: PasskeyId) -> Result<Option<Passkey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "DELETE FROM passkeys WHERE user_id = $1 AND passkey_id = $2
        RETURNING passkey_id, user_id, name, created_at, used_at",
        user.as_uuid(),
        passkey.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("delete a passkey"))?;
    row.map(Passkey::try_from).transpose()
}

/// Ends a ceremony; `false` if it has ended before.
pub async fn end_ceremony(connection: &mut PgConnection, ceremony: Uuid, expires_at: DateTime<Utc>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO passkey_ceremonies (ceremony_id, expires_at) VALUES ($1, $2) ON CONFLICT (ceremony_id) DO NOTHING",
        ceremony,
        expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("end a passkey ceremony"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes ceremonies whose sealed texts count no more at `now`, `batch` at most; says how many.
pub async fn delete_ended_ceremonies(connection: &mut PgConnection, now: DateTime<Utc>, batch: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM passkey_ceremonies WHERE ceremony_id IN
            (SELECT ceremony_id FROM passkey_ceremonies WHERE expires_at <= $1 LIMIT $2)",
        now,
        batch
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete ended passkey ceremonies"))?;
    Ok(done.rows_affected())
}

struct Row {
    passkey_id: Uuid,
    user_id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Passkey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: PasskeyId::from_uuid(row.passkey_id),
            user: UserId::from_uuid(row.user_id),
            name: row.name.parse().map_err(StoreError::corrupt("name of a passkey"))?,
            created_at: row.created_at,
            used_at: row.used_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    fn new(user: UserId, name: &str) -> Passkey {
        Passkey { id: PasskeyId::new(), user, name: name.parse().unwrap(), created_at: at(0), used_at: None }
    }

    fn credential(id: &[u8]) -> NewCredential<'_> {
        NewCredential { id, text: "{}", rp_id: "tools.example.com" }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_passkey_is_one_persons_and_known_by_its_credential(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let passkey = new(ada, "Laptop");

        assert!(insert(&mut connection, &passkey, credential(b"one")).await.unwrap());
        assert!(!insert(&mut connection, &new(eve, "Mine"), credential(b"one")).await.unwrap(), "somebody has it");
        assert!(insert(&mut connection, &new(ada, "Phone"), credential(b"two")).await.unwrap());

        let held = hold(&mut connection, b"one").await.unwrap();
        assert_eq!(held, Some(Held { id: passkey.id, user: ada, credential: "{}".into() }));
        assert_eq!(find_user(&mut connection, b"one").await.unwrap(), Some(ada));
        assert_eq!(find_user(&mut connection, b"three").await.unwrap(), None);
        assert_eq!(count_for(&mut connection, ada, "tools.example.com").await.unwrap(), 2);
        let used = UsedCredential { text: r#"{"counter":1}"#, rp_id: "another.example.com" };
        set_used(&mut connection, passkey.id, used, at(5)).await.unwrap();
        assert_eq!(count_for(&mut connection, ada, "tools.example.com").await.unwrap(), 1);
        assert_eq!(count_for(&mut connection, ada, "another.example.com").await.unwrap(), 1, "it is for where it was used");
        assert_eq!(hold(&mut connection, b"one").await.unwrap().unwrap().credential, r#"{"counter":1}"#);
        let listed = list(&mut connection, ada, 10).await.unwrap();
        assert_eq!(listed.iter().map(|passkey| passkey.name.as_str()).collect::<Vec<_>>(), ["Phone", "Laptop"]);
        assert_eq!(listed.get(1), Some(&Passkey { used_at: Some(at(5)), ..passkey.clone() }));
        assert_eq!(list_credential_ids(&mut connection, ada, 10).await.unwrap(), [b"two", b"one"]);
        assert!(list(&mut connection, eve, 10).await.unwrap().is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn only_its_person_renames_and_removes_a_passkey(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let passkey = new(ada, "Laptop");
        insert(&mut connection, &passkey, credential(b"one")).await.unwrap();
        let name = "Desk".parse().unwrap();

        assert_eq!(rename(&mut connection, eve, passkey.id, &name).await.unwrap(), None);
        let renamed = rename(&mut connection, ada, passkey.id, &name).await.unwrap();
        assert_eq!(renamed, Some(Passkey { name, ..passkey.clone() }));
        assert_eq!(delete(&mut connection, eve, passkey.id).await.unwrap(), None);
        assert_eq!(delete(&mut connection, ada, passkey.id).await.unwrap(), renamed);
        assert_eq!(hold(&mut connection, b"one").await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_ceremony_ends_once(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ceremony = Uuid::now_v7();

        assert!(end_ceremony(&mut connection, ceremony, at(10)).await.unwrap());
        assert!(!end_ceremony(&mut connection, ceremony, at(10)).await.unwrap());
        assert_eq!(delete_ended_ceremonies(&mut connection, at(9), 10).await.unwrap(), 0);
        assert_eq!(delete_ended_ceremonies(&mut connection, at(10), 10).await.unwrap(), 1);
    }
}
