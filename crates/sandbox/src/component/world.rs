//! A component of the world `toolwright:tool/tool` that was built elsewhere.
//!
//! Texts are copied out of its memory, within a bound: when a call is back, the component's own `post-return` has run and may have freed
//! them.

use wasmtime::{
    Store,
    component::{Component, ComponentExportIndex, ComponentType, Instance, Lift},
};

use super::{
    HOSTCALL_BYTES_MAX,
    answer::{ComponentAnswer, OwnedFailure},
    explain_call,
};
use crate::{Entry, invocable::Broken, outcome::AnswerKind, state::GuestState};

/// Bytes of what a component says of its failure, all its texts together.
const FAILURE_BYTES_MAX: usize = 64 * 1024;

/// `answer` of the interface.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum Answer {
    #[component(name = "json")]
    Json(String),
    #[component(name = "content")]
    Content(String),
}

/// `tool-error` of the interface.
#[derive(ComponentType, Lift)]
#[component(record)]
struct ToolError {
    name: String,
    message: String,
    line: u32,
    column: u32,
    stack: String,
}

/// The exports of the world that take part in calls.
pub(crate) struct World {
    call: ComponentExportIndex,
    /// Absent where nothing can be completed.
    complete: Option<ComponentExportIndex>,
}

impl World {
    pub(crate) fn find(component: &Component) -> Option<Self> {
        let call = component.get_export_index(None, "call")?;
        Some(Self { call, complete: component.get_export_index(None, "complete") })
    }

    /// Whether an instance has the exports with their types.
    pub(crate) fn check(&self, instance: Instance, store: &mut Store<GuestState>) -> wasmtime::Result<()> {
        instance.get_typed_func::<(&str,), (Result<Answer, ToolError>,)>(&mut *store, self.call)?;
        if let Some(complete) = self.complete {
            instance.get_typed_func::<(&str,), (Result<String, ToolError>,)>(&mut *store, complete)?;
        }
        Ok(())
    }

    pub(crate) async fn enter(
        &self,
        instance: Instance,
        store: &mut Store<GuestState>,
        entry: Entry,
        arguments: &str,
    ) -> Result<ComponentAnswer, Broken> {
        let output_bytes_max = usize::try_from(store.data().limits.output_bytes_max).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(output_bytes_max.saturating_add(FAILURE_BYTES_MAX).max(HOSTCALL_BYTES_MAX));
        match (entry, self.complete) {
            (Entry::Call, _) => {
                let call = instance.get_typed_func::<(&str,), (Result<Answer, ToolError>,)>(&mut *store, self.call);
                match call.map_err(Broken::Call)?.call_async(store, (arguments,)).await {
                    Ok((Ok(Answer::Json(text)),)) => Ok(ComponentAnswer::json(text)),
                    Ok((Ok(Answer::Content(text)),)) => Ok(ComponentAnswer::Text { kind: AnswerKind::Content, text }),
                    Ok((Err(error),)) => Ok(ComponentAnswer::Failure(error.into())),
                    Err(error) => explain_call(error),
                }
            }
            (Entry::Complete, Some(complete)) => {
                let complete = instance.get_typed_func::<(&str,), (Result<String, ToolError>,)>(&mut *store, complete);
                match complete.map_err(Broken::Call)?.call_async(store, (arguments,)).await {
                    Ok((Ok(text),)) => Ok(ComponentAnswer::json(text)),
                    Ok((Err(error),)) => Ok(ComponentAnswer::Failure(error.into())),
                    Err(error) => explain_call(error),
                }
            }
            (Entry::Complete, None) => Ok(ComponentAnswer::nothing_to_complete()),
        }
    }
}

impl From<ToolError> for OwnedFailure {
    fn from(ToolError { name, message, line, column, stack }: ToolError) -> Self {
        Self { name, message, line, column, stack }
    }
}
