//! The audit log: what was changed, by whom, from where (SEC-14). Entries are appended and never changed: the runtime role may do nothing else, and a
//! trigger refuses it to everybody.

mod entry;
mod row;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, AuthorizationId, CustomerId, RequestId, SignInId, UserId, VersionId};
use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

pub use self::entry::{Actor, ActorKind, DETAILS_BYTES_MAX, Entry, NAME_CHARS_MAX, Thing};
use self::row::Row;
use crate::{Database, StoreError};

/// What the database calls a deletion of the oldest entries, of which it writes the entry by itself.
pub const PRUNE: &str = "prune_audit";
/// Days for which an entry stays.
pub const KEPT_DAYS_MIN: i64 = 90;

/// Which entries are wanted; those that match all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Of this customer's things.
    pub customer: Option<CustomerId>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Of actors that showed this.
    pub actor_kind: Option<ActorKind>,
    /// Of this key, person or authorization.
    pub actor: Option<Uuid>,
    /// Of the thing of this id.
    pub thing: Option<Uuid>,
    /// Of things of this name.
    pub thing_name: Option<String>,
    /// Made at this moment or after.
    pub since: Option<DateTime<Utc>>,
    /// Made before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// Appends an entry. In the transaction of the change, so that there is neither without the other.
pub async fn insert(connection: &mut PgConnection, entry: &Entry) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_entries (
            entry_id, made_at, operation, actor_kind, actor_id, sign_in_id, authorization_id, client_id, customer_id, thing_kind, thing_id,
            thing_name, version_id, digest, request_id, address, details, account_id
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::inet, $17, $18)",
        entry.id.as_uuid(),
        entry.made_at,
        entry.operation,
        entry.actor.kind.as_str(),
        entry.actor.id,
        entry.actor.sign_in.map(SignInId::as_uuid),
        entry.actor.authorization.map(AuthorizationId::as_uuid),
        entry.actor.client,
        entry.customer.map(CustomerId::as_uuid),
        entry.thing.kind,
        entry.thing.id,
        entry.thing.name,
        entry.version.map(VersionId::as_uuid),
        entry.digest.as_ref().map(|digest| digest.as_bytes().as_slice()),
        entry.request.map(RequestId::as_uuid),
        entry.address.map(|address| address.to_string()),
        Value::Object(entry.details.clone()),
        entry.account.map(UserId::as_uuid),
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("append to the audit log"))?;
    Ok(())
}

/// The entries of those that `$customer` lets through, in which `$2` stands for a customer.
macro_rules! rows {
    ($customer:literal, $filter:expr, $after:expr, $limit:expr) => {
        sqlx::query_as!(
            Row,
            r#"SELECT entry_id, made_at, operation, actor_kind, actor_id, sign_in_id, authorization_id, client_id, customer_id, thing_kind,
                thing_id, thing_name, version_id, digest, request_id, host(address) AS address, details, account_id
            FROM audit_entries
            WHERE entry_id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
                AND ($3::text IS NULL OR operation = $3)
                AND ($4::text IS NULL OR actor_kind = $4)
                AND ($5::uuid IS NULL OR actor_id = $5)
                AND ($6::uuid IS NULL OR thing_id = $6)
                AND ($7::text IS NULL OR thing_name = $7)
                AND ($8::timestamptz IS NULL OR made_at >= $8)
                AND ($9::timestamptz IS NULL OR made_at < $9)
                AND "#
                + $customer
                + " ORDER BY entry_id DESC LIMIT $10",
            $after.map(AuditEntryId::as_uuid),
            $filter.customer.map(CustomerId::as_uuid),
            $filter.operation,
            $filter.actor_kind.map(ActorKind::as_str),
            $filter.actor,
            $filter.thing,
            $filter.thing_name,
            $filter.since,
            $filter.until,
            $limit
        )
    };
}

/// Entries, newest first. A customer's have a statement of their own: whatever else is asked for, it goes through theirs alone, and not through those of
/// all until it has found some.
pub async fn list(
    connection: &mut PgConnection,
    filter: &EntryFilter,
    after: Option<AuditEntryId>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows = if filter.customer.is_some() {
        rows!("customer_id = $2::uuid", filter, after, limit).fetch_all(connection).await
    } else {
        rows!("$2::uuid IS NULL", filter, after, limit).fetch_all(connection).await
    };
    let rows = rows.map_err(StoreError::during("list the audit log"))?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// What happened to a person's account, newest first.
pub async fn list_of_account(
    connection: &mut PgConnection,
    account: UserId,
    after: Option<AuditEntryId>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT entry_id, made_at, operation, actor_kind, actor_id, sign_in_id, authorization_id, client_id, customer_id, thing_kind,
            thing_id, thing_name, version_id, digest, request_id, host(address) AS address, details, account_id
        FROM audit_entries
        WHERE account_id = $1 AND entry_id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY entry_id DESC LIMIT $3"#,
        account.as_uuid(),
        after.map(AuditEntryId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list what happened to an account"))?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Deletes the entries made before `before`, which the database refuses of the last [`KEPT_DAYS_MIN`] days; gives how many. Only the owner of the table
/// may, so that this has a connection of its own. The database leaves an entry that says so, and keeps all of that kind.
pub async fn prune(database: &Database, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let act = "delete the oldest entries of the audit log";
    let mut connection = database.options().connect().await.map_err(StoreError::during("connect to the database"))?;
    let deleted = sqlx::query!("DELETE FROM audit_entries WHERE made_at < $1 AND operation <> 'prune_audit'", before)
        .execute(&mut connection)
        .await
        .map_err(StoreError::during(act))?;
    let _ = connection.close().await;
    Ok(deleted.rows_affected())
}
