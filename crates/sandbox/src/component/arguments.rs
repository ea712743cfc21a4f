//! JSON to values: the arguments of a function, by its types. The table is in `compiler::inspection::schema`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use wasmtime::component::{Val, types::Type};

/// Arguments that a function does not take.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("the arguments are no JSON object: {0}")]
    Json(String),
    #[error("the argument at `{pointer}` {reason}")]
    Wrong { pointer: Pointer, reason: String },
    #[error("the arguments take more than {0} bytes of memory as values")]
    TooLarge(usize),
}

const RESULT_RULE: &str = "must be an object with one member, `ok` or `err`";

/// Where in the arguments something is (RFC 6901).
#[derive(Debug, Default, Clone)]
pub(crate) struct Pointer(Vec<String>);

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(out, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// The values of `params`, in their order. They take `bytes_max` bytes at most.
pub(crate) fn read(json: &str, params: &[(String, Type)], bytes_max: usize) -> Result<Vec<Val>, ArgumentError> {
    let value: Value = serde_json::from_str(json).map_err(|error| ArgumentError::Json(error.to_string()))?;
    let Value::Object(members) = value else { return Err(ArgumentError::Json("it is another kind of value".to_owned())) };
    let mut reader = Reader { pointer: Pointer::default(), bytes_left: bytes_max, bytes_max };
    let fields = reader.members(members, params.iter().map(|(name, kind)| (name.as_str(), kind.clone())))?;
    Ok(fields.into_iter().map(|(_, value)| value).collect())
}

struct Reader {
    pointer: Pointer,
    bytes_left: usize,
    bytes_max: usize,
}

type Read<T> = Result<T, ArgumentError>;

impl Reader {
    fn wrong<T>(&self, reason: impl Into<String>) -> Read<T> {
        Err(ArgumentError::Wrong { pointer: self.pointer.clone(), reason: reason.into() })
    }

    /// Takes the memory of `values` values and `bytes` bytes besides before they are made.
    fn take(&mut self, values: usize, bytes: usize) -> Read<()> {
        let wanted = values.saturating_mul(size_of::<Val>()).saturating_add(bytes);
        let left = self.bytes_left.checked_sub(wanted).ok_or(ArgumentError::TooLarge(self.bytes_max))?;
        self.bytes_left = left;
        Ok(())
    }

    fn step<T>(&mut self, step: &dyn fmt::Display, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.pointer.0.push(step.to_string());
        let value = read(self)?;
        self.pointer.0.pop();
        Ok(value)
    }

    fn read(&mut self, value: Value, kind: &Type) -> Read<Val> {
        self.take(1, 0)?;
        Ok(match kind {
            Type::Bool => match value {
                Value::Bool(value) => Val::Bool(value),
                _ => return self.wrong("must be true or false"),
            },
            Type::U8 => Val::U8(self.integer(&value)?),
            Type::U16 => Val::U16(self.integer(&value)?),
            Type::U32 => Val::U32(self.integer(&value)?),
            Type::U64 => Val::U64(self.integer(&value)?),
            Type::S8 => Val::S8(self.integer(&value)?),
            Type::S16 => Val::S16(self.integer(&value)?),
            Type::S32 => Val::S32(self.integer(&value)?),
            Type::S64 => Val::S64(self.integer(&value)?),
            Type::Float32 => Val::Float32(self.float32(&value)?),
            Type::Float64 => match value.as_f64() {
                Some(value) => Val::Float64(value),
                None => return self.wrong("must be a number"),
            },
            Type::Char => Val::Char(self.character(&value)?),
            Type::String => Val::String(self.text(value)?),
            Type::List(list) => self.list(value, &list.ty())?,
            Type::Record(record) => {
                let Value::Object(members) = value else { return self.wrong("must be an object") };
                Val::Record(self.members(members, record.fields().map(|field| (field.name, field.ty)))?)
            }
            Type::Tuple(tuple) => Val::Tuple(self.tuple(value, tuple.types().collect())?),
            Type::Variant(variant) => {
                let cases: Vec<_> = variant.cases().map(|case| (case.name, case.ty)).collect();
                let (name, value) = self.case(value, &cases)?;
                Val::Variant(name, value.map(Box::new))
            }
            Type::Enum(cases) => Val::Enum(self.one_of(&value, &cases.names().collect::<Vec<_>>())?),
            Type::Option(option) => Val::Option(self.option(value, &option.ty())?),
            Type::Result(result) => {
                let Some((side, value)) = only_member(value) else { return self.wrong(RESULT_RULE) };
                match side.as_str() {
                    "ok" => Val::Result(Ok(self.side(&side, value, result.ok())?)),
                    "err" => Val::Result(Err(self.side(&side, value, result.err())?)),
                    _ => return self.wrong(RESULT_RULE),
                }
            }
            Type::Flags(flags) => Val::Flags(self.flags(value, &flags.names().collect::<Vec<_>>())?),
            // The inspection takes no function with any other type.
            _ => return self.wrong("is of a type that JSON does not have"),
        })
    }

    fn integer<T: TryFrom<i128>>(&self, value: &Value) -> Read<T> {
        let wide = size_of::<T>() == size_of::<u64>();
        let number = match value {
            Value::Number(number) => number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from)),
            Value::String(digits) if wide => digits.parse().ok(),
            _ => None,
        };
        let number = number.or_else(|| value.as_f64().and_then(whole));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.wrong(format!("must be an integer of {} bits that the type can hold", size_of::<T>() * 8)),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the nearest number is what an f32 is asked for; one beyond its range is refused"
    )]
    fn float32(&self, value: &Value) -> Read<f32> {
        match value.as_f64().map(|number| number as f32) {
            Some(number) if number.is_finite() => Ok(number),
            _ => self.wrong("must be a number within the range of 32 bits"),
        }
    }

    fn character(&self, value: &Value) -> Read<char> {
        let mut characters = value.as_str().unwrap_or_default().chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => self.wrong("must be a string of one character"),
        }
    }

    fn text(&mut self, value: Value) -> Read<String> {
        let Value::String(text) = value else { return self.wrong("must be a string") };
        self.take(0, text.len())?;
        Ok(text)
    }

    fn list(&mut self, value: Value, kind: &Type) -> Read<Val> {
        if matches!(kind, Type::U8) {
            let Value::String(text) = value else { return self.wrong("must be a string: bytes in base64") };
            self.take(text.len() / 4 * 3, text.len())?;
            let Ok(bytes) = STANDARD.decode(text) else { return self.wrong("must be bytes in base64 (RFC 4648, section 4)") };
            return Ok(Val::List(bytes.into_iter().map(Val::U8).collect()));
        }
        let Value::Array(items) = value else { return self.wrong("must be an array") };
        let mut values = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            values.push(self.step(&index, |reader| reader.read(item, kind))?);
        }
        Ok(Val::List(values))
    }

    fn tuple(&mut self, value: Value, kinds: Vec<Type>) -> Read<Vec<Val>> {
        let items = match value {
            Value::Array(items) if items.len() == kinds.len() => items,
            _ => return self.wrong(format!("must be an array of {} items", kinds.len())),
        };
        let pairs = items.into_iter().zip(kinds).enumerate();
        pairs.map(|(index, (item, kind))| self.step(&index, |reader| reader.read(item, &kind))).collect()
    }

    /// The members of a record, in its order. One that is an option need not be given.
    fn members<'a>(
        &mut self,
        mut given: Map<String, Value>,
        fields: impl Iterator<Item = (&'a str, Type)>,
    ) -> Read<Vec<(String, Val)>> {
        let mut members = Vec::new();
        for (name, kind) in fields {
            let value = match given.remove(name) {
                Some(value) => value,
                None if matches!(kind, Type::Option(_)) => Value::Null,
                None => return self.step(&name, |reader| reader.wrong("is missing")),
            };
            self.take(0, name.len() + size_of::<String>())?;
            members.push((name.to_owned(), self.step(&name, |reader| reader.read(value, &kind))?));
        }
        match given.keys().next() {
            Some(unknown) => self.step(&unknown.as_str(), |reader| reader.wrong("is not known")),
            None => Ok(members),
        }
    }

    /// A case by its name, or by an object of one member where it has a value.
    fn case(&mut self, value: Value, cases: &[(&str, Option<Type>)]) -> Read<(String, Option<Val>)> {
        let find = |name: &str| cases.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
        let (name, value) = match value {
            Value::String(name) => (name, None),
            value => match only_member(value) {
                Some((name, value)) => (name, Some(value)),
                None => return self.wrong("must be the name of a case, or an object of one member: the case and its value"),
            },
        };
        match (find(&name), value) {
            (Some(None), None) => Ok((name, None)),
            (Some(Some(kind)), Some(value)) => {
                let value = self.step(&name.as_str(), |reader| reader.read(value, kind))?;
                Ok((name, Some(value)))
            }
            (Some(None), Some(_)) => self.wrong("names a case that has no value: the name alone is enough"),
            (Some(Some(_)), None) => self.wrong("names a case that has a value: it must be an object of one member"),
            (None, _) => {
                let known: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
                self.wrong(format!("must be one of {}", known.join(", ")))
            }
        }
    }

    fn side(&mut self, side: &str, value: Value, kind: Option<Type>) -> Read<Option<Box<Val>>> {
        self.step(&side, |reader| match kind {
            Some(kind) => Ok(Some(Box::new(reader.read(value, &kind)?))),
            None if value.is_null() => Ok(None),
            None => reader.wrong("must be null"),
        })
    }

    fn option(&mut self, value: Value, kind: &Type) -> Read<Option<Box<Val>>> {
        if value.is_null() {
            return Ok(None);
        }
        if !matches!(kind, Type::Option(_)) {
            return Ok(Some(Box::new(self.read(value, kind)?)));
        }
        match only_member(value) {
            Some((name, value)) if name == "some" => {
                Ok(Some(Box::new(self.step(&name.as_str(), |reader| reader.read(value, kind))?)))
            }
            _ => self.wrong("must be null or an object with one member, `some`"),
        }
    }

    fn one_of(&self, value: &Value, names: &[&str]) -> Read<String> {
        match value.as_str() {
            Some(name) if names.contains(&name) => Ok(name.to_owned()),
            _ => self.wrong(format!("must be one of {}", names.join(", "))),
        }
    }

    fn flags(&mut self, value: Value, names: &[&str]) -> Read<Vec<String>> {
        let Value::Array(items) = value else { return self.wrong("must be an array") };
        let mut set = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let name = self.step(&index, |reader| reader.one_of(item, names))?;
            if !set.contains(&name) {
                set.push(name);
            }
        }
        Ok(set)
    }
}

/// JSON Schema takes 1.0 for an integer; a float holds every integer up to 2^53 exactly.
#[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range that is checked")]
fn whole(number: f64) -> Option<i128> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i128)
}

fn only_member(value: Value) -> Option<(String, Value)> {
    let Value::Object(members) = value else { return None };
    let mut members = members.into_iter();
    let only = members.next()?;
    members.next().is_none().then_some(only)
}
