//! What it may cost to check a value against a schema. A few lines of `$ref` can stand for more subschemas than there are atoms, or for a
//! chain that is longer than a thread's stack, so both are bounded when the schema is compiled.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Why a schema could cost too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CostError {
    /// References multiply.
    #[error("more than {} subschemas apply to one place of a value when its references are followed", Cost::IN_PLACE_MAX)]
    Subschemas,
    /// Subschemas stand within subschemas.
    #[error("more than {} subschemas stand one within another for one place of a value", Cost::IN_PLACE_DEPTH_MAX)]
    Depth,
    /// More references than a tool's schema needs.
    #[error("it has more than {} different references", Cost::REFERENCES_MAX)]
    References,
    /// A reference that leads back to itself.
    #[error("`$ref` to `{0}` leads back to itself without going into the value")]
    Cycle(String),
    /// It is made of several schemas with addresses of their own.
    #[error("`$id` within the schema is not supported: use `$defs` and references that begin with `#`")]
    NestedId,
    /// It refers to what is not there.
    #[error("`$ref` to `{0}`, which is not in the schema")]
    UnknownReference(String),
}

/// Counts the subschemas of a document.
pub(super) struct Cost<'a> {
    document: &'a Value,
}

/// The subschemas that apply to one place of a value.
#[derive(Debug, Clone, Copy)]
struct InPlace {
    /// How many.
    subschemas: u64,
    /// How many of them stand one within another.
    depth: u32,
}

/// What is known of subschemas, by their address in the document, which does not move while it is borrowed. `None` while it is being counted.
type Known<T> = HashMap<T, Option<InPlace>>;

impl<'a> Cost<'a> {
    /// Subschemas that may apply to one place of a value. People's schemas have tens.
    pub(super) const IN_PLACE_MAX: u64 = 4_096;
    /// Subschemas for one place that may stand one within another: each takes some of the stack while a value is checked.
    pub(super) const IN_PLACE_DEPTH_MAX: u32 = 32;
    /// Different references: the compiler follows them one within another.
    pub(super) const REFERENCES_MAX: usize = 128;

    pub(super) const fn of(document: &'a Value) -> Self {
        Self { document }
    }

    /// Checks that no place of a value meets too many subschemas, and says how deep they stand one within another at most.
    pub(super) fn check(&self) -> Result<u32, CostError> {
        let mut references = HashSet::new();
        collect_references(self.document, &mut references);
        if references.len() > Self::REFERENCES_MAX {
            return Err(CostError::References);
        }
        self.check_each(self.document, &mut Known::new())
    }

    /// The number of ways in which the schema's parts lead to a place at most `levels` within a value. The schema was checked.
    pub(super) fn paths(&self, levels: u32) -> u64 {
        self.count_paths(self.document, levels, &mut HashMap::new())
    }

    fn check_each(&self, node: &'a Value, known: &mut Known<*const Value>) -> Result<u32, CostError> {
        match node {
            Value::Object(members) => {
                if !std::ptr::eq(node, self.document) && members.get("$id").is_some_and(Value::is_string) {
                    return Err(CostError::NestedId);
                }
                let own = self.measure(node, 1, known)?;
                if own.subschemas > Self::IN_PLACE_MAX {
                    return Err(CostError::Subschemas);
                }
                members.values().try_fold(own.depth, |depth, inner| Ok(depth.max(self.check_each(inner, known)?)))
            }
            Value::Array(items) => items.iter().try_fold(0, |depth, inner| Ok(depth.max(self.check_each(inner, known)?))),
            _ => Ok(0),
        }
    }

    fn measure(&self, node: &'a Value, level: u32, known: &mut Known<*const Value>) -> Result<InPlace, CostError> {
        let Value::Object(members) = node else { return Ok(InPlace { subschemas: 1, depth: 1 }) };
        match known.get(&std::ptr::from_ref(node)) {
            Some(Some(measured)) => return Ok(*measured),
            Some(None) => return Err(CostError::Cycle(reference_of(members))),
            None if level > Self::IN_PLACE_DEPTH_MAX => return Err(CostError::Depth),
            None => {}
        }
        known.insert(node, None);
        let mut measured = InPlace { subschemas: 1, depth: 1 };
        let times = times_in_place(members);
        for inner in self.in_place(members)? {
            let inner = self.measure(inner, level + 1, known)?;
            measured.subschemas = measured.subschemas.saturating_add(inner.subschemas.saturating_mul(times));
            measured.depth = measured.depth.max(inner.depth + 1);
        }
        if measured.depth > Self::IN_PLACE_DEPTH_MAX {
            return Err(CostError::Depth);
        }
        known.insert(node, Some(measured));
        Ok(measured)
    }

    fn count_paths(&self, node: &'a Value, levels: u32, known: &mut HashMap<(*const Value, u32), u64>) -> u64 {
        let Value::Object(members) = node else { return 1 };
        let key = (std::ptr::from_ref(node), levels);
        if let Some(count) = known.get(&key) {
            return *count;
        }
        let mut count = 1_u64;
        for inner in self.in_place(members).unwrap_or_default() {
            count = count.saturating_add(self.count_paths(inner, levels, known));
        }
        if let Some(further) = levels.checked_sub(1) {
            for inner in within(members) {
                count = count.saturating_add(self.count_paths(inner, further, known));
            }
        }
        known.insert(key, count);
        count
    }

    /// The subschemas that apply to the same place of the value.
    pub(super) fn in_place(&self, members: &'a Map<String, Value>) -> Result<Vec<&'a Value>, CostError> {
        let mut found = Vec::new();
        for (keyword, inner) in members {
            match (keyword.as_str(), inner) {
                ("$ref" | "$dynamicRef", Value::String(reference)) => {
                    let target = self.resolve(reference);
                    found.push(target.ok_or_else(|| CostError::UnknownReference(reference.chars().take(120).collect()))?);
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(items)) => found.extend(items),
                // The older name, which the library takes in every draft, may stand for a list of names as well.
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    found.extend(schemas.values().filter(|schema| !schema.is_array()));
                }
                ("not" | "if" | "then" | "else", inner) => found.push(inner),
                _ => {}
            }
        }
        Ok(found)
    }

    /// What `#`, `#/a/pointer` (RFC 6901, section 6) or `#anchor` stands for.
    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        let fragment = percent_decoded(reference.strip_prefix('#')?)?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.document.pointer(&fragment);
        }
        find_anchor(self.document, &fragment)
    }
}

/// How often what is in place is gone through: once more by whatever wants to know which parts were evaluated there, and once more for what it
/// says of the others.
pub(super) fn times_in_place(members: &Map<String, Value>) -> u64 {
    let is_asked = ["unevaluatedProperties", "unevaluatedItems"].iter().any(|keyword| members.contains_key(*keyword));
    if is_asked { 3 } else { 1 }
}

/// The subschemas that apply to parts of the value.
fn within(members: &Map<String, Value>) -> Vec<&Value> {
    let mut found = Vec::new();
    for (keyword, inner) in members {
        match (keyword.as_str(), inner) {
            ("properties" | "patternProperties", Value::Object(schemas)) => found.extend(schemas.values()),
            ("prefixItems", Value::Array(items)) => found.extend(items),
            (
                "additionalProperties"
                | "propertyNames"
                | "items"
                | "additionalItems"
                | "contains"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                inner,
            ) => found.push(inner),
            _ => {}
        }
    }
    found
}

fn collect_references<'a>(node: &'a Value, found: &mut HashSet<&'a str>) {
    match node {
        Value::Object(members) => {
            for (keyword, inner) in members {
                match inner {
                    Value::String(reference) if keyword == "$ref" || keyword == "$dynamicRef" => drop(found.insert(reference)),
                    _ => collect_references(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_references(inner, found)),
        _ => {}
    }
}

fn reference_of(members: &Map<String, Value>) -> String {
    let reference = ["$ref", "$dynamicRef"].iter().find_map(|keyword| members.get(*keyword)?.as_str());
    reference.unwrap_or("#").chars().take(120).collect()
}

fn find_anchor<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    match node {
        Value::Object(members) if is_anchored(members, name) => Some(node),
        Value::Object(members) => members.values().find_map(|inner| find_anchor(inner, name)),
        Value::Array(items) => items.iter().find_map(|inner| find_anchor(inner, name)),
        _ => None,
    }
}

fn is_anchored(members: &Map<String, Value>, name: &str) -> bool {
    ["$anchor", "$dynamicAnchor"].iter().any(|keyword| members.get(*keyword).and_then(Value::as_str) == Some(name))
}

/// A fragment of a URI with its `%xx` resolved (RFC 3986, section 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A definition that stands for 2^`levels` others.
    fn doubling(levels: u32) -> Value {
        let mut definitions = Map::new();
        definitions.insert("d0".to_owned(), json!({"type": "string"}));
        for level in 1..=levels {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            definitions.insert(format!("d{level}"), json!({"allOf": [below, below]}));
        }
        json!({"type": "object", "$defs": definitions, "properties": {"a": {"$ref": format!("#/$defs/d{levels}")}}})
    }

    #[test]
    fn references_that_multiply_are_refused() {
        assert!(Cost::of(&doubling(5)).check().is_ok());
        assert_eq!(Cost::of(&doubling(14)).check(), Err(CostError::Subschemas));
        assert!(matches!(Cost::of(&doubling(60)).check(), Err(CostError::Subschemas | CostError::Depth)));
        assert_eq!(Cost::of(&doubling(500)).check(), Err(CostError::References));
    }

    #[test]
    fn every_keyword_that_applies_in_place_is_counted() {
        let doubling = |keyword: &str, branches: fn(Value) -> Value| {
            let mut definitions = Map::from_iter([("d0".to_owned(), json!({"type": "object"}))]);
            for level in 1..=30 {
                let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
                definitions.insert(format!("d{level}"), json!({keyword: branches(below)}));
            }
            json!({"type": "object", "$defs": definitions, "$ref": "#/$defs/d30"})
        };
        let named = |below: Value| json!({"a": below, "b": below});
        let listed = |below: Value| json!([below, below]);

        for (keyword, branches) in [
            ("dependentSchemas", named as fn(Value) -> Value),
            ("dependencies", named),
            ("allOf", listed),
            ("anyOf", listed),
            ("oneOf", listed),
        ] {
            assert!(Cost::of(&doubling(keyword, branches)).check().is_err(), "{keyword}");
        }
        let of_names = json!({"type": "object", "dependencies": {"a": ["b"]}});
        assert_eq!(Cost::of(&of_names).check(), Ok(1));
    }

    #[test]
    fn what_asks_what_was_evaluated_goes_through_its_neighbours_again() {
        let nested = |levels: u32| {
            (0..levels).fold(json!({"type": "object"}), |inner, _| json!({"allOf": [inner], "unevaluatedProperties": false}))
        };

        assert!(Cost::of(&nested(5)).check().is_ok());
        assert_eq!(Cost::of(&nested(20)).check(), Err(CostError::Subschemas));
    }

    #[test]
    fn a_tree_is_allowed_and_its_ways_grow_with_its_depth() {
        let node = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});

        assert_eq!(Cost::of(&node).check(), Ok(2));
        assert!(Cost::of(&node).paths(3) < 50);
        assert!(Cost::of(&node).paths(100) > 1_000_000_000);
    }

    #[test]
    fn a_reference_that_leads_back_to_itself_is_refused() {
        let node = json!({"type": "object", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});

        assert!(matches!(Cost::of(&node).check(), Err(CostError::Cycle(_))));
    }

    #[test]
    fn anchors_and_encoded_pointers_are_found_and_others_are_refused() {
        let fine = json!({"$defs": {"a b": {"$anchor": "here"}}, "allOf": [{"$ref": "#here"}, {"$ref": "#/$defs/a%20b"}]});
        let wrong = json!({"allOf": [{"$ref": "#/$defs/none"}]});

        assert_eq!(Cost::of(&fine).check(), Ok(3));
        assert_eq!(Cost::of(&wrong).check(), Err(CostError::UnknownReference("#/$defs/none".into())));
    }

    #[test]
    fn an_address_within_is_refused() {
        let nested = json!({"$id": "urn:a", "$defs": {"a": {"$id": "urn:b"}}});

        assert_eq!(Cost::of(&nested).check(), Err(CostError::NestedId));
    }
}
