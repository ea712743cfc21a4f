//! The audit log: what was changed, by whom, from where (SEC-14). Entries are appended and never changed: the runtime role may do nothing else, and a
//! trigger refuses it to everybody.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, AuthorizationId, CustomerId, Digest, RequestId, SignInId, UserId, VersionId};
use serde_json::{Map, Value};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

use crate::{Database, StoreError};

/// Bytes of an entry's details, as JSON without spaces: the database takes no more than twice as many, since it writes spaces.
pub const DETAILS_BYTES_MAX: usize = 4096;
/// Characters of the name of a thing that are kept.
pub const NAME_CHARS_MAX: usize = 400;

/// What the database calls a deletion of the oldest entries, of which it writes the entry by itself.
pub const PRUNE: &str = "prune_audit";
/// Days for which an entry stays.
pub const KEPT_DAYS_MIN: i64 = 90;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id; later ones sort after earlier ones of the same node.
    pub id: AuditEntryId,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What was done, in snake case, such as `set_tier`.
    pub operation: String,
    /// Who did it.
    pub actor: Actor,
    /// Whose things were changed; absent where it was the platform's own, or a person's.
    pub customer: Option<CustomerId>,
    /// Whose account it is about, whoever did it; absent where it is about nobody's.
    pub account: Option<UserId>,
    /// What was changed.
    pub thing: Thing,
    /// The version that came of it.
    pub version: Option<VersionId>,
    /// The digest of that.
    pub digest: Option<Digest>,
    /// The request that asked for it; absent where the program did it by itself.
    pub request: Option<RequestId>,
    /// The address of whoever sent that.
    pub address: Option<IpAddr>,
    /// What else there is to say, [`DETAILS_BYTES_MAX`] bytes at most; never a secret.
    pub details: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What they showed of themselves.
    pub kind: ActorKind,
    /// The key; the person, or who let the client in; or the authorization of a client that acts for itself.
    pub id: Option<Uuid>,
    /// The person's sign-in.
    pub sign_in: Option<SignInId>,
    /// What the client's token came from.
    pub authorization: Option<AuthorizationId>,
    /// The client's `client_id`.
    pub client: Option<String>,
}

/// What somebody showed of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// The admin key.
    Admin,
    /// An API key.
    ApiKey,
    /// A sign-in, for a customer.
    Member,
    /// A sign-in, for themselves.
    Person,
    /// A token, or what a client proves to be itself by.
    Client,
    /// Nothing.
    Anyone,
    /// The program itself: a command, or a task of its own.
    Program,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// What it is, such as `server`.
    pub kind: String,
    /// Its id, if it has one.
    pub id: Option<Uuid>,
    /// Its name, if it has one, [`NAME_CHARS_MAX`] characters at most.
    pub name: Option<String>,
}

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

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Admin, Self::ApiKey, Self::Member, Self::Person, Self::Client, Self::Anyone, Self::Program];

    /// Its word, in rows and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ApiKey => "api_key",
            Self::Member => "member",
            Self::Person => "person",
            Self::Client => "client",
            Self::Anyone => "anyone",
            Self::Program => "program",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
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

struct Row {
    entry_id: Uuid,
    made_at: DateTime<Utc>,
    operation: String,
    actor_kind: String,
    actor_id: Option<Uuid>,
    sign_in_id: Option<Uuid>,
    authorization_id: Option<Uuid>,
    client_id: Option<String>,
    customer_id: Option<Uuid>,
    thing_kind: String,
    thing_id: Option<Uuid>,
    thing_name: Option<String>,
    version_id: Option<Uuid>,
    digest: Option<Vec<u8>>,
    request_id: Option<Uuid>,
    address: Option<String>,
    details: Value,
    account_id: Option<Uuid>,
}

impl TryFrom<Row> for Entry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = ActorKind::of(&row.actor_kind).ok_or_else(|| corrupt("kind of actor", &row.actor_kind))?;
        let Value::Object(details) = row.details else { return Err(corrupt("entry's details", "they are no object")) };
        let digest = row.digest.map(|bytes| <[u8; 32]>::try_from(bytes).map_err(|_| corrupt("digest", "it has not 32 bytes")));
        Ok(Self {
            id: AuditEntryId::from_uuid(row.entry_id),
            made_at: row.made_at,
            operation: row.operation,
            actor: Actor {
                kind,
                id: row.actor_id,
                sign_in: row.sign_in_id.map(SignInId::from_uuid),
                authorization: row.authorization_id.map(AuthorizationId::from_uuid),
                client: row.client_id,
            },
            customer: row.customer_id.map(CustomerId::from_uuid),
            account: row.account_id.map(UserId::from_uuid),
            thing: Thing { kind: row.thing_kind, id: row.thing_id, name: row.thing_name },
            version: row.version_id.map(VersionId::from_uuid),
            digest: digest.transpose()?.map(Digest::from_bytes),
            request: row.request_id.map(RequestId::from_uuid),
            address: row.address.map(|text| text.parse().map_err(StoreError::corrupt("address"))).transpose()?,
            details,
        })
    }
}

fn corrupt(what: &'static str, reason: &str) -> StoreError {
    StoreError::corrupt(what)(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::{Clock as _, SystemClock};
    use serde_json::json;
    use sqlx::{AssertSqlSafe, PgPool};

    use super::*;
    use crate::fixtures::{at, connect};

    fn entry(seconds: i64) -> Entry {
        let Value::Object(details) = json!({"tier": ["free", "pro"]}) else { panic!("no object") };
        Entry {
            id: AuditEntryId::new(),
            made_at: at(seconds),
            operation: "set_tier".to_owned(),
            actor: Actor {
                kind: ActorKind::Client,
                id: Some(Uuid::now_v7()),
                sign_in: Some(SignInId::new()),
                authorization: Some(AuthorizationId::new()),
                client: Some("https://app.test/client".to_owned()),
            },
            customer: Some(CustomerId::new()),
            account: Some(UserId::new()),
            thing: Thing { kind: "customer".to_owned(), id: Some(Uuid::now_v7()), name: Some("Somebody".to_owned()) },
            version: Some(VersionId::new()),
            digest: Some(Digest::of(b"version")),
            request: Some(RequestId::new()),
            address: Some("2001:db8::1".parse().unwrap()),
            details,
        }
    }

    fn bare(seconds: i64) -> Entry {
        let actor = Actor { kind: ActorKind::Program, id: None, sign_in: None, authorization: None, client: None };
        let thing = Thing { kind: "signing_key".to_owned(), id: None, name: None };
        Entry {
            operation: "rotate_signing_key".to_owned(),
            actor,
            thing,
            customer: None,
            account: None,
            version: None,
            digest: None,
            request: None,
            address: None,
            details: Map::new(),
            ..entry(seconds)
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_entry_reads_back_as_it_was_written_and_each_filter_finds_it(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (first, second, other) = (entry(1), bare(2), bare(3));
        for entry in [&first, &second, &other] {
            insert(&mut connection, entry).await.unwrap();
        }

        let all = list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap();
        assert_eq!(all, [other.clone(), second.clone(), first.clone()]);
        let next = list(&mut connection, &EntryFilter::default(), Some(other.id), 1).await.unwrap();
        assert_eq!(next, std::slice::from_ref(&second));
        let none = EntryFilter::default;
        for filter in [
            EntryFilter { customer: first.customer, ..none() },
            EntryFilter { operation: Some(first.operation.clone()), ..none() },
            EntryFilter { actor_kind: Some(ActorKind::Client), ..none() },
            EntryFilter { actor: first.actor.id, ..none() },
            EntryFilter { thing: first.thing.id, ..none() },
            EntryFilter { thing_name: first.thing.name.clone(), ..none() },
            EntryFilter { until: Some(at(2)), ..none() },
        ] {
            let found = list(&mut connection, &filter, None, 10).await.unwrap();
            assert_eq!(found, std::slice::from_ref(&first), "{filter:?}");
        }
        let span = EntryFilter { since: Some(at(2)), until: Some(at(3)), ..none() };
        assert_eq!(list(&mut connection, &span, None, 10).await.unwrap(), [second]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_an_account_all_that_happened_to_it_is_listed_and_nothing_else(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let first = entry(1);
        let second = Entry { account: first.account, ..bare(2) };
        for entry in [&first, &entry(1), &bare(2), &second] {
            insert(&mut connection, entry).await.unwrap();
        }
        let account = first.account.unwrap();

        let all = list_of_account(&mut connection, account, None, 10).await.unwrap();
        let older = list_of_account(&mut connection, account, Some(second.id), 10).await.unwrap();
        let newest = list_of_account(&mut connection, account, None, 1).await.unwrap();

        assert_eq!(all, [second.clone(), first.clone()]);
        assert_eq!((older, newest), (vec![first], vec![second]));
        assert!(list_of_account(&mut connection, UserId::new(), None, 10).await.unwrap().is_empty());
    }

    /// What was written before the log said whose account an entry is about.
    #[sqlx::test(migrations = false)]
    async fn of_entries_from_before_it_is_found_out_whose_account_they_are_about(pool: PgPool) {
        let mut connection = pool.acquire().await.unwrap();
        crate::migrate::run_only(&mut connection, 1..26).await;
        let (ada, eve, client) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let rows = [
            ("sign_in", "person", Some(ada), None, None, Some(ada)),
            ("sign_up", "person", Some(ada), None, Some(ada), Some(ada)),
            ("refuse_sign_in", "anyone", None, None, Some(ada), Some(ada)),
            ("refuse_sign_in", "anyone", None, None, None, None),
            ("remove_member", "member", Some(eve), None, Some(ada), Some(ada)),
            ("make_authorization", "client", Some(ada), Some(client), Some(client), Some(ada)),
            ("make_authorization", "client", Some(client), Some(client), Some(client), None),
            ("put_tool", "member", Some(ada), None, None, None),
        ];
        let mut wanted = Vec::new();
        for (operation, actor, actor_id, authorization, thing, account) in rows {
            let id = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO audit_entries (entry_id, made_at, operation, actor_kind, actor_id, authorization_id, thing_kind, thing_id, details)
                VALUES ($1, now(), $2, $3, $4, $5, 'thing', $6, '{}')",
            )
            .bind(id)
            .bind(operation)
            .bind(actor)
            .bind(actor_id)
            .bind(authorization)
            .bind(thing)
            .execute(&pool)
            .await
            .unwrap();
            wanted.push((id, account));
        }

        crate::migrate::run_only(&mut connection, 26..27).await;

        let found: Vec<(Uuid, Option<Uuid>)> =
            sqlx::query_as("SELECT entry_id, account_id FROM audit_entries ORDER BY entry_id").fetch_all(&pool).await.unwrap();
        assert_eq!(found, wanted);
        assert_eq!(refusal(&mut connection, CHANGES[0]).await.as_deref(), Some("23001"), "and they are as fixed as before");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_program_may_append_and_read_and_nothing_else(pool: PgPool) {
        let mut connection = connect(&pool).await;
        insert(&mut connection, &entry(1)).await.unwrap();

        for statement in CHANGES {
            assert_eq!(
                refusal(&mut connection, statement).await.as_deref(),
                Some("42501"),
                "insufficient privilege for {statement}"
            );
        }
        assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 1);
    }

    /// The owner of a database for tests is a superuser, too: rights hold neither, the trigger does.
    #[sqlx::test(migrations = "../../migrations")]
    async fn even_the_owner_changes_no_entry(pool: PgPool) {
        let mut connection = pool.acquire().await.unwrap();
        insert(&mut connection, &entry(1)).await.unwrap();

        for statement in CHANGES {
            assert_eq!(refusal(&mut connection, statement).await.as_deref(), Some("23001"), "the trigger refuses {statement}");
        }
        let empty = "UPDATE audit_entries SET operation = 'other' WHERE false";
        assert_eq!(refusal(&mut connection, empty).await.as_deref(), Some("23001"), "also where there is nothing to change");
        assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_owner_deletes_the_oldest_entries_and_leaves_one_of_that(pool: PgPool) {
        let mut connection = pool.acquire().await.unwrap();
        let days_ago = |days| Entry { made_at: SystemClock.now() - TimeDelta::days(days), ..entry(0) };
        let (oldest, older, young) = (days_ago(200), days_ago(100), days_ago(89));
        for entry in [&oldest, &older, &young] {
            insert(&mut connection, entry).await.unwrap();
        }
        let database = Database::from((*pool.connect_options()).clone());
        let prune = async |days| prune(&database, SystemClock.now() - TimeDelta::days(days)).await;

        assert!(prune(88).await.is_err(), "what is young stays, and all else with it");
        assert_eq!(prune(201).await.unwrap(), 0);
        assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 3);
        assert_eq!(prune(150).await.unwrap(), 1);
        assert_eq!(prune(90).await.unwrap(), 1);

        let left = list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap();
        let operations: Vec<_> = left.iter().map(|entry| entry.operation.as_str()).collect();
        assert_eq!(operations, [PRUNE, PRUNE, "set_tier"], "newest first: they have ids as the others");
        assert_eq!((left[0].actor.kind, &left[0].details["count"]), (ActorKind::Program, &json!(1)));
        assert_eq!((left[0].thing.kind.as_str(), left[0].customer), ("audit", None));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn nobody_takes_an_entry_out_of_the_middle_or_one_about_deletions(pool: PgPool) {
        let mut connection = pool.acquire().await.unwrap();
        let days_ago = |days| Entry { made_at: SystemClock.now() - TimeDelta::days(days), ..entry(0) };
        for entry in [days_ago(300), days_ago(200), Entry { operation: PRUNE.to_owned(), ..days_ago(400) }] {
            insert(&mut connection, &entry).await.unwrap();
        }

        for statement in [
            "DELETE FROM audit_entries WHERE made_at > now() - interval '250 days'",
            "DELETE FROM audit_entries WHERE operation = 'prune_audit'",
            "DELETE FROM audit_entries",
        ] {
            assert_eq!(refusal(&mut connection, statement).await.as_deref(), Some("23001"), "{statement}");
        }
        let oldest = "DELETE FROM audit_entries WHERE made_at < now() - interval '250 days' AND operation <> 'prune_audit'";
        assert_eq!(refusal(&mut *connect(&pool).await, oldest).await.as_deref(), Some("42501"), "nor does the program");
        assert_eq!(refusal(&mut connection, oldest).await, None);
        assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 3);
    }

    const CHANGES: [&str; 3] =
        ["UPDATE audit_entries SET operation = 'other'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"];

    async fn refusal(connection: &mut PgConnection, statement: &'static str) -> Option<String> {
        let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
        refused.err()?.into_database_error()?.code().map(String::from)
    }
}
