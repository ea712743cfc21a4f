//! What calls were given and what they answered, where that is kept (HIST-12).

use domain::{CallId, CustomerId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Execution;
use crate::{StoreError, number};

/// The most bytes of an input or a result that are kept.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// What a call was given and what it answered, without what looked like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// JSON; none if it was too large.
    pub input: Option<String>,
    /// Bytes that it had.
    pub input_bytes: u64,
    /// JSON; none if it was too large, or if there was none.
    pub result: Option<String>,
    /// Bytes that it had, if there was one.
    pub result_bytes: Option<u64>,
}

/// Keeps the contents of those records that have some; what is there stays. The records are there already.
pub(super) async fn insert(connection: &mut PgConnection, executions: &[Execution]) -> Result<(), sqlx::Error> {
    let kept = || executions.iter().filter_map(|execution| Some((execution.call, execution.contents.as_deref()?)));
    if kept().next().is_none() {
        return Ok(());
    }
    let calls: Vec<Uuid> = kept().map(|(call, _)| call.as_uuid()).collect();
    let inputs: Vec<Option<String>> = kept().map(|(_, contents)| contents.input.clone()).collect();
    let input_bytes: Vec<i64> = kept().map(|(_, contents)| number::saturate(contents.input_bytes)).collect();
    let results: Vec<Option<String>> = kept().map(|(_, contents)| contents.result.clone()).collect();
    let result_bytes: Vec<Option<i64>> = kept().map(|(_, contents)| contents.result_bytes.map(number::saturate)).collect();
    sqlx::query!(
        "INSERT INTO execution_contents (call_id, input, input_bytes, result, result_bytes)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
        ON CONFLICT DO NOTHING",
        &calls,
        &inputs as &[Option<String>],
        &input_bytes,
        &results as &[Option<String>],
        &result_bytes as &[Option<i64>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What was kept of a customer's call; none if nothing was.
pub async fn find_contents(
    connection: &mut PgConnection,
    customer: CustomerId,
    call: CallId,
) -> Result<Option<Contents>, StoreError> {
    let row = sqlx::query!(
        "SELECT input, input_bytes, result, result_bytes FROM execution_contents JOIN executions USING (call_id)
        WHERE customer_id = $1 AND call_id = $2",
        customer.as_uuid(),
        call.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the contents of a call"))?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Contents {
        input: row.input,
        input_bytes: number::read("input_bytes", row.input_bytes)?,
        result: row.result,
        result_bytes: row.result_bytes.map(|bytes| number::read("result_bytes", bytes)).transpose()?,
    }))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn contents_come_and_go_with_their_record(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let contents = Contents { input: Some("{}".into()), input_bytes: 2, result: None, result_bytes: Some(100_000) };
        let with = Execution { contents: Some(Box::new(contents.clone())), ..fixtures::execution(customer, 0) };
        let without = fixtures::execution(customer, 1);
        for _ in 0..2 {
            super::super::write(&mut connection, &[with.clone(), without.clone()]).await.unwrap();
        }

        let other = fixtures::customer(&mut connection, "free").await;
        assert_eq!(find_contents(&mut connection, customer, with.call).await.unwrap(), Some(contents));
        assert_eq!(find_contents(&mut connection, other, with.call).await.unwrap(), None);
        assert_eq!(find_contents(&mut connection, customer, without.call).await.unwrap(), None);

        super::super::delete_expired(&mut connection, at(400 * 24 * 3600), 10).await.unwrap();
        assert_eq!(find_contents(&mut connection, customer, with.call).await.unwrap(), None);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM execution_contents").fetch_one(&mut *connection).await.unwrap();
        assert_eq!(left, 0);
    }
}
