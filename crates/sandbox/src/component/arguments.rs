//! JSON to values: the arguments of a function, by its types. The table is in `compiler::inspection::schema`.

use std::{collections::HashSet, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use wasmtime::{Store, component::Val};

use super::{
    kind::{Cases, Kind, Names},
    work::{NoFuel, Work},
};
use crate::state::GuestState;

/// Arguments that a function does not take.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error("the arguments are no JSON object: {0}")]
    Json(String),
    #[error("the argument at `{pointer}` {reason}")]
    Wrong { pointer: Pointer, reason: String },
    #[error("the arguments take more than {0} bytes of memory as values")]
    TooLarge(usize),
    #[error(transparent)]
    Fuel(#[from] NoFuel),
}

const RESULT_RULE: &str = "must be an object with one member, `ok` or `err`";

/// Where in the arguments something is (RFC 6901).
#[derive(Debug, Default, Clone)]
pub(super) struct Pointer(Vec<String>);

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(out, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// The values of `params`, in their order. They take `bytes_max` bytes at most, and fuel.
pub(super) async fn read(
    json: &str,
    params: &[(String, Kind)],
    bytes_max: usize,
    store: &mut Store<GuestState>,
) -> Result<Vec<Val>, ArgumentError> {
    let mut work = Work::new(store);
    work.add(1, json.len());
    work.pay()?;
    let value: Value = serde_json::from_str(json).map_err(|error| ArgumentError::Json(error.to_string()))?;
    let Value::Object(members) = value else { return Err(ArgumentError::Json("it is another kind of value".to_owned())) };
    let mut reader = Reader { pointer: Pointer::default(), bytes_left: bytes_max, bytes_max, work };
    let fields = reader.members(members, params).await?;
    reader.work.pay()?;
    Ok(fields.into_iter().map(|(_, value)| value).collect())
}

struct Reader<'s> {
    pointer: Pointer,
    bytes_left: usize,
    bytes_max: usize,
    work: Work<'s>,
}

type Read<T> = Result<T, ArgumentError>;

impl Reader<'_> {
    fn wrong<T>(&self, reason: impl Into<String>) -> Read<T> {
        Err(ArgumentError::Wrong { pointer: self.pointer.clone(), reason: reason.into() })
    }

    /// As [`Reader::wrong`], of what is at `step` from here.
    fn wrong_at<T>(&mut self, step: &str, reason: &str) -> Read<T> {
        self.pointer.0.push(step.to_owned());
        self.wrong(reason)
    }

    /// Takes the memory of `values` values and `bytes` bytes besides before they are made, and notes the fuel.
    fn take(&mut self, values: usize, bytes: usize) -> Read<()> {
        self.work.add(values, bytes);
        self.take_memory(values, bytes)
    }

    fn take_memory(&mut self, values: usize, bytes: usize) -> Read<()> {
        let wanted = values.saturating_mul(size_of::<Val>()).saturating_add(bytes);
        let left = self.bytes_left.checked_sub(wanted).ok_or(ArgumentError::TooLarge(self.bytes_max))?;
        self.bytes_left = left;
        Ok(())
    }

    /// The value at `step` from here. Where one is wrong, the pointer stays there.
    async fn read_at(&mut self, step: impl fmt::Display, value: Value, kind: &Kind) -> Read<Val> {
        self.pointer.0.push(step.to_string());
        let value = self.read(value, kind).await?;
        self.pointer.0.pop();
        Ok(value)
    }

    async fn read(&mut self, value: Value, kind: &Kind) -> Read<Val> {
        self.take(1, 0)?;
        self.work.rest().await?;
        Ok(match kind {
            Kind::Bool => match value {
                Value::Bool(value) => Val::Bool(value),
                _ => return self.wrong("must be true or false"),
            },
            Kind::U8 => Val::U8(self.integer(&value)?),
            Kind::U16 => Val::U16(self.integer(&value)?),
            Kind::U32 => Val::U32(self.integer(&value)?),
            Kind::U64 => Val::U64(self.integer(&value)?),
            Kind::S8 => Val::S8(self.integer(&value)?),
            Kind::S16 => Val::S16(self.integer(&value)?),
            Kind::S32 => Val::S32(self.integer(&value)?),
            Kind::S64 => Val::S64(self.integer(&value)?),
            Kind::Float32 => Val::Float32(self.float32(&value)?),
            Kind::Float64 => match value.as_f64() {
                Some(value) => Val::Float64(value),
                None => return self.wrong("must be a number"),
            },
            Kind::Char => Val::Char(self.character(&value)?),
            Kind::String => Val::String(self.text(value)?),
            Kind::Bytes => self.bytes(value)?,
            Kind::Enum(names) => {
                let name = self.one_of(&value, names)?;
                self.take(0, name.len())?;
                Val::Enum(name)
            }
            kind => self.read_compound(value, kind).await?,
        })
    }

    /// A value that holds others.
    fn read_compound<'a>(&'a mut self, value: Value, kind: &'a Kind) -> BoxFuture<'a, Read<Val>> {
        Box::pin(async move {
            Ok(match kind {
                Kind::List(kind) => self.list(value, kind).await?,
                Kind::Record(fields) => {
                    let Value::Object(members) = value else { return self.wrong("must be an object") };
                    Val::Record(self.members(members, fields).await?)
                }
                Kind::Tuple(kinds) => Val::Tuple(self.tuple(value, kinds).await?),
                Kind::Variant(cases) => {
                    let (name, value) = self.case(value, cases).await?;
                    Val::Variant(name, value.map(Box::new))
                }
                Kind::Option(kind) => Val::Option(self.option(value, kind).await?),
                Kind::Result(sides) => {
                    let Some((side, value)) = only_member(value) else { return self.wrong(RESULT_RULE) };
                    match side.as_str() {
                        "ok" => Val::Result(Ok(self.side(&side, value, sides.ok.as_deref()).await?)),
                        "err" => Val::Result(Err(self.side(&side, value, sides.err.as_deref()).await?)),
                        _ => return self.wrong(RESULT_RULE),
                    }
                }
                Kind::Flags(names) => Val::Flags(self.flags(value, names).await?),
                _ => return self.wrong("is of a type that JSON does not have"),
            })
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

    fn bytes(&mut self, value: Value) -> Read<Val> {
        let Value::String(text) = value else { return self.wrong("must be a string: bytes in base64") };
        let count = text.len() / 4 * 3;
        self.take(0, text.len())?;
        self.take_memory(count, 0)?;
        self.work.add_bytes(count);
        let Ok(bytes) = STANDARD.decode(text) else { return self.wrong("must be bytes in base64 (RFC 4648, section 4)") };
        Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
    }

    async fn list(&mut self, value: Value, kind: &Kind) -> Read<Val> {
        let Value::Array(items) = value else { return self.wrong("must be an array") };
        let mut values = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            values.push(self.read_at(index, item, kind).await?);
        }
        Ok(Val::List(values))
    }

    async fn tuple(&mut self, value: Value, kinds: &[Kind]) -> Read<Vec<Val>> {
        let items = match value {
            Value::Array(items) if items.len() == kinds.len() => items,
            _ => return self.wrong(format!("must be an array of {} items", kinds.len())),
        };
        let mut values = Vec::new();
        for (index, (item, kind)) in items.into_iter().zip(kinds).enumerate() {
            values.push(self.read_at(index, item, kind).await?);
        }
        Ok(values)
    }

    /// The members of a record, in its order. One that is an option need not be given.
    async fn members(&mut self, mut given: Map<String, Value>, fields: &[(String, Kind)]) -> Read<Vec<(String, Val)>> {
        let mut members = Vec::new();
        for (name, kind) in fields {
            let value = match given.remove(name) {
                Some(value) => value,
                None if matches!(kind, Kind::Option(_)) => Value::Null,
                None => return self.wrong_at(name, "is missing"),
            };
            self.take(0, name.len() + size_of::<String>())?;
            members.push((name.clone(), self.read_at(name, value, kind).await?));
        }
        match given.keys().next() {
            Some(unknown) => self.wrong_at(unknown, "is not known"),
            None => Ok(members),
        }
    }

    /// A case by its name, or by an object of one member where it has a value.
    async fn case(&mut self, value: Value, cases: &Cases) -> Read<(String, Option<Val>)> {
        let (name, value) = match value {
            Value::String(name) => (name, None),
            value => match only_member(value) {
                Some((name, value)) => (name, Some(value)),
                None => return self.wrong("must be the name of a case, or an object of one member: the case and its value"),
            },
        };
        self.take(0, name.len())?;
        match (cases.find(&name).map(|case| &case.kind), value) {
            (Some(None), None) => Ok((name, None)),
            (Some(Some(kind)), Some(value)) => {
                let value = self.read_at(&name, value, kind).await?;
                Ok((name, Some(value)))
            }
            (Some(None), Some(_)) => self.wrong("names a case that has no value: the name alone is enough"),
            (Some(Some(_)), None) => self.wrong("names a case that has a value: it must be an object of one member"),
            (None, _) => self.wrong(must_be_one_of(&cases.names)),
        }
    }

    async fn side(&mut self, side: &str, value: Value, kind: Option<&Kind>) -> Read<Option<Box<Val>>> {
        match kind {
            Some(kind) => Ok(Some(Box::new(self.read_at(side, value, kind).await?))),
            None if value.is_null() => Ok(None),
            None => self.wrong_at(side, "must be null"),
        }
    }

    async fn option(&mut self, value: Value, kind: &Kind) -> Read<Option<Box<Val>>> {
        if value.is_null() {
            return Ok(None);
        }
        if !matches!(kind, Kind::Option(_)) {
            return Ok(Some(Box::new(self.read(value, kind).await?)));
        }
        match only_member(value) {
            Some((name, value)) if name == "some" => Ok(Some(Box::new(self.read_at(name, value, kind).await?))),
            _ => self.wrong("must be null or an object with one member, `some`"),
        }
    }

    fn one_of(&self, value: &Value, names: &Names) -> Read<String> {
        match value.as_str() {
            Some(name) if names.find(name).is_some() => Ok(name.to_owned()),
            _ => self.wrong(must_be_one_of(names)),
        }
    }

    async fn flags(&mut self, value: Value, names: &Names) -> Read<Vec<String>> {
        let Value::Array(items) = value else { return self.wrong("must be an array") };
        let mut set = HashSet::new();
        let mut flags = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            self.take(1, item.as_str().map_or(0, str::len))?;
            self.work.rest().await?;
            self.pointer.0.push(index.to_string());
            let name = self.one_of(&item, names)?;
            self.pointer.0.pop();
            if set.insert(names.find(&name)) {
                flags.push(name);
            }
        }
        Ok(flags)
    }
}

fn must_be_one_of(names: &Names) -> String {
    format!("must be one of {}", names.all().join(", "))
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
