//! What a server offers, sorted by what it is towards clients.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domain::{Digest, Offer, ToolName};

use crate::catalogue::ServedTool;

/// Versions that are ready to be called, by name.
pub type Served = BTreeMap<ToolName, Arc<ServedTool>>;

/// What a server offers. No name stands in two of these.
#[derive(Debug, Default)]
pub struct Offers {
    /// What models call.
    pub tools: Served,
    /// What clients read, each at one URI.
    pub resources: Served,
    /// What clients read at whatever URI fits a template.
    pub resource_templates: Served,
    /// What people choose.
    pub prompts: Served,
    /// The static resources by their URIs, which are unique.
    by_uri: HashMap<String, ToolName>,
}

/// What a client would find changed at a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own, which clients ask to hear of one by one")]
pub struct Changes {
    /// `tools/list`
    pub tools: bool,
    /// `resources/list` or `resources/templates/list`
    pub resources: bool,
    /// `prompts/list`
    pub prompts: bool,
    /// No list need say so: another version answers for a resource.
    pub contents: bool,
}

/// What each of a server's lists says, and what its resources are made of, as digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    tools: Digest,
    resources: Digest,
    prompts: Digest,
    contents: Digest,
}

/// A resource that was found, and what the variables of its template stand for; none where it is static.
pub(crate) type FoundResource<'a> = (&'a Arc<ServedTool>, BTreeMap<String, String>);

impl Offers {
    /// Sorts what a release has.
    pub(crate) fn sort(served: Served) -> Self {
        let mut offers = Self::default();
        for (name, tool) in served {
            let list = match &tool.interface.offer {
                Offer::Tool => &mut offers.tools,
                Offer::Resource(resource) if resource.uri.is_template() => &mut offers.resource_templates,
                Offer::Resource(resource) => {
                    offers.by_uri.insert(resource.uri.to_string(), name.clone());
                    &mut offers.resources
                }
                Offer::Prompt(_) => &mut offers.prompts,
            };
            list.insert(name, tool);
        }
        offers
    }

    /// The digest of the version that answers for the resource at `uri`; `None` if there is none.
    #[must_use]
    pub fn version_at(&self, uri: &str) -> Option<Digest> {
        self.find_resource(uri).map(|(served, _)| served.digest)
    }

    /// All of it, whatever it is towards clients.
    pub fn all(&self) -> impl Iterator<Item = (&ToolName, &Arc<ServedTool>)> {
        let Self { tools, resources, resource_templates, prompts, by_uri: _ } = self;
        tools.iter().chain(resources).chain(resource_templates).chain(prompts)
    }

    /// What has this name, whatever it is towards clients.
    #[must_use]
    pub fn find(&self, name: &ToolName) -> Option<&Arc<ServedTool>> {
        let Self { tools, resources, resource_templates, prompts, by_uri: _ } = self;
        [tools, resources, resource_templates, prompts].into_iter().find_map(|list| list.get(name))
    }

    /// The resource at `uri`: a static one before a template (a release has no two templates that fit one URI).
    pub(crate) fn find_resource(&self, uri: &str) -> Option<FoundResource<'_>> {
        if let Some(found) = self.by_uri.get(uri).and_then(|name| self.resources.get(name)) {
            return Some((found, BTreeMap::new()));
        }
        self.resource_templates.values().find_map(|tool| match &tool.interface.offer {
            Offer::Resource(resource) => resource.uri.match_uri(uri).map(|variables| (tool, variables)),
            Offer::Tool | Offer::Prompt(_) => None,
        })
    }

    /// The resource that says of itself that it is at `uri`, which may be a template's own text.
    pub(crate) fn find_resource_as_written(&self, uri: &str) -> Option<&Arc<ServedTool>> {
        let is_written = |tool: &&Arc<ServedTool>| match &tool.interface.offer {
            Offer::Resource(resource) => resource.uri.as_str() == uri,
            Offer::Tool | Offer::Prompt(_) => false,
        };
        let found = self.by_uri.get(uri).and_then(|name| self.resources.get(name));
        found.or_else(|| self.resource_templates.values().find(is_written))
    }

    /// What its lists say to somebody who is shown what `shown` gives of each in place of what it says now.
    pub(crate) fn listed(&self, shown: impl Fn(&ServedTool) -> Digest) -> Listed {
        let digest = |lists: &[&Served]| {
            // What is held back says so, so that both count.
            let definitions: Vec<Digest> =
                lists.iter().flat_map(|list| list.values()).flat_map(|tool| [tool.definition_digest, shown(tool)]).collect();
            Digest::of_parts(definitions.iter().map(|digest| digest.as_bytes().as_slice()))
        };
        let resources = self.resources.values().chain(self.resource_templates.values());
        let versions: Vec<&Digest> = resources.map(|served| &served.digest).collect();
        Listed {
            contents: Digest::of_parts(versions.iter().map(|digest| digest.as_bytes().as_slice())),
            tools: digest(&[&self.tools]),
            resources: digest(&[&self.resources, &self.resource_templates]),
            prompts: digest(&[&self.prompts]),
        }
    }
}

impl Changes {
    /// Whether anything changed.
    #[must_use]
    pub const fn any(self) -> bool {
        self.tools || self.resources || self.prompts || self.contents
    }
}

impl Listed {
    /// What changed between two times.
    pub(crate) fn changes(&self, later: &Self) -> Changes {
        Changes {
            tools: self.tools != later.tools,
            resources: self.resources != later.resources,
            prompts: self.prompts != later.prompts,
            contents: self.contents != later.contents,
        }
    }
}
