//! Connections, shared.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, Postgres, pool::PoolConnection, postgres::PgPoolOptions};

use crate::{Database, StoreError, Watcher, presence::Presence, roles};

/// How many connections a program holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most at one time. 16 to 32 saturate a database of few cores; more only wait there.
    pub connections_max: u32,
    /// Those that stay open when nothing goes on.
    pub connections_min: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { connections_max: 16, connections_min: 2 }
    }
}

/// Connections as the runtime role, shared by everything in the program. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: sqlx::PgPool,
    presence: Presence,
}

/// A connection from the pool, which goes back when it is dropped.
#[derive(Debug)]
pub struct Connection(PoolConnection<Postgres>);

/// A transaction: undone when it is dropped without [`Transaction::commit`].
#[derive(Debug)]
pub struct Transaction(sqlx::Transaction<'static, Postgres>);

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUsage {
    /// Connections open now.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// The most there can be.
    pub connections_max: u32,
}

impl Pool {
    /// How long somebody waits for a connection before the database counts as away: a call has better things to do.
    pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
    /// How long a connection that comes back has to say that it still works, where there is reason to doubt it.
    const DOUBT_MAX: Duration = Duration::from_secs(2);
    /// How long connections may take to come back when the pool is closed: one that waits for a database that is away never does.
    const CLOSE_MAX: Duration = Duration::from_secs(5);

    /// A pool on `database`, with one connection made, so that a wrong URL is told at the start.
    pub async fn connect(database: &Database, settings: &PoolSettings) -> Result<Self, StoreError> {
        // The role comes with the connection, so that RESET ROLE leads back to it. No statement of ours takes seconds: one
        // that does is stuck behind a lock, and so is whoever waits for it.
        let options = database.options().clone().options([
            ("role", roles::RUNTIME),
            ("timezone", "UTC"),
            ("statement_timeout", "15s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let presence = Presence::default();
        let (taken, released) = (presence.clone(), presence.clone());
        let connecting = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .min_connections(settings.connections_min.min(settings.connections_max))
            .acquire_timeout(Self::ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(move |_, connection| {
                let is_of_use = taken.is_of_use(connection.age);
                Box::pin(async move { Ok(is_of_use) })
            })
            .after_release(move |connection, _| {
                let presence = released.clone();
                Box::pin(async move { Ok(is_to_be_kept(&presence, connection).await) })
            })
            .connect_with(options);
        let connected = connecting.await;
        connected
            .map(|connections| Self { connections, presence })
            .map_err(StoreError::during("connect to the database as the role toolwright_runtime"))
    }

    /// Whether the database is there, as a [`Watcher`] last saw it.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Somebody who looks whether the database is there: one for each pool.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher::new(self.connections.clone(), self.presence.clone())
    }

    /// A connection, as soon as one is free; [`StoreError::Unavailable`] after [`Pool::ACQUIRE_TIMEOUT`], at once while the database is away, and
    /// whatever keeps a new one from being made: no statement was refused.
    pub async fn acquire(&self) -> Result<Connection, StoreError> {
        // On the heap: to make a connection takes kilobytes, which are part of every future otherwise.
        self.take(Box::pin(async { self.connections.acquire().await.map(Connection) })).await
    }

    /// A transaction on a connection of its own.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.take(Box::pin(async { self.connections.begin().await.map(Transaction) })).await
    }

    /// Asks the database for an answer: whether it is there.
    pub async fn check(&self) -> Result<(), StoreError> {
        let asking = async {
            let mut connection = self.acquire().await?;
            sqlx::query("SELECT").execute(&mut *connection).await.map(|_| ()).map_err(StoreError::during("ask the database"))
        };
        self.presence.while_there(asking).await
    }

    async fn take<T>(&self, taking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        // One that nobody uses would be had at once, and waited for then.
        if let Some(away) = self.presence.away() {
            return Err(StoreError::Unavailable(away.into()));
        }
        let taken = async { taking.await.map_err(|error| StoreError::Unavailable(error.into())) };
        self.presence.while_there(taken).await.inspect_err(|_| self.presence.suspect())
    }

    /// How full it is now.
    #[must_use]
    pub fn usage(&self) -> PoolUsage {
        let pool = &self.connections;
        PoolUsage { connections: pool.size(), idle: pool.num_idle(), connections_max: pool.options().get_max_connections() }
    }

    /// Closes every connection, after those in use came back, or did not for too long.
    pub async fn close(&self) {
        if tokio::time::timeout(Self::CLOSE_MAX, self.connections.close()).await.is_err() {
            tracing::warn!("some connections to the database did not come back and are cut");
        }
    }
}

/// Whether a connection goes back into the pool: not while the database is away, when it may wait for an answer that never comes.
async fn is_to_be_kept(presence: &Presence, connection: &mut PgConnection) -> bool {
    if presence.is_away() {
        return false;
    }
    presence.was_seen_lately() || matches!(tokio::time::timeout(Pool::DOUBT_MAX, connection.ping()).await, Ok(Ok(())))
}

impl Transaction {
    /// Makes it lasting.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await.map_err(StoreError::during("commit a transaction"))
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(pool: &sqlx::PgPool) -> Pool {
        let database = Database::from((*pool.connect_options()).clone());
        Pool::connect(&database, &PoolSettings { connections_max: 1, connections_min: 0 }).await.unwrap()
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_transaction_that_is_dropped_is_undone(pool: sqlx::PgPool) {
        let pool = connect(&pool).await;
        let mut kept = pool.begin().await.unwrap();
        crate::fixtures::customer(&mut kept, "free").await;
        kept.commit().await.unwrap();
        let mut dropped = pool.begin().await.unwrap();
        crate::fixtures::customer(&mut dropped, "free").await;
        drop(dropped);

        let customers = crate::customers::list(&mut pool.acquire().await.unwrap(), None, 10).await.unwrap();

        assert_eq!(customers.len(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_pool_without_a_free_connection_counts_as_away(pool: sqlx::PgPool) {
        let pool = connect(&pool).await;
        pool.check().await.unwrap();
        let held = pool.acquire().await.unwrap();
        assert_eq!(pool.usage(), PoolUsage { connections: 1, idle: 0, connections_max: 1 });

        let error = pool.check().await.unwrap_err();

        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        drop(held);
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_counts_as_away() {
        let database = Database::from_url("postgres://nobody@127.0.0.1:1/none").unwrap();

        let error = Pool::connect(&database, &PoolSettings::default()).await.unwrap_err();

        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
}
