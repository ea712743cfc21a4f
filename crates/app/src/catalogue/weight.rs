//! What servers take in memory, so that as many are kept as there is room for. Their tools' schemas count as the documents that they are: what is
//! compiled is kept beside them, and counted there.

use domain::{Example, Offer, ToolInterface};
use serde_json::{Map, Value};

/// Bytes of an object's node, which holds eleven members and is never less than half full, but for the first.
const NODE_BYTES: u64 = 768;
const MEMBERS_A_NODE: u64 = 5;
/// Bytes of an item: a list has room for twice as many as it has.
const ITEM_BYTES: u64 = 2 * size_of::<Value>() as u64;
/// Bytes of an allocation, beside what it is for.
const ALLOCATION_BYTES: u64 = 32;

/// About how many bytes an interface takes, and not fewer.
pub(super) fn of_interface(interface: &ToolInterface) -> u64 {
    let ToolInterface { description, input, output, annotations, icons, offer, examples, .. } = interface;
    let schemas = of_members(input) + output.as_ref().map_or(0, of_members);
    let examples = examples.iter().map(|Example { input, output }| of_members(input) + output.as_ref().map_or(0, of_value));
    let icons = icons.iter().map(|icon| of_text(&icon.src) + icon.sizes.iter().map(|size| of_text(size)).sum::<u64>());
    let arguments = match offer {
        Offer::Prompt(prompt) => prompt.arguments.as_slice(),
        Offer::Tool | Offer::Resource(_) => &[],
    };
    let arguments = arguments.iter().map(|argument| argument.description.as_deref().map_or(0, of_text));
    schemas + of_text(description) + of_members(annotations) + examples.chain(icons).chain(arguments).sum::<u64>()
}

/// The depth is bounded by the JSON parser's own limit (128).
fn of_value(value: &Value) -> u64 {
    match value {
        Value::String(text) => of_text(text),
        Value::Array(items) => ALLOCATION_BYTES + items.len() as u64 * ITEM_BYTES + items.iter().map(of_value).sum::<u64>(),
        Value::Object(members) => of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn of_members(members: &Map<String, Value>) -> u64 {
    let nodes = (members.len() as u64).div_ceil(MEMBERS_A_NODE);
    nodes * NODE_BYTES + members.iter().map(|(name, value)| of_text(name) + of_value(value)).sum::<u64>()
}

fn of_text(text: &str) -> u64 {
    text.len() as u64 + ALLOCATION_BYTES
}
