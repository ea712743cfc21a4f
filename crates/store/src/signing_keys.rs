//! What access tokens are signed with. One key signs; those before it verify until their last token has expired.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::StoreError;

/// The most keys that verify at one time: a rotation a day for the lifetime of any token.
pub const COUNT_MAX: usize = 16;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The thumbprint of its public half (RFC 7638): 43 characters of base64url.
    pub kid: String,
    /// The public point, uncompressed: 65 bytes (SEC 1, section 2.3.3).
    pub public_key: Vec<u8>,
    /// The private number, sealed: 72 bytes.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When another took its place, and until when what it signed is believed; absent of the one that signs.
    pub replaced: Option<Replaced>,
}

/// The end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// It signs no more from this on.
    pub at: DateTime<Utc>,
    /// What it signed is not believed from this on.
    pub verifies_until: DateTime<Utc>,
}

/// How a new key became the one that signs, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// It signs.
    Done,
    /// There is one that signs, and none was to be replaced.
    HasOne,
    /// As many keys verify as may ([`COUNT_MAX`]).
    Full,
}

/// Keeps the first key; [`Rotated::HasOne`] if another node was faster.
pub async fn insert_first(connection: &mut PgConnection, key: &SigningKey) -> Result<Rotated, StoreError> {
    Ok(if insert(connection, key).await? { Rotated::Done } else { Rotated::HasOne })
}

/// Lets a new key sign from now on; the one before it verifies until `verifies_until`. One transaction, one rotation at a time.
pub async fn rotate(
    connection: &mut PgConnection,
    key: &SigningKey,
    verifies_until: DateTime<Utc>,
) -> Result<Rotated, StoreError> {
    let during = || StoreError::during("rotate the signing key");
    let mut transaction = connection.begin().await.map_err(during())?;
    sqlx::query!("SELECT kid FROM signing_keys ORDER BY kid FOR UPDATE").fetch_all(&mut *transaction).await.map_err(during())?;
    let verifying = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM signing_keys WHERE verifies_until IS NULL OR verifies_until > $1"#,
        key.created_at
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    if usize::try_from(verifying).is_ok_and(|count| count >= COUNT_MAX) {
        return Ok(Rotated::Full);
    }
    sqlx::query!(
        "UPDATE signing_keys SET replaced_at = $1, verifies_until = $2 WHERE replaced_at IS NULL",
        key.created_at,
        verifies_until.max(key.created_at)
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    if !insert(&mut transaction, key).await? {
        return Ok(Rotated::HasOne);
    }
    transaction.commit().await.map_err(during())?;
    Ok(Rotated::Done)
}

/// All keys, the one that signs first, then the youngest.
pub async fn list(connection: &mut PgConnection) -> Result<Vec<SigningKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT kid, public_key, sealed, created_at, replaced_at, verifies_until FROM signing_keys
        ORDER BY replaced_at DESC NULLS FIRST, created_at DESC"
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the signing keys"))?;
    Ok(rows.into_iter().map(SigningKey::from).collect())
}

/// Ends a key that was replaced: what it signed is not believed from `at` on. `false` if there is none of this name that was.
pub async fn retire(connection: &mut PgConnection, kid: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE signing_keys SET verifies_until = least(verifies_until, $2) WHERE kid = $1 AND replaced_at IS NOT NULL",
        kid,
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("retire a signing key"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes the keys that verified until before `before`.
pub async fn delete_ended(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let done = sqlx::query!("DELETE FROM signing_keys WHERE verifies_until < $1", before)
        .execute(connection)
        .await
        .map_err(StoreError::during("delete signing keys"))?;
    Ok(done.rows_affected())
}

async fn insert(connection: &mut PgConnection, key: &SigningKey) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO signing_keys (kid, public_key, sealed, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        key.kid,
        key.public_key,
        key.sealed,
        key.created_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a signing key"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    kid: String,
    public_key: Vec<u8>,
    sealed: Vec<u8>,
    created_at: DateTime<Utc>,
    replaced_at: Option<DateTime<Utc>>,
    verifies_until: Option<DateTime<Utc>>,
}

impl From<Row> for SigningKey {
    fn from(row: Row) -> Self {
        let Row { kid, public_key, sealed, created_at, replaced_at, verifies_until } = row;
        let replaced = replaced_at.zip(verifies_until).map(|(at, verifies_until)| Replaced { at, verifies_until });
        Self { kid, public_key, sealed, created_at, replaced }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect};

    fn key(letter: &str, seconds: i64) -> SigningKey {
        let (public_key, sealed) = (vec![4; 65], vec![1; 72]);
        SigningKey { kid: letter.repeat(43), public_key, sealed, created_at: at(seconds), replaced: None }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn one_key_signs_and_the_one_before_it_verifies(pool: PgPool) {
        let mut connection = connect(&pool).await;

        assert_eq!(insert_first(&mut connection, &key("a", 0)).await.unwrap(), Rotated::Done);
        assert_eq!(insert_first(&mut connection, &key("b", 0)).await.unwrap(), Rotated::HasOne);
        assert_eq!(rotate(&mut connection, &key("c", 10), at(900)).await.unwrap(), Rotated::Done);

        let kept = list(&mut connection).await.unwrap();
        assert_eq!(kept.iter().map(|key| key.kid.get(..1).unwrap()).collect::<String>(), "ca");
        assert_eq!(kept[1].replaced, Some(Replaced { at: at(10), verifies_until: at(900) }));
        assert!(!retire(&mut connection, &"c".repeat(43), at(20)).await.unwrap(), "the one that signs is replaced first");
        assert!(retire(&mut connection, &"a".repeat(43), at(20)).await.unwrap());
        assert_eq!(list(&mut connection).await.unwrap()[1].replaced.unwrap().verifies_until, at(20));
        assert_eq!(delete_ended(&mut connection, at(21)).await.unwrap(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn keys_that_verify_are_bounded(pool: PgPool) {
        let mut connection = connect(&pool).await;
        insert_first(&mut connection, &key("a", 0)).await.unwrap();

        for letter in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"] {
            assert_eq!(rotate(&mut connection, &key(letter, 1), at(900)).await.unwrap(), Rotated::Done);
        }

        assert_eq!(rotate(&mut connection, &key("q", 1), at(900)).await.unwrap(), Rotated::Full);
        assert_eq!(list(&mut connection).await.unwrap()[0].kid, "p".repeat(43), "the one before signs on");
        assert_eq!(rotate(&mut connection, &key("q", 901), at(1800)).await.unwrap(), Rotated::Done);
    }
}
