//! A look into a program's database from beside it.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// A connection of its own to a database, as its owner.
#[derive(Debug)]
pub struct DatabaseObserver(PgConnection);

impl DatabaseObserver {
    /// Connects to the database that a URL names.
    pub async fn connect(url: &str) -> Self {
        Self(PgConnection::connect(url).await.expect("the database is there"))
    }

    /// The rows of a query of one column of text.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.0).await.expect("a query of texts")
    }

    /// The one number that a query gives.
    pub async fn number(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.0).await.expect("a query of a number")
    }
}
