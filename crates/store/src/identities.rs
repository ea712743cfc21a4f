//! Who people are at issuers elsewhere (OpenID Connect), and the answers of issuers that were taken.

use chrono::{DateTime, Utc};
use domain::{Digest, IdentityId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Somebody at an issuer elsewhere, by whom a user signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// Whose it is.
    pub user: UserId,
    /// The issuer, byte for byte as its tokens name it; 512 characters at most.
    pub issuer: String,
    /// Whom the issuer means, in its own words, which never change; 255 bytes at most.
    pub subject: String,
    /// What the issuer called them last; 254 characters at most. Nothing is decided by it.
    pub label: Option<String>,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
    /// When somebody signed in by it last, or when it was connected.
    pub used_at: DateTime<Utc>,
}

/// Keeps a new identity; `false` if somebody has it, be it the same person.
pub async fn insert(connection: &mut PgConnection, identity: &Identity) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO identities (identity_id, user_id, issuer, subject, label, created_at, used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (issuer, subject) DO NOTHING",
        identity.id.as_uuid(),
        identity.user.as_uuid(),
        identity.issuer,
        identity.subject,
        identity.label,
        identity.created_at,
        identity.used_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert an identity"))?;
    Ok(done.rows_affected() == 1)
}

/// Whose identity this is, disabled or not.
pub async fn find_user(connection: &mut PgConnection, issuer: &str, subject: &str) -> Result<Option<UserId>, StoreError> {
    let found = sqlx::query_scalar!("SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2", issuer, subject)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find the user of an identity"))?;
    Ok(found.map(UserId::from_uuid))
}

/// Writes down that somebody signed in by an identity, and says who, disabled or not; `None` if nobody has it. In a transaction, it stays theirs
/// until the end.
pub async fn set_used(
    connection: &mut PgConnection,
    issuer: &str,
    subject: &str,
    label: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Option<UserId>, StoreError> {
    let user = sqlx::query_scalar!(
        "UPDATE identities SET used_at = greatest(used_at, $4), label = coalesce($3, label) WHERE issuer = $1 AND subject = $2
        RETURNING user_id",
        issuer,
        subject,
        label,
        at
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("note the use of an identity"))?;
    Ok(user.map(UserId::from_uuid))
}

/// A person's identities, oldest first.
pub async fn list(connection: &mut PgConnection, user: UserId) -> Result<Vec<Identity>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT identity_id, user_id, issuer, subject, label, created_at, used_at FROM identities
        WHERE user_id = $1 ORDER BY identity_id",
        user.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list identities"))?;
    Ok(rows.into_iter().map(Identity::from).collect())
}

/// Forgets one of a person's identities; `false` if they have none such.
pub async fn delete(connection: &mut PgConnection, user: UserId, identity: IdentityId) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM identities WHERE user_id = $1 AND identity_id = $2", user.as_uuid(), identity.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("delete an identity"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes the answer to the request whose state has this digest; `false` if it was taken before. It is remembered until `expires_at`, from when on
/// the state itself counts no more.
pub async fn take_answer(
    connection: &mut PgConnection,
    state_sha256: &Digest,
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO upstream_answers (state_sha256, expires_at) VALUES ($1, $2) ON CONFLICT (state_sha256) DO NOTHING",
        state_sha256.as_bytes().as_slice(),
        expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("take an issuer's answer"))?;
    Ok(done.rows_affected() == 1)
}

/// Forgets answers that nobody can bring again, `batch` at most; says how many.
pub async fn delete_expired_answers(connection: &mut PgConnection, now: DateTime<Utc>, batch: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM upstream_answers WHERE state_sha256 IN (
            SELECT state_sha256 FROM upstream_answers WHERE expires_at <= $1 LIMIT $2)",
        now,
        batch
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("forget issuers' answers"))?;
    Ok(done.rows_affected())
}

struct Row {
    identity_id: Uuid,
    user_id: Uuid,
    issuer: String,
    subject: String,
    label: Option<String>,
    created_at: DateTime<Utc>,
    used_at: DateTime<Utc>,
}

impl From<Row> for Identity {
    fn from(row: Row) -> Self {
        Self {
            id: IdentityId::from_uuid(row.identity_id),
            user: UserId::from_uuid(row.user_id),
            issuer: row.issuer,
            subject: row.subject,
            label: row.label,
            created_at: row.created_at,
            used_at: row.used_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect, user};

    const ISSUER: &str = "https://id.example.com";

    fn identity(user: UserId, subject: &str) -> Identity {
        Identity {
            id: IdentityId::new(),
            user,
            issuer: ISSUER.to_owned(),
            subject: subject.to_owned(),
            label: Some("ada@example.com".to_owned()),
            created_at: at(0),
            used_at: at(0),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_identity_is_one_persons_and_its_words_are_taken_as_they_are(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (ada, bob) = (user(&mut connection, "ada@example.com").await, user(&mut connection, "bob@example.com").await);
        let adas = identity(ada, "Subject-1");

        assert!(insert(&mut connection, &adas).await.unwrap());
        assert!(!insert(&mut connection, &identity(bob, "Subject-1")).await.unwrap(), "somebody has it");
        assert!(insert(&mut connection, &identity(bob, "subject-1")).await.unwrap(), "another subject: letters count");

        assert_eq!(find_user(&mut connection, ISSUER, "Subject-1").await.unwrap(), Some(ada));
        assert_eq!(find_user(&mut connection, "https://id.example.com/", "Subject-1").await.unwrap(), None, "another issuer");
        assert_eq!(list(&mut connection, ada).await.unwrap(), [adas]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn its_use_is_written_down_and_it_is_deleted_by_its_person_alone(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (ada, bob) = (user(&mut connection, "ada@example.com").await, user(&mut connection, "bob@example.com").await);
        let adas = identity(ada, "1");
        insert(&mut connection, &adas).await.unwrap();

        assert_eq!(set_used(&mut connection, ISSUER, "1", Some("countess@example.com"), at(9)).await.unwrap(), Some(ada));
        assert_eq!(set_used(&mut connection, ISSUER, "1", None, at(5)).await.unwrap(), Some(ada));
        assert_eq!(set_used(&mut connection, ISSUER, "2", None, at(9)).await.unwrap(), None);
        let label = Some("countess@example.com".to_owned());
        assert_eq!(list(&mut connection, ada).await.unwrap(), [Identity { used_at: at(9), label, ..adas.clone() }]);

        assert!(!delete(&mut connection, bob, adas.id).await.unwrap());
        assert!(delete(&mut connection, ada, adas.id).await.unwrap());
        assert!(!delete(&mut connection, ada, adas.id).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_answer_is_taken_once_and_forgotten_when_its_time_is_over(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let state = Digest::of(b"state");

        assert!(take_answer(&mut connection, &state, at(60)).await.unwrap());
        assert!(!take_answer(&mut connection, &state, at(90)).await.unwrap());

        assert_eq!(delete_expired_answers(&mut connection, at(59), 10).await.unwrap(), 0);
        assert_eq!(delete_expired_answers(&mut connection, at(60), 10).await.unwrap(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_is_disabled_is_neither_held_nor_changed(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = user(&mut connection, "ada@example.com").await;

        assert!(crate::users::hold(&mut connection, ada).await.unwrap());
        assert_eq!(crate::users::lock_ways_in(&mut connection, ada).await.unwrap(), Some(false));
        crate::users::set_disabled(&mut connection, ada, Some(at(1))).await.unwrap();

        assert!(!crate::users::hold(&mut connection, ada).await.unwrap());
        assert_eq!(crate::users::lock_ways_in(&mut connection, ada).await.unwrap(), None);
    }
}
