//! What a component offers: each exported function becomes a tool.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ToolInterface, ToolName};
use serde_json::Map;
use wit_parser::{Function, FunctionKind, InterfaceId, Resolve, Type, World, WorldItem, WorldKey};

use super::{
    Refusal,
    schema::{Direction, Schemas, describe, object},
};
use crate::build::InspectedExport;

/// Exports of a component. A component that has more is no set of tools that a model could choose from.
const EXPORTS_MAX: usize = 64;
/// Bytes of all their schemas and descriptions together: models read them at once.
const INTERFACE_BYTES_MAX: usize = 1024 * 1024;
/// A name that two functions share is told apart by its interface; a long one is cut, and told apart by a number.
const NAME_CHARS_MAX: usize = ToolName::CHARS_MAX;
/// Whose exports are no tools: `wasi:cli/run`, `wasi:http/incoming-handler` are ways for other hosts to run the component.
const NAMESPACE_LEFT_OUT: &str = "wasi:";

/// What componentize-py leaves in every component that it makes: the function by which it was set up, of an interface `exports`.
const PYTHON_SETUP: (&str, &str, [&str; 3]) = ("exports", "init", ["app-name", "symbols", "stub-wasi"]);

/// An exported function.
struct Export<'a> {
    /// `name` or `interface#name`.
    key: String,
    interface: Option<InterfaceId>,
    function: &'a Function,
}

/// What the component's plain functions are as tools; each that cannot be one is named, with the type at fault.
pub(super) fn read(resolve: &Resolve, world: &World) -> Result<Vec<InspectedExport>, Refusal> {
    let exports = list(resolve, world);
    if exports.is_empty() {
        return Err(Refusal::because("the component exports no function, so that there is nothing to call"));
    }
    if exports.len() > EXPORTS_MAX {
        return Err(Refusal::because(format!("the component exports {} functions; {EXPORTS_MAX} are allowed", exports.len())));
    }
    let names = choose_names(resolve, &exports);
    let mut offers = Vec::new();
    let mut reasons = Vec::new();
    for (export, name) in exports.into_iter().zip(names) {
        match write_interface(resolve, &export, &name) {
            Ok(interface) => offers.push(InspectedExport { export: Some(export.key), interface }),
            Err(reason) => reasons.push(format!("the function `{}` cannot be a tool: {reason}", export.key)),
        }
    }
    if !reasons.is_empty() {
        return Err(Refusal::Rejected(reasons));
    }
    let bytes: usize = offers.iter().map(|offer| serde_json::to_string(&offer.interface).map_or(0, |text| text.len())).sum();
    if bytes > INTERFACE_BYTES_MAX {
        let reason =
            format!("what its functions take and give has {bytes} bytes as JSON Schema; {INTERFACE_BYTES_MAX} are allowed");
        return Err(Refusal::because(reason));
    }
    Ok(offers)
}

fn list<'a>(resolve: &'a Resolve, world: &'a World) -> Vec<Export<'a>> {
    let mut exports = Vec::new();
    for (key, item) in &world.exports {
        let name = resolve.name_world_key(key);
        match item {
            WorldItem::Function(function) => exports.push(Export { key: name, interface: None, function }),
            WorldItem::Interface { id, .. } if !name.starts_with(NAMESPACE_LEFT_OUT) => {
                let functions = resolve.interfaces.get(*id).map(|interface| interface.functions.values());
                let offered = functions.into_iter().flatten().filter(|function| !is_python_setup(&name, function));
                exports.extend(offered.map(|function| Export {
                    key: format!("{name}#{}", function.name),
                    interface: Some(*id),
                    function,
                }));
            }
            WorldItem::Interface { .. } | WorldItem::Type { .. } => {}
        }
    }
    exports
}

fn is_python_setup(interface: &str, function: &Function) -> bool {
    let (setup_interface, setup_function, setup_params) = PYTHON_SETUP;
    let params = function.params.iter().map(|param| param.name.as_str());
    interface == setup_interface && function.name == setup_function && params.eq(setup_params)
}

/// The function's own name where no other has it, else with its interface's before it.
fn choose_names(resolve: &Resolve, exports: &[Export<'_>]) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for export in exports {
        *counts.entry(&export.function.name).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for export in exports {
        let is_alone = counts.get(export.function.name.as_str()) == Some(&1);
        let interface = export.interface.and_then(|id| resolve.interfaces.get(id)?.name.as_deref());
        let whole = match interface {
            Some(interface) if !is_alone => format!("{interface}_{}", export.function.name),
            _ => export.function.name.clone(),
        };
        let name = (1..=EXPORTS_MAX).map(|number| fit(&whole, number)).find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Names in WIT are of `a-z`, `0-9`, `-`, and of brackets and dots for methods, which are refused.
fn fit(name: &str, number: usize) -> String {
    let end = if number == 1 { String::new() } else { format!("_{number}") };
    let begin: String = name.chars().take(NAME_CHARS_MAX - end.len()).collect();
    begin + &end
}

fn write_interface(resolve: &Resolve, export: &Export<'_>, name: &str) -> Result<ToolInterface, String> {
    let function = export.function;
    match function.kind {
        FunctionKind::Freestanding => {}
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) | FunctionKind::AsyncStatic(_) => {
            return Err("it is async, which the platform does not run yet".to_owned());
        }
        FunctionKind::Method(_) | FunctionKind::Static(_) | FunctionKind::Constructor(_) => {
            return Err(
                "it belongs to a resource, which lives in the component's instance, and that ends with the call".to_owned()
            );
        }
    }
    let name: ToolName = name.parse().map_err(|error| format!("its name is no name of a tool: {error}"))?;
    let description = describe_function(resolve, export);
    let (input, output) = (write_input(resolve, function)?, write_output(resolve, function)?);
    let interface = ToolInterface {
        name,
        title: None,
        description,
        input,
        output,
        annotations: Map::new(),
        icons: Vec::new(),
        offer: domain::Offer::default(),
        completes: BTreeSet::new(),
        examples: Vec::new(),
    };
    interface.check().map_err(|error| error.to_string())?;
    Ok(interface)
}

fn describe_function(resolve: &Resolve, export: &Export<'_>) -> String {
    let written = export.function.docs.contents.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let text = written.map_or_else(
        || {
            let place = export.interface.map_or_else(String::new, |id| {
                let name = resolve.id_of(id).unwrap_or_default();
                format!(" of the interface `{name}`")
            });
            format!("The function `{}`{place} of an uploaded component, which does not say what it does.", export.function.name)
        },
        str::to_owned,
    );
    text.chars().take(ToolInterface::DESCRIPTION_CHARS_MAX).collect()
}

fn write_input(resolve: &Resolve, function: &Function) -> Result<Map<String, serde_json::Value>, String> {
    let mut schemas = Schemas::new(resolve, Direction::Argument);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in &function.params {
        let schema = schemas.of(&param.ty).map_err(|reason| format!("its parameter `{}`: {reason}", param.name))?;
        properties.insert(param.name.clone(), schema.into());
        if !schemas.is_option(&param.ty) {
            required.push(param.name.as_str());
        }
    }
    Ok(object(properties, &required))
}

/// A record is the result as it is; anything else is the member `result` of an object, because clients take only objects as structured
/// content (MCP). The error of a `result<T, E>` is told as the tool's failure, and so has no schema.
fn write_output(resolve: &Resolve, function: &Function) -> Result<Option<Map<String, serde_json::Value>>, String> {
    let mut schemas = Schemas::new(resolve, Direction::Result);
    let Some(result) = &function.result else { return Ok(None) };
    let mut write = |kind: &Type| schemas.of(kind).map_err(|reason| format!("its result: {reason}"));
    let kind = match Schemas::new(resolve, Direction::Result).result(result) {
        Some(sides) => {
            sides.err.as_ref().map(&mut write).transpose()?;
            sides.ok.as_ref()
        }
        None => Some(result),
    };
    let Some(kind) = kind else { return Ok(None) };
    let mut schema = write(kind)?;
    if schemas.is_record(kind) {
        return Ok(Some(schema));
    }
    describe(&mut schema, &wit_parser::Docs::default());
    Ok(Some(object(Map::from_iter([("result".to_owned(), schema.into())]), &["result"])))
}

/// Whether the component exports what the world of tools does, so that it is one tool as a whole.
pub(super) fn is_of_the_world(world: &World) -> bool {
    ["describe", "call"].iter().all(|name| {
        let key = WorldKey::Name((*name).to_owned());
        matches!(world.exports.get(&key), Some(WorldItem::Function(_)))
    })
}
