//! What a server offers, as its lists have it: tools, resources, templates of resources, prompts.

use std::collections::BTreeMap;

use app::{catalogue::ServedTool, pins::PinnedDefinition};
use domain::{ContentAnnotations, Digest, Icon, Offer, PromptArgument, ResourceOffer, ToolInterface, ToolName};
use serde::Serialize;
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

/// The `_meta` key under which an entry says what it was when it was listed (SEC-18). A client that shows it to a person and gets
/// another one later knows that what was agreed to has changed.
pub(super) const DEFINITION_DIGEST_KEY: &str = "toolwright/definitionDigest";

/// The `_meta` key under which an entry that is shown as it was first read, through a key that pins definitions, says that the server has
/// something else by now, which has to be accepted before it is called. The words of the server itself have both keys, too, when they changed.
pub(super) const CHANGED_DIGEST_KEY: &str = "toolwright/changedDefinitionDigest";

/// The lists that a server has (MCP, "Server Features").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

/// An entry of a list.
#[derive(Debug)]
pub(super) struct Listed {
    /// Lists are in the order of these.
    pub(super) name: ToolName,
    /// The entry as it is sent.
    pub(super) entry: Box<RawValue>,
}

/// The entries of a list that one key sees as they were first read through it: those that changed since (SEC-18). What has become something
/// that stands in another list has none, and is shown in neither.
#[derive(Debug, Default)]
pub(super) struct Pinned(BTreeMap<ToolName, Option<Listed>>);

/// An entry of any list, with the members that its list has. It is `rmcp`'s `Tool`, `Resource`, `ResourceTemplate` or `Prompt`, but
/// borrows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_template: Option<&'a str>,
    name: &'a ToolName,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
    #[serde(flatten)]
    own: Own<'a>,
    #[serde(rename = "_meta")]
    meta: Value,
}

/// The members that one list has.
#[derive(Serialize)]
#[serde(untagged)]
enum Own<'a> {
    /// `outputSchema` is given to clients of either era as it is: an interface has none whose `type` is not "object", which is what
    /// clients of 2025-11-25 need.
    #[serde(rename_all = "camelCase")]
    Tool {
        input_schema: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_schema: Option<&'a Map<String, Value>>,
        #[serde(skip_serializing_if = "Map::is_empty")]
        annotations: &'a Map<String, Value>,
    },
    #[serde(rename_all = "camelCase")]
    Resource {
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        annotations: Option<&'a ContentAnnotations>,
    },
    Prompt {
        #[serde(skip_serializing_if = "<[PromptArgument]>::is_empty")]
        arguments: &'a [PromptArgument],
    },
}

impl List {
    /// The method that asks for it.
    pub(super) fn of_method(method: &str) -> Option<Self> {
        match method {
            "tools/list" => Some(Self::Tools),
            "resources/list" => Some(Self::Resources),
            "resources/templates/list" => Some(Self::ResourceTemplates),
            "prompts/list" => Some(Self::Prompts),
            _ => None,
        }
    }

    /// The list that something of this kind stands in.
    fn of_offer(offer: &Offer) -> Self {
        match offer {
            Offer::Tool => Self::Tools,
            Offer::Resource(resource) if resource.uri.is_template() => Self::ResourceTemplates,
            Offer::Resource(_) => Self::Resources,
            Offer::Prompt(_) => Self::Prompts,
        }
    }

    /// The list whose entries a method is about; a server that does not announce it does not have the method either.
    pub(super) fn behind(method: &str) -> Option<Self> {
        match method {
            "resources/read" => Some(Self::Resources),
            "prompts/get" => Some(Self::Prompts),
            method => Self::of_method(method),
        }
    }

    /// The member that holds it in a result.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

impl Pinned {
    pub(super) fn of(changed: &BTreeMap<ToolName, PinnedDefinition>, list: List) -> Result<Self, serde_json::Error> {
        let entry = |(name, pinned): (&ToolName, &PinnedDefinition)| {
            let listed =
                (List::of_offer(&pinned.interface.offer) == list).then(|| Listed::of_pinned(name, pinned)).transpose()?;
            Ok((name.clone(), listed))
        };
        changed.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// How this key sees `listed`; not at all, if what was first read stood in another list.
    pub(super) fn shown<'a>(&'a self, listed: &'a Listed) -> Option<&'a RawValue> {
        match self.0.get(&listed.name) {
            Some(pinned) => pinned.as_ref().map(|pinned| &*pinned.entry),
            None => Some(&listed.entry),
        }
    }
}

impl Listed {
    fn of_pinned(name: &ToolName, pinned: &PinnedDefinition) -> Result<Self, serde_json::Error> {
        let meta = json!({
            DEFINITION_DIGEST_KEY: pinned.digest.to_string(),
            CHANGED_DIGEST_KEY: pinned.now.to_string(),
        });
        Self::with_meta(name, &pinned.interface, meta)
    }

    pub(super) fn of(name: &ToolName, served: &ServedTool) -> Result<Self, serde_json::Error> {
        Self::from_interface(name, &served.interface, &served.definition_digest)
    }

    fn from_interface(name: &ToolName, interface: &ToolInterface, digest: &Digest) -> Result<Self, serde_json::Error> {
        Self::with_meta(name, interface, json!({ DEFINITION_DIGEST_KEY: digest.to_string() }))
    }

    fn with_meta(name: &ToolName, interface: &ToolInterface, meta: Value) -> Result<Self, serde_json::Error> {
        let (uri, uri_template) = match &interface.offer {
            Offer::Resource(ResourceOffer { uri, .. }) if uri.is_template() => (None, Some(uri.as_str())),
            Offer::Resource(ResourceOffer { uri, .. }) => (Some(uri.as_str()), None),
            Offer::Tool | Offer::Prompt(_) => (None, None),
        };
        let entry = Entry {
            uri,
            uri_template,
            name,
            title: interface.title.as_deref(),
            description: &interface.description,
            icons: &interface.icons,
            own: Own::of(interface),
            meta,
        };
        Ok(Self { name: name.clone(), entry: to_raw_value(&entry)? })
    }
}

impl<'a> Own<'a> {
    fn of(interface: &'a ToolInterface) -> Self {
        match &interface.offer {
            Offer::Tool => Self::Tool {
                input_schema: &interface.input,
                output_schema: interface.output.as_ref(),
                annotations: &interface.annotations,
            },
            Offer::Resource(resource) => Self::Resource {
                mime_type: resource.mime_type.as_deref(),
                // A template stands for many resources, so it has no size.
                size: resource.size.filter(|_| !resource.uri.is_template()),
                annotations: resource.annotations.as_ref(),
            },
            Offer::Prompt(prompt) => Self::Prompt { arguments: &prompt.arguments },
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};
    use serde::de::DeserializeOwned;

    use super::*;

    #[test]
    fn entries_are_what_rmcp_would_write() {
        let icons = json!([{"src": "https://a.test/a.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}]);
        let common = json!({"name": "a", "title": "A", "description": "does a", "icons": icons});

        for (list, changes, own) in [
            (
                List::Tools,
                json!({"output": {"type": "object"}, "annotations": {"readOnlyHint": true}}),
                json!({"inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}),
            ),
            (
                List::Resources,
                json!({"offer": {"kind": "resource", "uri": "a:b", "mimeType": "a/b", "size": 7, "annotations": {"priority": 0.5}}}),
                json!({"uri": "a:b", "mimeType": "a/b", "size": 7, "annotations": {"priority": 0.5}}),
            ),
            (
                List::ResourceTemplates,
                json!({"offer": {"kind": "resource", "uri": "a:b/{c}", "mimeType": "a/b"}}),
                json!({"uriTemplate": "a:b/{c}", "mimeType": "a/b"}),
            ),
            (
                List::Prompts,
                json!({"offer": {"kind": "prompt", "arguments": [{"name": "c", "title": "C", "required": true}, {"name": "d"}]}}),
                json!({"arguments": [{"name": "c", "title": "C", "required": true}, {"name": "d"}]}),
            ),
        ] {
            let interface = interface(&common, &changes);
            let digest = interface.definition_digest();
            let listed = Listed::from_interface(&interface.name, &interface, &digest).unwrap();
            let written: Value = serde_json::from_str(listed.entry.get()).unwrap();

            let meta = json!({"_meta": {"toolwright/definitionDigest": digest.to_string()}});
            assert_eq!(written, with(&with(&common, &own), &meta));
            assert_eq!(
                match list {
                    List::Tools => through::<Tool>(&written),
                    List::Resources => through::<Resource>(&written),
                    List::ResourceTemplates => through::<ResourceTemplate>(&written),
                    List::Prompts => through::<Prompt>(&written),
                },
                written
            );
        }
    }

    fn through<T: DeserializeOwned + Serialize>(written: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(written.clone()).unwrap()).unwrap()
    }

    fn interface(common: &Value, changes: &Value) -> ToolInterface {
        serde_json::from_value(with(&with(common, &json!({"input": {"type": "object"}})), changes)).unwrap()
    }

    fn with(one: &Value, other: &Value) -> Value {
        let mut whole = one.clone();
        whole.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        whole
    }
}
