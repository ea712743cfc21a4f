//! Library modules: what a tool can import.

use std::sync::Arc;

use app::{App, modules};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{admin::limits::Modules, caller::CustomerCaller, error::ApiError, page::Page};

/// A library module.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LibraryModule)]
pub(crate) struct ModuleView {
    /// Its name, as `grants.modules` has it.
    #[schema(example = "csv")]
    name: &'static str,
    /// What it is imported as.
    #[schema(example = "toolwright:csv")]
    import: String,
    /// What it is for.
    purpose: &'static str,
    /// The tiers that have it: all, or those with all modules.
    tiers: Modules,
    /// Whether the caller's tier has it.
    available: bool,
    /// What it is made of; the package that it stands for comes first.
    packages: Vec<PackageView>,
    /// Some lines of TypeScript that use it.
    example: &'static str,
    /// Its declaration, which is a part of `types/toolwright.d.ts`, too.
    types: &'static str,
    /// Bytes of its source. A tool's artifact holds the modules that the tool imports.
    #[schema(value_type = u64)]
    source_bytes: usize,
}

/// An npm package in a module.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LibraryPackage)]
pub(crate) struct PackageView {
    /// Its name.
    #[schema(example = "papaparse")]
    name: &'static str,
    /// Its exact version.
    #[schema(example = "5.7.1")]
    version: &'static str,
    /// Its licence, as an SPDX expression.
    #[schema(example = "MIT")]
    license: &'static str,
}

impl From<modules::ModuleView> for ModuleView {
    fn from(modules::ModuleView { module, is_available }: modules::ModuleView) -> Self {
        let packages = module.packages.iter();
        Self {
            name: module.name,
            import: module.specifier(),
            purpose: module.purpose,
            tiers: module.class.into(),
            available: is_available,
            packages: packages
                .map(|package| PackageView { name: package.name, version: package.version, license: package.license })
                .collect(),
            example: module.example,
            types: module.types,
            source_bytes: module.source.len(),
        }
    }
}

/// Lists the library modules by name
///
/// What a tool can import beside `toolwright`, with versions and licences. There are few of them: they are always one page.
#[utoipa::path(get, path = "/modules", tag = "documents", security(("api_key" = [])),
    responses((status = 200, description = "All modules", body = Page<ModuleView>)))]
pub(crate) async fn list_modules(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
) -> Result<Answer<Page<ModuleView>>, ApiError> {
    let modules = modules::list(&app, &caller).await?;
    Ok(Answer(Page::whole(modules.into_iter().map(ModuleView::from).collect())))
}
