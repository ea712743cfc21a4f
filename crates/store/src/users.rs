//! People who can sign in.

use chrono::{DateTime, Utc};
use domain::{EmailAddress, PersonName, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What they sign in with; no other person has it.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
    /// Since when they may do nothing any more; absent if they may.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// What a person is held against who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The person.
    pub user: UserId,
    /// The digest of their password, as argon2 writes it; absent if they have none.
    pub password: Option<String>,
    /// Whether they may do nothing any more.
    pub is_disabled: bool,
}

/// Keeps a new person with the digest of their password, if they have one; `false` if another has the e-mail address.
pub async fn insert(connection: &mut PgConnection, user: &User, password: Option<&str>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO users (user_id, email, name, password, created_at, password_changed_at, disabled_at)
        VALUES ($1, $2, $3, $4, $5::timestamptz, CASE WHEN $4::text IS NULL THEN NULL ELSE $5 END, $6)
        ON CONFLICT (email) DO NOTHING",
        user.id.as_uuid(),
        user.email.as_str(),
        user.name.as_str(),
        password,
        user.created_at,
        user.disabled_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a user"))?;
    Ok(done.rows_affected() == 1)
}

/// One person.
pub async fn find(connection: &mut PgConnection, user: UserId) -> Result<Option<User>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT user_id, email, name, created_at, disabled_at FROM users WHERE user_id = $1",
        user.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a user"))?;
    row.map(User::try_from).transpose()
}

/// What whoever signs in with this address is held against.
pub async fn find_credentials(connection: &mut PgConnection, email: &EmailAddress) -> Result<Option<Credentials>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT user_id, password, disabled_at IS NOT NULL AS "is_disabled!" FROM users WHERE email = $1"#,
        email.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the credentials of a user"))?;
    Ok(row.map(|row| Credentials { user: UserId::from_uuid(row.user_id), password: row.password, is_disabled: row.is_disabled }))
}

/// Whether the person has the password with this digest and is not disabled. In a transaction, both stay so until the end.
pub async fn hold_password(connection: &mut PgConnection, user: UserId, password: &str) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE user_id = $1 AND password = $2 AND disabled_at IS NULL FOR SHARE",
        user.as_uuid(),
        password
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("hold a user's password"))?;
    Ok(held.is_some())
}

/// Whether there is such a person, who is not disabled. In a transaction, that stays so until the end.
pub async fn hold(connection: &mut PgConnection, user: UserId) -> Result<bool, StoreError> {
    let held =
        sqlx::query_scalar!("SELECT user_id FROM users WHERE user_id = $1 AND disabled_at IS NULL FOR SHARE", user.as_uuid())
            .fetch_optional(connection)
            .await
            .map_err(StoreError::during("hold a user"))?;
    Ok(held.is_some())
}

/// Whether a person has a password; `None` if there is no such person, or they are disabled. In a transaction, nobody else changes by what they
/// sign in until the end, if all ask this first.
pub async fn lock_ways_in(connection: &mut PgConnection, user: UserId) -> Result<Option<bool>, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT password IS NOT NULL AS "has_password!" FROM users WHERE user_id = $1 AND disabled_at IS NULL FOR UPDATE"#,
        user.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("lock a user's ways in"))
}

/// Gives a person the password with this digest; `false` if the one that they have is not `before` any more, or they are disabled.
pub async fn set_password(
    connection: &mut PgConnection,
    user: UserId,
    before: Option<&str>,
    password: &str,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE users SET password = $3, password_changed_at = $4
        WHERE user_id = $1 AND password IS NOT DISTINCT FROM $2 AND disabled_at IS NULL",
        user.as_uuid(),
        before,
        password,
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("set a user's password"))?;
    Ok(done.rows_affected() == 1)
}

/// People, newest first.
pub async fn list(connection: &mut PgConnection, after: Option<UserId>, limit: i64) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT user_id, email, name, created_at, disabled_at FROM users
        WHERE user_id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY user_id DESC LIMIT $2",
        after.map(UserId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list users"))?;
    rows.into_iter().map(User::try_from).collect()
}

/// Disables a person from `at` on, or lets them in again; how they are then, or `None` if there is no such person. One who is disabled
/// already stays so since then.
pub async fn set_disabled(
    connection: &mut PgConnection,
    user: UserId,
    at: Option<DateTime<Utc>>,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "UPDATE users SET disabled_at = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE coalesce(disabled_at, $2) END
        WHERE user_id = $1 RETURNING user_id, email, name, created_at, disabled_at",
        user.as_uuid(),
        at
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("disable a user"))?;
    row.map(User::try_from).transpose()
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

struct Row {
    user_id: Uuid,
    email: String,
    name: String,
    created_at: DateTime<Utc>,
    disabled_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId::from_uuid(row.user_id),
            email: row.email.parse().map_err(StoreError::corrupt("e-mail address"))?,
            name: row.name.parse().map_err(StoreError::corrupt("name of a person"))?,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect, new_user};

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_address_is_one_persons(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = new_user("ada@example.com");

        assert!(insert(&mut connection, &ada, Some(HASH)).await.unwrap());
        assert!(!insert(&mut connection, &new_user("ada@example.com"), None).await.unwrap());

        let found = find_credentials(&mut connection, &ada.email).await.unwrap().unwrap();
        assert_eq!(found, Credentials { user: ada.id, password: Some(HASH.to_owned()), is_disabled: false });
        assert_eq!(find(&mut connection, ada.id).await.unwrap(), Some(ada.clone()));
        assert_eq!(list(&mut connection, None, 10).await.unwrap(), [ada]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_password_is_changed_by_who_knows_which_it_was(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = new_user("ada@example.com");
        insert(&mut connection, &ada, Some(HASH)).await.unwrap();
        let next = HASH.replace("aGFzaA", "b3RoZXI");

        assert!(!set_password(&mut connection, ada.id, None, &next, at(1)).await.unwrap());
        assert!(set_password(&mut connection, ada.id, Some(HASH), &next, at(1)).await.unwrap());
        assert!(!set_password(&mut connection, ada.id, Some(HASH), HASH, at(2)).await.unwrap(), "it was changed meanwhile");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn somebody_is_disabled_since_the_first_time(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let ada = new_user("ada@example.com");
        insert(&mut connection, &ada, Some(HASH)).await.unwrap();

        set_disabled(&mut connection, ada.id, Some(at(1))).await.unwrap();
        let disabled = set_disabled(&mut connection, ada.id, Some(at(2))).await.unwrap().unwrap();

        assert_eq!(disabled.disabled_at, Some(at(1)));
        assert!(find_credentials(&mut connection, &ada.email).await.unwrap().unwrap().is_disabled);
        assert_eq!(set_disabled(&mut connection, ada.id, None).await.unwrap().unwrap().disabled_at, None);
        assert_eq!(set_disabled(&mut connection, UserId::new(), None).await.unwrap(), None);
    }
}
