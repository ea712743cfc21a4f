//! Change notices: what nodes keep in memory is dropped when somebody, on whichever node, changes it.

use std::time::Duration;

use domain::{
    ApiKeyId, AuthorizationId, ClientKey, ConsentId, CustomerId, QuestionId, ServerId, SignInId, Slug, TierName, UserId,
};
use serde::Deserialize;
use sqlx::{
    Executor,
    postgres::{PgListener, PgPoolOptions},
};
use uuid::Uuid;

use crate::{Database, StoreError, pins::PinHolder};

const CHANNEL: &str = "toolwright_changes";
/// A connection that is dead without a word (a router forgot it) is found out after this much silence.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long the database has to answer when it is asked after such a silence.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to listen again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A tier: its limits.
    Tier(TierName),
    /// A customer: its tier.
    Customer(CustomerId),
    /// An API key was made or revoked.
    ApiKey(ApiKeyId),
    /// What is pinned by a key or a consent on a server.
    Pins {
        /// What pins it.
        holder: PinHolder,
        /// The server.
        server: ServerId,
    },
    /// A server was made, changed or deleted, took up another release, or had its environment changed. What is put waits for a release, and
    /// is not told.
    Server {
        /// Its id.
        id: ServerId,
        /// Its public name.
        slug: Slug,
    },
    /// A client answered what a call on some node waits for.
    Answer(QuestionId),
    /// What a person is, or may do somewhere.
    User(UserId),
    /// A sign-in ended.
    SignIn(SignInId),
    /// An authorization was revoked, or is gone.
    Authorization(AuthorizationId),
    /// A consent holds back what changes from now on, or does not any more.
    Consent(ConsentId),
    /// A registered client changed, or is gone.
    Client(ClientKey),
    /// What access tokens are signed with, or verified by.
    SigningKeys,
    /// Notices may have been missed: anything may have changed. Comes when the connection is lost and once more when there is
    /// a new one, because of what changed in between.
    Lost,
}

/// Listens for changes on a connection of its own.
#[derive(Debug)]
pub struct Listener {
    database: Database,
    /// Absent between a lost connection and the next.
    listening: Option<PgListener>,
    /// That there is none, and why, was told the log.
    has_told: bool,
}

impl Listener {
    /// Listens from now on: what is read from the database after this came back is told of when it changes.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let listening = listen(database).await.map_err(StoreError::during("listen for changes"))?;
        Ok(Self { database: database.clone(), listening: Some(listening), has_told: false })
    }

    /// The next change, however long it takes. A lost connection is told ([`Change::Lost`]) and made again.
    pub async fn next(&mut self) -> Change {
        loop {
            let Some(listening) = &mut self.listening else {
                match listen(&self.database).await {
                    Ok(listening) => {
                        self.listening = Some(listening);
                        self.has_told = false;
                        return Change::Lost;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut self.has_told, true) {
                            tracing::warn!(error = %error, "cannot listen for changes in the database: trying until that goes");
                        }
                        tokio::time::sleep(RETRY_AFTER).await;
                        continue;
                    }
                }
            };
            match tokio::time::timeout(SILENCE_MAX, listening.try_recv()).await {
                // A notice that is not understood comes from a newer program: anything may be meant.
                Ok(Ok(Some(notice))) => {
                    return serde_json::from_str::<Notice>(notice.payload()).map_or(Change::Lost, Change::from);
                }
                Ok(Ok(None)) => return self.lose("the connection was closed"),
                Ok(Err(error)) => return self.lose(&error.to_string()),
                Err(_) => match tokio::time::timeout(ANSWER_MAX, listening.execute("SELECT")).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return self.lose(&error.to_string()),
                    Err(_) => return self.lose("the database does not answer"),
                },
            }
        }
    }

    /// Gives up the connection, which may lead nowhere: the next change is told by another.
    pub fn reconnect(&mut self) -> Change {
        self.listening = None;
        self.has_told = false;
        Change::Lost
    }

    fn lose(&mut self, reason: &str) -> Change {
        tracing::warn!(reason, "lost the connection that tells of changes in the database: caches are dropped");
        self.listening = None;
        Change::Lost
    }
}

async fn listen(database: &Database) -> Result<PgListener, sqlx::Error> {
    // A pool of one, never shared: the listener wants one and holds the connection for good.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ANSWER_MAX)
        .connect_with(database.options().clone().options([("role", crate::roles::RUNTIME)]))
        .await?;
    let mut listening = PgListener::connect_with(&pool).await?;
    listening.ignore_pool_close_event(true);
    listening.eager_reconnect(false);
    listening.listen(CHANNEL).await?;
    Ok(listening)
}

/// A notice as the triggers write it.
#[derive(Deserialize)]
#[serde(tag = "table", rename_all = "snake_case")]
enum Notice {
    Tiers { name: TierName },
    Customers { customer_id: Uuid },
    ApiKeys { api_key_id: Uuid },
    DefinitionPins(PinNotice),
    QuestionAnswers { question_id: Uuid },
    ServerPins(PinNotice),
    Servers { server_id: Uuid, slug: Slug },
    Users { user_id: Uuid },
    Members { user_id: Uuid },
    SignIns { sign_in_id: Uuid },
    Authorizations { authorization_id: Uuid },
    Consents { consent_id: Uuid },
    Clients { client_key: Uuid },
    SigningKeys {},
}

/// One of the two ids is there.
#[derive(Deserialize)]
struct PinNotice {
    #[serde(rename = "api_key_id")]
    api_key: Option<Uuid>,
    #[serde(rename = "consent_id")]
    consent: Option<Uuid>,
    #[serde(rename = "server_id")]
    server: Uuid,
}

impl From<Notice> for Change {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Tiers { name } => Self::Tier(name),
            Notice::Customers { customer_id } => Self::Customer(CustomerId::from_uuid(customer_id)),
            Notice::ApiKeys { api_key_id } => Self::ApiKey(ApiKeyId::from_uuid(api_key_id)),
            Notice::DefinitionPins(pin) | Notice::ServerPins(pin) => pin.into(),
            Notice::QuestionAnswers { question_id } => Self::Answer(QuestionId::from_uuid(question_id)),
            Notice::Users { user_id } | Notice::Members { user_id } => Self::User(UserId::from_uuid(user_id)),
            Notice::SignIns { sign_in_id } => Self::SignIn(SignInId::from_uuid(sign_in_id)),
            Notice::Authorizations { authorization_id } => Self::Authorization(AuthorizationId::from_uuid(authorization_id)),
            Notice::Consents { consent_id } => Self::Consent(ConsentId::from_uuid(consent_id)),
            Notice::Clients { client_key } => Self::Client(ClientKey::from_uuid(client_key)),
            Notice::SigningKeys {} => Self::SigningKeys,
            Notice::Servers { server_id, slug } => Self::Server { id: ServerId::from_uuid(server_id), slug },
        }
    }
}

impl From<PinNotice> for Change {
    fn from(notice: PinNotice) -> Self {
        let holder = match (notice.api_key, notice.consent) {
            (Some(key), None) => PinHolder::ApiKey(ApiKeyId::from_uuid(key)),
            (None, Some(consent)) => PinHolder::Consent(ConsentId::from_uuid(consent)),
            // Of whatever holds pins in a newer program.
            _ => return Self::Lost,
        };
        Self::Pins { holder, server: ServerId::from_uuid(notice.server) }
    }
}

#[cfg(test)]
mod tests {
    use domain::MemberRole;
    use sqlx::PgPool;

    use super::*;
    use crate::{
        api_keys::{self, ApiKey},
        authorizations, clients, customers, environment,
        fixtures::{self, at, connect},
        members, releases, servers,
        sign_ins::{self, SignIn},
        signing_keys::{self, SigningKey},
        tools,
    };

    async fn listener(pool: &PgPool) -> Listener {
        Listener::connect(&Database::from((*pool.connect_options()).clone())).await.unwrap()
    }

    async fn next(listener: &mut Listener) -> Change {
        tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap()
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn every_change_is_told(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let (slug, tool): (Slug, _) = ("weather".parse().unwrap(), "forecast".parse().unwrap());
        let first = fixtures::release(&mut connection, customer, server, &[]).await;
        fixtures::release(&mut connection, customer, server, &[]).await;
        let key = ApiKey { id: ApiKeyId::new(), name: "laptop".parse().unwrap(), pins_definitions: false, created_at: at(0) };
        let holder = PinHolder::ApiKey(key.id);
        let mut listener = listener(&pool).await;
        let of_server = Change::Server { id: server, slug: slug.clone() };

        fixtures::tier(&mut connection, "other", |_| {}).await;
        assert_eq!(next(&mut listener).await, Change::Tier("other".parse().unwrap()));
        customers::set_tier(&mut connection, customer, &"pro".parse().unwrap()).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Customer(customer));
        api_keys::insert(&mut connection, customer, &key, &domain::Digest::of(b"key")).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::ApiKey(key.id));
        api_keys::revoke(&mut connection, customer, key.id, at(1)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::ApiKey(key.id));
        let made = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let version = fixtures::version(&mut connection, customer, made, "forecast", "1").await;
        let pin = crate::pins::NewPin { name: "forecast".parse().unwrap(), digest: domain::Digest::of(b"1"), version };
        crate::pins::insert(&mut connection, holder, server, &[pin], at(1)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Pins { holder, server }, "that a tool was put is not told");
        let question = QuestionId::new();
        crate::question_answers::insert(&mut connection, question, &[1; 64], at(60)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Answer(question));
        let words = domain::ServerWords { title: "Weather".parse().unwrap(), description: String::new() };
        crate::server_pins::insert(&mut connection, holder, server, &words, at(1)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Pins { holder, server });
        tools::remove(&mut connection, customer, server, &tool, at(1)).await.unwrap();
        fixtures::tier(&mut connection, "another", |_| {}).await;
        assert_eq!(next(&mut listener).await, Change::Tier("another".parse().unwrap()), "nor that one was deleted");
        fixtures::environment(&mut connection, customer, server, "CITY", "Oslo").await;
        assert_eq!(next(&mut listener).await, of_server);
        environment::delete(&mut connection, customer, server, &"CITY".parse().unwrap()).await.unwrap();
        assert_eq!(next(&mut listener).await, of_server);
        fixtures::release(&mut connection, customer, server, &[]).await;
        assert_eq!(next(&mut listener).await, of_server);
        releases::set_current(&mut connection, customer, server, first).await.unwrap();
        assert_eq!(next(&mut listener).await, of_server);
        servers::delete(&mut connection, customer, &slug).await.unwrap();
        assert_eq!(next(&mut listener).await, of_server);
        let user = fixtures::user(&mut connection, "ada@example.com").await;
        crate::users::set_disabled(&mut connection, user, None).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::User(user));
        members::insert(&mut connection, customer, user, MemberRole::Viewer, at(0)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::User(user));
        let sign_in = SignIn {
            id: SignInId::new(),
            user,
            device: String::new(),
            created_at: at(0),
            used_at: at(0),
            expires_at: at(9),
            authenticated_at: None,
        };
        sign_ins::insert(&mut connection, &sign_in, &domain::Digest::of(b"cookie"), 9).await.unwrap();
        sign_ins::set_used(&mut connection, sign_in.id, at(1)).await.unwrap();
        sign_ins::delete(&mut connection, user, sign_in.id).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::SignIn(sign_in.id), "neither its begin nor its use is told");
        fixtures::tier(&mut connection, "last", |_| {}).await;
        assert_eq!(next(&mut listener).await, Change::Tier("last".parse().unwrap()), "a deletion is told once");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_ends_tokens_is_told_and_a_refresh_is_not(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let mut authorization = fixtures::authorization(&mut connection, server).await;
        let other = fixtures::authorization(&mut connection, server).await;
        let client = fixtures::client(&mut connection).await;
        let mut listener = listener(&pool).await;

        authorization.generation = 1;
        authorizations::update(&mut connection, &authorization).await.unwrap();
        assert!(authorizations::revoke(&mut connection, authorization.id, at(1)).await.unwrap());
        assert_eq!(next(&mut listener).await, Change::Authorization(authorization.id));
        clients::touch(&mut connection, client.key, at(1), Some(at(2))).await.unwrap();
        clients::delete(&mut connection, client.key).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Client(client.key));
        let key =
            SigningKey { kid: "a".repeat(43), public_key: vec![4; 65], sealed: vec![1; 72], created_at: at(0), replaced: None };
        signing_keys::insert_first(&mut connection, &key).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::SigningKeys);
        servers::delete(&mut connection, customer, &"weather".parse().unwrap()).await.unwrap();
        let mut told = vec![next(&mut listener).await, next(&mut listener).await];
        told.retain(|change| matches!(change, Change::Authorization(_)));
        assert_eq!(
            told,
            [Change::Authorization(other.id)],
            "it goes with its server; that the revoked one ended was told before"
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_consent_holds_back_is_told(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let consent = fixtures::authorization(&mut connection, server).await.given.unwrap().consent;
        let mut listener = listener(&pool).await;

        for _ in 0..2 {
            // The second changes nothing.
            sqlx::query("UPDATE consents SET pins_definitions = true").execute(&mut *connection).await.unwrap();
        }
        assert_eq!(next(&mut listener).await, Change::Consent(consent));
        let words = domain::ServerWords { title: "Weather".parse().unwrap(), description: String::new() };
        let holder = PinHolder::Consent(consent);
        crate::server_pins::insert(&mut connection, holder, server, &words, at(1)).await.unwrap();
        assert_eq!(next(&mut listener).await, Change::Pins { holder, server });
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_lost_connection_is_told_before_and_after_the_next(pool: PgPool) {
        let mut connection = pool.acquire().await.unwrap();
        let mut listener = listener(&pool).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
        )
        .execute(&mut *connection)
        .await
        .unwrap();

        assert_eq!(next(&mut listener).await, Change::Lost);
        assert_eq!(next(&mut listener).await, Change::Lost);

        fixtures::tier(&mut connection, "other", |_| {}).await;
        assert_eq!(next(&mut listener).await, Change::Tier("other".parse().unwrap()));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_notice_that_is_not_understood_counts_as_lost(pool: PgPool) {
        let mut listener = listener(&pool).await;

        sqlx::query(r#"SELECT pg_notify('toolwright_changes', '{"table": "of_tomorrow"}')"#).execute(&pool).await.unwrap();

        assert_eq!(next(&mut listener).await, Change::Lost);
    }
}
