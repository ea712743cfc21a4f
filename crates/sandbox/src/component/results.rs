//! Values to JSON: what a function gave, by its types. The table is in `compiler::inspection::schema`.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use wasmtime::component::{Val, types::Type};

/// The member that holds a result which is not a record.
const RESULT: &str = "result";
/// Numbers up to this one are exact in every reader of JSON (2^53 - 1); larger ones are written as strings.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultError {
    #[error("the result is longer than allowed")]
    TooLong,
}

/// Writes a value of `kind` as JSON of `bytes_max` bytes at most.
pub(crate) fn write(value: &Val, kind: &Type, bytes_max: usize) -> Result<String, ResultError> {
    write_with(bytes_max, |out| write_value(out, value, Some(kind)))
}

/// As [`write`], as the member `result` of an object.
pub(crate) fn write_as_member(value: &Val, kind: &Type, bytes_max: usize) -> Result<String, ResultError> {
    write_with(bytes_max, |out| {
        out.write_all(b"{\"")?;
        out.write_all(RESULT.as_bytes())?;
        out.write_all(b"\":")?;
        write_value(out, value, Some(kind))?;
        out.write_all(b"}")
    })
}

/// Writes a value whose type is not at hand: the beginning of it, if it is too long.
pub(crate) fn write_untyped(value: &Val, bytes_max: usize) -> String {
    let mut out = Bounded { bytes: Vec::new(), bytes_max };
    // What was written until it became too long is what is shown.
    let _ = write_value(&mut out, value, None);
    String::from_utf8_lossy(&out.bytes).into_owned()
}

fn write_with(bytes_max: usize, write: impl FnOnce(&mut Bounded) -> io::Result<()>) -> Result<String, ResultError> {
    let mut out = Bounded { bytes: Vec::new(), bytes_max };
    write(&mut out).map_err(|_| ResultError::TooLong)?;
    String::from_utf8(out.bytes).map_err(|_| ResultError::TooLong)
}

/// A text with a bound; its only error is that it is full.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.bytes_max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_value(out: &mut Bounded, value: &Val, kind: Option<&Type>) -> io::Result<()> {
    match value {
        Val::Bool(value) => plain(out, value),
        Val::S8(value) => plain(out, value),
        Val::U8(value) => plain(out, value),
        Val::S16(value) => plain(out, value),
        Val::U16(value) => plain(out, value),
        Val::S32(value) => plain(out, value),
        Val::U32(value) => plain(out, value),
        Val::S64(value) if value.unsigned_abs() > EXACT_MAX => plain(out, &value.to_string()),
        Val::S64(value) => plain(out, value),
        Val::U64(value) if *value > EXACT_MAX => plain(out, &value.to_string()),
        Val::U64(value) => plain(out, value),
        Val::Float32(value) if value.is_finite() => plain(out, value),
        Val::Float32(value) => plain(out, name_of_number((*value).into())),
        Val::Float64(value) if value.is_finite() => plain(out, value),
        Val::Float64(value) => plain(out, name_of_number(*value)),
        Val::Char(value) => plain(out, value),
        Val::String(value) | Val::Enum(value) => plain(out, value),
        Val::Flags(names) => plain(out, names),
        Val::List(items) => write_list(out, items, kind),
        Val::Tuple(items) => {
            let kinds: Vec<Type> = if let Some(Type::Tuple(tuple)) = kind { tuple.types().collect() } else { Vec::new() };
            write_items(out, items, |index| kinds.get(index))
        }
        Val::Record(members) => {
            let kinds: Vec<Type> =
                if let Some(Type::Record(record)) = kind { record.fields().map(|field| field.ty).collect() } else { Vec::new() };
            write_members(
                out,
                members.iter().enumerate().map(|(index, (name, value))| (name.as_str(), Some(value), kinds.get(index))),
            )
        }
        Val::Variant(name, None) => plain(out, name),
        Val::Variant(name, Some(value)) => {
            let kind = match kind {
                Some(Type::Variant(variant)) => variant.cases().find(|case| case.name == name).and_then(|case| case.ty),
                _ => None,
            };
            write_members(out, [(name.as_str(), Some(&**value), kind.as_ref())].into_iter())
        }
        Val::Option(Some(value)) => {
            let inner = if let Some(Type::Option(option)) = kind { Some(option.ty()) } else { None };
            match **value {
                Val::Option(_) => write_members(out, [("some", Some(&**value), inner.as_ref())].into_iter()),
                _ => write_value(out, value, inner.as_ref()),
            }
        }
        Val::Result(sides) => {
            let kinds = if let Some(Type::Result(result)) = kind { (result.ok(), result.err()) } else { (None, None) };
            let member = match sides {
                Ok(value) => ("ok", value.as_deref(), kinds.0.as_ref()),
                Err(value) => ("err", value.as_deref(), kinds.1.as_ref()),
            };
            write_members(out, [member].into_iter())
        }
        // `none`; the inspection takes no function that gives any other value.
        _ => out.write_all(b"null"),
    }
}

fn plain(out: &mut Bounded, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(io::Error::from)
}

fn name_of_number(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn write_list(out: &mut Bounded, items: &[Val], kind: Option<&Type>) -> io::Result<()> {
    let kind = if let Some(Type::List(list)) = kind { Some(list.ty()) } else { None };
    // An empty list does not show what it is a list of, which is why types go along.
    let is_of_bytes = matches!(kind, Some(Type::U8)) || matches!(items.first(), Some(Val::U8(_)));
    if !is_of_bytes {
        return write_items(out, items, |_| kind.as_ref());
    }
    let bytes: Vec<u8> = items.iter().filter_map(|item| if let Val::U8(byte) = item { Some(*byte) } else { None }).collect();
    if bytes.len() / 3 * 4 > out.bytes_max {
        return Err(io::ErrorKind::StorageFull.into());
    }
    plain(out, &STANDARD.encode(bytes))
}

fn write_items<'a>(out: &mut Bounded, items: &[Val], kind: impl Fn(usize) -> Option<&'a Type>) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write_value(out, item, kind(index))?;
    }
    out.write_all(b"]")
}

fn write_members<'a>(
    out: &mut Bounded,
    members: impl Iterator<Item = (&'a str, Option<&'a Val>, Option<&'a Type>)>,
) -> io::Result<()> {
    out.write_all(b"{")?;
    for (index, (name, value, kind)) in members.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        plain(out, name)?;
        out.write_all(b":")?;
        match value {
            Some(value) => write_value(out, value, kind)?,
            None => out.write_all(b"null")?,
        }
    }
    out.write_all(b"}")
}
