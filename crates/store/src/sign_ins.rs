//! Sign-ins: what browsers' cookies stand for. A cookie is never kept, only its SHA-256.

use chrono::{DateTime, Utc};
use domain::{Digest, SignInId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// Who signed in.
    pub user: UserId,
    /// What it was made with, in words; 120 characters at most.
    pub device: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub used_at: DateTime<Utc>,
    /// From when on it stands for nobody, however much it is used.
    pub expires_at: DateTime<Utc>,
    /// When its person last showed who they are; absent where an issuer elsewhere let them in without a word of that.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// A sign-in that does not end before the transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// When its person last showed who they are.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// Keeps a new sign-in by the digest of its cookie. Of a person's sign-ins the newest `kept_max` stay.
pub async fn insert(connection: &mut PgConnection, sign_in: &SignIn, sha256: &Digest, kept_max: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO sign_ins (sign_in_id, user_id, sha256, device, created_at, used_at, expires_at, authenticated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        sign_in.id.as_uuid(),
        sign_in.user.as_uuid(),
        sha256.as_bytes().as_slice(),
        sign_in.device,
        sign_in.created_at,
        sign_in.used_at,
        sign_in.expires_at,
        sign_in.authenticated_at
    )
    .execute(&mut *connection)
    .await
    .map_err(StoreError::during("insert a sign-in"))?;
    sqlx::query!(
        "DELETE FROM sign_ins WHERE user_id = $1
            AND sign_in_id IN (SELECT sign_in_id FROM sign_ins WHERE user_id = $1 ORDER BY sign_in_id DESC OFFSET $2)",
        sign_in.user.as_uuid(),
        kept_max
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("end the oldest sign-ins"))?;
    Ok(())
}

/// The sign-in whose cookie has this digest, of somebody who is not disabled.
pub async fn find_by_sha256(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<SignIn>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT sign_in_id, user_id, device, sign_ins.created_at, used_at, expires_at, authenticated_at
        FROM sign_ins JOIN users USING (user_id) WHERE sha256 = $1 AND disabled_at IS NULL",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a sign-in"))?;
    Ok(row.map(SignIn::from))
}

/// A person's sign-ins that have not expired at `now` and were used after `used_after`, newest first.
pub async fn list(
    connection: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
    used_after: DateTime<Utc>,
) -> Result<Vec<SignIn>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT sign_in_id, user_id, device, created_at, used_at, expires_at, authenticated_at FROM sign_ins
        WHERE user_id = $1 AND expires_at > $2 AND used_at > $3 ORDER BY sign_in_id DESC",
        user.as_uuid(),
        now,
        used_after
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list sign-ins"))?;
    Ok(rows.into_iter().map(SignIn::from).collect())
}

/// One of a person's sign-ins; `None` if it has ended. In a transaction it does not end before that does.
pub async fn hold(connection: &mut PgConnection, user: UserId, sign_in: SignInId) -> Result<Option<Held>, StoreError> {
    sqlx::query_as!(
        Held,
        "SELECT authenticated_at FROM sign_ins WHERE user_id = $1 AND sign_in_id = $2 FOR SHARE",
        user.as_uuid(),
        sign_in.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("hold a sign-in"))
}

/// Writes down that a sign-in was used.
pub async fn set_used(connection: &mut PgConnection, sign_in: SignInId, at: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("UPDATE sign_ins SET used_at = $2 WHERE sign_in_id = $1 AND used_at < $2", sign_in.as_uuid(), at)
        .execute(connection)
        .await
        .map_err(StoreError::during("note the use of a sign-in"))?;
    Ok(())
}

/// Ends one of a person's sign-ins; `false` if they have none such.
pub async fn delete(connection: &mut PgConnection, user: UserId, sign_in: SignInId) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM sign_ins WHERE user_id = $1 AND sign_in_id = $2", user.as_uuid(), sign_in.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("end a sign-in"))?;
    Ok(done.rows_affected() == 1)
}

/// Ends all of a person's sign-ins but `kept`; says which.
pub async fn delete_all(
    connection: &mut PgConnection,
    user: UserId,
    kept: Option<SignInId>,
) -> Result<Vec<SignInId>, StoreError> {
    let ended = sqlx::query_scalar!(
        "DELETE FROM sign_ins WHERE user_id = $1 AND sign_in_id IS DISTINCT FROM $2 RETURNING sign_in_id",
        user.as_uuid(),
        kept.map(SignInId::as_uuid)
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("end the sign-ins of a user"))?;
    Ok(ended.into_iter().map(SignInId::from_uuid).collect())
}

/// Deletes sign-ins that expired before `now` or were not used since `used_after`, `batch` at most; says how many.
pub async fn delete_expired(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    used_after: DateTime<Utc>,
    batch: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM sign_ins WHERE sign_in_id IN
            (SELECT sign_in_id FROM sign_ins WHERE expires_at <= $1 OR used_at <= $2 LIMIT $3)",
        now,
        used_after,
        batch
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete expired sign-ins"))?;
    Ok(done.rows_affected())
}

struct Row {
    sign_in_id: Uuid,
    user_id: Uuid,
    device: String,
    created_at: DateTime<Utc>,
    used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    authenticated_at: Option<DateTime<Utc>>,
}

impl From<Row> for SignIn {
    fn from(row: Row) -> Self {
        Self {
            id: SignInId::from_uuid(row.sign_in_id),
            user: UserId::from_uuid(row.user_id),
            device: row.device,
            created_at: row.created_at,
            used_at: row.used_at,
            expires_at: row.expires_at,
            authenticated_at: row.authenticated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{
        fixtures::{self, at, connect},
        users,
    };

    fn new(user: UserId) -> SignIn {
        SignIn {
            id: SignInId::new(),
            user,
            device: "Firefox on Linux".into(),
            created_at: at(0),
            used_at: at(0),
            expires_at: at(100),
            authenticated_at: Some(at(0)),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_sign_in_is_found_until_it_ends_or_its_person_is_disabled(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let (sign_in, sha256) = (new(ada), Digest::of(b"cookie"));
        insert(&mut connection, &sign_in, &sha256, 10).await.unwrap();

        set_used(&mut connection, sign_in.id, at(50)).await.unwrap();
        let found = find_by_sha256(&mut connection, &sha256).await.unwrap().unwrap();
        assert_eq!(found, SignIn { used_at: at(50), ..sign_in.clone() });
        users::set_disabled(&mut connection, ada, Some(at(1))).await.unwrap();
        assert_eq!(find_by_sha256(&mut connection, &sha256).await.unwrap(), None);
        users::set_disabled(&mut connection, ada, None).await.unwrap();
        assert!(!delete(&mut connection, eve, sign_in.id).await.unwrap(), "another's");
        assert_eq!(hold(&mut connection, eve, sign_in.id).await.unwrap(), None, "another's");
        assert_eq!(hold(&mut connection, ada, sign_in.id).await.unwrap(), Some(Held { authenticated_at: Some(at(0)) }));
        assert!(delete(&mut connection, ada, sign_in.id).await.unwrap());
        assert_eq!(find_by_sha256(&mut connection, &sha256).await.unwrap(), None);
        assert_eq!(hold(&mut connection, ada, sign_in.id).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_newest_stay_and_what_expired_goes(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let sign_ins: Vec<_> = (0..4).map(|_| new(ada)).collect();
        for (index, sign_in) in sign_ins.iter().enumerate() {
            insert(&mut connection, sign_in, &Digest::of(&[u8::try_from(index).unwrap()]), 3).await.unwrap();
        }

        let listed = list(&mut connection, ada, at(1), at(-1)).await.unwrap();
        assert_eq!(listed.iter().map(|sign_in| sign_in.id).collect::<Vec<_>>(), [3, 2, 1].map(|index| sign_ins[index].id));
        assert!(list(&mut connection, ada, at(100), at(-1)).await.unwrap().is_empty());
        assert!(list(&mut connection, ada, at(1), at(0)).await.unwrap().is_empty());

        assert_eq!(delete_all(&mut connection, ada, Some(sign_ins[3].id)).await.unwrap().len(), 2);
        assert_eq!(delete_expired(&mut connection, at(1), at(-1), 10).await.unwrap(), 0);
        assert_eq!(delete_expired(&mut connection, at(1), at(0), 10).await.unwrap(), 1);
    }
}
