//! JSON that is passed on as it was written.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
    ser::Error as _,
};
use serde_json::{Value, value::RawValue};

/// A JSON text (RFC 8259) that was checked and not taken apart: a tree of values takes up to eighty times the memory of its text.
///
/// What `serde_json` reads, this takes: 128 levels at most, numbers within the range of an `f64`, no lone surrogates. Equal are two
/// texts that mean the same value.
#[derive(Clone)]
pub struct JsonText(Box<str>);

/// A text that is not JSON, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonTextError(String);

impl JsonText {
    /// Checks a text.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, JsonTextError> {
        let text = text.into();
        match serde_json::from_str::<Sound>(&text) {
            Ok(Sound) => Ok(Self(text)),
            Err(error) => Err(JsonTextError(error.to_string())),
        }
    }

    /// The text, without white space at its ends.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.trim_ascii()
    }

    /// The text as `serde_json` passes it on.
    #[must_use]
    pub fn raw(&self) -> Option<&RawValue> {
        serde_json::from_str(self.get()).ok()
    }

    /// Values in it, itself and all within: each takes a hundred bytes or so as a tree.
    #[must_use]
    pub fn values(&self) -> usize {
        let mut values = 0;
        let mut in_text = false;
        let mut escaped = false;
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_text,
                b'"' => in_text = !in_text,
                b',' | b'[' | b'{' if !in_text => values += 1,
                _ => {}
            }
        }
        values + 1
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// The text that it is, if it is a string.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        self.get().starts_with('"').then(|| serde_json::from_str(&self.0).ok()).flatten()
    }

    /// The value as a tree.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // It was read before.
        serde_json::from_str(&self.0).unwrap_or(Value::Null)
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get() || self.to_value() == other.to_value()
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JsonText({})", self.get())
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw().ok_or_else(|| S::Error::custom("not JSON"))?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::new(Box::<str>::from(raw)).map_err(D::Error::custom)
    }
}

/// Reads a value to its end and keeps nothing of it.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_kept_as_it_was_written() {
        let text = JsonText::new(r#" {"b": 1.50, "a": [null, "é\n"]} "#).unwrap();

        assert_eq!(serde_json::to_string(&text).unwrap(), r#"{"b": 1.50, "a": [null, "é\n"]}"#);
        assert!(text.is_object());
        assert_eq!(text, JsonText::from(json!({"a": [null, "é\n"], "b": 1.5})));
    }

    #[test]
    fn what_another_reader_may_not_take_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for wrong in ["", "{", "1 2", "1e999", r#""\ud800""#, "nul", &deep] {
            assert!(JsonText::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn its_values_are_counted() {
        // An empty list counts as if it held one.
        for (text, values) in [("1", 1), (r#"["a,\",[{", 2]"#, 3), (r#"{"a": [1, 2], "b": {}}"#, 6)] {
            assert_eq!(JsonText::new(text).unwrap().values(), values, "{text}");
        }
    }

    #[test]
    fn a_string_gives_its_text() {
        assert_eq!(JsonText::new(r#""a\"b""#).unwrap().as_text().as_deref(), Some("a\"b"));
        assert_eq!(JsonText::new("7").unwrap().as_text(), None);
    }

    #[test]
    fn it_is_read_as_part_of_a_larger_value() {
        #[derive(Deserialize)]
        struct Outer {
            inner: JsonText,
        }

        let outer: Outer = serde_json::from_str(r#"{"inner": {"a": [1]}}"#).unwrap();

        assert_eq!(outer.inner.get(), r#"{"a": [1]}"#);
    }
}
