//! An entry as it is read.

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, AuthorizationId, CustomerId, Digest, RequestId, SignInId, UserId, VersionId};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, ActorKind, Entry, Thing};
use crate::StoreError;

pub(super) struct Row {
    pub(super) entry_id: Uuid,
    pub(super) made_at: DateTime<Utc>,
    pub(super) operation: String,
    pub(super) actor_kind: String,
    pub(super) actor_id: Option<Uuid>,
    pub(super) sign_in_id: Option<Uuid>,
    pub(super) authorization_id: Option<Uuid>,
    pub(super) client_id: Option<String>,
    pub(super) customer_id: Option<Uuid>,
    pub(super) thing_kind: String,
    pub(super) thing_id: Option<Uuid>,
    pub(super) thing_name: Option<String>,
    pub(super) version_id: Option<Uuid>,
    pub(super) digest: Option<Vec<u8>>,
    pub(super) request_id: Option<Uuid>,
    pub(super) address: Option<String>,
    pub(super) details: Value,
    pub(super) account_id: Option<Uuid>,
}

impl TryFrom<Row> for Entry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = ActorKind::of(&row.actor_kind).ok_or_else(|| corrupt("kind of actor", &row.actor_kind))?;
        let Value::Object(details) = row.details else { return Err(corrupt("entry's details", "they are no object")) };
        let digest = row.digest.map(|bytes| <[u8; 32]>::try_from(bytes).map_err(|_| corrupt("digest", "it has not 32 bytes")));
        Ok(Self {
            id: AuditEntryId::from_uuid(row.entry_id),
            made_at: row.made_at,
            operation: row.operation,
            actor: Actor {
                kind,
                id: row.actor_id,
                sign_in: row.sign_in_id.map(SignInId::from_uuid),
                authorization: row.authorization_id.map(AuthorizationId::from_uuid),
                client: row.client_id,
            },
            customer: row.customer_id.map(CustomerId::from_uuid),
            account: row.account_id.map(UserId::from_uuid),
            thing: Thing { kind: row.thing_kind, id: row.thing_id, name: row.thing_name },
            version: row.version_id.map(VersionId::from_uuid),
            digest: digest.transpose()?.map(Digest::from_bytes),
            request: row.request_id.map(RequestId::from_uuid),
            address: row.address.map(|text| text.parse().map_err(StoreError::corrupt("address"))).transpose()?,
            details,
        })
    }
}

fn corrupt(what: &'static str, reason: &str) -> StoreError {
    StoreError::corrupt(what)(reason.to_owned())
}
