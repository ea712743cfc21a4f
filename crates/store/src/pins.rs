//! What clients have read of tools: pinned by key or consent, server and name (SEC-18).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, ConsentId, CustomerId, Digest, ServerId, ToolName, UserId, VersionId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// The most pins of one holder, over all servers: as many tools as 20 full servers of the smallest tier have.
pub const OF_HOLDER_MAX: u32 = 2_000;

/// What holds pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinHolder {
    /// A key, for every server of its customer that is read through it.
    ApiKey(ApiKeyId),
    /// What a person let a client do with a server.
    Consent(ConsentId),
}

/// Who accepts what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinOwner {
    /// Whose key it is.
    Customer(CustomerId),
    /// Who gave the consent.
    User(UserId),
}

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

impl PinHolder {
    /// The key's id or the consent's, of which rows have one.
    pub(crate) const fn columns(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::ApiKey(key) => (Some(key.as_uuid()), None),
            Self::Consent(consent) => (None, Some(consent.as_uuid())),
        }
    }
}

impl PinOwner {
    /// The customer's id or the person's.
    pub(crate) const fn columns(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Customer(customer) => (Some(customer.as_uuid()), None),
            Self::User(user) => (None, Some(user.as_uuid())),
        }
    }
}

/// The pins of a holder on a server, by the tools' names. [`OF_HOLDER_MAX`] at most.
pub async fn list(
    connection: &mut PgConnection,
    holder: PinHolder,
    server: ServerId,
) -> Result<BTreeMap<ToolName, Pin>, StoreError> {
    let (api_key, consent) = holder.columns();
    let rows = sqlx::query_as!(
        Row,
        "SELECT name, digest, version_id, pinned_at FROM definition_pins
        WHERE (api_key_id = $1 OR consent_id = $2) AND server_id = $3",
        api_key,
        consent,
        server.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list definition pins"))?;
    rows.into_iter().map(Row::read).collect()
}

/// What is pinned by several consents: of each the names and the digests. [`OF_HOLDER_MAX`] for each at most.
pub async fn list_of_consents(
    connection: &mut PgConnection,
    consents: &[ConsentId],
) -> Result<Vec<(ConsentId, ToolName, Digest)>, StoreError> {
    let ids: Vec<Uuid> = consents.iter().map(|consent| consent.as_uuid()).collect();
    let rows =
        sqlx::query!(r#"SELECT consent_id AS "consent_id!", name, digest FROM definition_pins WHERE consent_id = ANY($1)"#, &ids)
            .fetch_all(connection)
            .await
            .map_err(StoreError::during("list the pins of consents"))?;
    let read = rows.into_iter().map(|row| {
        let name = row.name.parse().map_err(StoreError::corrupt("tool name"))?;
        let digest = row.digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?;
        Ok((ConsentId::from_uuid(row.consent_id), name, digest))
    });
    read.collect()
}

/// Pins what has no pin yet; what has one keeps it, also against another reader at the same time. `false`, and nothing is pinned, if the holder
/// would have more than [`OF_HOLDER_MAX`]. Nothing is pinned either of a holder that is gone, or of a consent that holds nothing back any more.
pub async fn insert(
    connection: &mut PgConnection,
    holder: PinHolder,
    server: ServerId,
    pins: &[NewPin],
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("pin definitions");
    let names: Vec<String> = pins.iter().map(|pin| pin.name.to_string()).collect();
    let digests: Vec<Vec<u8>> = pins.iter().map(|pin| pin.digest.as_bytes().to_vec()).collect();
    let versions: Vec<Uuid> = pins.iter().map(|pin| pin.version.as_uuid()).collect();
    let (api_key, consent) = holder.columns();
    let mut transaction = connection.begin().await.map_err(during())?;
    if !lock(&mut transaction, holder).await? {
        return Ok(true);
    }
    sqlx::query!(
        "INSERT INTO definition_pins (api_key_id, consent_id, server_id, name, digest, version_id, pinned_at)
        SELECT $1, $2, $3, name, digest, version_id, $7
        FROM unnest($4::text[], $5::bytea[], $6::uuid[]) AS read (name, digest, version_id)
        ON CONFLICT DO NOTHING",
        api_key,
        consent,
        server.as_uuid(),
        &names,
        &digests,
        &versions,
        at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM definition_pins WHERE api_key_id = $1 OR consent_id = $2"#,
        api_key,
        consent
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    if number::read::<u32>("number of definition pins", count)? > OF_HOLDER_MAX {
        return Ok(false);
    }
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// Pins what is accepted in place of what was pinned; `false` if the owner's holder has no pin of this name on the server.
pub async fn accept(
    connection: &mut PgConnection,
    owner: PinOwner,
    holder: PinHolder,
    server: ServerId,
    accepted: &NewPin,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let ((customer, user), (api_key, consent)) = (owner.columns(), holder.columns());
    let done = sqlx::query!(
        "UPDATE definition_pins SET digest = $7, version_id = $8, pinned_at = $9
        WHERE (api_key_id IN (SELECT api_key_id FROM api_keys WHERE customer_id = $1 AND api_key_id = $3)
                OR consent_id IN (SELECT consent_id FROM consents WHERE user_id = $2 AND consent_id = $4))
            AND server_id = $5 AND name = $6",
        customer,
        user,
        api_key,
        consent,
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

/// Forgets everything that a consent pinned, of tools and of servers.
pub(crate) async fn forget(connection: &mut PgConnection, consent: ConsentId) -> Result<(), StoreError> {
    let during = || StoreError::during("forget the pins of a consent");
    sqlx::query!("DELETE FROM definition_pins WHERE consent_id = $1", consent.as_uuid())
        .execute(&mut *connection)
        .await
        .map_err(during())?;
    sqlx::query!("DELETE FROM server_pins WHERE consent_id = $1", consent.as_uuid())
        .execute(connection)
        .await
        .map_err(during())?;
    Ok(())
}

/// Lets one reader through at a time, in a transaction, so that the count is true and nothing is pinned of what ends at this moment; `false` if
/// the holder pins nothing.
pub(crate) async fn lock(connection: &mut PgConnection, holder: PinHolder) -> Result<bool, StoreError> {
    let (api_key, consent) = holder.columns();
    let during = || StoreError::during("lock what holds pins");
    let is_there = match holder {
        PinHolder::ApiKey(_) => sqlx::query!("SELECT api_key_id FROM api_keys WHERE api_key_id = $1 FOR NO KEY UPDATE", api_key)
            .fetch_optional(connection)
            .await
            .map_err(during())?
            .is_some(),
        PinHolder::Consent(_) => {
            sqlx::query!("SELECT consent_id FROM consents WHERE consent_id = $1 AND pins_definitions FOR NO KEY UPDATE", consent)
                .fetch_optional(connection)
                .await
                .map_err(during())?
                .is_some()
        }
    };
    Ok(is_there)
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

    impl Scene {
        fn holder(&self) -> PinHolder {
            PinHolder::ApiKey(self.key)
        }
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
            list(connection, scene.holder(), scene.server).await.unwrap()[&"forecast".parse().unwrap()].digest
        };

        for text in ["first", "second"] {
            let read = [pin(&scene, "forecast", text)];
            assert!(insert(&mut connection, scene.holder(), scene.server, &read, at(1)).await.unwrap());
            assert_eq!(digest(&mut connection).await, Digest::of(b"first"));
        }
        let other = fixtures::customer(&mut connection, "free").await;
        let second = pin(&scene, "forecast", "second");
        assert!(!accept(&mut connection, PinOwner::Customer(other), scene.holder(), scene.server, &second, at(2)).await.unwrap());
        assert!(
            accept(&mut connection, PinOwner::Customer(scene.customer), scene.holder(), scene.server, &second, at(2))
                .await
                .unwrap()
        );

        assert_eq!(digest(&mut connection).await, Digest::of(b"second"));
        let unread = pin(&scene, "unread", "second");
        assert!(
            !accept(&mut connection, PinOwner::Customer(scene.customer), scene.holder(), scene.server, &unread, at(2))
                .await
                .unwrap()
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_pins_of_a_key_are_bounded(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let scene = scene(&mut connection).await;
        let many: Vec<NewPin> = (0..OF_HOLDER_MAX).map(|index| pin(&scene, &format!("tool_{index}"), "1")).collect();

        assert!(insert(&mut connection, scene.holder(), scene.server, &many, at(1)).await.unwrap());
        assert!(!insert(&mut connection, scene.holder(), scene.server, &[pin(&scene, "more", "1")], at(1)).await.unwrap());

        assert_eq!(list(&mut connection, scene.holder(), scene.server).await.unwrap().len(), many.len());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_consent_pins_is_its_persons_and_goes_with_it(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let scene = scene(&mut connection).await;
        let given = fixtures::authorization(&mut connection, scene.server).await.given.unwrap();
        let holder = PinHolder::Consent(given.consent);
        let (first, second) = ([pin(&scene, "forecast", "first")], pin(&scene, "forecast", "second"));
        assert!(insert(&mut connection, holder, scene.server, &first, at(1)).await.unwrap());
        assert!(list(&mut connection, holder, scene.server).await.unwrap().is_empty(), "it holds nothing back");

        sqlx::query("UPDATE consents SET pins_definitions = true").execute(&mut *connection).await.unwrap();
        assert!(insert(&mut connection, holder, scene.server, &first, at(1)).await.unwrap());
        for other in [PinOwner::User(UserId::new()), PinOwner::Customer(scene.customer)] {
            assert!(!accept(&mut connection, other, holder, scene.server, &second, at(2)).await.unwrap(), "{other:?}");
        }
        assert!(accept(&mut connection, PinOwner::User(given.user), holder, scene.server, &second, at(2)).await.unwrap());

        let name: ToolName = "forecast".parse().unwrap();
        let listed = list_of_consents(&mut connection, &[given.consent]).await.unwrap();
        assert_eq!(listed, [(given.consent, name, Digest::of(b"second"))]);
        assert!(list(&mut connection, scene.holder(), scene.server).await.unwrap().is_empty(), "the key has its own");
        crate::consents::delete(&mut connection, given.user, given.consent).await.unwrap();
        assert!(list(&mut connection, holder, scene.server).await.unwrap().is_empty());
    }
}
