//! JSON Schemas (2020-12) of arguments and results. They are the customers' own, and are compiled and run in this process: so their patterns
//! are matched in linear time, they refer to nothing outside themselves, and what checking one value may cost is bounded: in memory
//! when they are compiled, in time before a value is held against them.

mod cost;
mod of_tools;
mod patterns;
mod work;

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use domain::JsonText;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub(crate) use self::of_tools::{KeptSchemas, ToolSchemas, load};
use self::{
    cost::{Cost, CostError},
    patterns::{PatternError, Patterns},
    work::Work,
};

/// A schema that was compiled.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    document: Value,
    /// Subschemas that stand one within another for one place of a value, at most.
    in_place_depth: u32,
    /// How long it may take.
    work: Work,
    /// About how much memory it takes.
    bytes: u64,
}

/// Why a schema cannot be used; the text is for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The library does not take it.
    #[error("it is not a JSON Schema of draft 2020-12: {0}")]
    Invalid(String),
    /// Checking a value could take too long.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// A pattern could take too much memory or time.
    #[error(transparent)]
    Patterns(#[from] PatternError),
}

impl Schema {
    /// Violations that are told of one value: as many as a model needs to mend its call.
    pub(crate) const VIOLATIONS_MAX: usize = 10;
    /// Characters of one violation: it shows the value that is wrong, which may be a megabyte.
    const VIOLATION_CHARS_MAX: usize = 240;
    /// Bytes of a subschema, compiled; of a value in the document, of which there are some copies; and of a pattern, for each that the library counts.
    const SUBSCHEMA_BYTES: u64 = 2 * 1024;
    const PART_BYTES: u64 = 768;
    const PATTERN_TIMES: u64 = 3;
    /// Steps of one check ([`Work`]): some tenths of a second, where it is as slow as can be. A result of as many values as may be takes a fifth of them.
    const STEPS_MAX: u64 = 5_000_000;
    /// Steps up to which a check is made at once, on a thread that serves others as well: some milliseconds.
    const INLINE_STEPS_MAX: u64 = 200_000;
    /// Visits (subschemas times parts of the value) up to which violations are listed one by one: each may become an error in memory.
    const LISTED_VISITS_MAX: u64 = 200_000;
    /// Levels of a value times subschemas one within another: each takes about a kilobyte of the stack while a value is checked.
    const NESTED_MAX: u32 = 512;
    /// Bytes of a value from which on it is checked on a thread of its own: a small one takes some microseconds.
    const INLINE_BYTES_MAX: usize = 64 * 1024;
    /// Values of a result that is held against a schema: about 20 MB as a tree.
    pub(crate) const RESULT_VALUES_MAX: usize = 200_000;
    /// Large results that are trees at one time, on a node.
    pub(crate) const LARGE_RESULTS_MAX: usize = 4;

    /// Compiles a schema.
    pub(crate) fn compile(document: &Map<String, Value>) -> Result<Self, SchemaError> {
        let document = Value::Object(document.clone());
        let cost = Cost::of(&document);
        let in_place_depth = cost.check()?;
        let patterns = Patterns::of(&document)?;
        let work = Work::of(&document, &cost, &patterns)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(Patterns::options(Patterns::BYTES_MAX))
            .build(&document)
            .map_err(|error| SchemaError::Invalid(text_of(&error)))?;
        let bytes = work.subschemas().saturating_mul(Self::SUBSCHEMA_BYTES)
            + work::parts(&document).saturating_mul(Self::PART_BYTES)
            + patterns.bytes().saturating_mul(Self::PATTERN_TIMES);
        Ok(Self { validator, document, in_place_depth, work, bytes })
    }

    /// About how much memory it takes, compiled.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is wrong with `value`, which has about `bytes` as JSON: nothing, or some of it, each with its place. Gives the value back.
    pub(crate) async fn check(self: &Arc<Self>, value: Value, bytes: usize) -> (Value, Vec<String>) {
        if bytes <= Self::INLINE_BYTES_MAX && self.work.takes_at_most(&value, Self::INLINE_STEPS_MAX) {
            let violations = self.violations(&value);
            return (value, violations);
        }
        let schema = Arc::clone(self);
        let checked = tokio::task::spawn_blocking(move || {
            let violations = schema.violations(&value);
            (value, violations)
        });
        checked.await.unwrap_or_else(|_| (Value::Null, vec!["the value could not be checked".to_owned()]))
    }

    /// As [`Schema::check`], of a result that was not taken apart yet. As a tree it needs up to eighty times the memory of its text: it has
    /// a bound of values, which are counted before, and as many large ones are trees at one time as `large` has places.
    pub(crate) async fn check_result(self: &Arc<Self>, json: &JsonText, large: &Arc<Semaphore>) -> Vec<String> {
        if json.get().len() <= Self::INLINE_BYTES_MAX {
            let value = json.to_value();
            if self.work.takes_at_most(&value, Self::INLINE_STEPS_MAX) {
                return self.violations(&value);
            }
        }
        if json.get().len() > Self::RESULT_VALUES_MAX && json.values() > Self::RESULT_VALUES_MAX {
            return vec![format!("it has more than {} values, which are too many to be checked", Self::RESULT_VALUES_MAX)];
        }
        let place = Arc::clone(large).acquire_owned().await;
        let (schema, json) = (Arc::clone(self), json.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let violations = schema.violations(&json.to_value());
            // The tree is gone by now; whoever waited for it may be gone for longer.
            drop(place);
            violations
        });
        checked.await.unwrap_or_else(|_| vec!["the value could not be checked".to_owned()])
    }

    fn violations(&self, value: &Value) -> Vec<String> {
        let size = Size::of(value);
        let depth_max = Self::NESTED_MAX / self.in_place_depth.max(1);
        if size.depth > depth_max {
            return vec![format!("it is nested {} levels deep; {depth_max} are allowed", size.depth)];
        }
        if !self.work.takes_at_most(value, Self::STEPS_MAX) {
            return vec!["it is too large to be checked: its schema would take too many steps for it".to_owned()];
        }
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        if Cost::of(&self.document).paths(size.depth).saturating_mul(size.parts) > Self::LISTED_VISITS_MAX {
            return vec!["it does not match the schema, and is too large to say where".to_owned()];
        }
        let mut errors = self.validator.iter_errors(value);
        let mut violations: Vec<String> = errors.by_ref().take(Self::VIOLATIONS_MAX).map(|error| text_of(&error)).collect();
        let more = errors.count();
        if more > 0 {
            violations.push(format!("and {more} more"));
        }
        violations
    }
}

/// A violation, with its place as a JSON pointer (RFC 6901).
fn text_of(error: &ValidationError<'_>) -> String {
    let mut text = Cut { text: String::new(), chars_left: Schema::VIOLATION_CHARS_MAX };
    let place = error.instance_path();
    let written = if place.as_str().is_empty() { write!(text, "{error}") } else { write!(text, "at `{place}`: {error}") };
    if written.is_err() {
        text.text.push('…');
    }
    text.text
}

/// A text that takes so many characters and then refuses.
struct Cut {
    text: String,
    chars_left: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            self.chars_left = self.chars_left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}

/// How large a value is.
struct Size {
    /// Levels of arrays and objects. The JSON parser allows 128.
    depth: u32,
    /// Values in it, itself included.
    parts: u64,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self { depth: 0, parts: 1 };
        let mut add = |inner: &Value| {
            let inner = Self::of(inner);
            size.depth = size.depth.max(inner.depth + 1);
            size.parts += inner.parts;
        };
        match value {
            Value::Array(items) => items.iter().for_each(&mut add),
            Value::Object(members) => members.values().for_each(&mut add),
            _ => {}
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compile(schema: &Value) -> Result<Schema, SchemaError> {
        Schema::compile(schema.as_object().unwrap())
    }

    #[test]
    fn a_violation_names_its_place_and_what_would_be_right() {
        let schema = compile(&json!({"type": "object", "properties": {"days": {"type": "integer", "maximum": 7}}})).unwrap();

        assert_eq!(schema.violations(&json!({"days": 9})), ["at `/days`: 9 is greater than the maximum of 7"]);
        assert_eq!(schema.violations(&json!({"days": 7})), [""; 0]);
    }

    #[tokio::test]
    async fn a_result_is_no_tree_before_its_values_were_counted_and_few_large_ones_are_at_one_time() {
        let schema = Arc::new(compile(&json!({"type": "array", "maxItems": 150_000})).unwrap());
        let of = |values: usize| JsonText::new(format!("[{}1]", "1,".repeat(values - 2))).unwrap();
        let (large, none) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(0)));

        let right = schema.check_result(&of(100_001), &large).await;
        let wrong = schema.check_result(&of(160_001), &large).await;
        let too_many = schema.check_result(&of(Schema::RESULT_VALUES_MAX + 1), &none).await;
        let small = schema.check_result(&of(1_000), &none).await;
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), schema.check_result(&of(100_001), &none)).await;

        assert_eq!((right, small), (Vec::new(), Vec::new()));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(too_many, ["it has more than 200000 values, which are too many to be checked"]);
        assert!(waits.is_err(), "another large one is a tree");
        assert_eq!(large.available_permits(), 1, "its place is free again");
    }

    #[test]
    fn many_violations_are_counted_and_long_ones_cut() {
        let schema = compile(&json!({"type": "object", "additionalProperties": {"type": "integer"}})).unwrap();
        let value: Map<String, Value> = (0..15).map(|index| (format!("a{index}"), json!("x".repeat(5_000)))).collect();

        let violations = schema.violations(&Value::Object(value));

        assert_eq!(violations.len(), 11);
        assert_eq!(violations[10], "and 5 more");
        assert!(violations[0].chars().count() <= 241, "{}", violations[0]);
    }

    #[test]
    fn a_pattern_that_needs_backtracking_is_refused() {
        let error = compile(&json!({"type": "object", "properties": {"a": {"pattern": "^(?=a)b\\1"}}})).unwrap_err();

        assert!(error.to_string().contains("is matched in linear time"), "{error}");
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = compile(&json!({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}})).unwrap();

        assert_eq!(schema.violations(&json!({"a": format!("{}!", "a".repeat(50_000))})).len(), 1);
    }

    #[test]
    fn what_would_take_minutes_is_told_at_once() {
        let mut definitions: Map<String, Value> = Map::from_iter([("d0".to_owned(), json!({"type": "object"}))]);
        for level in 1..=60 {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            definitions.insert(format!("d{level}"), json!({"dependencies": {"a": below, "b": below}}));
        }
        let doubling = json!({"type": "object", "$defs": definitions, "$ref": "#/$defs/d60"});
        let slow = compile(&json!({"type": "object", "properties": {"a": {"pattern": "[01]*1[01]{800}$"}}})).unwrap();
        let many = compile(&json!({"type": "object", "properties": {"a": {"items": {"enum": (0..9_000).collect::<Vec<_>>()}}}}))
            .unwrap();
        let begun = std::time::Instant::now();

        assert!(compile(&doubling).is_err());
        let told = [slow.violations(&json!({"a": "01".repeat(400_000)})), many.violations(&json!({"a": vec![8_999; 30_000]}))];

        for told in told {
            assert_eq!(told, ["it is too large to be checked: its schema would take too many steps for it"]);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(slow.violations(&json!({"a": "01".repeat(1_000)})), [""; 0]);
        assert_eq!(many.violations(&json!({"a": [8_999, 1]})), [""; 0]);
    }

    #[test]
    fn a_chain_of_references_as_long_as_is_allowed_fits_on_a_stack() {
        let mut definitions: Map<String, Value> = (0..127)
            .map(|at| (format!("d{at}"), json!({"properties": {"a": {"$ref": format!("#/$defs/d{}", at + 1)}}})))
            .collect();
        definitions.insert("d127".to_owned(), json!({"type": "integer"}));
        let schema =
            compile(&json!({"type": "object", "$defs": definitions, "properties": {"a": {"$ref": "#/$defs/d0"}}})).unwrap();
        let deep = (0..127).fold(json!("x"), |inner, _| json!({"a": inner}));

        assert_eq!(schema.violations(&json!({"a": deep})).len(), 1);
    }

    #[test]
    fn a_deep_value_of_a_branching_recursive_schema_is_checked_in_little_time() {
        let branch = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]});
        let node = json!({"anyOf": [{"const": 0}, branch, branch]});
        let schema =
            compile(&json!({"type": "object", "$defs": {"node": node}, "properties": {"a": {"$ref": "#/$defs/node"}}})).unwrap();
        let deep = (0..60).fold(json!(1), |inner, _| json!({"next": inner}));

        let violations = schema.violations(&json!({"a": deep}));

        assert_eq!(violations, ["it does not match the schema, and is too large to say where"]);
    }
}
