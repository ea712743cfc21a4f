//! A server as clients see it, made once for each snapshot that the catalogue hands out.

use std::sync::{Arc, Weak};

use app::catalogue::{ServedServer, ServedTool};
use domain::{ServerId, ToolName};
use moka::sync::Cache;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use serde::Serialize;
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::routing_headers::{self, ParamHeader};

/// Bytes of presentations that are kept in memory: 200 tools with schemas of 4 KiB are 1 MB.
const KEPT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes that a presentation takes beside its texts.
const OVERHEAD_BYTES: usize = 1024;

/// The `_meta` key under which results of 2026-07-28 say who made them.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Presentations of the servers that were asked for lately.
pub(super) struct Presentations(Cache<ServerId, Arc<Presentation>>);

/// A server as clients see it.
#[derive(Debug)]
pub(super) struct Presentation {
    /// The snapshot that this was made of; compared by address.
    snapshot: Weak<ServedServer>,
    /// Who the server is and what it can do.
    pub(super) config: ServerConfig,
    /// `{"io.modelcontextprotocol/serverInfo": ...}`
    pub(super) meta: Box<RawValue>,
    /// Its tools by name, which is the order they are listed in.
    pub(super) tools: Vec<PresentedTool>,
}

/// A tool as clients see it.
#[derive(Debug)]
pub(super) struct PresentedTool {
    pub(super) name: ToolName,
    /// Its entry in `tools/list`.
    pub(super) entry: Box<RawValue>,
    /// Arguments that a client of 2026-07-28 repeats in headers.
    pub(super) param_headers: Vec<ParamHeader>,
}

/// An entry of `tools/list` (MCP, `Tool`). It is `rmcp`'s, but borrows the schemas.
///
/// `outputSchema` is given to clients of either era as it is: an interface has none whose `type` is not "object", which is what clients
/// of 2025-11-25 need.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a ToolName,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    input_schema: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    annotations: &'a Map<String, Value>,
}

impl Presentations {
    pub(super) fn new() -> Self {
        let weigh = |_: &ServerId, presentation: &Arc<Presentation>| u32::try_from(presentation.bytes()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weigh).build())
    }

    /// How clients see `server`.
    pub(super) fn of(&self, server: &Arc<ServedServer>) -> Result<Arc<Presentation>, serde_json::Error> {
        if let Some(kept) = self.0.get(&server.server_id).filter(|kept| std::ptr::eq(kept.snapshot.as_ptr(), Arc::as_ptr(server)))
        {
            return Ok(kept);
        }
        let made = Arc::new(Presentation::of(server)?);
        self.0.insert(server.server_id, Arc::clone(&made));
        Ok(made)
    }
}

impl Presentation {
    fn of(server: &Arc<ServedServer>) -> Result<Self, serde_json::Error> {
        let config = config(server);
        Ok(Self {
            snapshot: Arc::downgrade(server),
            meta: to_raw_value(&json!({ SERVER_INFO_KEY: config.server_info }))?,
            config,
            tools: server.offers.tools.iter().map(|(name, tool)| PresentedTool::of(name, tool)).collect::<Result<_, _>>()?,
        })
    }

    #[cfg(test)]
    pub(super) fn with_tools(config: ServerConfig, tools: Vec<PresentedTool>) -> Self {
        let meta = to_raw_value(&json!({ SERVER_INFO_KEY: config.server_info })).unwrap();
        Self { snapshot: Weak::new(), config, meta, tools }
    }

    /// The tool of that name.
    pub(super) fn tool(&self, name: &ToolName) -> Option<&PresentedTool> {
        let place = self.tools.binary_search_by(|tool| tool.name.cmp(name)).ok()?;
        self.tools.get(place)
    }

    fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.tools.iter().map(|tool| OVERHEAD_BYTES + tool.entry.get().len()).sum::<usize>()
    }
}

impl PresentedTool {
    fn of(name: &ToolName, tool: &ServedTool) -> Result<Self, serde_json::Error> {
        let interface = &tool.interface;
        let entry = Entry {
            name,
            title: interface.title.as_deref(),
            description: &interface.description,
            input_schema: &interface.input,
            output_schema: interface.output.as_ref(),
            annotations: &interface.annotations,
        };
        Ok(Self {
            name: name.clone(),
            entry: to_raw_value(&entry)?,
            param_headers: routing_headers::param_headers(&interface.input),
        })
    }
}

/// Who the server is. Its version is its release: what changes when its tools do.
///
/// `listChanged` is not among the capabilities: clients of 2025-11-25 have no stream to hear of it without a session, and
/// `subscriptions/listen` of 2026-07-28 is not offered yet.
fn config(server: &ServedServer) -> ServerConfig {
    let version = server.release_id.map_or_else(|| "unreleased".to_owned(), |release| release.to_string());
    let info = Implementation::new(server.slug.as_str(), version).with_title(server.title.as_str());
    let config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(info);
    if server.description.is_empty() { config } else { config.with_instructions(server.description.clone()) }
}
