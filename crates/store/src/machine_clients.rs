//! Clients that a customer made to act for itself. They are rows among the other clients ([`crate::clients`]); here is what their customer does
//! with them.

use chrono::{DateTime, Utc};
use domain::{ClientKey, CustomerId, Digest, Scopes, ServerId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    StoreError,
    clients::{Client, Machine, MachineAudience},
    members,
};

/// The most of one customer.
pub const OF_CUSTOMER_MAX: i64 = 100;

/// Keeps a new machine client; `false` if its customer would have more than [`OF_CUSTOMER_MAX`], also against another that is made at the same
/// time.
pub async fn insert(connection: &mut PgConnection, client: &Client, machine: &Machine) -> Result<bool, StoreError> {
    let during = || StoreError::during("insert a machine client");
    let mut transaction = connection.begin().await.map_err(during())?;
    // One of a customer at a time, so that the count is true.
    sqlx::query!("SELECT customer_id FROM customers WHERE customer_id = $1 FOR NO KEY UPDATE", machine.customer.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(during())?;
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM clients WHERE customer_id = $1"#, machine.customer.as_uuid())
            .fetch_one(&mut *transaction)
            .await
            .map_err(during())?;
    if count >= OF_CUSTOMER_MAX {
        return Ok(false);
    }
    let (server, role) = match &machine.audience {
        MachineAudience::Server { id, .. } => (Some(id.as_uuid()), None),
        MachineAudience::Management(role) => (None, Some(role.as_str())),
    };
    sqlx::query!(
        "INSERT INTO clients (client_key, metadata, secret_sha256, created_at, customer_id, server_id, role, scopes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        client.key.as_uuid(),
        client.metadata,
        client.secret_sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        client.created_at,
        machine.customer.as_uuid(),
        server,
        role,
        machine.scopes.to_string()
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// One machine client of a customer.
pub async fn find(connection: &mut PgConnection, customer: CustomerId, key: ClientKey) -> Result<Option<Client>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT client_key, metadata, secret_sha256, clients.created_at, last_used_at, server_id, slug AS "slug?", role, scopes
        FROM clients LEFT JOIN servers USING (server_id) WHERE clients.customer_id = $1 AND client_key = $2"#,
        customer.as_uuid(),
        key.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a machine client"))?;
    row.map(|row| row.client(customer)).transpose()
}

/// A customer's machine clients, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    after: Option<ClientKey>,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT client_key, metadata, secret_sha256, clients.created_at, last_used_at, server_id, slug AS "slug?", role, scopes
        FROM clients LEFT JOIN servers USING (server_id)
        WHERE clients.customer_id = $1 AND client_key < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY client_key DESC LIMIT $3"#,
        customer.as_uuid(),
        after.map(ClientKey::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list machine clients"))?;
    rows.into_iter().map(|row| row.client(customer)).collect()
}

/// Deletes a machine client of a customer with all that it was let do; `false` if the customer has no such client.
pub async fn delete(connection: &mut PgConnection, customer: CustomerId, key: ClientKey) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM clients WHERE customer_id = $1 AND client_key = $2", customer.as_uuid(), key.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::during("delete a machine client"))?;
    Ok(done.rows_affected() == 1)
}

/// What a client is made for, as its row says.
pub(crate) fn read_machine(
    customer: CustomerId,
    server: Option<(Uuid, &str)>,
    role: Option<&str>,
    scopes: Option<&str>,
) -> Result<Machine, StoreError> {
    let audience = match (server, role) {
        (Some((id, slug)), None) => {
            MachineAudience::Server { id: ServerId::from_uuid(id), slug: slug.parse().map_err(StoreError::corrupt("slug"))? }
        }
        (None, Some(role)) => MachineAudience::Management(members::role(role)?),
        _ => return Err(StoreError::Corrupt { what: "audience of a client", source: "it has none, or two".into() }),
    };
    let scopes: Scopes = scopes.unwrap_or_default().parse().map_err(StoreError::corrupt("list of scopes"))?;
    Ok(Machine { customer, audience, scopes })
}

struct Row {
    client_key: Uuid,
    metadata: String,
    secret_sha256: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
    server_id: Option<Uuid>,
    slug: Option<String>,
    role: Option<String>,
    scopes: Option<String>,
}

impl Row {
    fn client(self, customer: CustomerId) -> Result<Client, StoreError> {
        let digest = |bytes: Vec<u8>| Digest::try_from(bytes.as_slice()).map_err(StoreError::corrupt("digest"));
        Ok(Client {
            key: ClientKey::from_uuid(self.client_key),
            metadata: self.metadata,
            secret_sha256: self.secret_sha256.map(digest).transpose()?,
            registration_sha256: None,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: None,
            machine: Some(read_machine(
                customer,
                self.server_id.zip(self.slug.as_deref()),
                self.role.as_deref(),
                self.scopes.as_deref(),
            )?),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::MemberRole;
    use sqlx::PgPool;

    use super::*;
    use crate::{
        clients, customers,
        fixtures::{at, connect, customer, server},
        servers,
    };

    fn client(customer: CustomerId, audience: MachineAudience) -> (Client, Machine) {
        let machine = Machine { customer, audience, scopes: "servers:read".parse().unwrap() };
        let client = Client {
            key: ClientKey::new(),
            metadata: "{}".to_owned(),
            secret_sha256: Some(Digest::of(b"secret")),
            registration_sha256: None,
            created_at: at(0),
            last_used_at: None,
            expires_at: None,
            machine: Some(machine.clone()),
        };
        (client, machine)
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_machine_client_is_its_customers_and_never_expires(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (owner, other) = (customer(&mut connection, "free").await, customer(&mut connection, "free").await);
        let (kept, machine) = client(owner, MachineAudience::Management(MemberRole::Editor));
        assert!(insert(&mut connection, &kept, &machine).await.unwrap());
        clients::touch(&mut connection, kept.key, at(5), None).await.unwrap();
        let kept = Client { last_used_at: Some(at(5)), ..kept };

        assert_eq!(find(&mut connection, owner, kept.key).await.unwrap().as_ref(), Some(&kept));
        assert_eq!(clients::find(&mut connection, kept.key, at(1_000_000_000)).await.unwrap().as_ref(), Some(&kept));
        assert_eq!(list(&mut connection, owner, None, 10).await.unwrap(), std::slice::from_ref(&kept));
        assert_eq!(list(&mut connection, owner, Some(kept.key), 10).await.unwrap(), []);
        assert_eq!(clients::delete_expired(&mut connection, at(1_000_000_000), 10).await.unwrap(), 0);

        assert_eq!(find(&mut connection, other, kept.key).await.unwrap(), None);
        assert_eq!(list(&mut connection, other, None, 10).await.unwrap(), []);
        assert!(!delete(&mut connection, other, kept.key).await.unwrap());
        assert!(delete(&mut connection, owner, kept.key).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_machine_client_goes_with_what_it_is_for(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = customer(&mut connection, "free").await;
        let weather = server(&mut connection, owner, "weather").await;
        let (kept, machine) = client(owner, MachineAudience::Server { id: weather, slug: "weather".parse().unwrap() });
        assert!(insert(&mut connection, &kept, &machine).await.unwrap());

        assert!(servers::delete(&mut connection, owner, &"weather".parse().unwrap()).await.unwrap());

        assert_eq!(find(&mut connection, owner, kept.key).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_customer_has_a_hundred_machine_clients(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = customer(&mut connection, "free").await;
        assert!(customers::find(&mut connection, owner).await.unwrap().is_some());
        for _ in 0..OF_CUSTOMER_MAX {
            let (kept, machine) = client(owner, MachineAudience::Management(MemberRole::Viewer));
            assert!(insert(&mut connection, &kept, &machine).await.unwrap());
        }

        let (kept, machine) = client(owner, MachineAudience::Management(MemberRole::Viewer));
        assert!(!insert(&mut connection, &kept, &machine).await.unwrap());
        let (kept, machine) = client(customer(&mut connection, "free").await, MachineAudience::Management(MemberRole::Viewer));
        assert!(insert(&mut connection, &kept, &machine).await.unwrap(), "others have their own");
    }
}
