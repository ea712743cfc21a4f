//! Rows that tests begin with, and the connection that they work on.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    AuthorizationId, CallId, ClientKey, ConsentId, CustomerId, Digest, Grants, Language, Receipt, ReleaseId, RequestId, Scopes,
    ServerId, Slug, Status, Tier, ToolId, ToolInterface, ToolName, UserId, VersionId,
};
use serde_json::json;
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};
use uuid::Uuid;

use crate::{
    authorizations::{self, Authorization, Given},
    clients::{self, Client, ClientBounds, Registered},
    consents::{self, Consent, Subject},
    customers::{self, Customer},
    data_keys::SealedDataKey,
    environment::{self, EnvironmentValue},
    executions::Execution,
    releases::{self, NewRelease},
    servers::{self, NewServer},
    tiers, tools,
    users::{self, User},
    versions::{self, Version, VersionSummary},
};

/// Counts the queries of the thread that it listens on: sqlx tells of each when it is done. A test has one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queries(Arc<AtomicUsize>);

impl Queries {
    /// What another thread, to which nobody listens, meets first, counts as unheard until somebody new begins to listen.
    pub(crate) async fn begin(connection: &mut PgConnection) {
        for _ in 0..100 {
            let queries = Self::default();
            let _listening = tracing::subscriber::set_default(queries.clone());
            sqlx::query("SELECT").execute(&mut *connection).await.unwrap();
            if queries.count() == 1 {
                return;
            }
        }
        panic!("sqlx does not tell of its queries");
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Subscriber for Queries {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A connection as the program has it: what passes here, the runtime role may do.
pub(crate) async fn connect(pool: &PgPool) -> PoolConnection<Postgres> {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query("SET ROLE toolwright_runtime").execute(&mut *connection).await.unwrap();
    connection
}

/// An hour of tests, moved by seconds.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub(crate) async fn customer(connection: &mut PgConnection, tier: &str) -> CustomerId {
    let customer =
        Customer { id: CustomerId::new(), name: "Somebody".parse().unwrap(), tier: tier.parse().unwrap(), created_at: at(0) };
    customers::insert(connection, &customer).await.unwrap();
    customer.id
}

/// A tier that is as free but for what `change` does to it.
pub(crate) async fn tier(connection: &mut PgConnection, name: &str, change: impl FnOnce(&mut Tier)) {
    let mut tier = tiers::find(connection, &"free".parse().unwrap()).await.unwrap().unwrap();
    tier.name = name.parse().unwrap();
    change(&mut tier);
    tiers::upsert(connection, &tier).await.unwrap();
}

pub(crate) fn new_user(email: &str) -> User {
    User {
        id: UserId::new(),
        email: email.parse().unwrap(),
        name: "Ada Example".parse().unwrap(),
        created_at: at(0),
        disabled_at: None,
    }
}

pub(crate) async fn user(connection: &mut PgConnection, email: &str) -> UserId {
    let user = new_user(email);
    assert!(users::insert(connection, &user, None).await.unwrap());
    user.id
}

pub(crate) fn new_server(slug: &str) -> NewServer {
    NewServer {
        id: ServerId::new(),
        slug: slug.parse().unwrap(),
        title: "A server".parse().unwrap(),
        description: "What it is for".to_owned(),
        access: domain::AccessPolicy::Members,
        created_at: at(0),
    }
}

pub(crate) async fn server(connection: &mut PgConnection, customer: CustomerId, slug: &str) -> ServerId {
    let server = new_server(slug);
    assert!(servers::insert(connection, customer, &server).await.unwrap());
    server.id
}

pub(crate) async fn tool(connection: &mut PgConnection, customer: CustomerId, server: ServerId, name: &str) -> ToolId {
    tools::upsert(connection, customer, server, &name.parse().unwrap(), at(0)).await.unwrap().unwrap()
}

/// A version whose source is `source`, so that equal sources share an artifact.
pub(crate) fn new_version(tool: ToolId, name: &str, source: &str) -> Version {
    let interface: ToolInterface = serde_json::from_value(
        json!({"name": name, "description": "does it", "input": {"type": "object", "b": 1, "a": "\u{0}"}}),
    )
    .unwrap();
    let summary = VersionSummary {
        id: VersionId::new(),
        tool,
        language: Language::TypeScript,
        export: None,
        digest: Digest::of_parts([source.as_bytes(), name.as_bytes()]),
        source_digest: Digest::of(source.as_bytes()),
        interface,
        grants: Grants::default(),
        created_at: at(0),
    };
    Version { summary, source: Some(source.to_owned()) }
}

pub(crate) async fn version(
    connection: &mut PgConnection,
    customer: CustomerId,
    tool: ToolId,
    name: &str,
    source: &str,
) -> VersionId {
    let version = new_version(tool, name, source);
    assert!(versions::insert(connection, customer, &version).await.unwrap());
    version.summary.id
}

/// The record of a call that ended well at `at(seconds)`.
pub(crate) fn execution(customer: CustomerId, seconds: i64) -> Execution {
    Execution {
        call: CallId::new(),
        request: RequestId::new(),
        node: Uuid::from_u128(1),
        customer,
        api_key: None,
        authorization: None,
        user: None,
        sign_in: None,
        client: None,
        server: ServerId::new(),
        server_slug: "some-server".parse::<Slug>().unwrap(),
        tool: "some_tool".parse::<ToolName>().unwrap(),
        version: VersionId::new(),
        status: Status::Success,
        stage: None,
        progress: None,
        progress_total: None,
        queued_at: at(seconds - 2),
        started_at: Some(at(seconds - 1)),
        completed_at: Some(at(seconds)),
        receipt: Some(Receipt { fuel: 7, log_lines: 3, ..Receipt::empty(Digest::of(b"artifact")) }),
        error_message: None,
        contents: None,
    }
}

pub(crate) async fn release(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    tools: &[(&str, VersionId)],
) -> ReleaseId {
    let tools = tools.iter().map(|(name, version)| (name.parse().unwrap(), *version)).collect();
    let release = NewRelease { id: ReleaseId::new(), tools, created_at: at(0) };
    assert!(releases::insert(connection, customer, server, &release).await.unwrap());
    release.id
}

pub(crate) async fn environment(connection: &mut PgConnection, customer: CustomerId, server: ServerId, name: &str, value: &str) {
    let value = EnvironmentValue { name: name.parse().unwrap(), value: value.parse().unwrap(), updated_at: at(0) };
    assert!(environment::upsert(connection, customer, server, &value).await.unwrap());
}

/// A data key made at `at(seconds)`; nothing opens it.
pub(crate) fn data_key(customer: Option<CustomerId>, seconds: i64) -> SealedDataKey {
    let master = "0123456789abcdef".to_owned();
    SealedDataKey { id: Uuid::now_v7(), customer, master, sealed: vec![1; 72], created_at: at(seconds) }
}

/// A client that registered at `at(0)`.
pub(crate) async fn client(connection: &mut PgConnection) -> Client {
    let client = Client {
        key: ClientKey::new(),
        metadata: "{}".to_owned(),
        secret_sha256: None,
        registration_sha256: None,
        created_at: at(0),
        last_used_at: None,
        expires_at: Some(at(86_400)),
        machine: None,
    };
    let bounds = ClientBounds { count_max: 100, per_hour_max: 100 };
    assert_eq!(clients::insert(connection, &client, bounds).await.unwrap(), Registered::Done);
    client
}

/// What somebody let a client do on a server.
pub(crate) async fn authorization(connection: &mut PgConnection, server: ServerId) -> Authorization {
    let user = UserId::new();
    sqlx::query("INSERT INTO users (user_id, email, name, created_at) VALUES ($1, $2, 'Somebody', $3)")
        .bind(user.as_uuid())
        .bind(format!("{user}@example.com"))
        .bind(at(0))
        .execute(&mut *connection)
        .await
        .unwrap();
    let scopes: Scopes = "mcp:tools".parse().unwrap();
    let consent = Consent {
        id: ConsentId::new(),
        user,
        client_id: "https://app.test/client".to_owned(),
        client_name: "An app".to_owned(),
        subject: Subject::Server(server),
        scopes: scopes.clone(),
        pins_definitions: false,
        given_at: at(0),
        changed_at: at(0),
    };
    let consent = consents::upsert(connection, &consent).await.unwrap().unwrap();
    let authorization = Authorization {
        id: AuthorizationId::new(),
        given: Some(Given { consent: consent.id, user }),
        client_id: consent.client_id,
        client_key: None,
        subject: consent.subject,
        resource: "https://tools.test/mcp/weather".to_owned(),
        scopes,
        generation: 0,
        rotated_at: None,
        created_at: at(0),
        last_used_at: None,
        expires_at: at(60),
        revoked_at: None,
    };
    authorizations::insert(connection, &authorization).await.unwrap();
    assert_eq!(authorizations::find(connection, authorization.id).await.unwrap().as_ref(), Some(&authorization));
    authorization
}
