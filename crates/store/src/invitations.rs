//! Invitations to become a member of a customer. The token of a link is never kept, only its SHA-256.

use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, Digest, EmailAddress, InvitationId, MemberRole, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, members};

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The customer whose member one becomes.
    pub customer: CustomerId,
    /// What one may do there.
    pub role: MemberRole,
    /// Whom it is for; absent: whoever has the link.
    pub email: Option<EmailAddress>,
    /// Who invites; absent: whoever runs the installation.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: DateTime<Utc>,
}

/// How many invitations a customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationCounts {
    /// Those that are open.
    pub open: i64,
    /// Those that were made of late, whatever became of them.
    pub made: i64,
}

/// Keeps a new invitation by the digest of its token; `false` if there is no such customer.
pub async fn insert(connection: &mut PgConnection, invitation: &Invitation, sha256: &Digest) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO invitations (invitation_id, customer_id, role, email, sha256, invited_by, created_at, expires_at)
        SELECT $1, customer_id, $3, $4, $5, $6, $7, $8 FROM customers WHERE customer_id = $2",
        invitation.id.as_uuid(),
        invitation.customer.as_uuid(),
        invitation.role.as_str(),
        invitation.email.as_ref().map(EmailAddress::as_str),
        sha256.as_bytes().as_slice(),
        invitation.invited_by.map(UserId::as_uuid),
        invitation.created_at,
        invitation.expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert an invitation"))?;
    Ok(done.rows_affected() == 1)
}

/// How many invitations of a customer are open at `now`, and how many were made after `since`. In a transaction, nobody else makes any until
/// the end.
pub async fn count(
    connection: &mut PgConnection,
    customer: CustomerId,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
) -> Result<InvitationCounts, StoreError> {
    members::lock(connection, customer).await?;
    sqlx::query_as!(
        InvitationCounts,
        r#"SELECT count(*) FILTER (WHERE accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2) AS "open!",
            count(*) FILTER (WHERE created_at > $3) AS "made!"
        FROM invitations WHERE customer_id = $1"#,
        customer.as_uuid(),
        now,
        since
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("count invitations"))
}

/// The invitation with this digest and the name of its customer, if it is open at `now`.
pub async fn find_open(
    connection: &mut PgConnection,
    sha256: &Digest,
    now: DateTime<Utc>,
) -> Result<Option<(Invitation, CustomerName)>, StoreError> {
    let row = sqlx::query!(
        "SELECT invitation_id, customer_id, role, email, invited_by, invitations.created_at, expires_at, customers.name
        FROM invitations JOIN customers USING (customer_id)
        WHERE sha256 = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2",
        sha256.as_bytes().as_slice(),
        now
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an invitation"))?;
    row.map(|row| {
        let name = row.name.parse().map_err(StoreError::corrupt("customer name"))?;
        let row = Row {
            invitation_id: row.invitation_id,
            customer_id: row.customer_id,
            role: row.role,
            email: row.email,
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        };
        Ok((row.try_into()?, name))
    })
    .transpose()
}

/// The invitations of a customer that are open at `now`, newest first.
pub async fn list_open(
    connection: &mut PgConnection,
    customer: CustomerId,
    now: DateTime<Utc>,
    after: Option<InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT invitation_id, customer_id, role, email, invited_by, created_at, expires_at FROM invitations
        WHERE customer_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2
            AND invitation_id < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY invitation_id DESC LIMIT $4",
        customer.as_uuid(),
        now,
        after.map(InvitationId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list invitations"))?;
    rows.into_iter().map(Invitation::try_from).collect()
}

/// Takes an open invitation back; `false` if the customer has none such.
pub async fn revoke(
    connection: &mut PgConnection,
    customer: CustomerId,
    invitation: InvitationId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE invitations SET revoked_at = $3
        WHERE customer_id = $1 AND invitation_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3",
        customer.as_uuid(),
        invitation.as_uuid(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("revoke an invitation"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes back what a person invites to and is open at `at`: to one customer, or to all.
pub async fn revoke_of_inviter(
    connection: &mut PgConnection,
    inviter: UserId,
    customer: Option<CustomerId>,
    at: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "UPDATE invitations SET revoked_at = $3
        WHERE invited_by = $1 AND ($2::uuid IS NULL OR customer_id = $2)
            AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3",
        inviter.as_uuid(),
        customer.map(CustomerId::as_uuid),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("revoke the invitations of a user"))?;
    Ok(done.rows_affected())
}

/// Uses an invitation up; `false` if somebody did so already, it is not open any more, or whoever invites is no owner any more. The caller has
/// locked the customer's members ([`members::count`]), so that nobody ceases to be an owner meanwhile.
pub async fn accept(
    connection: &mut PgConnection,
    invitation: InvitationId,
    user: UserId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE invitations SET accepted_at = $3, accepted_by = $2
        WHERE invitation_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3
            AND (invited_by IS NULL OR EXISTS (
                SELECT FROM members JOIN users USING (user_id)
                WHERE members.customer_id = invitations.customer_id AND user_id = invitations.invited_by
                    AND members.role = 'owner' AND disabled_at IS NULL))",
        invitation.as_uuid(),
        user.as_uuid(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("accept an invitation"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes invitations that were used, taken back or expired before `before`, `batch` at most; says how many.
pub async fn delete_ended(connection: &mut PgConnection, before: DateTime<Utc>, batch: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM invitations WHERE invitation_id IN (
            SELECT invitation_id FROM invitations WHERE least(expires_at, accepted_at, revoked_at) < $1 LIMIT $2)",
        before,
        batch
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete ended invitations"))?;
    Ok(done.rows_affected())
}

struct Row {
    invitation_id: Uuid,
    customer_id: Uuid,
    role: String,
    email: Option<String>,
    invited_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl TryFrom<Row> for Invitation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { invitation_id, customer_id, role, email, invited_by, created_at, expires_at } = row;
        let unknown = || StoreError::corrupt("role of an invitation")(format!("`{role}` is no role"));
        Ok(Self {
            id: InvitationId::from_uuid(invitation_id),
            customer: CustomerId::from_uuid(customer_id),
            role: MemberRole::find(&role).ok_or_else(unknown)?,
            email: email.map(|email| email.parse()).transpose().map_err(StoreError::corrupt("e-mail address"))?,
            invited_by: invited_by.map(UserId::from_uuid),
            created_at,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{Connection as _, PgPool};
    use tokio::time::timeout;

    use super::*;
    use crate::{
        fixtures::{self, at, connect},
        users,
    };

    fn new(customer: CustomerId) -> Invitation {
        Invitation {
            id: InvitationId::new(),
            customer,
            role: MemberRole::Editor,
            email: Some("eve@example.com".parse().unwrap()),
            invited_by: None,
            created_at: at(0),
            expires_at: at(100),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_invitation_is_accepted_once_and_in_time(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let (invitation, sha256) = (new(customer), Digest::of(b"token"));
        assert!(insert(&mut connection, &invitation, &sha256).await.unwrap());
        assert!(!insert(&mut connection, &new(CustomerId::new()), &Digest::of(b"other")).await.unwrap());

        let (found, name) = find_open(&mut connection, &sha256, at(99)).await.unwrap().unwrap();
        assert_eq!((&found, name.as_str()), (&invitation, "Somebody"));
        assert_eq!(find_open(&mut connection, &sha256, at(100)).await.unwrap(), None);
        assert!(!accept(&mut connection, invitation.id, eve, at(100)).await.unwrap());
        assert!(accept(&mut connection, invitation.id, eve, at(99)).await.unwrap());
        assert!(!accept(&mut connection, invitation.id, eve, at(99)).await.unwrap());
        assert_eq!(find_open(&mut connection, &sha256, at(1)).await.unwrap(), None);
        assert_eq!(count(&mut connection, customer, at(1), at(-1)).await.unwrap(), InvitationCounts { open: 0, made: 1 });
        assert_eq!(count(&mut connection, customer, at(1), at(0)).await.unwrap(), InvitationCounts { open: 0, made: 0 });
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn whoever_counts_waits_for_whoever_counted_before(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let mut other = connect(&pool).await;
        let (mut first, mut second) = (connection.begin().await.unwrap(), other.begin().await.unwrap());
        assert_eq!(count(&mut first, customer, at(1), at(-1)).await.unwrap().open, 0);

        let mut counting = Box::pin(count(&mut second, customer, at(1), at(-1)));
        assert!(timeout(Duration::from_millis(300), &mut counting).await.is_err(), "the first may still insert one");
        insert(&mut first, &new(customer), &Digest::of(b"token")).await.unwrap();
        first.commit().await.unwrap();

        assert_eq!(counting.await.unwrap().open, 1, "what the first inserted is counted");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_ended_is_deleted_and_what_is_open_stays(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let [used, revoked, open] = [0, 1, 2].map(|_| new(customer));
        for (index, invitation) in [&used, &revoked, &open].into_iter().enumerate() {
            let sha256 = Digest::of(&[u8::try_from(index).unwrap()]);
            insert(&mut connection, invitation, &sha256).await.unwrap();
        }
        accept(&mut connection, used.id, eve, at(5)).await.unwrap();
        revoke(&mut connection, customer, revoked.id, at(6)).await.unwrap();

        assert_eq!(delete_ended(&mut connection, at(5), 10).await.unwrap(), 0);
        assert_eq!(delete_ended(&mut connection, at(7), 1).await.unwrap(), 1);
        assert_eq!(delete_ended(&mut connection, at(7), 10).await.unwrap(), 1);
        assert_eq!(count(&mut connection, customer, at(7), at(-1)).await.unwrap(), InvitationCounts { open: 1, made: 1 });
        assert_eq!(delete_ended(&mut connection, at(101), 10).await.unwrap(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_whoever_is_no_owner_it_opens_nothing(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let ada = fixtures::user(&mut connection, "ada@example.com").await;
        let eve = fixtures::user(&mut connection, "eve@example.com").await;
        let invitation = Invitation { invited_by: Some(ada), ..new(customer) };
        insert(&mut connection, &invitation, &Digest::of(b"token")).await.unwrap();

        assert!(!accept(&mut connection, invitation.id, eve, at(1)).await.unwrap(), "she is no member");
        members::insert(&mut connection, customer, ada, MemberRole::Owner, at(0)).await.unwrap();
        users::set_disabled(&mut connection, ada, Some(at(1))).await.unwrap();
        assert!(!accept(&mut connection, invitation.id, eve, at(1)).await.unwrap(), "she is disabled");
        users::set_disabled(&mut connection, ada, None).await.unwrap();
        assert!(accept(&mut connection, invitation.id, eve, at(1)).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn it_is_taken_back_by_its_customer_alone(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let invitation = new(customer);
        insert(&mut connection, &invitation, &Digest::of(b"token")).await.unwrap();

        assert!(list_open(&mut connection, other, at(1), None, 10).await.unwrap().is_empty());
        assert!(!revoke(&mut connection, other, invitation.id, at(1)).await.unwrap());
        assert_eq!(list_open(&mut connection, customer, at(1), None, 10).await.unwrap(), std::slice::from_ref(&invitation));
        assert!(revoke(&mut connection, customer, invitation.id, at(1)).await.unwrap());
        assert!(!revoke(&mut connection, customer, invitation.id, at(1)).await.unwrap());
        assert_eq!(find_open(&mut connection, &Digest::of(b"token"), at(2)).await.unwrap(), None);
    }
}
