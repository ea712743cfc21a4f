//! Content: what a tool shows a person or a model besides JSON (MCP 2025-11-25 and 2026-07-28, `ContentBlock`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Icon, JsonText};

/// One piece of content. The names of its members are MCP's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ContentBlock {
    /// Text.
    Text {
        /// It.
        text: String,
        /// Whom it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<ContentAnnotations>,
        /// What MCP leaves to server and client.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Map<String, Value>,
    },
    /// A picture.
    Image {
        /// Its bytes in base64 (RFC 4648, section 4).
        data: String,
        /// Its media type.
        mime_type: String,
        /// Whom it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<ContentAnnotations>,
        /// What MCP leaves to server and client.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Map<String, Value>,
    },
    /// Sound.
    Audio {
        /// Its bytes in base64 (RFC 4648, section 4).
        data: String,
        /// Its media type.
        mime_type: String,
        /// Whom it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<ContentAnnotations>,
        /// What MCP leaves to server and client.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Map<String, Value>,
    },
    /// Where a resource is, which the client may read.
    ResourceLink {
        /// Where it is.
        uri: String,
        /// Its name for programs.
        name: String,
        /// Its name for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Its media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        /// Its size in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Pictures for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        icons: Vec<Icon>,
        /// Whom it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<ContentAnnotations>,
        /// What MCP leaves to server and client.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Map<String, Value>,
    },
    /// A resource itself.
    Resource {
        /// It.
        resource: ResourceContents,
        /// Whom it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<ContentAnnotations>,
        /// What MCP leaves to server and client.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Map<String, Value>,
    },
}

/// Whom content is for, and how much it matters (MCP, `Annotations`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentAnnotations {
    /// Who it is for; empty: whoever.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub audience: BTreeSet<Role>,
    /// From 0, which may be left out, to 1, which is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    /// When it last changed (ISO 8601).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// A side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// What a resource holds: `text` or `blob`, never both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceContents {
    /// Which resource.
    pub uri: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// It, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes in base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// What MCP leaves to server and client.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptMessage {
    /// Whose message it is.
    pub role: Role,
    /// What it says.
    pub content: ContentBlock,
}

/// What a tool answers that does not answer with JSON alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentAnswer {
    /// What is shown, in order.
    pub content: Vec<ContentBlock>,
    /// The result for programs, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<JsonText>,
    /// Whether the tool says that it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

/// What a resource answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceAnswer {
    /// The resource, in as many parts as it has.
    pub contents: Vec<ResourceContents>,
}

/// What a prompt answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptAnswer {
    /// What the prompt is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its messages, in order.
    pub messages: Vec<PromptMessage>,
}

/// Values for an argument that is being filled in (MCP, `CompleteResult.completion`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Completion {
    /// The best of them, [`Completion::VALUES_MAX`] at most.
    pub values: Vec<String>,
    /// How many there are, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether there are more than these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
}

/// What is wrong with content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Bytes that are not in base64.
    #[error("`{0}` is not base64: take the standard alphabet, with padding")]
    Base64(&'static str),
    /// A media type that is none.
    #[error("`mimeType` must be a media type such as image/png")]
    MimeType,
    /// A resource without contents, or with both kinds.
    #[error("a resource has either `text` or `blob`")]
    Contents,
    /// A URI that is none.
    #[error("`uri` must be an absolute URI such as file:///a.txt")]
    Uri,
    /// A priority that is none.
    #[error("`priority` must be a number from 0 to 1")]
    Priority,
    /// More values than MCP allows.
    #[error("a completion has {} values at most", Completion::VALUES_MAX)]
    Completion,
}

impl Completion {
    /// As many as MCP allows.
    pub const VALUES_MAX: usize = 100;

    /// Checks what serde cannot see.
    pub fn check(&self) -> Result<(), ContentError> {
        if self.values.len() <= Self::VALUES_MAX { Ok(()) } else { Err(ContentError::Completion) }
    }
}

impl ContentAnswer {
    /// The first text in it; empty if there is none.
    #[must_use]
    pub fn first_text(&self) -> &str {
        let text = |block: &'_ ContentBlock| matches!(block, ContentBlock::Text { .. });
        match self.content.iter().find(|block| text(block)) {
            Some(ContentBlock::Text { text, .. }) => text,
            _ => "",
        }
    }

    /// Checks every piece.
    pub fn check(&self) -> Result<(), ContentError> {
        self.content.iter().try_for_each(ContentBlock::check)
    }
}

impl ResourceAnswer {
    /// Checks every part.
    pub fn check(&self) -> Result<(), ContentError> {
        self.contents.iter().try_for_each(ResourceContents::check)
    }
}

impl PromptAnswer {
    /// Checks every message.
    pub fn check(&self) -> Result<(), ContentError> {
        self.messages.iter().try_for_each(|message| message.content.check())
    }
}

impl ContentBlock {
    /// Checks what serde cannot see.
    pub fn check(&self) -> Result<(), ContentError> {
        let annotations = match self {
            Self::Text { annotations, .. } => annotations,
            Self::Image { data, mime_type, annotations, .. } | Self::Audio { data, mime_type, annotations, .. } => {
                check_base64("data", data)?;
                check_mime_type(Some(mime_type))?;
                annotations
            }
            Self::ResourceLink { uri, mime_type, annotations, .. } => {
                check_uri(uri)?;
                check_mime_type(mime_type.as_deref())?;
                annotations
            }
            Self::Resource { resource, annotations, .. } => {
                resource.check()?;
                annotations
            }
        };
        annotations.as_ref().map_or(Ok(()), ContentAnnotations::check)
    }
}

impl ContentAnnotations {
    /// Checks what serde cannot see.
    pub fn check(&self) -> Result<(), ContentError> {
        if self.priority.is_none_or(|priority| (0.0..=1.0).contains(&priority)) { Ok(()) } else { Err(ContentError::Priority) }
    }
}

impl ResourceContents {
    /// Checks what serde cannot see.
    pub fn check(&self) -> Result<(), ContentError> {
        check_uri(&self.uri)?;
        check_mime_type(self.mime_type.as_deref())?;
        match (&self.text, &self.blob) {
            (Some(_), None) => Ok(()),
            (None, Some(blob)) => check_base64("blob", blob),
            _ => Err(ContentError::Contents),
        }
    }
}

fn check_base64(member: &'static str, text: &str) -> Result<(), ContentError> {
    let body = text.trim_end_matches('=');
    let is_whole = text.len().is_multiple_of(4) && text.len() - body.len() <= 2;
    let is_alphabet = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    if is_whole && is_alphabet { Ok(()) } else { Err(ContentError::Base64(member)) }
}

/// RFC 9110, section 8.3.1: two tokens, and perhaps parameters.
pub(crate) fn check_mime_type(text: Option<&str>) -> Result<(), ContentError> {
    let Some(text) = text else { return Ok(()) };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_token =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
    let is_right = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if is_right && text.len() <= 255 && !text.chars().any(char::is_control) { Ok(()) } else { Err(ContentError::MimeType) }
}

fn check_uri(text: &str) -> Result<(), ContentError> {
    if crate::resource_uri::is_absolute(text) { Ok(()) } else { Err(ContentError::Uri) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_is_written_as_mcp_has_it() {
        for content in [
            json!({"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 0.5}}),
            json!({"type": "image", "data": "iVBORw==", "mimeType": "image/png"}),
            json!({"type": "audio", "data": "", "mimeType": "audio/wav"}),
            json!({"type": "resource_link", "uri": "test://a", "name": "a", "mimeType": "text/plain"}),
            json!({"type": "resource", "resource": {"uri": "test://a", "mimeType": "text/plain", "text": "b"}}),
        ] {
            let block: ContentBlock = serde_json::from_value(content.clone()).unwrap();

            assert_eq!(block.check(), Ok(()), "{content}");
            assert_eq!(serde_json::to_value(&block).unwrap(), content);
        }
    }

    #[test]
    fn content_that_a_client_could_not_read_is_refused() {
        for (content, error) in [
            (json!({"type": "image", "data": "a", "mimeType": "image/png"}), ContentError::Base64("data")),
            (json!({"type": "image", "data": "iVBORw==", "mimeType": "png"}), ContentError::MimeType),
            (json!({"type": "resource_link", "uri": "a", "name": "a"}), ContentError::Uri),
            (json!({"type": "resource", "resource": {"uri": "test://a"}}), ContentError::Contents),
            (json!({"type": "resource", "resource": {"uri": "test://a", "text": "", "blob": ""}}), ContentError::Contents),
            (json!({"type": "text", "text": "", "annotations": {"priority": 2}}), ContentError::Priority),
        ] {
            let block: ContentBlock = serde_json::from_value(content.clone()).unwrap();

            assert_eq!(block.check(), Err(error), "{content}");
        }
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(serde_json::from_value::<ContentBlock>(json!({"type": "text", "txt": "a", "text": "b"})).is_err());
    }
}
