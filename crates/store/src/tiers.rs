//! Tiers: what customers may use.

use domain::{LibraryModules, Limits, Tier, TierName};
use sqlx::PgConnection;

use crate::{StoreError, number};

/// The most tiers that a list gives; an operator makes a handful.
const LIST_MAX: i64 = 1000;

/// Every tier, by name.
pub async fn list(connection: &mut PgConnection) -> Result<Vec<Tier>, StoreError> {
    let rows = sqlx::query_as!(Row, "SELECT * FROM tiers ORDER BY name LIMIT $1", LIST_MAX)
        .fetch_all(connection)
        .await
        .map_err(StoreError::during("list tiers"))?;
    rows.into_iter().map(Tier::try_from).collect()
}

/// One tier.
pub async fn find(connection: &mut PgConnection, name: &TierName) -> Result<Option<Tier>, StoreError> {
    let row = sqlx::query_as!(Row, "SELECT * FROM tiers WHERE name = $1", name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find a tier"))?;
    row.map(Tier::try_from).transpose()
}

/// One tier, held until the transaction ends: nobody else changes it meanwhile.
pub async fn lock(connection: &mut PgConnection, name: &TierName) -> Result<Option<Tier>, StoreError> {
    let row = sqlx::query_as!(Row, "SELECT * FROM tiers WHERE name = $1 FOR UPDATE", name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("lock a tier"))?;
    row.map(Tier::try_from).transpose()
}

/// Writes a tier, whether it was there or not. Fails with [`StoreError::Number`] on a limit above 2^63 - 1.
pub async fn upsert(connection: &mut PgConnection, tier: &Tier) -> Result<(), StoreError> {
    let limits = &tier.limits;
    sqlx::query!(
        "INSERT INTO tiers (
            name, servers_max, tools_per_server_max, artifact_bytes_max, fuel_per_call_max, memory_bytes_max, wall_ms_max,
            output_bytes_max, log_lines_max, host_calls_max, egress_bytes_max, concurrent_calls_max, queue_wait_ms_max,
            calls_per_minute_max, calls_per_month_max, builds_per_hour_max, generations_per_month_max, granted_hosts_max,
            library_modules, record_days_max
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        ON CONFLICT (name) DO UPDATE SET (
            servers_max, tools_per_server_max, artifact_bytes_max, fuel_per_call_max, memory_bytes_max, wall_ms_max,
            output_bytes_max, log_lines_max, host_calls_max, egress_bytes_max, concurrent_calls_max, queue_wait_ms_max,
            calls_per_minute_max, calls_per_month_max, builds_per_hour_max, generations_per_month_max, granted_hosts_max,
            library_modules, record_days_max
        ) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        tier.name.as_str(),
        i64::from(limits.servers_max),
        i64::from(limits.tools_per_server_max),
        number::write("artifact_bytes_max", limits.artifact_bytes_max)?,
        number::write("fuel_per_call_max", limits.fuel_per_call_max)?,
        number::write("memory_bytes_max", limits.memory_bytes_max)?,
        i64::from(limits.wall_ms_max),
        number::write("output_bytes_max", limits.output_bytes_max)?,
        i64::from(limits.log_lines_max),
        i64::from(limits.host_calls_max),
        number::write("egress_bytes_max", limits.egress_bytes_max)?,
        i64::from(limits.concurrent_calls_max),
        i64::from(limits.queue_wait_ms_max),
        i64::from(limits.calls_per_minute_max),
        limits.calls_per_month_max.map(|calls| number::write("calls_per_month_max", calls)).transpose()?,
        i64::from(limits.builds_per_hour_max),
        i64::from(limits.generations_per_month_max),
        i64::from(limits.granted_hosts_max),
        limits.library_modules.as_str(),
        i64::from(limits.record_days_max),
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("write a tier"))?;
    Ok(())
}

struct Row {
    name: String,
    servers_max: i64,
    tools_per_server_max: i64,
    artifact_bytes_max: i64,
    fuel_per_call_max: i64,
    memory_bytes_max: i64,
    wall_ms_max: i64,
    output_bytes_max: i64,
    log_lines_max: i64,
    host_calls_max: i64,
    egress_bytes_max: i64,
    concurrent_calls_max: i64,
    queue_wait_ms_max: i64,
    calls_per_minute_max: i64,
    calls_per_month_max: Option<i64>,
    builds_per_hour_max: i64,
    generations_per_month_max: i64,
    granted_hosts_max: i64,
    library_modules: String,
    record_days_max: i64,
}

impl TryFrom<Row> for Tier {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let library_modules = match row.library_modules.as_str() {
            "basic" => LibraryModules::Basic,
            "all" => LibraryModules::All,
            other => return Err(StoreError::Corrupt { what: "set of library modules", source: other.into() }),
        };
        let limits = Limits {
            servers_max: number::read("servers_max", row.servers_max)?,
            tools_per_server_max: number::read("tools_per_server_max", row.tools_per_server_max)?,
            artifact_bytes_max: number::read("artifact_bytes_max", row.artifact_bytes_max)?,
            fuel_per_call_max: number::read("fuel_per_call_max", row.fuel_per_call_max)?,
            memory_bytes_max: number::read("memory_bytes_max", row.memory_bytes_max)?,
            wall_ms_max: number::read("wall_ms_max", row.wall_ms_max)?,
            output_bytes_max: number::read("output_bytes_max", row.output_bytes_max)?,
            log_lines_max: number::read("log_lines_max", row.log_lines_max)?,
            host_calls_max: number::read("host_calls_max", row.host_calls_max)?,
            egress_bytes_max: number::read("egress_bytes_max", row.egress_bytes_max)?,
            concurrent_calls_max: number::read("concurrent_calls_max", row.concurrent_calls_max)?,
            queue_wait_ms_max: number::read("queue_wait_ms_max", row.queue_wait_ms_max)?,
            calls_per_minute_max: number::read("calls_per_minute_max", row.calls_per_minute_max)?,
            calls_per_month_max: row.calls_per_month_max.map(|calls| number::read("calls_per_month_max", calls)).transpose()?,
            builds_per_hour_max: number::read("builds_per_hour_max", row.builds_per_hour_max)?,
            generations_per_month_max: number::read("generations_per_month_max", row.generations_per_month_max)?,
            granted_hosts_max: number::read("granted_hosts_max", row.granted_hosts_max)?,
            library_modules,
            record_days_max: number::read("record_days_max", row.record_days_max)?,
        };
        Ok(Self { name: row.name.parse().map_err(StoreError::corrupt("tier name"))?, limits })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::connect;

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_seeded_tiers_have_their_numbers(pool: PgPool) {
        let mut connection = connect(&pool).await;

        let tiers = list(&mut connection).await.unwrap();

        let numbers = |column: fn(&Limits) -> u64| tiers.iter().map(|tier| column(&tier.limits)).collect::<Vec<_>>();
        assert_eq!(tiers.iter().map(|tier| tier.name.as_str()).collect::<Vec<_>>(), ["enterprise", "free", "pro"]);
        assert_eq!(numbers(|limits| limits.servers_max.into()), [500, 3, 25]);
        assert_eq!(numbers(|limits| limits.tools_per_server_max.into()), [200, 10, 50]);
        assert_eq!(numbers(|limits| limits.artifact_bytes_max), [32 << 20, 2 << 20, 8 << 20]);
        assert_eq!(numbers(|limits| limits.fuel_per_call_max), [500_000_000_000, 5_000_000_000, 50_000_000_000]);
        assert_eq!(numbers(|limits| limits.memory_bytes_max), [512 << 20, 32 << 20, 128 << 20]);
        assert_eq!(numbers(|limits| limits.wall_ms_max.into()), [300_000, 10_000, 60_000]);
        assert_eq!(numbers(|limits| limits.output_bytes_max), [4 << 20, 256 << 10, 1 << 20]);
        assert_eq!(numbers(|limits| limits.log_lines_max.into()), [10_000, 100, 1_000]);
        assert_eq!(numbers(|limits| limits.host_calls_max.into()), [5_000, 50, 500]);
        assert_eq!(numbers(|limits| limits.egress_bytes_max), [256 << 20, 1 << 20, 16 << 20]);
        assert_eq!(numbers(|limits| limits.concurrent_calls_max.into()), [256, 4, 32]);
        assert_eq!(numbers(|limits| limits.queue_wait_ms_max.into()), [10_000, 1_000, 5_000]);
        assert_eq!(numbers(|limits| limits.calls_per_minute_max.into()), [60_000, 120, 3_000]);
        assert_eq!(numbers(|limits| limits.builds_per_hour_max.into()), [6_000, 60, 600]);
        assert_eq!(numbers(|limits| limits.generations_per_month_max.into()), [10_000, 20, 500]);
        assert_eq!(numbers(|limits| limits.granted_hosts_max.into()), [100, 3, 20]);
        assert_eq!(numbers(|limits| limits.record_days_max.into()), [180, 3, 30]);
        let months: Vec<_> = tiers.iter().map(|tier| tier.limits.calls_per_month_max).collect();
        assert_eq!(months, [None, Some(10_000), Some(1_000_000)]);
        let modules: Vec<_> = tiers.iter().map(|tier| tier.limits.library_modules).collect();
        assert_eq!(modules, [LibraryModules::All, LibraryModules::Basic, LibraryModules::All]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_tier_reads_back_as_it_was_written(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let mut tier = find(&mut connection, &"enterprise".parse().unwrap()).await.unwrap().unwrap();
        tier.name = "other".parse().unwrap();
        tier.limits.servers_max = u32::MAX;
        tier.limits.fuel_per_call_max = i64::MAX as u64;
        tier.limits.library_modules = LibraryModules::Basic;

        upsert(&mut connection, &tier).await.unwrap();
        assert_eq!(find(&mut connection, &tier.name).await.unwrap().as_ref(), Some(&tier));

        tier.limits.calls_per_month_max = Some(0);
        upsert(&mut connection, &tier).await.unwrap();
        assert_eq!(find(&mut connection, &tier.name).await.unwrap().as_ref(), Some(&tier));
        assert_eq!(list(&mut connection).await.unwrap().len(), 4);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_number_that_does_not_fit_is_named(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let mut tier = find(&mut connection, &"free".parse().unwrap()).await.unwrap().unwrap();
        tier.limits.memory_bytes_max = u64::MAX;

        let error = upsert(&mut connection, &tier).await.unwrap_err();

        assert!(error.to_string().starts_with("memory_bytes_max is too large"), "{error}");
    }
}
