//! Bringing a database to the schema of this program.

use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrator};

use crate::{Database, StoreError, roles, roles::RoleError};

/// The files of `migrations/`, in their order.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Why a database could not be brought to this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be reached, or does not say which migrations have run.
    #[error("cannot reach the database")]
    Connect(#[source] StoreError),
    /// The role that the program works as is missing.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A migration failed; what it did was rolled back. Or the database is newer than this program.
    #[error("cannot migrate the database")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Brings the database to this program's schema, as its owner. Several programs may do this at one time: an advisory lock
/// lets one through and the others find it done.
pub async fn run(database: &Database) -> Result<(), MigrateError> {
    let mut connection = connect(database).await.map_err(MigrateError::Connect)?;
    roles::prepare(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| MigrateError::Migrate(error.into()))?;
    let _ = connection.close().await;
    Ok(())
}

/// The migrations of this program that the database has not seen; for a program that must not migrate itself.
pub async fn count_pending(database: &Database) -> Result<usize, MigrateError> {
    let mut connection = connect(database).await.map_err(MigrateError::Connect)?;
    let pending = count_not_applied(&mut connection).await.map_err(MigrateError::Connect)?;
    let _ = connection.close().await;
    Ok(pending)
}

async fn count_not_applied(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let act = "read which migrations have run";
    // Before the first migration, even the table of migrations is missing.
    let has_table = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "has_table!""#)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::during(act))?;
    let applied: Vec<i64> = if has_table {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(connection)
            .await
            .map_err(StoreError::during(act))?
    } else {
        Vec::new()
    };
    Ok(MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// Brings an empty database, or one that was brought so far, on by these migrations alone.
#[cfg(test)]
pub(crate) async fn run_only(connection: &mut PgConnection, versions: std::ops::Range<i64>) {
    roles::prepare(connection).await.unwrap();
    // What sqlx makes before the first migration; one of them speaks of it.
    let made = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, success boolean NOT NULL)";
    sqlx::query(made).execute(&mut *connection).await.unwrap();
    for migration in MIGRATIONS.iter().filter(|migration| versions.contains(&migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *connection).await.unwrap();
    }
}

async fn connect(database: &Database) -> Result<PgConnection, StoreError> {
    database.options().connect().await.map_err(StoreError::during("connect to the database"))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{Pool, PoolSettings, tiers};

    #[sqlx::test(migrations = false)]
    async fn an_empty_database_becomes_ready_by_several_programs_at_once(pool: PgPool) {
        let database = Database::from((*pool.connect_options()).clone());
        assert_eq!(count_pending(&database).await.unwrap(), MIGRATIONS.iter().count());

        let (first, second) = tokio::join!(run(&database), run(&database));
        first.unwrap();
        second.unwrap();

        let pool = Pool::connect(&database, &PoolSettings::default()).await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(count_pending(&database).await.unwrap(), 0);
        assert_eq!(tiers::list(&mut connection).await.unwrap().len(), 3);
    }

    #[sqlx::test(migrations = false)]
    async fn an_owner_who_is_no_superuser_will_do(pool: PgPool) {
        let owner = format!("owner_{}", uuid::Uuid::now_v7().simple());
        let options = (*pool.connect_options()).clone();
        roles::prepare(&mut pool.acquire().await.unwrap()).await.unwrap();
        let make = format!(
            "CREATE ROLE {owner} LOGIN; GRANT toolwright_runtime TO {owner}; ALTER DATABASE {:?} OWNER TO {owner}",
            options.get_database().unwrap()
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&pool).await.unwrap();
        let database = Database::from(options.username(&owner));

        run(&database).await.unwrap();

        let runtime = Pool::connect(&database, &PoolSettings::default()).await.unwrap();
        let mut connection = runtime.acquire().await.unwrap();
        crate::fixtures::customer(&mut connection, "free").await;
        let refused = sqlx::query("DROP TABLE tiers").execute(&mut *connection).await;
        assert!(refused.is_err(), "the rights of the owner were given up");
        drop(connection);
        runtime.close().await;
        let clean_up = format!("REASSIGN OWNED BY {owner} TO CURRENT_USER; DROP OWNED BY {owner}; DROP ROLE {owner}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(clean_up)).execute(&pool).await.unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_second_run_changes_nothing(pool: PgPool) {
        run(&Database::from((*pool.connect_options()).clone())).await.unwrap();
    }
}
