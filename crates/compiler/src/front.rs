//! What meets a stranger's bytes before anything of them runs: the translation of a source, and the reading of a component. A worker does this
//! on its way to a build; here it is without engine and without process, for whoever tries it with bytes that nobody would write. A server
//! asks [`Workers`](crate::Workers).

use std::collections::BTreeSet;

use domain::{Diagnostic, Language, ModuleName};

use crate::{
    InspectedExport, ModuleBounds,
    inspection::{self, Refusal},
    source,
};

/// What a source becomes before the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// An ECMAScript module.
    pub code: String,
    /// The `mappings` of a source map (ECMA-426) from it to the source.
    pub mappings: String,
    /// The library modules that it imports.
    pub modules: BTreeSet<ModuleName>,
}

/// Translates a source. It recurses as deep as the source is nested: a hundred thousand brackets take 256 MiB of stack.
pub fn translate(language: Language, source: &str, bounds: &ModuleBounds) -> Result<Translation, Vec<Diagnostic>> {
    let source::Script { code, mappings, modules } = source::translate(language, source, bounds)?;
    Ok(Translation { code, mappings, modules })
}

/// Reads what a component offers and needs, without compiling it. One of our own world offers nothing here: it says so when it is run.
pub fn read_component(component: &[u8]) -> Result<Vec<InspectedExport>, Vec<Diagnostic>> {
    inspection::read(component).map(|read| read.offers).map_err(|refusal| match refusal {
        Refusal::Rejected(reasons) => Refusal::diagnostics(reasons),
        Refusal::Internal(message) => vec![Diagnostic::without_place(message)],
    })
}
