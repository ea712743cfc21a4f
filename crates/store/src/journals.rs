//! Journals of calls that wait for their client: what the next run of a call needs to get to where this one was. Each can be taken once.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CallId, CustomerId, JournalId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// How long a client has to answer.
pub const TTL: TimeDelta = TimeDelta::minutes(10);
/// Journals of one customer that wait, at most: so many people may be asked at one time.
pub const OF_CUSTOMER_MAX: u64 = 100;
/// Bytes of all these journals together.
pub const BYTES_OF_CUSTOMER_MAX: u64 = 64 * 1024 * 1024;

/// A journal that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptJournal {
    /// Its id.
    pub id: JournalId,
    /// Whose server the call runs on.
    pub customer: CustomerId,
    /// The call.
    pub call: CallId,
    /// The journal, sealed: 16 MiB at most.
    pub sealed: Vec<u8>,
    /// Until when it can be taken.
    pub expires_at: DateTime<Utc>,
}

/// Keeps a journal; `false`, and nothing is kept, if the customer would have more than [`OF_CUSTOMER_MAX`], or more than
/// [`BYTES_OF_CUSTOMER_MAX`] in them, at the time `now`.
pub async fn insert(connection: &mut PgConnection, journal: &KeptJournal, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let during = || StoreError::during("insert a journal");
    let mut transaction = connection.begin().await.map_err(during())?;
    // One at a time, so that the sums are true.
    sqlx::query!("SELECT customer_id FROM customers WHERE customer_id = $1 FOR NO KEY UPDATE", journal.customer.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(during())?;
    let done = sqlx::query!(
        "INSERT INTO journals (journal_id, customer_id, call_id, sealed, expires_at)
        SELECT $1, $2, $3, $4::bytea, $5
        FROM (
            SELECT count(*) AS journals, coalesce(sum(octet_length(sealed)), 0) AS bytes FROM journals
            WHERE customer_id = $2 AND sealed IS NOT NULL AND expires_at > $6
        ) AS waiting
        WHERE journals < $7 AND bytes + octet_length($4::bytea) <= $8",
        journal.id.as_uuid(),
        journal.customer.as_uuid(),
        journal.call.as_uuid(),
        journal.sealed,
        journal.expires_at,
        now,
        number::write("number of journals", OF_CUSTOMER_MAX)?,
        number::write("bytes of journals", BYTES_OF_CUSTOMER_MAX)?
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(done.rows_affected() == 1)
}

/// A journal of the customer's that nobody has taken; none if it was taken, has expired, or never was.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    journal: JournalId,
    now: DateTime<Utc>,
) -> Result<Option<KeptJournal>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT call_id, sealed AS "sealed!", expires_at FROM journals
        WHERE journal_id = $1 AND customer_id = $2 AND sealed IS NOT NULL AND expires_at > $3"#,
        journal.as_uuid(),
        customer.as_uuid(),
        now
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a journal"))?;
    Ok(row.map(|row| KeptJournal {
        id: journal,
        customer,
        call: CallId::from_uuid(row.call_id),
        sealed: row.sealed,
        expires_at: row.expires_at,
    }))
}

/// Takes a journal of the customer's, so that nobody can take it again; `false` if there is none to be taken. Whoever takes it is given
/// [`TTL`] to end.
pub async fn take(
    connection: &mut PgConnection,
    customer: CustomerId,
    journal: JournalId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE journals SET sealed = NULL, expires_at = $4
        WHERE journal_id = $1 AND customer_id = $2 AND sealed IS NOT NULL AND expires_at > $3",
        journal.as_uuid(),
        customer.as_uuid(),
        now,
        now + TTL
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("take a journal"))?;
    Ok(done.rows_affected() == 1)
}

/// Gives back what was taken, as it was: nothing was done with it. `false` if it is gone.
pub async fn give_back(connection: &mut PgConnection, journal: &KeptJournal) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE journals SET sealed = $2, expires_at = $3 WHERE journal_id = $1 AND sealed IS NULL",
        journal.id.as_uuid(),
        journal.sealed,
        journal.expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("give a journal back"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes up to `limit` journals whose time is over, and closes the records of the calls that nobody will go on with. Gives the number of
/// journals: as long as it is `limit`, there are more.
pub async fn delete_expired(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let during = || StoreError::during("delete expired journals");
    let mut transaction = connection.begin().await.map_err(during())?;
    let calls: Vec<Uuid> = sqlx::query_scalar!(
        "DELETE FROM journals WHERE journal_id IN (
            SELECT journal_id FROM journals WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING call_id",
        now,
        limit
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(during())?;
    sqlx::query!(
        "UPDATE executions SET status = 'cancelled', completed_at = $2,
            error_message = 'the client did not come back with what the tool asked it for'
        WHERE call_id = ANY($1) AND status = 'waiting'
            AND NOT EXISTS (SELECT FROM journals WHERE journals.call_id = executions.call_id)",
        &calls,
        now
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(calls.len() as u64)
}

#[cfg(test)]
mod tests {
    use domain::Status;
    use sqlx::PgPool;

    use super::*;
    use crate::{
        executions::{self, Execution},
        fixtures::{self, at, connect},
    };

    const MINUTES: i64 = 60;

    fn journal(customer: CustomerId, bytes: usize) -> KeptJournal {
        let (id, call) = (JournalId::new(), CallId::new());
        KeptJournal { id, customer, call, sealed: vec![7; bytes], expires_at: at(10 * MINUTES) }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_journal_is_taken_once_by_its_customer_in_its_time(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (customer, other) =
            (fixtures::customer(&mut connection, "free").await, fixtures::customer(&mut connection, "free").await);
        let journal = journal(customer, 64);
        assert!(insert(&mut connection, &journal, at(0)).await.unwrap());

        for (whose, id, seconds) in
            [(other, journal.id, 1), (customer, JournalId::new(), 1), (customer, journal.id, 10 * MINUTES)]
        {
            assert_eq!(find(&mut connection, whose, id, at(seconds)).await.unwrap(), None);
            assert!(!take(&mut connection, whose, id, at(seconds)).await.unwrap());
        }
        for _ in 0..2 {
            assert_eq!(find(&mut connection, customer, journal.id, at(1)).await.unwrap().as_ref(), Some(&journal));
            assert!(take(&mut connection, customer, journal.id, at(1)).await.unwrap());
            assert_eq!(find(&mut connection, customer, journal.id, at(1)).await.unwrap(), None);
            assert!(!take(&mut connection, customer, journal.id, at(1)).await.unwrap());
            assert!(give_back(&mut connection, &journal).await.unwrap());
        }
        assert!(!give_back(&mut connection, &journal).await.unwrap(), "what was not taken stays as it is");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn two_who_take_at_once_do_not_both_get_it(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let journal = journal(customer, 64);
        insert(&mut connection, &journal, at(0)).await.unwrap();

        let takers = (0..4).map(|_| {
            let (pool, id) = (pool.clone(), journal.id);
            tokio::spawn(async move { take(&mut *connect(&pool).await, customer, id, at(1)).await.unwrap() })
        });
        let mut taken = 0;
        for taker in takers.collect::<Vec<_>>() {
            taken += usize::from(taker.await.unwrap());
        }

        assert_eq!(taken, 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_journals_of_a_customer_are_bounded_in_number_and_bytes(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (many, large) =
            (fixtures::customer(&mut connection, "free").await, fixtures::customer(&mut connection, "free").await);
        let first = journal(many, 64);
        insert(&mut connection, &first, at(0)).await.unwrap();
        for _ in 1..OF_CUSTOMER_MAX {
            assert!(insert(&mut connection, &journal(many, 64), at(0)).await.unwrap());
        }

        assert!(!insert(&mut connection, &journal(many, 64), at(0)).await.unwrap());
        assert!(take(&mut connection, many, first.id, at(0)).await.unwrap());
        assert!(insert(&mut connection, &journal(many, 64), at(0)).await.unwrap(), "what was taken has made room");
        let late = KeptJournal { expires_at: at(20 * MINUTES), ..journal(many, 64) };
        assert!(insert(&mut connection, &late, at(10 * MINUTES)).await.unwrap(), "and so has what expired");

        let largest = 16 * 1024 * 1024;
        for _ in 0..4 {
            assert!(insert(&mut connection, &journal(large, largest), at(0)).await.unwrap());
        }
        assert!(!insert(&mut connection, &journal(large, 64), at(0)).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_record_of_a_call_that_nobody_goes_on_with_is_closed(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let waiting = |journal: &KeptJournal| Execution {
            call: journal.call,
            status: Status::Waiting,
            completed_at: None,
            ..fixtures::execution(customer, 0)
        };
        let (left, gone_on, taken) = (journal(customer, 64), journal(customer, 64), journal(customer, 64));
        let next = KeptJournal { id: JournalId::new(), expires_at: at(30 * MINUTES), ..gone_on.clone() };
        for journal in [&left, &gone_on, &next, &taken] {
            assert!(insert(&mut connection, journal, at(0)).await.unwrap());
        }
        executions::write(&mut connection, &[&left, &gone_on, &taken].map(waiting)).await.unwrap();
        assert!(take(&mut connection, customer, taken.id, at(9 * MINUTES)).await.unwrap());

        assert_eq!(delete_expired(&mut connection, at(10 * MINUTES), 1).await.unwrap(), 1);
        assert_eq!(delete_expired(&mut connection, at(10 * MINUTES), 100).await.unwrap(), 1);

        let mut status = async |journal: &KeptJournal| {
            let record = executions::find(&mut connection, customer, journal.call).await.unwrap().unwrap();
            (record.status, record.completed_at)
        };
        assert_eq!(status(&left).await, (Status::Cancelled, Some(at(10 * MINUTES))));
        assert_eq!(status(&gone_on).await, (Status::Waiting, None));
        assert_eq!(status(&taken).await, (Status::Waiting, None), "whoever took it is at it");
        assert_eq!(delete_expired(&mut connection, at(19 * MINUTES), 100).await.unwrap(), 1);
        let record = executions::find(&mut connection, customer, taken.call).await.unwrap().unwrap();
        assert_eq!(record.status, Status::Cancelled);
    }
}
