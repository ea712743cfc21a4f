//! What clients have read of servers themselves: pinned by key or consent, and server (SEC-18). A key sees its customer's servers alone, so it has
//! no more of these than its customer has servers; a consent has one.

use chrono::{DateTime, Utc};
use domain::{ConsentId, ServerId, ServerWords};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    StoreError,
    pins::{self, PinHolder, PinOwner},
};

/// What a client has read of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPin {
    /// What it read.
    pub words: ServerWords,
    /// When it was read first, or accepted.
    pub pinned_at: DateTime<Utc>,
}

/// What a holder has pinned of a server.
pub async fn find(connection: &mut PgConnection, holder: PinHolder, server: ServerId) -> Result<Option<ServerPin>, StoreError> {
    let (api_key, consent) = holder.columns();
    let row = sqlx::query!(
        "SELECT title, description, pinned_at FROM server_pins WHERE (api_key_id = $1 OR consent_id = $2) AND server_id = $3",
        api_key,
        consent,
        server.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the pin of a server"))?;
    row.map(|row| Ok(ServerPin { words: read(&row.title, row.description)?, pinned_at: row.pinned_at })).transpose()
}

/// What several consents have pinned of their servers.
pub async fn list_of_consents(
    connection: &mut PgConnection,
    consents: &[ConsentId],
) -> Result<Vec<(ConsentId, ServerWords)>, StoreError> {
    let ids: Vec<Uuid> = consents.iter().map(|consent| consent.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT consent_id AS "consent_id!", title, description FROM server_pins WHERE consent_id = ANY($1)"#,
        &ids
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list what consents pinned of servers"))?;
    let read = rows.into_iter().map(|row| Ok((ConsentId::from_uuid(row.consent_id), read(&row.title, row.description)?)));
    read.collect()
}

/// Pins what is read now; what has been pinned stays, also against another reader at the same time. Nothing is pinned of a server that was
/// deleted meanwhile, of a holder that is gone, or of a consent that holds nothing back any more.
pub async fn insert(
    connection: &mut PgConnection,
    holder: PinHolder,
    server: ServerId,
    words: &ServerWords,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let during = || StoreError::during("pin what a server says");
    let (api_key, consent) = holder.columns();
    let mut transaction = connection.begin().await.map_err(during())?;
    if !pins::lock(&mut transaction, holder).await? {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO server_pins (api_key_id, consent_id, server_id, title, description, pinned_at)
        SELECT $1, $2, server_id, $4, $5, $6 FROM servers WHERE server_id = $3
        ON CONFLICT DO NOTHING",
        api_key,
        consent,
        server.as_uuid(),
        words.title.as_str(),
        words.description,
        at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())
}

/// Pins what is accepted in place of what was pinned; `false` if the owner's holder has no pin of the server.
pub async fn accept(
    connection: &mut PgConnection,
    owner: PinOwner,
    holder: PinHolder,
    server: ServerId,
    accepted: &ServerPin,
) -> Result<bool, StoreError> {
    let ((customer, user), (api_key, consent)) = (owner.columns(), holder.columns());
    let done = sqlx::query!(
        "UPDATE server_pins SET title = $6, description = $7, pinned_at = $8
        WHERE (api_key_id IN (SELECT api_key_id FROM api_keys WHERE customer_id = $1 AND api_key_id = $3)
                OR consent_id IN (SELECT consent_id FROM consents WHERE user_id = $2 AND consent_id = $4))
            AND server_id = $5",
        customer,
        user,
        api_key,
        consent,
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

fn read(title: &str, description: String) -> Result<ServerWords, StoreError> {
    Ok(ServerWords { title: title.parse().map_err(StoreError::corrupt("server title"))?, description })
}

#[cfg(test)]
mod tests {
    use domain::{ApiKeyId, Digest};
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
        let holder = PinHolder::ApiKey(key.id);
        let second = ServerPin { words: words("second"), pinned_at: at(3) };
        assert!(
            !accept(&mut connection, PinOwner::Customer(customer), holder, server, &second).await.unwrap(),
            "nobody has read it"
        );

        for description in ["first", "second"] {
            insert(&mut connection, holder, server, &words(description), at(1)).await.unwrap();
        }
        let first = find(&mut connection, holder, server).await.unwrap().unwrap();
        assert_eq!(first, ServerPin { words: words("first"), pinned_at: at(1) });
        assert!(!accept(&mut connection, PinOwner::Customer(other), holder, server, &second).await.unwrap());
        assert!(accept(&mut connection, PinOwner::Customer(customer), holder, server, &second).await.unwrap());

        assert_eq!(find(&mut connection, holder, server).await.unwrap(), Some(second));
        servers::delete(&mut connection, customer, &"weather".parse().unwrap()).await.unwrap();
        insert(&mut connection, holder, server, &words("first"), at(4)).await.unwrap();
        assert_eq!(find(&mut connection, holder, server).await.unwrap(), None);
    }
}
