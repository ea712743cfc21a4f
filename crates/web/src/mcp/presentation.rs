//! A server as clients see it, made once for each snapshot that the catalogue hands out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use app::{
    catalogue::ServedServer,
    offers::{Offers, Served},
    pins::PinnedWords,
};
use domain::{Digest, ParamHeader, ServerId, ToolName};
use moka::sync::Cache;
use rmcp::model::{
    Implementation, JsonObject, MetaObject, PromptsCapability, ResourcesCapability, ServerCapabilities, ServerConfig,
};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use super::listed::{CHANGED_DIGEST_KEY, DEFINITION_DIGEST_KEY, List, Listed};

/// Bytes of presentations that are kept in memory: 200 tools with schemas of 4 KiB are 1 MB.
const KEPT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes that a presentation takes beside its texts.
const OVERHEAD_BYTES: usize = 1024;

/// The `_meta` key under which results of 2026-07-28 say who made them.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Presentations of the servers that were asked for lately: as they are, and, for keys that pinned other words, with the words of this digest
/// (SEC-18).
pub(super) struct Presentations(Cache<(ServerId, Option<Digest>), Arc<Presentation>>);

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
        let weigh = |_: &(ServerId, Option<Digest>), presentation: &Arc<Presentation>| {
            u32::try_from(presentation.bytes()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weigh).build())
    }

    /// How `server` is seen by whoever pinned these words of it, or, without any, sees what it says now.
    pub(super) fn of(
        &self,
        server: &Arc<ServedServer>,
        pinned: Option<&PinnedWords>,
    ) -> Result<Arc<Presentation>, serde_json::Error> {
        let key = (server.server_id, pinned.map(|pinned| pinned.digest));
        if let Some(kept) = self.0.get(&key).filter(|kept| std::ptr::eq(kept.snapshot.as_ptr(), Arc::as_ptr(server))) {
            return Ok(kept);
        }
        let made = Arc::new(Presentation::of(server, pinned)?);
        self.0.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

impl Presentation {
    fn of(server: &Arc<ServedServer>, pinned: Option<&PinnedWords>) -> Result<Self, serde_json::Error> {
        let config = config(server, capabilities(&server.offers), pinned);
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
        let own = OVERHEAD_BYTES + self.config.instructions.as_ref().map_or(0, String::len);
        own + listed.map(|listed| OVERHEAD_BYTES + listed.entry.get().len()).sum::<usize>()
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

/// Who the server is. Its version is its release: what changes when its tools do. A client that pinned other words of it is shown those, and is
/// told that there are others by now.
fn config(server: &ServedServer, capabilities: ServerCapabilities, pinned: Option<&PinnedWords>) -> ServerConfig {
    let version = server.release_id.map_or_else(|| "unreleased".to_owned(), |release| release.to_string());
    let words = pinned.map_or(&server.words, |pinned| &pinned.words);
    let info = Implementation::new(server.slug.as_str(), version).with_title(words.title.as_str());
    let mut config = ServerConfig::new(capabilities).with_server_info(info);
    if !words.description.is_empty() {
        config.instructions = Some(words.description.clone());
    }
    config.meta = pinned.map(|PinnedWords { digest, now, .. }| {
        let told = [(DEFINITION_DIGEST_KEY, digest), (CHANGED_DIGEST_KEY, now)];
        MetaObject(told.into_iter().map(|(key, digest)| (key.to_owned(), digest.to_string().into())).collect())
    });
    config
}
