//! The role that the program works as: it reads and writes rows, and can do nothing to the tables themselves.

use sqlx::PgConnection;

use crate::StoreError;

/// Its name, in every cluster.
pub const RUNTIME: &str = "toolwright_runtime";

/// Why the program cannot work as the runtime role.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The database's user may not make roles.
    #[error(
        "the database has no role toolwright_runtime and its user `{user}` may not make one: as an administrator, run `CREATE ROLE toolwright_runtime NOLOGIN; GRANT toolwright_runtime TO \"{user}\";`"
    )]
    Missing {
        /// The user that the database URL names.
        user: String,
        /// What the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The role is there, and the user may not become it.
    #[error(
        "the database's user `{user}` may not work as the role toolwright_runtime: as an administrator, run `GRANT toolwright_runtime TO \"{user}\";`"
    )]
    NotMember {
        /// The user that the database URL names.
        user: String,
        /// What the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The roles cannot be read.
    #[error("cannot read the database's roles")]
    Store(#[from] StoreError),
}

/// Makes sure that the runtime role is there and that this user can become it. To be called before the migrations, which
/// grant it its rights.
pub async fn prepare(connection: &mut PgConnection) -> Result<(), RoleError> {
    let found = sqlx::query!(
        r#"SELECT current_user::text AS "user!", EXISTS (SELECT FROM pg_roles WHERE rolname = 'toolwright_runtime') AS "exists!""#
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StoreError::during("read the database's roles"))?;
    if !found.exists {
        let made = sqlx::query("CREATE ROLE toolwright_runtime NOLOGIN").execute(&mut *connection).await;
        match made {
            // Another program made it in this moment.
            Err(sqlx::Error::Database(refusal))
                if ["42710", "23505"].contains(&refusal.code().as_deref().unwrap_or_default()) => {}
            Err(error) => return Err(RoleError::Missing { user: found.user, source: error.into() }),
            Ok(_) => {}
        }
    }
    let is_member = sqlx::query_scalar!(r#"SELECT pg_has_role(current_user, 'toolwright_runtime', 'MEMBER') AS "is_member!""#)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::during("read the database's roles"))?;
    if !is_member {
        sqlx::query("GRANT toolwright_runtime TO CURRENT_USER")
            .execute(connection)
            .await
            .map_err(|error| RoleError::NotMember { user: found.user, source: error.into() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, postgres::PgConnectOptions};

    use super::*;
    use crate::{Database, Pool, PoolSettings};

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_program_can_do_nothing_to_the_tables(pool: PgPool) {
        let database = Database::from((*pool.connect_options()).clone());
        let pool = Pool::connect(&database, &PoolSettings::default()).await.unwrap();

        for statement in [
            "UPDATE versions SET source = ''",
            "DELETE FROM versions",
            "UPDATE releases SET created_at = now()",
            "DELETE FROM releases",
            "UPDATE release_tools SET version_id = version_id",
            "DELETE FROM tools",
            "DELETE FROM slugs",
            "UPDATE slugs SET slug = 'other'",
            "DELETE FROM tiers",
            "DELETE FROM customers",
            "DELETE FROM api_keys",
            "DELETE FROM monthly_calls",
            "UPDATE _sqlx_migrations SET success = false",
            "TRUNCATE executions",
            "ALTER TABLE versions ADD COLUMN other text",
            "ALTER TABLE versions DISABLE TRIGGER ALL",
            "DROP TABLE executions",
            "DROP TRIGGER versions_are_immutable ON versions",
            "CREATE TABLE mine (id uuid)",
            "CREATE OR REPLACE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE ROLE other",
            "RESET ROLE; DELETE FROM versions",
        ] {
            let mut connection = pool.acquire().await.unwrap();

            let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await;

            let code = refused.err().and_then(|error| error.into_database_error()?.code().map(String::from));
            assert_eq!(code.as_deref(), Some("42501"), "insufficient privilege for: {statement}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_user_who_may_not_become_the_role_is_told_what_to_do(pool: PgPool) {
        let user = format!("stranger_{}", uuid::Uuid::now_v7().simple());
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE ROLE {user} LOGIN"))).execute(&pool).await.unwrap();
        let options: PgConnectOptions = (*pool.connect_options()).clone().username(&user);
        let mut connection = options.connect().await.unwrap();

        let error = prepare(&mut connection).await.unwrap_err();

        assert!(matches!(error, RoleError::NotMember { .. }), "{error}");
        assert!(error.to_string().contains(&format!("GRANT toolwright_runtime TO \"{user}\";")), "{error}");
        drop(connection);
        sqlx::raw_sql(AssertSqlSafe(format!("DROP ROLE {user}"))).execute(&pool).await.unwrap();
    }
}
