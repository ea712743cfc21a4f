//! What users let clients do: one consent a user, client and subject.

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, ConsentId, CustomerId, CustomerName, Scopes, ServerId, ServerTitle, Slug, UserId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number, pins};

/// The most consents of one user.
pub const OF_USER_MAX: u32 = 1_000;

/// What a client is let use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A server, by MCP.
    Server(ServerId),
    /// All of a customer, by the management API.
    Customer(CustomerId),
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// Who gave it.
    pub user: UserId,
    /// The client, as it names itself.
    pub client_id: String,
    /// What it was called when the consent was given: 200 characters at most.
    pub client_name: String,
    /// What it may use.
    pub subject: Subject,
    /// What for.
    pub scopes: Scopes,
    /// Whether what changes afterwards is held back ([`crate::pins`]).
    pub pins_definitions: bool,
    /// When it was given first.
    pub given_at: DateTime<Utc>,
    /// When it was given last.
    pub changed_at: DateTime<Utc>,
}

/// Whether what changes is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinsDefinitions {
    /// It is, from now on.
    Yes,
    /// It is not, and what was is not any more.
    No,
}

/// A consent in a list, with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentUse {
    /// The consent.
    pub consent: Consent,
    /// What its subject is called.
    pub place: Place,
    /// Authorizations that are in force.
    pub authorizations: u64,
    /// Whether one of them can be refreshed.
    pub is_offline: bool,
    /// When a token of it was last given out or used; absent if none was, or if all that came of it ended long ago.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What the subject of a consent is called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A server.
    Server {
        /// Its public name.
        slug: Slug,
        /// What people see.
        title: ServerTitle,
    },
    /// All of a customer.
    Customer(CustomerName),
}

/// Keeps a consent. If the user gave one to this client for this subject before, that one has the scopes of both from now on and is given
/// back; what it pinned stays, or is forgotten if it is to hold nothing back any more. `None`, and nothing is kept, if the user would have more than [`OF_USER_MAX`].
pub async fn upsert(connection: &mut PgConnection, consent: &Consent) -> Result<Option<Consent>, StoreError> {
    let during = || StoreError::during("keep a consent");
    let mut transaction = connection.begin().await.map_err(during())?;
    // One consent of a user at a time, so that the count is true.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 7592))", consent.user.to_string())
        .fetch_one(&mut *transaction)
        .await
        .map_err(during())?;
    let before = find(&mut transaction, consent.user, &consent.client_id, consent.subject).await?;
    let kept = match before {
        Some(before) => Consent {
            scopes: before.scopes.with(&consent.scopes),
            client_name: consent.client_name.clone(),
            pins_definitions: consent.pins_definitions,
            changed_at: consent.changed_at,
            ..before
        },
        None => consent.clone(),
    };
    let (server, customer) = kept.subject.columns();
    sqlx::query!(
        "INSERT INTO consents (consent_id, user_id, client_id, client_name, server_id, customer_id, scopes, given_at, changed_at,
            pins_definitions)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (consent_id) DO UPDATE SET scopes = excluded.scopes, client_name = excluded.client_name,
            changed_at = excluded.changed_at, pins_definitions = excluded.pins_definitions",
        kept.id.as_uuid(),
        kept.user.as_uuid(),
        kept.client_id,
        kept.client_name,
        server,
        customer,
        kept.scopes.to_string(),
        kept.given_at,
        kept.changed_at,
        kept.pins_definitions
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    if !kept.pins_definitions {
        pins::forget(&mut transaction, kept.id).await?;
    }
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM consents WHERE user_id = $1"#, kept.user.as_uuid())
        .fetch_one(&mut *transaction)
        .await
        .map_err(during())?;
    if number::read::<u32>("number of consents", count)? > OF_USER_MAX {
        return Ok(None);
    }
    transaction.commit().await.map_err(during())?;
    Ok(Some(kept))
}

/// What the user let this client do with this subject.
pub async fn find(
    connection: &mut PgConnection,
    user: UserId,
    client_id: &str,
    subject: Subject,
) -> Result<Option<Consent>, StoreError> {
    let (server, customer) = subject.columns();
    let row = sqlx::query_as!(
        Row,
        "SELECT consent_id, user_id, client_id, client_name, server_id, customer_id, scopes, pins_definitions, given_at, changed_at
        FROM consents WHERE user_id = $1 AND client_id = $2 AND (server_id = $3 OR customer_id = $4)",
        user.as_uuid(),
        client_id,
        server,
        customer
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a consent"))?;
    row.map(Consent::try_from).transpose()
}

/// The user's consent of this id, and the server that it is for; `None` if the user has none such for a server.
pub async fn find_for_server(
    connection: &mut PgConnection,
    user: UserId,
    consent: ConsentId,
) -> Result<Option<(Consent, ServerId, Slug)>, StoreError> {
    let row = sqlx::query!(
        "SELECT client_id, client_name, servers.server_id, slug, scopes, pins_definitions, given_at, changed_at
        FROM consents JOIN servers ON servers.server_id = consents.server_id WHERE user_id = $1 AND consent_id = $2",
        user.as_uuid(),
        consent.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a consent for a server"))?;
    let Some(row) = row else { return Ok(None) };
    let server = ServerId::from_uuid(row.server_id);
    let found = Consent {
        id: consent,
        user,
        client_id: row.client_id,
        client_name: row.client_name,
        subject: Subject::Server(server),
        scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
        pins_definitions: row.pins_definitions,
        given_at: row.given_at,
        changed_at: row.changed_at,
    };
    Ok(Some((found, server, row.slug.parse().map_err(StoreError::corrupt("slug"))?)))
}

/// Whether this consent holds back what changes.
pub async fn pins_definitions(connection: &mut PgConnection, consent: ConsentId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!("SELECT pins_definitions FROM consents WHERE consent_id = $1", consent.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find out whether a consent pins definitions"))?;
    Ok(found.unwrap_or(false))
}

/// The user's consents, newest first, with what came of them and is in force at `now`.
pub async fn list(
    connection: &mut PgConnection,
    user: UserId,
    after: Option<ConsentId>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<ConsentUse>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT consent_id, consents.user_id, consents.client_id, client_name, consents.server_id, consents.customer_id,
            consents.scopes, pins_definitions, given_at, changed_at, slug AS "slug?", title AS "title?", customers.name AS "customer_name?",
            count(authorization_id) FILTER (WHERE revoked_at IS NULL AND expires_at > $4) AS "authorizations!",
            coalesce(bool_or(rotated_at IS NOT NULL) FILTER (WHERE revoked_at IS NULL AND expires_at > $4), false) AS "is_offline!",
            max(last_used_at) AS last_used_at
        FROM consents LEFT JOIN authorizations USING (consent_id)
            LEFT JOIN servers ON servers.server_id = consents.server_id
            LEFT JOIN customers ON customers.customer_id = consents.customer_id
        WHERE consents.user_id = $1 AND consent_id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        GROUP BY consent_id, servers.server_id, customers.customer_id ORDER BY consent_id DESC LIMIT $3"#,
        user.as_uuid(),
        after.map(ConsentId::as_uuid),
        limit,
        now
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list consents"))?;
    let read = rows.into_iter().map(|row| {
        let place = Place::read(row.slug, row.title, row.customer_name)?;
        let consent = Row {
            consent_id: row.consent_id,
            user_id: row.user_id,
            client_id: row.client_id,
            client_name: row.client_name,
            server_id: row.server_id,
            customer_id: row.customer_id,
            scopes: row.scopes,
            pins_definitions: row.pins_definitions,
            given_at: row.given_at,
            changed_at: row.changed_at,
        };
        let authorizations = number::read("number of authorizations", row.authorizations)?;
        let (is_offline, last_used_at) = (row.is_offline, row.last_used_at);
        Ok(ConsentUse { consent: consent.try_into()?, place, authorizations, is_offline, last_used_at })
    });
    read.collect()
}

/// Holds back from now on what changes, or does not any more, for the user's consent for a server; `false` if it does so already, or there is none
/// such. What is not held back any more is forgotten. In a transaction.
pub async fn set_pins_definitions(
    connection: &mut PgConnection,
    user: UserId,
    consent: ConsentId,
    pins_definitions: PinsDefinitions,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE consents SET pins_definitions = $3
        WHERE user_id = $1 AND consent_id = $2 AND server_id IS NOT NULL AND pins_definitions <> $3",
        user.as_uuid(),
        consent.as_uuid(),
        pins_definitions == PinsDefinitions::Yes
    )
    .execute(&mut *connection)
    .await
    .map_err(StoreError::during("change whether a consent pins definitions"))?;
    let is_changed = done.rows_affected() == 1;
    if is_changed && pins_definitions == PinsDefinitions::No {
        pins::forget(connection, consent).await?;
    }
    Ok(is_changed)
}

/// What clients of these ids were called when the user let them in, as far as they are let in still.
pub async fn list_client_names(
    connection: &mut PgConnection,
    user: UserId,
    client_ids: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (client_id) client_id, client_name FROM consents WHERE user_id = $1 AND client_id = ANY($2)
        ORDER BY client_id, changed_at DESC",
        user.as_uuid(),
        client_ids
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the names of clients"))?;
    Ok(rows.into_iter().map(|row| (row.client_id, row.client_name)).collect())
}

/// Takes a consent back, with everything that came of it; gives it as it was, or `None` if the user has none of this id.
pub async fn delete(connection: &mut PgConnection, user: UserId, consent: ConsentId) -> Result<Option<Consent>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "DELETE FROM consents WHERE user_id = $1 AND consent_id = $2
        RETURNING consent_id, user_id, client_id, client_name, server_id, customer_id, scopes, pins_definitions, given_at, changed_at",
        user.as_uuid(),
        consent.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("take a consent back"))?;
    row.map(Consent::try_from).transpose()
}

/// Takes back what a user let clients do with all of a customer, with everything that came of it; says which authorizations ended.
pub async fn delete_of_member(
    connection: &mut PgConnection,
    user: UserId,
    customer: CustomerId,
) -> Result<Vec<AuthorizationId>, StoreError> {
    let during = || StoreError::during("take the consents of a member back");
    let ended = sqlx::query_scalar!(
        "DELETE FROM authorizations WHERE user_id = $1 AND customer_id = $2 RETURNING authorization_id",
        user.as_uuid(),
        customer.as_uuid()
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(during())?;
    sqlx::query!("DELETE FROM consents WHERE user_id = $1 AND customer_id = $2", user.as_uuid(), customer.as_uuid())
        .execute(connection)
        .await
        .map_err(during())?;
    Ok(ended.into_iter().map(AuthorizationId::from_uuid).collect())
}

/// Takes all of a user's consents back, with everything that came of them; says which authorizations ended.
pub async fn delete_all(connection: &mut PgConnection, user: UserId) -> Result<Vec<AuthorizationId>, StoreError> {
    let during = || StoreError::during("take the consents of a user back");
    let ended = sqlx::query_scalar!("DELETE FROM authorizations WHERE user_id = $1 RETURNING authorization_id", user.as_uuid())
        .fetch_all(&mut *connection)
        .await
        .map_err(during())?;
    sqlx::query!("DELETE FROM consents WHERE user_id = $1", user.as_uuid()).execute(connection).await.map_err(during())?;
    Ok(ended.into_iter().map(AuthorizationId::from_uuid).collect())
}

impl Subject {
    /// The server's id or the customer's, of which rows have one.
    pub(crate) const fn columns(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Server(server) => (Some(server.as_uuid()), None),
            Self::Customer(customer) => (None, Some(customer.as_uuid())),
        }
    }

    pub(crate) fn read(server: Option<Uuid>, customer: Option<Uuid>) -> Result<Self, StoreError> {
        match (server, customer) {
            (Some(server), None) => Ok(Self::Server(ServerId::from_uuid(server))),
            (None, Some(customer)) => Ok(Self::Customer(CustomerId::from_uuid(customer))),
            _ => Err(StoreError::Corrupt { what: "subject of a consent", source: "it has none, or two".into() }),
        }
    }
}

impl Place {
    fn read(slug: Option<String>, title: Option<String>, customer: Option<String>) -> Result<Self, StoreError> {
        match (slug, title, customer) {
            (Some(slug), Some(title), None) => Ok(Self::Server {
                slug: slug.parse().map_err(StoreError::corrupt("slug"))?,
                title: title.parse().map_err(StoreError::corrupt("title of a server"))?,
            }),
            (None, None, Some(name)) => Ok(Self::Customer(name.parse().map_err(StoreError::corrupt("customer name"))?)),
            _ => Err(StoreError::Corrupt { what: "subject of a consent", source: "it has no name, or two".into() }),
        }
    }
}

struct Row {
    consent_id: Uuid,
    user_id: Uuid,
    client_id: String,
    client_name: String,
    server_id: Option<Uuid>,
    customer_id: Option<Uuid>,
    scopes: String,
    pins_definitions: bool,
    given_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl TryFrom<Row> for Consent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ConsentId::from_uuid(row.consent_id),
            user: UserId::from_uuid(row.user_id),
            subject: Subject::read(row.server_id, row.customer_id)?,
            client_id: row.client_id,
            client_name: row.client_name,
            scopes: row.scopes.parse().map_err(StoreError::corrupt("list of scopes"))?,
            pins_definitions: row.pins_definitions,
            given_at: row.given_at,
            changed_at: row.changed_at,
        })
    }
}
