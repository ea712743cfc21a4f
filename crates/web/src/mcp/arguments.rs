//! The arguments of a call: JSON that every program reads the same way.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, value::RawValue};

use super::refusal::Refusal;

/// Reads the arguments of a call; absent ones are an empty object.
///
/// A key that stands twice is refused: what a proxy on the way saw might not be what the tool gets (RFC 8259, section 4). A number
/// beyond a double and half of a surrogate pair have no value at all, and make the body unreadable. Depth is bounded by the parser (128).
pub(super) fn read(given: Option<&RawValue>) -> Result<Map<String, Value>, Refusal> {
    let Some(given) = given else { return Ok(Map::new()) };
    match serde_json::from_str(given.get()).map_err(|error| Refusal::params(&error))? {
        Strict(Value::Object(arguments)) => Ok(arguments),
        Strict(_) => Err(Refusal::invalid_params("`arguments` must be an object")),
    }
}

/// A value none of whose objects has a key twice. (`Value`'s own reader would also take the private marker of `RawValue` in a client's
/// object for its own.)
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if read.contains_key(&key) {
                let shown: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("the key `{shown}` stands twice in one object")));
            }
            let Strict(value) = members.next_value()?;
            read.insert(key, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let text = r#"{"a": [1, -2, 3.5, 1e3, true, null, "x\u00e9\ud83d\ude00", {}], "b": 18446744073709551615}"#;

        assert_eq!(Value::Object(read_text(text).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn absent_arguments_are_none() {
        assert_eq!(read(None).unwrap(), Map::new());
    }

    #[test]
    fn the_marker_of_a_raw_value_is_a_key_like_any_other() {
        let text = r#"{"$serde_json::private::RawValue": "[1]"}"#;

        assert_eq!(Value::Object(read_text(text).unwrap()), json!({"$serde_json::private::RawValue": "[1]"}));
    }

    #[test]
    fn what_has_no_one_meaning_is_refused() {
        for (text, code) in [
            (r#"{"a": 1, "a": 2}"#, -32602),
            (r#"{"a": [{"b": 1, "\u0062": 2}]}"#, -32602),
            ("[]", -32602),
            ("7", -32602),
            (r#"{"a": 1e999}"#, -32700),
            (r#"{"a": "\ud800"}"#, -32700),
            (r#"{"a": "\udc00\ud800"}"#, -32700),
        ] {
            assert_eq!(read_text(text).expect_err(text).into_message().error.code.0, code, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));

        assert!(read_text(&deep).is_err());
    }

    fn read_text(text: &str) -> Result<Map<String, Value>, Refusal> {
        read(Some(&RawValue::from_string(text.to_owned()).unwrap()))
    }
}
