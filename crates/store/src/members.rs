//! Who may do what for a customer.

use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, EmailAddress, MemberRole, PersonName, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A person at a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// What they may do.
    pub role: MemberRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A customer that a person belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The customer.
    pub customer: CustomerId,
    /// What it is called.
    pub customer_name: CustomerName,
    /// What the person may do there.
    pub role: MemberRole,
}

/// What became of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// It was done: as the member is then, or was.
    Done(Member),
    /// The customer has no such member.
    Missing,
    /// It would leave the customer without an owner.
    LastOwner,
}

/// Makes somebody a member; `false` if they are one already.
pub async fn insert(
    connection: &mut PgConnection,
    customer: CustomerId,
    user: UserId,
    role: MemberRole,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO members (customer_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        customer.as_uuid(),
        user.as_uuid(),
        role.as_str(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a member"))?;
    Ok(done.rows_affected() == 1)
}

/// How many members a customer has. In a transaction, nobody else changes its members until the end.
pub async fn count(connection: &mut PgConnection, customer: CustomerId) -> Result<i64, StoreError> {
    lock(connection, customer).await?;
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM members WHERE customer_id = $1"#, customer.as_uuid())
        .fetch_one(connection)
        .await
        .map_err(StoreError::during("count members"))
}

/// A customer's members, by their ids.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT user_id, email, name, role, members.created_at FROM members JOIN users USING (user_id)
        WHERE customer_id = $1 AND user_id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY user_id DESC LIMIT $3",
        customer.as_uuid(),
        after.map(UserId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list members"))?;
    rows.into_iter().map(Member::try_from).collect()
}

/// The customers that a person belongs to, by name.
pub async fn list_of_user(connection: &mut PgConnection, user: UserId, limit: i64) -> Result<Vec<Membership>, StoreError> {
    let rows = sqlx::query!(
        "SELECT customer_id, customers.name, role FROM members JOIN customers USING (customer_id)
        WHERE user_id = $1 ORDER BY customers.name, customer_id LIMIT $2",
        user.as_uuid(),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the customers of a user"))?;
    rows.into_iter()
        .map(|row| {
            Ok(Membership {
                customer: CustomerId::from_uuid(row.customer_id),
                customer_name: row.name.parse().map_err(StoreError::corrupt("customer name"))?,
                role: role(&row.role)?,
            })
        })
        .collect()
}

/// Gives a member another role. In a transaction.
pub async fn set_role(
    connection: &mut PgConnection,
    customer: CustomerId,
    user: UserId,
    role: MemberRole,
) -> Result<MemberChange, StoreError> {
    lock(connection, customer).await?;
    let Some(before) = find(connection, customer, user).await? else { return Ok(MemberChange::Missing) };
    if role != MemberRole::Owner && is_last_owner(connection, customer, &before).await? {
        return Ok(MemberChange::LastOwner);
    }
    sqlx::query!(
        "UPDATE members SET role = $3 WHERE customer_id = $1 AND user_id = $2",
        customer.as_uuid(),
        user.as_uuid(),
        role.as_str()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("change a member's role"))?;
    Ok(MemberChange::Done(Member { role, ..before }))
}

/// Ends a membership. In a transaction.
pub async fn delete(connection: &mut PgConnection, customer: CustomerId, user: UserId) -> Result<MemberChange, StoreError> {
    lock(connection, customer).await?;
    let Some(before) = find(connection, customer, user).await? else { return Ok(MemberChange::Missing) };
    if is_last_owner(connection, customer, &before).await? {
        return Ok(MemberChange::LastOwner);
    }
    sqlx::query!("DELETE FROM members WHERE customer_id = $1 AND user_id = $2", customer.as_uuid(), user.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("remove a member"))?;
    Ok(MemberChange::Done(before))
}

async fn find(connection: &mut PgConnection, customer: CustomerId, user: UserId) -> Result<Option<Member>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT user_id, email, name, role, members.created_at FROM members JOIN users USING (user_id)
        WHERE customer_id = $1 AND user_id = $2",
        customer.as_uuid(),
        user.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a member"))?;
    row.map(Member::try_from).transpose()
}

/// Who changes a customer's members waits for whoever does so already: two owners cannot remove each other at one time.
pub(crate) async fn lock(connection: &mut PgConnection, customer: CustomerId) -> Result<(), StoreError> {
    sqlx::query!("SELECT FROM customers WHERE customer_id = $1 FOR NO KEY UPDATE", customer.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("lock a customer's members"))?;
    Ok(())
}

async fn is_last_owner(connection: &mut PgConnection, customer: CustomerId, member: &Member) -> Result<bool, StoreError> {
    if member.role != MemberRole::Owner {
        return Ok(false);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT FROM members JOIN users USING (user_id)
            WHERE customer_id = $1 AND user_id <> $2 AND role = 'owner' AND disabled_at IS NULL
        ) AS "others!""#,
        customer.as_uuid(),
        member.user.as_uuid()
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("count owners"))?;
    Ok(!others)
}

pub(crate) fn role(text: &str) -> Result<MemberRole, StoreError> {
    MemberRole::find(text).ok_or_else(|| StoreError::corrupt("role of a member")(format!("`{text}` is no role")))
}

struct Row {
    user_id: Uuid,
    email: String,
    name: String,
    role: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Member {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            user: UserId::from_uuid(row.user_id),
            email: row.email.parse().map_err(StoreError::corrupt("e-mail address"))?,
            name: row.name.parse().map_err(StoreError::corrupt("name of a person"))?,
            role: role(&row.role)?,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, PgPool};

    use super::*;
    use crate::fixtures::{self, at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_last_owner_stays(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        assert!(insert(&mut connection, customer, ada, MemberRole::Owner, at(0)).await.unwrap());
        assert!(insert(&mut connection, customer, eve, MemberRole::Viewer, at(0)).await.unwrap());
        assert!(!insert(&mut connection, customer, eve, MemberRole::Owner, at(0)).await.unwrap(), "once a member");

        assert_eq!(delete(&mut connection, customer, ada).await.unwrap(), MemberChange::LastOwner);
        assert_eq!(set_role(&mut connection, customer, ada, MemberRole::Editor).await.unwrap(), MemberChange::LastOwner);
        assert!(matches!(set_role(&mut connection, customer, eve, MemberRole::Owner).await.unwrap(), MemberChange::Done(_)));
        assert!(matches!(delete(&mut connection, customer, ada).await.unwrap(), MemberChange::Done(_)));
        assert_eq!(delete(&mut connection, customer, ada).await.unwrap(), MemberChange::Missing);
        assert_eq!(delete(&mut connection, customer, eve).await.unwrap(), MemberChange::LastOwner);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn two_owners_cannot_remove_each_other_at_one_time(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        for user in [ada, eve] {
            insert(&mut connection, customer, user, MemberRole::Owner, at(0)).await.unwrap();
        }

        let remove = async |user| {
            let mut connection = connect(&pool).await;
            let mut transaction = connection.begin().await.unwrap();
            let change = delete(&mut transaction, customer, user).await.unwrap();
            transaction.commit().await.unwrap();
            change
        };
        let (one, other) = tokio::join!(remove(ada), remove(eve));

        let refused = [&one, &other].into_iter().filter(|change| **change == MemberChange::LastOwner).count();
        assert_eq!(refused, 1, "{one:?} {other:?}");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn members_are_seen_from_both_sides(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        insert(&mut connection, customer, ada, MemberRole::Editor, at(0)).await.unwrap();

        let members = list(&mut connection, customer, None, 10).await.unwrap();
        let memberships = list_of_user(&mut connection, ada, 10).await.unwrap();

        assert_eq!((members.len(), members[0].user, members[0].role), (1, ada, MemberRole::Editor));
        assert_eq!((memberships.len(), memberships[0].customer), (1, customer));
        assert_eq!(count(&mut connection, customer).await.unwrap(), 1);
        assert!(list(&mut connection, other, None, 10).await.unwrap().is_empty());
        assert_eq!(delete(&mut connection, other, ada).await.unwrap(), MemberChange::Missing);
    }
}
