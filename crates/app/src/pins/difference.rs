//! What changed between two definitions.

use std::collections::BTreeSet;

use serde_json::Value;

/// A place at which two definitions differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where (RFC 6901).
    pub path: String,
    /// What was there; absent if nothing was. Long values are texts, cut at [`Difference::VALUE_CHARS_MAX`].
    pub pinned: Option<Value>,
    /// What is there now; absent if nothing is.
    pub now: Option<Value>,
}

impl Difference {
    /// Places that are told: enough to see that all of it is new.
    pub const MAX: usize = 100;
    /// Characters of a value.
    pub const VALUE_CHARS_MAX: usize = 2_000;
}

/// The places at which `pinned` and `now` differ, in the order of their paths; [`Difference::MAX`] at most.
pub(super) fn between(pinned: &Value, now: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(pinned), Some(now), &mut found);
    found
}

/// The depth is bounded by the JSON parser's own limit (128).
fn compare(path: String, pinned: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    if pinned == now || found.len() >= Difference::MAX {
        return;
    }
    match (pinned, now) {
        (Some(Value::Object(pinned)), Some(Value::Object(now))) => {
            let names: BTreeSet<&String> = pinned.keys().chain(now.keys()).collect();
            for name in names {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                compare(format!("{path}/{escaped}"), pinned.get(name), now.get(name), found);
            }
        }
        (Some(Value::Array(pinned)), Some(Value::Array(now))) => {
            for place in 0..pinned.len().max(now.len()) {
                compare(format!("{path}/{place}"), pinned.get(place), now.get(place), found);
            }
        }
        _ => found.push(Difference { path, pinned: pinned.map(shown), now: now.map(shown) }),
    }
}

fn shown(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(Difference::VALUE_CHARS_MAX) {
        Some((end, _)) => Value::String(format!("{}…", text.get(..end).unwrap_or_default())),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_by_their_places() {
        let pinned = json!({"name": "a", "input": {"properties": {"a/b": {"type": "string"}}, "required": ["a/b"]}});
        let now = json!({"name": "a", "input": {"properties": {"a/b": {"type": "number"}}, "required": ["a/b", "c"]}});

        let told: Vec<_> = between(&pinned, &now).into_iter().map(|one| (one.path, one.pinned, one.now)).collect();

        assert_eq!(
            told,
            [
                ("/input/properties/a~1b/type".to_owned(), Some(json!("string")), Some(json!("number"))),
                ("/input/required/1".to_owned(), None, Some(json!("c"))),
            ]
        );
        assert!(between(&now, &now).is_empty());
    }

    #[test]
    fn what_is_told_is_bounded() {
        let many = |value: &str| Value::from((0..500).map(|_| value.repeat(5_000)).collect::<Vec<_>>());

        let told = between(&many("a"), &many("b"));

        assert_eq!(told.len(), Difference::MAX);
        assert!(told[0].now.as_ref().unwrap().as_str().unwrap().chars().count() <= Difference::VALUE_CHARS_MAX + 1);
    }
}
