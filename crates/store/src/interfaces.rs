//! What versions say of themselves, as it is kept: text, which whoever reads a whole server of it parses where that may take its time.

use domain::{CustomerId, ToolInterface, ToolName, VersionId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A [`ToolInterface`] as JSON, 1 MiB at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceText(String);

impl InterfaceText {
    pub(crate) const fn new(json: String) -> Self {
        Self(json)
    }

    /// Parses it: up to a hundredth of a second for one, so that those of a server are nothing for a thread that serves others meanwhile.
    pub fn read(&self) -> Result<ToolInterface, StoreError> {
        serde_json::from_str(&self.0).map_err(StoreError::corrupt("interface"))
    }
}

/// The bytes of the interfaces of those versions that are the customer's, with the names of their tools, the largest first.
pub async fn list_sizes(
    connection: &mut PgConnection,
    customer: CustomerId,
    versions: &[VersionId],
) -> Result<Vec<(ToolName, u64)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT tools.name, octet_length(interface::text) AS "bytes!"
        FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id)
        WHERE customer_id = $1 AND version_id = ANY($2) ORDER BY octet_length(interface::text) DESC, tools.name"#,
        customer.as_uuid(),
        &ids(versions)
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the sizes of interfaces"))?;
    let read =
        |name: String, bytes: i32| Ok((name.parse().map_err(StoreError::corrupt("tool name"))?, u64::from(bytes.unsigned_abs())));
    rows.into_iter().map(|row| read(row.name, row.bytes)).collect()
}

/// The interfaces of those versions that are the customer's, in no order.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    versions: &[VersionId],
) -> Result<Vec<InterfaceText>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT interface::text AS "interface!"
        FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id)
        WHERE customer_id = $1 AND version_id = ANY($2)"#,
        customer.as_uuid(),
        &ids(versions)
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list interfaces"))?;
    Ok(rows.into_iter().map(InterfaceText).collect())
}

fn ids(versions: &[VersionId]) -> Vec<Uuid> {
    versions.iter().map(|version| version.as_uuid()).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn interfaces_are_those_of_the_customers_own_versions(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let (owner, other) =
            (fixtures::customer(&mut connection, "pro").await, fixtures::customer(&mut connection, "free").await);
        let server = fixtures::server(&mut connection, owner, "weather").await;
        let mut versions = Vec::new();
        for name in ["a", "forecast"] {
            let tool = fixtures::tool(&mut connection, owner, server, name).await;
            versions.push(fixtures::version(&mut connection, owner, tool, name, "source").await);
        }

        let sizes = list_sizes(&mut connection, owner, &versions).await.unwrap();
        let interfaces = list(&mut connection, owner, &versions).await.unwrap();

        let names: Vec<&str> = sizes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["forecast", "a"], "a name is part of it: the largest first");
        let mut read: Vec<ToolInterface> = interfaces.iter().map(|text| text.read().unwrap()).collect();
        read.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(read[1].name.as_str(), "forecast");
        assert_eq!(
            sizes.iter().map(|(_, bytes)| bytes).sum::<u64>(),
            interfaces.iter().map(|text| text.0.len() as u64).sum::<u64>()
        );
        assert!(list_sizes(&mut connection, other, &versions).await.unwrap().is_empty());
        assert!(list(&mut connection, other, &versions).await.unwrap().is_empty());
    }

    #[test]
    fn what_is_no_interface_is_called_corrupt() {
        let read = InterfaceText::new(r#"{"name": "a"}"#.to_owned()).read();

        assert!(matches!(read, Err(StoreError::Corrupt { what: "interface", .. })), "{read:?}");
    }
}
