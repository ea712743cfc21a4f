//! A server as clients see it, made once for each snapshot that the catalogue hands out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use app::{
    Caller,
    catalogue::ServedServer,
    offers::{Offers, Served},
};
use domain::{ParamHeader, ServerId, ToolName};
use moka::sync::Cache;
use rmcp::model::{Implementation, JsonObject, PromptsCapability, ResourcesCapability, ServerCapabilities, ServerConfig};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use super::listed::{List, Listed};

/// Bytes of presentations that are kept in memory: 200 tools with schemas of 4 KiB are 1 MB.
const KEPT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes that a presentation takes beside its texts.
const OVERHEAD_BYTES: usize = 1024;

/// The `_meta` key under which results of 2026-07-28 say who made them.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Presentations of the servers that were asked for lately.
pub(super) struct Presentations(Cache<(ServerId, Words), Arc<Presentation>>);

/// Which of a server's own words a client is shown. Its title and its description change without a release, and models read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Words {
    /// All of them.
    Shown,
    /// None: nobody has accepted them for a key that pins definitions (SEC-18).
    LeftOut,
}

/// A server as clients see it.
#[derive(Debug)]
pub(super) struct Presentation {
    /// The snapshot that this was made of; compared by address.
    snapshot: Weak<ServedServer>,
    /// Who the server is and what it can do.
    pub(super) config: ServerConfig,
    /// `{"io.modelcontextprotocol/serverInfo": ...}`
    pub(super) meta: Box<RawValue>,
    lists: Lists,
    /// Arguments that a client of 2026-07-28 repeats in headers, of the tools that have such.
    param_headers: BTreeMap<ToolName, Vec<ParamHeader>>,
}

/// What it offers, each list in the order of the names.
#[derive(Debug, Default)]
struct Lists {
    tools: Vec<Listed>,
    resources: Vec<Listed>,
    resource_templates: Vec<Listed>,
    prompts: Vec<Listed>,
}

impl Presentations {
    pub(super) fn new() -> Self {
        let weigh =
            |_: &(ServerId, Words), presentation: &Arc<Presentation>| u32::try_from(presentation.bytes()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weigh).build())
    }

    /// How `caller` sees `server`.
    pub(super) fn of(&self, server: &Arc<ServedServer>, caller: &Caller) -> Result<Arc<Presentation>, serde_json::Error> {
        let words = if caller.pins_definitions() { Words::LeftOut } else { Words::Shown };
        let key = (server.server_id, words);
        if let Some(kept) = self.0.get(&key).filter(|kept| std::ptr::eq(kept.snapshot.as_ptr(), Arc::as_ptr(server))) {
            return Ok(kept);
        }
        let made = Arc::new(Presentation::of(server, words)?);
        self.0.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

impl Presentation {
    fn of(server: &Arc<ServedServer>, words: Words) -> Result<Self, serde_json::Error> {
        let config = config(server, capabilities(&server.offers), words);
        let meta = to_raw_value(&json!({ SERVER_INFO_KEY: config.server_info }))?;
        let lists = Lists::of(&server.offers)?;
        let param_headers = server.offers.tools.iter().filter_map(|(name, tool)| {
            // A tool that was put before there were rules for headers, and breaks one, has none: clients leave it out.
            let wanted = ParamHeader::of_schema(&tool.interface.input).unwrap_or_default();
            (!wanted.is_empty()).then(|| (name.clone(), wanted))
        });
        Ok(Self { snapshot: Arc::downgrade(server), meta, config, lists, param_headers: param_headers.collect() })
    }

    #[cfg(test)]
    pub(super) fn with_tools(config: ServerConfig, tools: Vec<Listed>) -> Self {
        let meta = to_raw_value(&json!({ SERVER_INFO_KEY: config.server_info })).unwrap();
        let lists = Lists { tools, ..Lists::default() };
        Self { snapshot: Weak::new(), config, meta, lists, param_headers: BTreeMap::new() }
    }

    /// What a list shows.
    pub(super) fn list(&self, list: List) -> &[Listed] {
        let Lists { tools, resources, resource_templates, prompts } = &self.lists;
        match list {
            List::Tools => tools,
            List::Resources => resources,
            List::ResourceTemplates => resource_templates,
            List::Prompts => prompts,
        }
    }

    /// Whether the server says that it has such lists (MCP, "Capability Negotiation").
    pub(super) fn announces(&self, list: List) -> bool {
        let capabilities = &self.config.capabilities;
        match list {
            List::Tools => capabilities.tools.is_some(),
            List::Resources | List::ResourceTemplates => capabilities.resources.is_some(),
            List::Prompts => capabilities.prompts.is_some(),
        }
    }

    /// The arguments of a tool that are repeated in headers.
    pub(super) fn param_headers(&self, tool: &ToolName) -> &[ParamHeader] {
        self.param_headers.get(tool).map_or(&[], Vec::as_slice)
    }

    fn bytes(&self) -> usize {
        let Lists { tools, resources, resource_templates, prompts } = &self.lists;
        let listed = [tools, resources, resource_templates, prompts].into_iter().flatten();
        OVERHEAD_BYTES + listed.map(|listed| OVERHEAD_BYTES + listed.entry.get().len()).sum::<usize>()
    }
}

impl Lists {
    fn of(offers: &Offers) -> Result<Self, serde_json::Error> {
        let list = |served: &Served| served.iter().map(|(name, tool)| Listed::of(name, tool)).collect::<Result<_, _>>();
        Ok(Self {
            tools: list(&offers.tools)?,
            resources: list(&offers.resources)?,
            resource_templates: list(&offers.resource_templates)?,
            prompts: list(&offers.prompts)?,
        })
    }
}

/// What the server can do. It announces what its release has: clients offer people and models whatever is announced. Tools it always
/// has, be there none at the moment, and with them the lines that they log.
fn capabilities(offers: &Offers) -> ServerCapabilities {
    let Offers { tools: _, resources, resource_templates, prompts, .. } = offers;
    let mut capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
    capabilities.logging = Some(JsonObject::new());
    if !resources.is_empty() || !resource_templates.is_empty() {
        let mut kept = ResourcesCapability::default();
        (kept.subscribe, kept.list_changed) = (Some(true), Some(true));
        capabilities.resources = Some(kept);
    }
    if !prompts.is_empty() {
        let mut kept = PromptsCapability::default();
        kept.list_changed = Some(true);
        capabilities.prompts = Some(kept);
    }
    let mut completing = resource_templates.values().chain(prompts.values());
    if completing.any(|served| !served.interface.completes.is_empty()) {
        capabilities.completions = Some(JsonObject::new());
    }
    capabilities
}

/// Who the server is. Its version is its release: what changes when its tools do.
fn config(server: &ServedServer, capabilities: ServerCapabilities, words: Words) -> ServerConfig {
    let version = server.release_id.map_or_else(|| "unreleased".to_owned(), |release| release.to_string());
    let info = Implementation::new(server.slug.as_str(), version);
    if words == Words::LeftOut {
        return ServerConfig::new(capabilities).with_server_info(info);
    }
    let config = ServerConfig::new(capabilities).with_server_info(info.with_title(server.title.as_str()));
    if server.description.is_empty() { config } else { config.with_instructions(server.description.clone()) }
}
