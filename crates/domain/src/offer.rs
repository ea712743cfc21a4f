//! How a server serves a version: as a tool, as a resource or as a prompt.

use serde::{Deserialize, Serialize};

use crate::{ContentAnnotations, InterfaceError, ResourceUri, content, names};

/// What a version is towards clients (MCP, "Server Features").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Offer {
    /// Called by a model.
    #[default]
    Tool,
    /// Read by the client.
    Resource(ResourceOffer),
    /// Chosen by a person.
    Prompt(PromptOffer),
}

/// What a resource is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceOffer {
    /// Where it is. The variables of a template are the arguments.
    pub uri: ResourceUri,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its size in bytes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ContentAnnotations>,
}

/// What a prompt is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptOffer {
    /// What a person fills in; every value is a text.
    #[serde(default)]
    pub arguments: Vec<PromptArgument>,
}

/// What a person fills in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptArgument {
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must be given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

impl Offer {
    /// Arguments of a prompt: people fill them in.
    pub const ARGUMENTS_MAX: usize = 32;

    /// Whether it is a tool.
    #[must_use]
    pub const fn is_tool(&self) -> bool {
        matches!(self, Self::Tool)
    }

    /// The word for it: `tool`, `resource` or `prompt`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource(_) => "resource",
            Self::Prompt(_) => "prompt",
        }
    }

    pub(crate) fn check(&self) -> Result<(), InterfaceError> {
        match self {
            Self::Tool => Ok(()),
            Self::Resource(resource) => {
                content::check_mime_type(resource.mime_type.as_deref())?;
                Ok(resource.annotations.as_ref().map_or(Ok(()), ContentAnnotations::check)?)
            }
            Self::Prompt(prompt) => {
                let mut seen = std::collections::BTreeSet::new();
                let is_right =
                    |argument: &PromptArgument| names::is_variable(&argument.name) && seen.insert(argument.name.clone());
                if prompt.arguments.len() <= Self::ARGUMENTS_MAX && prompt.arguments.iter().all(is_right) {
                    Ok(())
                } else {
                    Err(InterfaceError::Arguments)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_offer_is_told_by_its_kind() {
        for offer in [
            json!({"kind": "tool"}),
            json!({"kind": "resource", "uri": "test://a/{id}", "mimeType": "text/plain"}),
            json!({"kind": "prompt", "arguments": [{"name": "city", "required": true}]}),
        ] {
            let read: Offer = serde_json::from_value(offer.clone()).unwrap();

            assert_eq!(read.kind(), offer["kind"]);
            assert!(read.check().is_ok());
            assert_eq!(serde_json::to_value(read).unwrap(), offer);
        }
    }

    #[test]
    fn two_arguments_of_one_name_are_refused() {
        let twice = json!({"kind": "prompt", "arguments": [{"name": "a"}, {"name": "a"}]});

        assert!(serde_json::from_value::<Offer>(twice).unwrap().check().is_err());
    }
}
