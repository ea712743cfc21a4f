//! What clients have read of servers themselves: pinned by key and server (SEC-18). A key sees its customer's servers alone, so it has no more
//! of these than its customer has servers.

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, CustomerId, ServerId, ServerWords};
use sqlx::PgConnection;

use crate::StoreError;

/// What a client has read of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPin {
    /// What it read.
    pub words: ServerWords,
    /// When it was read first, or accepted.
    pub pinned_at: DateTime<Utc>,
}

/// What a key has pinned of a server.
pub async fn find(connection: &mut PgConnection, api_key: ApiKeyId, server: ServerId) -> Result<Option<ServerPin>, StoreError> {
    let row = sqlx::query!(
        "SELECT title, description, pinned_at FROM server_pins WHERE api_key_id = $1 AND server_id = $2",
        api_key.as_uuid(),
        server.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the pin of a server"))?;
    let read = |title: String, description, pinned_at| {
        let title = title.parse().map_err(StoreError::corrupt("server title"))?;
        Ok(ServerPin { words: ServerWords { title, description }, pinned_at })
    };
    row.map(|row| read(row.title, row.description, row.pinned_at)).transpose()
}

/// Pins what is read now; what has been pinned stays, also against another reader at the same time. Nothing is pinned of a server that was
/// deleted meanwhile.
pub async fn insert(
    connection: &mut PgConnection,
    api_key: ApiKeyId,
    server: ServerId,
    words: &ServerWords,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO server_pins (api_key_id, server_id, title, description, pinned_at)
        SELECT $1, server_id, $3, $4, $5 FROM servers WHERE server_id = $2
        ON CONFLICT DO NOTHING",
        api_key.as_uuid(),
        server.as_uuid(),
        words.title.as_str(),
        words.description,
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("pin what a server says"))?;
    Ok(())
}

/// Pins what is accepted in place of what was pinned; `false` if the customer's key has no pin of the server.
pub async fn accept(
    connection: &mut PgConnection,
    customer: CustomerId,
    api_key: ApiKeyId,
    server: ServerId,
    accepted: &ServerPin,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE server_pins SET title = $4, description = $5, pinned_at = $6 FROM api_keys
        WHERE api_keys.api_key_id = server_pins.api_key_id AND customer_id = $1 AND server_pins.api_key_id = $2 AND server_id = $3",
        customer.as_uuid(),
        api_key.as_uuid(),
        server.as_uuid(),
        accepted.words.title.as_str(),
        accepted.words.description,
        accepted.pinned_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("accept what a server says"))?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use domain::Digest;
    use sqlx::PgPool;

    use super::*;
    use crate::{
        api_keys::{self, ApiKey},
        fixtures::{self, at, connect},
        servers,
    };

    fn words(description: &str) -> ServerWords {
        ServerWords { title: "Weather".parse().unwrap(), description: description.to_owned() }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_read_first_stays_until_something_else_is_accepted(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let key = ApiKey { id: ApiKeyId::new(), name: "laptop".parse().unwrap(), pins_definitions: true, created_at: at(0) };
        api_keys::insert(&mut connection, customer, &key, &Digest::of(b"key")).await.unwrap();
        let second = ServerPin { words: words("second"), pinned_at: at(3) };
        assert!(!accept(&mut connection, customer, key.id, server, &second).await.unwrap(), "nobody has read it");

        for description in ["first", "second"] {
            insert(&mut connection, key.id, server, &words(description), at(1)).await.unwrap();
        }
        let first = find(&mut connection, key.id, server).await.unwrap().unwrap();
        assert_eq!(first, ServerPin { words: words("first"), pinned_at: at(1) });
        assert!(!accept(&mut connection, other, key.id, server, &second).await.unwrap());
        assert!(accept(&mut connection, customer, key.id, server, &second).await.unwrap());

        assert_eq!(find(&mut connection, key.id, server).await.unwrap(), Some(second));
        servers::delete(&mut connection, customer, &"weather".parse().unwrap()).await.unwrap();
        insert(&mut connection, key.id, server, &words("first"), at(4)).await.unwrap();
        assert_eq!(find(&mut connection, key.id, server).await.unwrap(), None);
    }
}
