//! What a component may import.

use wit_parser::{InterfaceId, Resolve, TypeDefKind, World, WorldItem, WorldKey};

use super::Refusal;

/// The interface that the platform gives to tools.
const HOST: &str = "toolwright:tool/host@0.1.0";

/// WASI 0.2: packages, and the interfaces of each that there are. Files, arguments and environment are there and empty, because most
/// toolchains import them whether or not a tool uses them.
const WASI: [(&str, &[&str]); 7] = [
    ("io", &["error", "poll", "streams"]),
    ("clocks", &["wall-clock", "monotonic-clock"]),
    ("random", &["random", "insecure", "insecure-seed"]),
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("filesystem", &["types", "preopens"]),
    ("http", &["types", "outgoing-handler"]),
    ("config", &["store"]),
];

/// Refuses a component that imports what there is not; every such import is named.
pub(super) fn check(resolve: &Resolve, world: &World) -> Result<(), Refusal> {
    let reasons: Vec<String> = world.imports.iter().filter_map(|(key, item)| refuse(resolve, key, item)).collect();
    if reasons.is_empty() { Ok(()) } else { Err(Refusal::Rejected(reasons)) }
}

fn refuse(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Option<String> {
    match (key, item) {
        (_, WorldItem::Type { id, .. }) => {
            let is_resource = resolve.types.get(*id).is_some_and(|definition| matches!(definition.kind, TypeDefKind::Resource));
            let name = resolve.name_world_key(key);
            is_resource.then(|| format!("the component imports the resource `{name}`: there is nobody to give it"))
        }
        (WorldKey::Interface(id), _) | (_, WorldItem::Interface { id, .. }) => refuse_interface(resolve, key, *id),
        (WorldKey::Name(name), WorldItem::Function(_)) => Some(format!(
            "the component imports the function `{name}`: there is nobody to give it; a component may import `{HOST}` and WASI 0.2"
        )),
    }
}

fn refuse_interface(resolve: &Resolve, key: &WorldKey, id: InterfaceId) -> Option<String> {
    let name = resolve.name_world_key(key);
    if name == HOST || is_of_types_alone(resolve, id) {
        return None;
    }
    let refused = |reason: &str| Some(format!("the component imports `{name}`: {reason}"));
    let Some((package, interface, version)) = split_wasi(&name) else {
        return refused(&format!("a component may import `{HOST}` and WASI 0.2, and nothing else"));
    };
    if !(version == "0.2" || version.starts_with("0.2.")) {
        return refused("of WASI there is version 0.2, and no other");
    }
    if package == "sockets" {
        return refused(
            "tools have no sockets; HTTP goes by `wasi:http/outgoing-handler`, to the hosts that are granted. \
             A Python tool that does not use them is built with `componentize-py componentize --stub-wasi`",
        );
    }
    let is_there = WASI.iter().any(|(known, interfaces)| *known == package && interfaces.contains(&interface));
    if is_there { None } else { refused("this part of WASI is not there for tools") }
}

/// `wasi:package/interface@version`
fn split_wasi(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

/// Types that an export uses are imported where they come from another interface; there is nothing behind them.
fn is_of_types_alone(resolve: &Resolve, id: InterfaceId) -> bool {
    resolve.interfaces.get(id).is_some_and(|interface| {
        let has_resource = interface
            .types
            .values()
            .filter_map(|id| resolve.types.get(*id))
            .any(|definition| matches!(definition.kind, TypeDefKind::Resource));
        interface.functions.is_empty() && !has_resource
    })
}
