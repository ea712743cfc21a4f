//! How calls ended, counted.

use chrono::{DateTime, Utc};
use domain::{CustomerId, Slug, Status};
use sqlx::PgConnection;

use crate::{StoreError, number};

/// A span of time: after `since`, up to and with `until`, so that spans that follow each other share no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, which is not part of it.
    pub since: DateTime<Utc>,
    /// Its end, which is.
    pub until: DateTime<Utc>,
}

/// How many of a customer's calls ended in `span`, by the state that they ended in, in no order; of one server only, if one is
/// named. States that no call ended in are absent, and so are calls that run.
pub async fn count_by_status(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: Option<&Slug>,
    span: &Span,
) -> Result<Vec<(Status, u64)>, StoreError> {
    // By `executions_by_completion`: a running call has no `completed_at`, and is not in the span.
    let rows = sqlx::query!(
        r#"SELECT status, count(*) AS "calls!" FROM executions
        WHERE customer_id = $1 AND completed_at > $2 AND completed_at <= $3 AND ($4::text IS NULL OR server_slug = $4)
        GROUP BY status"#,
        customer.as_uuid(),
        span.since,
        span.until,
        server.map(Slug::as_str)
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("count executions by their status"))?;
    rows.into_iter()
        .map(|row| {
            let status = Status::find(&row.status);
            let status = status.ok_or_else(|| StoreError::Corrupt { what: "status of a call", source: row.status.into() })?;
            Ok((status, number::read("number of calls", row.calls)?))
        })
        .collect()
}
