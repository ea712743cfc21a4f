//! What an entry says of what was changed.

use domain::{CustomerId, Digest, UserId, VersionId};
use serde_json::{Map, Value};
use store::{
    audit::{DETAILS_BYTES_MAX, NAME_CHARS_MAX, Thing},
    authorizations::Authorization,
};
use uuid::Uuid;

/// What an entry says of what was changed. Nothing in it is secret: of a secret the name is said, of a password that it is another one.
#[derive(Debug)]
pub(crate) struct About {
    pub(super) customer: Option<CustomerId>,
    pub(super) account: Option<UserId>,
    pub(super) thing: Thing,
    pub(super) version: Option<(VersionId, Digest)>,
    pub(super) details: Map<String, Value>,
}

impl About {
    /// A thing of that kind, a word in snake case such as `server`.
    pub(crate) fn a(kind: &'static str) -> Self {
        let thing = Thing { kind: kind.to_owned(), id: None, name: None };
        Self { customer: None, account: None, thing, version: None, details: Map::new() }
    }

    /// Its id.
    pub(crate) fn id(mut self, id: Uuid) -> Self {
        self.thing.id = Some(id);
        self
    }

    /// Its name. What belongs to a server is named with that, `weather/forecast`.
    pub(crate) fn named(mut self, name: &(impl ToString + ?Sized)) -> Self {
        self.thing.name = Some(cut(&name.to_string(), NAME_CHARS_MAX)).filter(|name| !name.is_empty());
        self
    }

    /// Whose it is, where that is not whom the caller acts for.
    pub(crate) const fn of(mut self, customer: CustomerId) -> Self {
        self.customer = Some(customer);
        self
    }

    /// Whose account it is about, where that is not the one of who does it.
    pub(crate) const fn concerning(mut self, account: UserId) -> Self {
        self.account = Some(account);
        self
    }

    /// The version that came of it, and its digest.
    pub(crate) const fn version(mut self, version: VersionId, digest: Digest) -> Self {
        self.version = Some((version, digest));
        self
    }

    /// One thing more to say.
    pub(crate) fn detail(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Likewise, if there is something to say.
    pub(crate) fn detail_if(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.detail(key, value),
            None => self,
        }
    }

    /// What an authorization allows.
    pub(crate) fn authorization(authorization: &Authorization) -> Self {
        let about = Self::a("authorization").id(authorization.id.as_uuid()).named(&authorization.resource);
        about.detail("scopes", authorization.scopes.to_string())
    }

    /// The first names of a list, and how many there are.
    pub(crate) fn list(self, key: &'static str, names: impl ExactSizeIterator<Item = String>) -> Self {
        let count = names.len();
        let first: Vec<Value> = names.take(Self::LISTED_MAX).map(Value::from).collect();
        self.detail(key, first).detail("count", count)
    }

    /// Names of a list that an entry has: as many as fit.
    const LISTED_MAX: usize = 32;
}

/// The details, if they are as short as they must be; otherwise, that they were not: an entry with less is better than no change, and no entry
/// would be worse than either.
pub(super) fn bounded(details: Map<String, Value>) -> Map<String, Value> {
    let details: Map<String, Value> = details.into_iter().map(|(key, value)| (key, clean(value))).collect();
    let bytes = serde_json::to_string(&details).map_or(usize::MAX, |text| text.len());
    if bytes <= DETAILS_BYTES_MAX {
        return details;
    }
    Map::from_iter([("left_out_bytes".to_owned(), Value::from(bytes))])
}

/// Texts as the database can have them: Postgres has no U+0000.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(cut(&text, NAME_CHARS_MAX)),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (cut(&key, NAME_CHARS_MAX), clean(value))).collect(),
        other => other,
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|character| if character == '\0' { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_too_long_is_left_out_and_said_to_be() {
        let short = About::a("tool").list("tools", (0..3).map(|number| format!("tool_{number}")));
        let long = About::a("tool").list("tools", (0..100).map(|_| "x".repeat(300)));

        assert_eq!(Value::Object(bounded(short.details)), json!({"tools": ["tool_0", "tool_1", "tool_2"], "count": 3}));
        assert_eq!(bounded(long.details).keys().collect::<Vec<_>>(), ["left_out_bytes"]);
    }

    #[test]
    fn a_name_is_cut_and_has_no_character_that_the_database_has_not() {
        let about = About::a("client").named(&format!("a\0b{}", "c".repeat(1000)));

        let name = about.thing.name.unwrap();
        assert!(name.starts_with("a\u{fffd}bc") && name.chars().count() == NAME_CHARS_MAX, "{name}");
        assert_eq!(About::a("client").named("").thing.name, None);
    }
}
