//! What is stored of a tool: the difference of its memory to the one that all tools begin with, or all of it if it differs much.

use crate::{
    data_module::{self, InspectError},
    difference::{self, Base},
};

/// A difference is copied in every call; a whole memory is mapped, and only what a call touches of it costs it time. Then a slot of the
/// pool that had another tool must be mapped anew, and pays more than once for its pages. With the pages of a
/// call, this much fits into what a slot keeps; where exactly the one becomes dearer than the other was not measured.
const DIFFERENCE_BYTES_MAX: usize = 768 * 1024;

/// What an artifact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// What its source changed.
    Difference,
    /// All of its memory.
    Whole,
}

/// Writes `memory`, which began as `base`.
pub(crate) fn encode(base: &Base, memory: &[u8]) -> Vec<u8> {
    difference::encode(base, memory, DIFFERENCE_BYTES_MAX).unwrap_or_else(|| data_module::encode(memory, base.stack_end, &[]))
}

/// Holds `artifact` against the forms that [`encode`] writes: nothing in it can run but what copies a difference, and a memory of
/// `memory_bytes_max` takes it.
pub(crate) fn inspect(artifact: &[u8], base: &Base, memory_bytes_max: u64) -> Result<Form, InspectError> {
    if data_module::has_memory(artifact)? {
        data_module::inspect(artifact, memory_bytes_max).map(|()| Form::Whole)
    } else {
        difference::inspect(artifact, base, memory_bytes_max).map(|()| Form::Difference)
    }
}

/// An artifact that was inspected and found to be of `form`, as a module that needs no base.
pub(crate) fn whole(artifact: &[u8], form: Form, base: &Base) -> Result<Vec<u8>, InspectError> {
    match form {
        Form::Whole => Ok(artifact.to_vec()),
        Form::Difference => Ok(data_module::encode(&difference::apply(artifact, base)?, base.stack_end, &[])),
    }
}
