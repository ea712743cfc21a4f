//! The schema of a form, which MCP restricts to a flat object of plain values, so that any client can show it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::QuestionError;

/// Fields of one form: more than a person fills in.
const FIELDS_MAX: usize = 64;
/// Choices of one field.
const CHOICES_MAX: usize = 500;

/// A form.
#[derive(Debug, PartialEq)]
pub(super) struct Form {
    fields: BTreeMap<String, Field>,
    required: Vec<String>,
}

/// What a field takes.
#[derive(Debug, PartialEq)]
enum Field {
    Text { min: u64, max: Option<u64> },
    Number { is_whole: bool, min: Option<f64>, max: Option<f64> },
    Flag,
    Choice(Vec<String>),
    Choices { of: Vec<String>, min: u64, max: Option<u64> },
}

/// `requestedSchema`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenForm {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    #[serde(rename = "type")]
    kind: ObjectType,
    properties: Map<String, Value>,
    #[serde(default)]
    required: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ObjectType {
    Object,
}

/// `PrimitiveSchemaDefinition` of MCP's schema.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum WrittenField {
    String(WrittenText),
    Number(WrittenNumber),
    Integer(WrittenNumber),
    Boolean {
        #[serde(rename = "title")]
        _title: Option<String>,
        #[serde(rename = "description")]
        _description: Option<String>,
        #[serde(rename = "default")]
        _default: Option<bool>,
    },
    Array {
        #[serde(rename = "title")]
        _title: Option<String>,
        #[serde(rename = "description")]
        _description: Option<String>,
        min_items: Option<u64>,
        max_items: Option<u64>,
        items: WrittenItems,
        default: Option<Vec<String>>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenText {
    #[serde(rename = "title")]
    _title: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    format: Option<Format>,
    #[serde(rename = "enum")]
    values: Option<Vec<String>>,
    /// Before titles had a place of their own.
    enum_names: Option<Vec<String>>,
    one_of: Option<Vec<Titled>>,
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNumber {
    #[serde(rename = "title")]
    _title: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    default: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenItems {
    #[serde(rename = "type")]
    _kind: Option<StringType>,
    #[serde(rename = "enum")]
    values: Option<Vec<String>>,
    any_of: Option<Vec<Titled>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StringType {
    String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Email,
    Uri,
    Date,
    DateTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Titled {
    #[serde(rename = "const")]
    value: String,
    #[serde(rename = "title")]
    _title: String,
}

impl Form {
    pub(super) fn parse(schema: &Value) -> Result<Self, QuestionError> {
        let WrittenForm { kind: ObjectType::Object, properties, required, .. } =
            WrittenForm::deserialize(schema).map_err(|error| {
                QuestionError::new(format!(
                    "the schema of a form must be a flat object like {{ type: \"object\", properties: {{ ... }} }}: {error}"
                ))
            })?;
        if properties.len() > FIELDS_MAX {
            return Err(QuestionError::new(format!(
                "a form has {FIELDS_MAX} fields at most, and this one has {}",
                properties.len()
            )));
        }
        if let Some(missing) = required.iter().find(|name| !properties.contains_key(*name)) {
            return Err(QuestionError::new(format!("the schema requires `{missing}`, which is none of its properties")));
        }
        let fields = properties.into_iter().map(|(name, field)| {
            let read = WrittenField::deserialize(&field).map_err(|error| error.to_string()).and_then(Field::of);
            read.map_err(|reason| {
                QuestionError::new(format!("the property `{name}` of the schema is not one that a form can have: {reason}"))
            })
            .map(|field| (name, field))
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()?, required })
    }

    /// What was filled in: only fields that the form has, each with a value that it takes. An optional field may be null, which some clients
    /// send for one that was left empty. The error is what is wrong.
    pub(super) fn read(&self, content: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut filled = Map::new();
        for (name, field) in &self.fields {
            match content.get(name).filter(|value| !value.is_null()) {
                Some(value) => {
                    field.check(value).map_err(|wanted| format!("`{name}` must be {wanted}"))?;
                    filled.insert(name.clone(), value.clone());
                }
                None if self.required.contains(name) => return Err(format!("`{name}` is missing")),
                None => {}
            }
        }
        Ok(filled)
    }
}

impl Field {
    fn of(written: WrittenField) -> Result<Self, String> {
        match written {
            WrittenField::String(text) => Self::of_text(text),
            WrittenField::Number(number) => Self::of_number(&number, false),
            WrittenField::Integer(number) => Self::of_number(&number, true),
            WrittenField::Boolean { .. } => Ok(Self::Flag),
            WrittenField::Array { min_items, max_items, items, default, .. } => {
                let of = choices(items.values, items.any_of).ok_or("the `items` of a list must have `enum` or `anyOf`")??;
                if min_items > max_items.or(min_items) {
                    return Err("`minItems` is more than `maxItems`".to_owned());
                }
                let field = Self::Choices { of, min: min_items.unwrap_or(0), max: max_items };
                field.with_default(default.map(Value::from))
            }
        }
    }

    fn of_text(text: WrittenText) -> Result<Self, String> {
        let WrittenText { min_length, max_length, format, values, enum_names, one_of, default, .. } = text;
        let names = enum_names.map(|names| names.len());
        if names.is_some() && names != values.as_ref().map(Vec::len) {
            return Err("`enumNames` must have a name for each value of `enum`".to_owned());
        }
        let field = match choices(values, one_of) {
            Some(_) if min_length.is_some() || max_length.is_some() || format.is_some() => {
                return Err("a text to choose has no `minLength`, `maxLength` or `format`".to_owned());
            }
            Some(of) => Self::Choice(of?),
            None if min_length > max_length.or(min_length) => return Err("`minLength` is more than `maxLength`".to_owned()),
            None => Self::Text { min: min_length.unwrap_or(0), max: max_length },
        };
        // What a person begins with may still be too short.
        match field {
            Self::Text { .. } => Ok(field),
            field => field.with_default(default.map(Value::from)),
        }
    }

    fn of_number(number: &WrittenNumber, is_whole: bool) -> Result<Self, String> {
        let WrittenNumber { minimum: min, maximum: max, .. } = *number;
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err("`minimum` is more than `maximum`".to_owned());
        }
        Self::Number { is_whole, min, max }.with_default(number.default.map(Value::from))
    }

    fn with_default(self, default: Option<Value>) -> Result<Self, String> {
        match default.map(|default| self.check(&default)) {
            Some(Err(wanted)) => Err(format!("`default` must be {wanted}")),
            _ => Ok(self),
        }
    }

    /// Whether the field takes a value; the error is what it takes.
    fn check(&self, value: &Value) -> Result<(), String> {
        let is_right = match (self, value) {
            (Self::Text { min, max }, Value::String(text)) => is_within(text.chars().count(), *min, *max),
            (Self::Number { is_whole, min, max }, Value::Number(number)) => number.as_f64().is_some_and(|number| {
                (!is_whole || number.fract() == 0.0) && min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }),
            (Self::Flag, Value::Bool(_)) => true,
            (Self::Choice(of), Value::String(text)) => of.contains(text),
            (Self::Choices { of, min, max }, Value::Array(chosen)) => {
                let is_choice = |value: &Value| value.as_str().is_some_and(|text| of.iter().any(|choice| choice == text));
                is_within(chosen.len(), *min, *max) && chosen.iter().all(is_choice)
            }
            _ => false,
        };
        if is_right { Ok(()) } else { Err(self.wanted()) }
    }

    fn wanted(&self) -> String {
        let bounds = |min: Option<String>, max: Option<String>| match (min, max) {
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
            (Some(min), None) => format!(" of {min} at least"),
            (None, Some(max)) => format!(" of {max} at most"),
            (None, None) => String::new(),
        };
        let written = |number: &u64| number.to_string();
        match self {
            Self::Text { min, max } => {
                format!("a text with a number of characters{}", bounds(Some(written(min)), max.as_ref().map(written)))
            }
            Self::Number { is_whole, min, max } => {
                let kind = if *is_whole { "a whole number" } else { "a number" };
                format!("{kind}{}", bounds(min.map(|min| min.to_string()), max.map(|max| max.to_string())))
            }
            Self::Flag => "true or false".to_owned(),
            Self::Choice(_) => "one of the choices".to_owned(),
            Self::Choices { min, max, .. } => {
                format!("a list of choices, their number{}", bounds(Some(written(min)), max.as_ref().map(written)))
            }
        }
    }
}

fn is_within(count: usize, min: u64, max: Option<u64>) -> bool {
    let count = count as u64;
    count >= min && max.is_none_or(|max| count <= max)
}

/// The values of `enum`, or of `oneOf` or `anyOf`; nothing where there is neither.
fn choices(values: Option<Vec<String>>, titled: Option<Vec<Titled>>) -> Option<Result<Vec<String>, String>> {
    let of = match (values, titled) {
        (None, None) => return None,
        (Some(_), Some(_)) => return Some(Err("choices are given once: by `enum`, or with titles".to_owned())),
        (Some(values), None) => values,
        (None, Some(titled)) => titled.into_iter().map(|titled| titled.value).collect(),
    };
    Some(if (1..=CHOICES_MAX).contains(&of.len()) {
        Ok(of)
    } else {
        Err(format!("there must be 1 to {CHOICES_MAX} choices, and there are {}", of.len()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form() -> Form {
        let schema = json!({"type": "object", "properties": {
            "name": {"type": "string", "title": "Name", "minLength": 1, "maxLength": 3, "default": "long default"},
            "mail": {"type": "string", "format": "email"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "default": 30},
            "share": {"type": "number"},
            "agrees": {"type": "boolean", "default": false},
            "size": {"type": "string", "enum": ["S", "L"], "enumNames": ["small", "large"], "default": "L"},
            "colour": {"type": "string", "oneOf": [{"const": "r", "title": "red"}]},
            "days": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["Mo", "Tu", "We"]}, "default": ["Mo"]},
            "tags": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}}
        }, "required": ["name", "age"]});
        Form::parse(&schema).unwrap()
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_left_out() {
        let content = json!({"name": "Ada", "age": 36.0, "agrees": true, "size": "S", "colour": "r", "days": ["Mo", "We"], "tags": [],
            "mail": null, "share": 0.5, "unasked": {"deep": 1}});

        let filled = form().read(content.as_object().unwrap()).unwrap();

        let expected = json!({"name": "Ada", "age": 36.0, "agrees": true, "size": "S", "colour": "r", "days": ["Mo", "We"], "tags": [],
            "share": 0.5});
        assert_eq!(Value::Object(filled), expected);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (content, reason) in [
            (json!({"age": 1}), "`name` is missing"),
            (json!({"name": null, "age": 1}), "`name` is missing"),
            (json!({"name": "Adam", "age": 1}), "`name` must be a text with a number of characters from 1 to 3"),
            (json!({"name": "A", "age": 1.5}), "`age` must be a whole number from 0 to 150"),
            (json!({"name": "A", "age": 151}), "`age` must be a whole number from 0 to 150"),
            (json!({"name": "A", "age": "1"}), "`age` must be a whole number from 0 to 150"),
            (json!({"name": "A", "age": 1, "agrees": "yes"}), "`agrees` must be true or false"),
            (json!({"name": "A", "age": 1, "size": "M"}), "`size` must be one of the choices"),
            (json!({"name": "A", "age": 1, "days": []}), "`days` must be a list of choices, their number from 1 to 2"),
            (json!({"name": "A", "age": 1, "days": ["Su"]}), "`days` must be a list of choices, their number from 1 to 2"),
        ] {
            assert_eq!(form().read(content.as_object().unwrap()), Err(reason.to_owned()), "{content}");
        }
    }

    #[test]
    fn what_a_client_could_not_show_is_refused_with_its_reason() {
        let field = |field: Value| json!({"type": "object", "properties": {"x": field}});
        for (schema, reason) in [
            (json!("text"), "must be a flat object"),
            (json!({"type": "array", "properties": {}}), "unknown variant `array`"),
            (json!({"properties": {}}), "missing field `type`"),
            (json!({"type": "object", "properties": {}, "additionalProperties": false}), "unknown field `additionalProperties`"),
            (json!({"type": "object", "properties": {}, "required": ["y"]}), "requires `y`, which is none of its properties"),
            (field(json!({"type": "object", "properties": {}})), "the property `x`"),
            (field(json!({"type": "string", "pattern": "a"})), "unknown field `pattern`"),
            (field(json!({"type": "string", "format": "password"})), "unknown variant `password`"),
            (field(json!({"type": "string", "minLength": 2, "maxLength": 1})), "`minLength` is more"),
            (field(json!({"type": "string", "enum": []})), "1 to 500 choices"),
            (field(json!({"type": "string", "enum": ["a"], "oneOf": [{"const": "a", "title": "A"}]})), "choices are given once"),
            (field(json!({"type": "string", "enum": ["a"], "enumNames": []})), "`enumNames` must have"),
            (field(json!({"type": "string", "enum": ["a"], "default": "b"})), "`default` must be one of the choices"),
            (field(json!({"type": "string", "enum": ["a"], "format": "uri"})), "a text to choose has no"),
            (field(json!({"type": "number", "minimum": 2, "maximum": 1})), "`minimum` is more"),
            (field(json!({"type": "array", "items": {"type": "string"}})), "must have `enum` or `anyOf`"),
            (field(json!({"type": "array", "minItems": 2, "maxItems": 1, "items": {"enum": ["a"]}})), "`minItems` is more"),
            (field(json!({"type": ["string", "null"]})), "the property `x`"),
        ] {
            let error = Form::parse(&schema).unwrap_err().to_string();
            assert!(error.contains(reason), "{schema}: {error}");
        }
        let many: Map<String, Value> = (0..=FIELDS_MAX).map(|number| (number.to_string(), json!({"type": "boolean"}))).collect();
        let error = Form::parse(&json!({"type": "object", "properties": many})).unwrap_err().to_string();
        assert_eq!(error, "a form has 64 fields at most, and this one has 65");
    }
}
