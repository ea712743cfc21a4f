//! Calls of a calendar month, counted in blocks: a node leases some, answers that many calls without asking again, and gives
//! the rest back when it stops. A node that is killed takes its rest with it, so that the count is never too low; how much that may be, whoever
//! leases decides.

use chrono::{DateTime, NaiveDate, Utc};
use domain::CustomerId;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// A block of calls that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// For whom.
    pub customer: CustomerId,
    /// The first day of the month (UTC).
    pub month: NaiveDate,
    /// How many calls.
    pub wanted: u64,
    /// How many the customer's tier allows in that month.
    pub calls_max: u64,
}

/// Leases calls: as many of the wanted ones as are left, also when several nodes ask at once. Nought means that the month is
/// used up.
pub async fn lease(connection: &mut PgConnection, lease: &Lease) -> Result<u64, StoreError> {
    let during = || StoreError::during("lease calls of a month");
    let mut transaction = connection.begin().await.map_err(during())?;
    sqlx::query!(
        "INSERT INTO monthly_calls (customer_id, month, calls) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
        lease.customer.as_uuid(),
        lease.month
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    let used = sqlx::query_scalar!(
        "SELECT calls FROM monthly_calls WHERE customer_id = $1 AND month = $2 FOR UPDATE",
        lease.customer.as_uuid(),
        lease.month
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    let used: u64 = number::read("calls", used)?;
    let granted = lease.wanted.min(lease.calls_max.saturating_sub(used));
    if granted > 0 {
        sqlx::query!(
            "UPDATE monthly_calls SET calls = $3 WHERE customer_id = $1 AND month = $2",
            lease.customer.as_uuid(),
            lease.month,
            number::write("calls", used.saturating_add(granted))?
        )
        .execute(&mut *transaction)
        .await
        .map_err(during())?;
    }
    transaction.commit().await.map_err(during())?;
    Ok(granted)
}

/// Gives back leased calls that were not used.
pub async fn give_back(
    connection: &mut PgConnection,
    customer: CustomerId,
    month: NaiveDate,
    calls: u64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE monthly_calls SET calls = greatest(calls - $3, 0) WHERE customer_id = $1 AND month = $2",
        customer.as_uuid(),
        month,
        number::write("calls", calls)?
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("give back calls of a month"))?;
    Ok(())
}

/// Calls that were made without a lease, because the database was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// It is charged once, however often that is asked for: whoever asks may not hear that it was done.
    pub id: Uuid,
    /// Whose calls.
    pub customer: CustomerId,
    /// The first day of the month (UTC).
    pub month: NaiveDate,
    /// How many calls.
    pub calls: u64,
}

/// Counts calls that were made without a lease, unless that was done before: also those beyond what the month allows, since they were made.
pub async fn charge(connection: &mut PgConnection, charge: &Charge, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH new AS (INSERT INTO charged_debts (debt_id, charged_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING debt_id)
         INSERT INTO monthly_calls (customer_id, month, calls) SELECT $3::uuid, $4::date, $5::bigint FROM new
         ON CONFLICT (customer_id, month) DO UPDATE SET calls = monthly_calls.calls + excluded.calls",
        charge.id,
        now,
        charge.customer.as_uuid(),
        charge.month,
        number::write("calls", charge.calls)?
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("charge calls of a month"))?;
    Ok(())
}

/// Forgets which charges were made before `before`: nobody may ask for one of them again.
pub async fn forget_charges(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM charged_debts WHERE charged_at < $1", before)
        .execute(connection)
        .await
        .map_err(StoreError::during("forget charges of calls"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    /// Calls that were leased in a month.
    async fn leased(connection: &mut PgConnection, customer: CustomerId, month: NaiveDate) -> i64 {
        let query = sqlx::query_scalar("SELECT calls FROM monthly_calls WHERE customer_id = $1 AND month = $2");
        query.bind(customer.as_uuid()).bind(month).fetch_one(connection).await.unwrap()
    }

    fn month(month: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2027, month, 1).unwrap()
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn blocks_are_granted_until_the_month_is_used_up(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let block = Lease { customer, month: month(1), wanted: 40, calls_max: 100 };

        let mut granted = Vec::new();
        for _ in 0..4 {
            granted.push(lease(&mut connection, &block).await.unwrap());
        }

        assert_eq!(granted, [40, 40, 20, 0]);
        assert_eq!(leased(&mut connection, customer, month(1)).await, 100);
        assert_eq!(lease(&mut connection, &Lease { month: month(2), ..block }).await.unwrap(), 40, "a new month begins anew");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn nodes_that_lease_at_once_get_no_more_than_there_is(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let block = Lease { customer, month: month(1), wanted: 7, calls_max: 100 };
        let nodes = (0..4).map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut connection = connect(&pool).await;
                let mut granted = 0;
                for _ in 0..10 {
                    granted += lease(&mut connection, &block).await.unwrap();
                }
                granted
            })
        });
        let nodes: Vec<_> = nodes.collect();

        let mut granted = 0;
        for node in nodes {
            granted += node.await.unwrap();
        }

        assert_eq!(granted, 100);
        assert_eq!(leased(&mut connection, customer, month(1)).await, 100);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn calls_that_were_made_are_charged_also_beyond_the_month(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;

        let first = Charge { id: Uuid::now_v7(), customer, month: month(1), calls: 3 };
        let second = Charge { id: Uuid::now_v7(), calls: 5, ..first };
        charge(&mut connection, &first, at(0)).await.unwrap();
        let left = lease(&mut connection, &Lease { customer, month: month(1), wanted: 10, calls_max: 10 }).await.unwrap();
        charge(&mut connection, &second, at(0)).await.unwrap();
        for again in [first, second] {
            charge(&mut connection, &again, at(1)).await.unwrap();
        }

        assert_eq!((left, leased(&mut connection, customer, month(1)).await), (7, 15), "each is charged once");
        forget_charges(&mut connection, at(1)).await.unwrap();
        let remembered: i64 = sqlx::query_scalar("SELECT count(*) FROM charged_debts").fetch_one(&pool).await.unwrap();
        assert_eq!(remembered, 0);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_given_back_can_be_leased_again(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let block = Lease { customer, month: month(1), wanted: 100, calls_max: 100 };
        lease(&mut connection, &block).await.unwrap();

        give_back(&mut connection, customer, month(1), 30).await.unwrap();

        assert_eq!(lease(&mut connection, &block).await.unwrap(), 30);
    }
}
