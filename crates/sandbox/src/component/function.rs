//! An exported function of a component as a tool: arguments and result are JSON by the types of WIT.

use wasmtime::{
    Store, Trap,
    component::{
        Component, ComponentExportIndex, Instance, Val,
        types::{ComponentItem, Type},
    },
};

use super::{
    HOSTCALL_BYTES_MAX,
    answer::ComponentAnswer,
    arguments::{self, ArgumentError},
    explain_call,
    kind::Kind,
    results::{self, ResultError},
    work::NoFuel,
};
use crate::{host::cut, invocable::Broken, state::GuestState};

/// Bytes of the host's memory for the values of one side of a call: arguments are made of them, and results, before they are text.
const VALUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What is kept of an error that a tool tells by a value.
const FAILURE_BYTES_MAX: usize = 8 * 1024;
/// Names of failures, as of errors in JavaScript.
const WRONG_ARGUMENTS: &str = "InvalidArguments";
const TOOL_ERROR: &str = "ToolError";

/// The function, found once when the component is loaded.
pub(crate) struct Function {
    index: ComponentExportIndex,
    params: Vec<(String, Kind)>,
    result: Answer,
}

/// What the function gives.
enum Answer {
    Nothing,
    /// A record, which is an object already.
    Record(Kind),
    /// Anything else; it becomes the member `result`.
    Value(Kind),
    /// `result<T, E>` as a whole: `E` is the tool's failure. Each side can be without a value.
    Fallible {
        ok: Option<Kind>,
    },
}

impl Function {
    /// `export` is `name`, or `interface#name`.
    pub(crate) fn find(component: &Component, export: &str) -> Option<Self> {
        let (instance, name) = match export.split_once('#') {
            Some((interface, name)) => (Some(component.get_export_index(None, interface)?), name),
            None => (None, export),
        };
        let (item, index) = component.get_export(instance.as_ref(), name)?;
        let ComponentItem::ComponentFunc(kind) = item else { return None };
        let params = kind.params().map(|(name, kind)| (name.to_owned(), Kind::of(&kind))).collect();
        let result = Answer::of(kind.results().next());
        Some(Self { index, params, result })
    }

    /// Calls it in an instance of its component.
    pub(crate) async fn call(
        &self,
        instance: Instance,
        store: &mut Store<GuestState>,
        arguments: &str,
    ) -> Result<ComponentAnswer, Broken> {
        let values = match arguments::read(arguments, &self.params, VALUE_BYTES_MAX, store).await {
            Ok(values) => values,
            Err(ArgumentError::Fuel(_)) => return Err(out_of_fuel()),
            Err(error) => return Ok(ComponentAnswer::failure(WRONG_ARGUMENTS, error.to_string())),
        };
        let output_bytes_max = usize::try_from(store.data().limits.output_bytes_max).unwrap_or(usize::MAX);
        // Each value is a byte of JSON at least, so that a result with more values than bytes are allowed is too long in any case.
        let value_bytes_max = output_bytes_max.saturating_mul(size_of::<Val>()).saturating_add(output_bytes_max);
        store.set_hostcall_fuel(value_bytes_max.clamp(HOSTCALL_BYTES_MAX, VALUE_BYTES_MAX));
        let missing = || Broken::Call(wasmtime::Error::msg("the function is not in the instance"));
        let function = instance.get_func(&mut *store, self.index).ok_or_else(missing)?;
        let mut results = vec![Val::Bool(false); usize::from(!matches!(self.result, Answer::Nothing))];
        match function.call_async(&mut *store, &values, &mut results).await {
            Ok(()) => self.result.write(results.first(), output_bytes_max, store).await,
            Err(error) => explain_call(error),
        }
    }
}

impl Answer {
    fn of(kind: Option<Type>) -> Self {
        match kind {
            None => Self::Nothing,
            Some(Type::Result(result)) => Self::Fallible { ok: result.ok().as_ref().map(Kind::of) },
            Some(kind @ Type::Record(_)) => Self::Record(Kind::of(&kind)),
            Some(kind) => Self::Value(Kind::of(&kind)),
        }
    }

    async fn write(
        &self,
        value: Option<&Val>,
        bytes_max: usize,
        store: &mut Store<GuestState>,
    ) -> Result<ComponentAnswer, Broken> {
        let written = match (self, value) {
            (Self::Value(kind), Some(value)) => results::write_as_member(value, kind, bytes_max, store).await,
            (Self::Record(kind), Some(value)) => results::write(value, kind, bytes_max, store).await,
            (Self::Fallible { ok: Some(kind @ Kind::Record(_)) }, Some(Val::Result(Ok(Some(value))))) => {
                results::write(value, kind, bytes_max, store).await
            }
            (Self::Fallible { ok: Some(kind) }, Some(Val::Result(Ok(Some(value))))) => {
                results::write_as_member(value, kind, bytes_max, store).await
            }
            (Self::Fallible { .. }, Some(Val::Result(Err(error)))) => {
                let message = tell(error.as_deref(), store).await.map_err(|_| out_of_fuel())?;
                return Ok(ComponentAnswer::failure(TOOL_ERROR, message));
            }
            _ => Ok("null".to_owned()),
        };
        match written {
            Ok(json) => Ok(ComponentAnswer::json(json)),
            Err(ResultError::TooLong) => Ok(ComponentAnswer::TooLong),
            Err(ResultError::Fuel(_)) => Err(out_of_fuel()),
        }
    }
}

/// A text is the message; anything else is told as JSON.
async fn tell(error: Option<&Val>, store: &mut Store<GuestState>) -> Result<String, NoFuel> {
    match error {
        None => Ok("the tool failed and did not say why".to_owned()),
        Some(Val::String(text)) => Ok(cut(text, FAILURE_BYTES_MAX).to_owned()),
        Some(value) => results::write_untyped(value, FAILURE_BYTES_MAX, store).await,
    }
}

/// As if the guest had used it up itself.
fn out_of_fuel() -> Broken {
    Broken::Call(Trap::OutOfFuel.into())
}
