//! Answers of clients to calls that wait on another node than the one that heard the answer. Whoever waits is told by a notice.

use chrono::{DateTime, Utc};
use domain::QuestionId;
use sqlx::PgConnection;

use crate::StoreError;

/// Keeps an answer until `expires_at` at the latest; `false` if there is one already. `sealed` has 2 MiB at most.
pub async fn insert(
    connection: &mut PgConnection,
    question: QuestionId,
    sealed: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO question_answers (question_id, sealed, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        question.as_uuid(),
        sealed,
        expires_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert an answer"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes an answer away, if it is there.
pub async fn take(connection: &mut PgConnection, question: QuestionId) -> Result<Option<Vec<u8>>, StoreError> {
    sqlx::query_scalar!("DELETE FROM question_answers WHERE question_id = $1 RETURNING sealed", question.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("take an answer"))
}

/// Deletes answers that nobody took in their time; gives their number.
pub async fn delete_expired(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let done = sqlx::query!("DELETE FROM question_answers WHERE expires_at <= $1", now)
        .execute(connection)
        .await
        .map_err(StoreError::during("delete expired answers"))?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_first_answer_counts_and_is_taken_once(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let question = QuestionId::new();

        assert!(insert(&mut connection, question, &[1; 64], at(60)).await.unwrap());
        assert!(!insert(&mut connection, question, &[2; 64], at(60)).await.unwrap());

        assert_eq!(take(&mut connection, question).await.unwrap(), Some(vec![1; 64]));
        assert_eq!(take(&mut connection, question).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_nobody_took_goes(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (old, new) = (QuestionId::new(), QuestionId::new());
        insert(&mut connection, old, &[1; 64], at(60)).await.unwrap();
        insert(&mut connection, new, &[1; 64], at(61)).await.unwrap();

        assert_eq!(delete_expired(&mut connection, at(60)).await.unwrap(), 1);

        assert_eq!(take(&mut connection, old).await.unwrap(), None);
        assert!(take(&mut connection, new).await.unwrap().is_some());
    }
}
