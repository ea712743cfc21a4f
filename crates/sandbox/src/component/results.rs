//! Values to JSON: what a function gave, by its types. The table is in `compiler::inspection::schema`.

use std::{
    io::{self, Write},
    iter,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use serde::Serialize;
use wasmtime::{Store, component::Val};

use super::{
    kind::Kind,
    work::{NoFuel, Work},
};
use crate::state::GuestState;

/// The member that holds a result which is not a record.
const RESULT: &str = "result";
/// Numbers up to this one are exact in every reader of JSON (2^53 - 1); larger ones are written as strings.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResultError {
    #[error("the result is longer than allowed")]
    TooLong,
    #[error(transparent)]
    Fuel(#[from] NoFuel),
}

impl From<io::Error> for ResultError {
    /// The only error of a text in memory is that it is full.
    fn from(_: io::Error) -> Self {
        Self::TooLong
    }
}

/// Writes a value of `kind` as JSON of `bytes_max` bytes at most. It takes fuel.
pub(super) async fn write(
    value: &Val,
    kind: &Kind,
    bytes_max: usize,
    store: &mut Store<GuestState>,
) -> Result<String, ResultError> {
    let mut writer = Writer::new(bytes_max, store);
    writer.value(value, Some(kind)).await?;
    writer.end()
}

/// As [`write`], as the member `result` of an object.
pub(super) async fn write_as_member(
    value: &Val,
    kind: &Kind,
    bytes_max: usize,
    store: &mut Store<GuestState>,
) -> Result<String, ResultError> {
    let mut writer = Writer::new(bytes_max, store);
    writer.members([(RESULT, Some(value), Some(kind))].into_iter()).await?;
    writer.end()
}

/// Writes a value whose type is not at hand: the beginning of it, if it is too long.
pub(super) async fn write_untyped(value: &Val, bytes_max: usize, store: &mut Store<GuestState>) -> Result<String, NoFuel> {
    let mut writer = Writer::new(bytes_max, store);
    match writer.value(value, None).await {
        Err(ResultError::Fuel(error)) => return Err(error),
        // What was written until it became too long is what is shown.
        Ok(()) | Err(ResultError::TooLong) => writer.work.pay()?,
    }
    Ok(String::from_utf8_lossy(&writer.out.bytes).into_owned())
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

struct Writer<'s> {
    out: Bounded,
    work: Work<'s>,
}

type Written = Result<(), ResultError>;

impl<'s> Writer<'s> {
    fn new(bytes_max: usize, store: &'s mut Store<GuestState>) -> Self {
        Self { out: Bounded { bytes: Vec::new(), bytes_max }, work: Work::new(store) }
    }

    fn end(mut self) -> Result<String, ResultError> {
        self.work.pay()?;
        String::from_utf8(self.out.bytes).map_err(|_| ResultError::TooLong)
    }

    async fn value(&mut self, value: &Val, kind: Option<&Kind>) -> Written {
        self.work.add(1, 0);
        self.work.rest().await?;
        match value {
            Val::Bool(value) => self.plain(value),
            Val::S8(value) => self.plain(value),
            Val::U8(value) => self.plain(value),
            Val::S16(value) => self.plain(value),
            Val::U16(value) => self.plain(value),
            Val::S32(value) => self.plain(value),
            Val::U32(value) => self.plain(value),
            Val::S64(value) if value.unsigned_abs() > EXACT_MAX => self.plain(&value.to_string()),
            Val::S64(value) => self.plain(value),
            Val::U64(value) if *value > EXACT_MAX => self.plain(&value.to_string()),
            Val::U64(value) => self.plain(value),
            Val::Float32(value) if value.is_finite() => self.plain(value),
            Val::Float32(value) => self.plain(name_of_number((*value).into())),
            Val::Float64(value) if value.is_finite() => self.plain(value),
            Val::Float64(value) => self.plain(name_of_number(*value)),
            Val::Char(value) => self.plain(value),
            Val::String(value) | Val::Enum(value) => self.text(value),
            Val::Flags(names) => {
                self.work.add(names.len(), names.iter().map(String::len).sum());
                self.plain(names)
            }
            Val::Variant(name, None) => self.text(name),
            value => self.compound(value, kind).await,
        }
    }

    /// A value that holds others.
    fn compound<'a>(&'a mut self, value: &'a Val, kind: Option<&'a Kind>) -> BoxFuture<'a, Written> {
        Box::pin(async move {
            match value {
                Val::List(items) => self.list(items, kind).await,
                Val::Tuple(items) => {
                    let kinds = if let Some(Kind::Tuple(kinds)) = kind { kinds.as_slice() } else { &[] };
                    let kinds = kinds.iter().map(Some).chain(iter::repeat(None));
                    self.items(items.iter().zip(kinds)).await
                }
                Val::Record(members) => {
                    let fields = if let Some(Kind::Record(fields)) = kind { fields.as_slice() } else { &[] };
                    let kinds = fields.iter().map(|(_, kind)| Some(kind)).chain(iter::repeat(None));
                    self.members(members.iter().zip(kinds).map(|((name, value), kind)| (name.as_str(), Some(value), kind))).await
                }
                Val::Variant(name, Some(value)) => {
                    let kind = if let Some(Kind::Variant(cases)) = kind {
                        cases.find(name).and_then(|case| case.kind.as_ref())
                    } else {
                        None
                    };
                    self.members([(name.as_str(), Some(&**value), kind)].into_iter()).await
                }
                Val::Option(Some(value)) => {
                    let inner = if let Some(Kind::Option(kind)) = kind { Some(&**kind) } else { None };
                    match **value {
                        Val::Option(_) => self.members([("some", Some(&**value), inner)].into_iter()).await,
                        _ => self.value(value, inner).await,
                    }
                }
                Val::Result(sides) => {
                    let (ok, err) = if let Some(Kind::Result(sides)) = kind {
                        (sides.ok.as_deref(), sides.err.as_deref())
                    } else {
                        (None, None)
                    };
                    let member = match sides {
                        Ok(value) => ("ok", value.as_deref(), ok),
                        Err(value) => ("err", value.as_deref(), err),
                    };
                    self.members([member].into_iter()).await
                }
                // `none`; the inspection takes no function that gives any other value.
                _ => Ok(self.out.write_all(b"null")?),
            }
        })
    }

    fn text(&mut self, text: &str) -> Written {
        self.work.add(0, text.len());
        self.plain(text)
    }

    fn plain(&mut self, value: &(impl Serialize + ?Sized)) -> Written {
        Ok(serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?)
    }

    async fn list(&mut self, items: &[Val], kind: Option<&Kind>) -> Written {
        // An empty list does not show what it is a list of, which is why types go along.
        let is_of_bytes = matches!(kind, Some(Kind::Bytes)) || matches!(items.first(), Some(Val::U8(_)));
        if !is_of_bytes {
            let kind = if let Some(Kind::List(kind)) = kind { Some(&**kind) } else { None };
            return self.items(items.iter().map(|item| (item, kind))).await;
        }
        self.work.add_bytes(items.len());
        if items.len() / 3 * 4 > self.out.bytes_max {
            return Err(ResultError::TooLong);
        }
        let bytes: Vec<u8> = items.iter().filter_map(|item| if let Val::U8(byte) = item { Some(*byte) } else { None }).collect();
        self.text(&STANDARD.encode(bytes))
    }

    async fn items<'a>(&mut self, items: impl Iterator<Item = (&'a Val, Option<&'a Kind>)> + Send) -> Written {
        self.out.write_all(b"[")?;
        for (index, (item, kind)) in items.enumerate() {
            if index > 0 {
                self.out.write_all(b",")?;
            }
            self.value(item, kind).await?;
        }
        Ok(self.out.write_all(b"]")?)
    }

    async fn members<'a>(
        &mut self,
        members: impl Iterator<Item = (&'a str, Option<&'a Val>, Option<&'a Kind>)> + Send,
    ) -> Written {
        self.out.write_all(b"{")?;
        for (index, (name, value, kind)) in members.enumerate() {
            if index > 0 {
                self.out.write_all(b",")?;
            }
            self.text(name)?;
            self.out.write_all(b":")?;
            match value {
                Some(value) => self.value(value, kind).await?,
                None => self.out.write_all(b"null")?,
            }
        }
        Ok(self.out.write_all(b"}")?)
    }
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
