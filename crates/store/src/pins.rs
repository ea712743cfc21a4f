//! What clients have read of tools: pinned by key, server and name (SEC-18).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, CustomerId, Digest, ServerId, ToolName, VersionId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// The most pins of one key, over all servers: as many tools as 20 full servers of the smallest tier have.
pub const OF_KEY_MAX: u32 = 2_000;

/// What a client has read of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Of the definition.
    pub digest: Digest,
    /// The version that said it.
    pub version: VersionId,
    /// When it was read first, or accepted.
    pub pinned_at: DateTime<Utc>,
}

/// A definition that is read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPin {
    /// The tool.
    pub name: ToolName,
    /// Of its definition.
    pub digest: Digest,
    /// The version that says it.
    pub version: VersionId,
}

/// The pins of a key on a server, by the tools' names. [`OF_KEY_MAX`] at most.
pub async fn list(
    connection: &mut PgConnection,
    api_key: ApiKeyId,
    server: ServerId,
) -> Result<BTreeMap<ToolName, Pin>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT name, digest, version_id, pinned_at FROM definition_pins WHERE api_key_id = $1 AND server_id = $2",
        api_key.as_uuid(),
        server.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list definition pins"))?;
    rows.into_iter().map(Row::read).collect()
}

/// Pins what has no pin yet; what has one keeps it, also against another reader at the same time. `false`, and nothing is pinned, if the key
/// would have more than [`OF_KEY_MAX`].
pub async fn insert(
    connection: &mut PgConnection,
    api_key: ApiKeyId,
    server: ServerId,
    pins: &[NewPin],
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("pin definitions");
    let names: Vec<String> = pins.iter().map(|pin| pin.name.to_string()).collect();
    let digests: Vec<Vec<u8>> = pins.iter().map(|pin| pin.digest.as_bytes().to_vec()).collect();
    let versions: Vec<Uuid> = pins.iter().map(|pin| pin.version.as_uuid()).collect();
    let mut transaction = connection.begin().await.map_err(during())?;
    // The lock on the key lets one reader through at a time, so that the count is true.
    sqlx::query!("SELECT api_key_id FROM api_keys WHERE api_key_id = $1 FOR NO KEY UPDATE", api_key.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(during())?;
    sqlx::query!(
        "INSERT INTO definition_pins (api_key_id, server_id, name, digest, version_id, pinned_at)
        SELECT $1, $2, name, digest, version_id, $6 FROM unnest($3::text[], $4::bytea[], $5::uuid[]) AS read (name, digest, version_id)
        ON CONFLICT DO NOTHING",
        api_key.as_uuid(),
        server.as_uuid(),
        &names,
        &digests,
        &versions,
        at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM definition_pins WHERE api_key_id = $1"#, api_key.as_uuid())
            .fetch_one(&mut *transaction)
            .await
            .map_err(during())?;
    if number::read::<u32>("number of definition pins", count)? > OF_KEY_MAX {
        return Ok(false);
    }
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// Pins what is accepted in place of what was pinned; `false` if the customer's key has no pin of this name on the server.
pub async fn accept(
    connection: &mut PgConnection,
    customer: CustomerId,
    api_key: ApiKeyId,
    server: ServerId,
    accepted: &NewPin,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE definition_pins SET digest = $5, version_id = $6, pinned_at = $7 FROM api_keys
        WHERE api_keys.api_key_id = definition_pins.api_key_id AND customer_id = $1 AND definition_pins.api_key_id = $2
            AND server_id = $3 AND definition_pins.name = $4",
        customer.as_uuid(),
        api_key.as_uuid(),
        server.as_uuid(),
        accepted.name.as_str(),
        accepted.digest.as_bytes().as_slice(),
        accepted.version.as_uuid(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("accept a definition"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    name: String,
    digest: Vec<u8>,
    version_id: Uuid,
    pinned_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> Result<(ToolName, Pin), StoreError> {
        let pin = Pin {
            digest: self.digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            version: VersionId::from_uuid(self.version_id),
            pinned_at: self.pinned_at,
        };
        Ok((self.name.parse().map_err(StoreError::corrupt("tool name"))?, pin))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{
        api_keys::{self, ApiKey},
        fixtures::{self, at, connect},
    };

    struct Scene {
        customer: CustomerId,
        key: ApiKeyId,
        server: ServerId,
        version: VersionId,
    }

    async fn scene(connection: &mut PgConnection) -> Scene {
        let customer = fixtures::customer(connection, "free").await;
        let server = fixtures::server(connection, customer, "weather").await;
        let tool = fixtures::tool(connection, customer, server, "forecast").await;
        let version = fixtures::version(connection, customer, tool, "forecast", "1").await;
        let key = ApiKey { id: ApiKeyId::new(), name: "laptop".parse().unwrap(), pins_definitions: true, created_at: at(0) };
        api_keys::insert(connection, customer, &key, &Digest::of(b"key")).await.unwrap();
        Scene { customer, key: key.id, server, version }
    }

    fn pin(scene: &Scene, name: &str, text: &str) -> NewPin {
        NewPin { name: name.parse().unwrap(), digest: Digest::of(text.as_bytes()), version: scene.version }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_read_first_stays_until_something_else_is_accepted(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let scene = scene(&mut connection).await;
        let digest = async |connection: &mut PgConnection| {
            list(connection, scene.key, scene.server).await.unwrap()[&"forecast".parse().unwrap()].digest
        };

        for text in ["first", "second"] {
            let read = [pin(&scene, "forecast", text)];
            assert!(insert(&mut connection, scene.key, scene.server, &read, at(1)).await.unwrap());
            assert_eq!(digest(&mut connection).await, Digest::of(b"first"));
        }
        let other = fixtures::customer(&mut connection, "free").await;
        let second = pin(&scene, "forecast", "second");
        assert!(!accept(&mut connection, other, scene.key, scene.server, &second, at(2)).await.unwrap());
        assert!(accept(&mut connection, scene.customer, scene.key, scene.server, &second, at(2)).await.unwrap());

        assert_eq!(digest(&mut connection).await, Digest::of(b"second"));
        let unread = pin(&scene, "unread", "second");
        assert!(!accept(&mut connection, scene.customer, scene.key, scene.server, &unread, at(2)).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_pins_of_a_key_are_bounded(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let scene = scene(&mut connection).await;
        let many: Vec<NewPin> = (0..OF_KEY_MAX).map(|index| pin(&scene, &format!("tool_{index}"), "1")).collect();

        assert!(insert(&mut connection, scene.key, scene.server, &many, at(1)).await.unwrap());
        assert!(!insert(&mut connection, scene.key, scene.server, &[pin(&scene, "more", "1")], at(1)).await.unwrap());

        assert_eq!(list(&mut connection, scene.key, scene.server).await.unwrap().len(), many.len());
    }
}
