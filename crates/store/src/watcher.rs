//! Looks whether the database is there, on a connection of its own: a pool whose connections are all in use says nothing about it, nor does one
//! whose connections all wait for an answer.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};

use crate::presence::{Away, Presence};

/// Looks at the database, one look after the other.
#[derive(Debug)]
pub struct Watcher {
    pool: PgPool,
    presence: Presence,
    /// Absent before the first look, and after one that found nothing.
    connection: Option<PgConnection>,
    /// Its connection broke since it last saw the database.
    has_lost: bool,
}

/// What a look at the database told.
#[derive(Debug, Clone)]
pub enum Sight {
    /// It is there, as it was.
    There,
    /// It is there again.
    Back,
    /// It is away, which it was not before.
    Gone(Away),
    /// It is away, as it was.
    Away,
}

impl Watcher {
    /// Between two looks.
    pub const LOOK_EVERY: Duration = Duration::from_secs(1);
    /// How long an answer may take: a connection that is dead without a word never brings one.
    pub const ANSWER_MAX: Duration = Duration::from_secs(4);

    pub(crate) const fn new(pool: PgPool, presence: Presence) -> Self {
        Self { pool, presence, connection: None, has_lost: false }
    }

    /// Looks when it is time, or when somebody had reason to think that something changed. Every connection of the pool is of use until a look
    /// says otherwise.
    pub async fn next(&mut self) -> Sight {
        tokio::select! {
            () = tokio::time::sleep(Self::LOOK_EVERY) => {}
            () = self.presence.suspected() => {}
        }
        let away = match tokio::time::timeout(Self::ANSWER_MAX, self.ask()).await {
            Ok(Ok(())) => {
                let is_another = std::mem::take(&mut self.has_lost);
                return if self.presence.see(is_another) { Sight::Back } else { Sight::There };
            }
            Ok(Err(error)) => Away::because(&error),
            Err(_) => Away::silent(),
        };
        self.connection = None;
        self.has_lost = true;
        if self.presence.miss(away.clone()) { Sight::Gone(away) } else { Sight::Away }
    }

    async fn ask(&mut self) -> Result<(), sqlx::Error> {
        if self.pool.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        if let Some(connection) = &mut self.connection {
            if answers(connection).await.is_ok() {
                return Ok(());
            }
            // It may be that there is another server in its place already.
            self.connection = None;
            self.has_lost = true;
        }
        let options: PgConnectOptions = (*self.pool.connect_options()).clone();
        match PgConnection::connect_with(&options).await {
            Ok(mut connection) => {
                answers(&mut connection).await?;
                self.connection = Some(connection);
                Ok(())
            }
            // Others took all the places. What the pool has, it has.
            Err(error) if is_full(&error) => {
                let Some(mut pooled) = self.pool.try_acquire() else { return Err(error) };
                answers(&mut pooled).await.map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }
}

async fn answers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT").execute(connection).await.map(drop)
}

/// PostgreSQL, appendix A: `too_many_connections`.
fn is_full(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if refusal.code().as_deref() == Some("53300"))
}
