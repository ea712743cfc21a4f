//! Who may use a server by tokens: clients that people let in, and clients that its customer made to act for itself.

use chrono::{DateTime, Utc};
use domain::{AccessId, AuthorizationId, CustomerId, EmailAddress, Scopes, ServerId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, number};

/// The access that one client has to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its id: that of the consent, or of the client that acts for itself.
    pub id: AccessId,
    /// The client, as it names itself.
    pub client_id: String,
    /// Whom it acts for.
    pub holder: Holder,
    /// What for.
    pub scopes: Scopes,
    /// Since when.
    pub given_at: DateTime<Utc>,
    /// Authorizations that are in force.
    pub authorizations: u64,
    /// Whether one of them can be refreshed.
    pub is_offline: bool,
    /// When a token of it was last given out or used; absent if none was, or if all that came of it ended long ago.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Whom a client acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A person.
    Person {
        /// What the client was called when they let it in.
        client_name: String,
        /// Their address.
        email: EmailAddress,
        /// Whether they are a member of the server's customer.
        is_member: bool,
    },
    /// The customer itself.
    Machine {
        /// What is kept of the client (RFC 7591), as JSON.
        metadata: String,
    },
}

/// What was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Who had let the client in, and what it was called then; absent of a client that acts for itself, which is gone with it.
    pub given: Option<GivenBy>,
    /// What came of it.
    pub authorizations: Vec<AuthorizationId>,
}

/// Who had let a client in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBy {
    /// The person.
    pub user: UserId,
    /// What the client was called then.
    pub client_name: String,
}

/// Which accesses of a server are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The server's customer.
    pub customer: CustomerId,
    /// The server.
    pub server: ServerId,
    /// Those that are older than this one.
    pub after: Option<AccessId>,
    /// So many at most.
    pub limit: i64,
}

/// The accesses to a server, newest first, with what came of them and is in force at `now`.
pub async fn list(connection: &mut PgConnection, wanted: Wanted, now: DateTime<Utc>) -> Result<Vec<Access>, StoreError> {
    let mut found = list_of_people(connection, wanted, now).await?;
    found.extend(list_of_machines(connection, wanted, now).await?);
    // Each list has the newest of its kind, so the newest of both are among them.
    found.sort_by_key(|access| std::cmp::Reverse(access.id));
    found.truncate(usize::try_from(wanted.limit).unwrap_or_default());
    Ok(found)
}

/// Ends an access to a server of the customer, with all that came of it; a client that acts for itself is deleted, since it is for nothing else.
/// `None` if there is no such access. In a transaction.
pub async fn delete(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    access: AccessId,
) -> Result<Option<Ended>, StoreError> {
    let during = || StoreError::during("end an access to a server");
    let (id, server) = (access.as_uuid(), server.as_uuid());
    let ended = sqlx::query_scalar!(
        "DELETE FROM authorizations WHERE server_id = $2 AND (consent_id = $1 OR client_key = $1) RETURNING authorization_id",
        id,
        server
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(during())?;
    let authorizations = ended.into_iter().map(AuthorizationId::from_uuid).collect();
    let consent =
        sqlx::query!("DELETE FROM consents WHERE consent_id = $1 AND server_id = $2 RETURNING user_id, client_name", id, server)
            .fetch_optional(&mut *connection)
            .await
            .map_err(during())?;
    if let Some(consent) = consent {
        let given = GivenBy { user: UserId::from_uuid(consent.user_id), client_name: consent.client_name };
        return Ok(Some(Ended { given: Some(given), authorizations }));
    }
    let clients = sqlx::query!(
        "DELETE FROM clients WHERE client_key = $1 AND server_id = $2 AND customer_id = $3",
        id,
        server,
        customer.as_uuid()
    )
    .execute(connection)
    .await
    .map_err(during())?;
    Ok((clients.rows_affected() > 0).then_some(Ended { given: None, authorizations }))
}

async fn list_of_people(connection: &mut PgConnection, wanted: Wanted, now: DateTime<Utc>) -> Result<Vec<Access>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT consent_id, consents.client_id, client_name, email, members.user_id IS NOT NULL AS "is_member!",
            consents.scopes, given_at,
            count(authorization_id) FILTER (WHERE revoked_at IS NULL AND expires_at > $5) AS "authorizations!",
            coalesce(bool_or(rotated_at IS NOT NULL) FILTER (WHERE revoked_at IS NULL AND expires_at > $5), false) AS "is_offline!",
            max(last_used_at) AS last_used_at
        FROM consents JOIN users ON users.user_id = consents.user_id
            LEFT JOIN members ON members.customer_id = $1 AND members.user_id = consents.user_id
            LEFT JOIN authorizations USING (consent_id)
        WHERE consents.server_id = $2 AND consent_id < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        GROUP BY consent_id, email, members.user_id ORDER BY consent_id DESC LIMIT $4"#,
        wanted.customer.as_uuid(),
        wanted.server.as_uuid(),
        wanted.after.map(AccessId::as_uuid),
        wanted.limit,
        now
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the people whose clients use a server"))?;
    let read = rows.into_iter().map(|row| {
        let email = row.email.parse().map_err(StoreError::corrupt("e-mail address"))?;
        Ok(Access {
            id: AccessId::from_uuid(row.consent_id),
            client_id: row.client_id,
            holder: Holder::Person { client_name: row.client_name, email, is_member: row.is_member },
            scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
            given_at: row.given_at,
            authorizations: number::read("number of authorizations", row.authorizations)?,
            is_offline: row.is_offline,
            last_used_at: row.last_used_at,
        })
    });
    read.collect()
}

async fn list_of_machines(connection: &mut PgConnection, wanted: Wanted, now: DateTime<Utc>) -> Result<Vec<Access>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT clients.client_key, metadata, clients.scopes AS "scopes!", clients.created_at,
            count(authorization_id) FILTER (WHERE revoked_at IS NULL AND authorizations.expires_at > $5) AS "authorizations!",
            max(authorizations.last_used_at) AS last_used_at
        FROM clients LEFT JOIN authorizations ON authorizations.client_key = clients.client_key
        WHERE clients.customer_id = $1 AND clients.server_id = $2
            AND clients.client_key < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        GROUP BY clients.client_key ORDER BY clients.client_key DESC LIMIT $4"#,
        wanted.customer.as_uuid(),
        wanted.server.as_uuid(),
        wanted.after.map(AccessId::as_uuid),
        wanted.limit,
        now
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the clients that use a server"))?;
    let read = rows.into_iter().map(|row| {
        Ok(Access {
            id: AccessId::from_uuid(row.client_key),
            client_id: Uuid::to_string(&row.client_key),
            holder: Holder::Machine { metadata: row.metadata },
            scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
            given_at: row.created_at,
            authorizations: number::read("number of authorizations", row.authorizations)?,
            is_offline: false,
            last_used_at: row.last_used_at,
        })
    });
    read.collect()
}
