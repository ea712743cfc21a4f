//! `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list`: what a server offers, in the order of the names, a
//! page at a time.

use app::{Caller, pins};
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ToolName;
use rmcp::model::{CacheScope, ResultType};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{
    answer::Question,
    endpoint::Visit,
    era::Era,
    listed::{List, Listed, Pinned},
    presentation::Presentation,
    refusal::Refusal,
};

/// Entries of a page: most servers fit on one, and a page of schemas stays below a megabyte.
const PAGE_ENTRIES_MAX: usize = 100;

/// How long a client may go by a list. A release is to be seen soon after it was made.
const LISTING_TTL_MS: u64 = 5_000;

/// The result of a list (MCP, `ListToolsResult` and those like it). It is `rmcp`'s, but its entries are JSON already.
struct Page<'a> {
    list: List,
    entries: Vec<&'a RawValue>,
    next_cursor: Option<String>,
    /// What results of 2026-07-28 have besides.
    meta: Option<&'a RawValue>,
}

/// Answers a list. A key that pins definitions sees what changed as it was first read through it.
pub(super) async fn answer(
    visit: &Visit,
    question: &Question,
    kind: List,
    cursor: Option<&RawValue>,
) -> Result<Response, Refusal> {
    let changed = pins::compare(&visit.state.app, &visit.caller, &visit.server).await;
    let changed = changed.map_err(|error| Refusal::from_app(&error, visit.request_id))?;
    let pinned = Pinned::of(&changed, kind).map_err(|error| {
        tracing::error!(error = %error, "a pinned definition cannot be written as JSON: {error}");
        Refusal::internal(visit.request_id)
    })?;
    list(&visit.presentation, question, kind, cursor, &pinned, &visit.caller)
}

/// The page that begins after `cursor`. A cursor is the name of the last entry that was seen, so pages fit together even if a release
/// comes between them.
fn list(
    presentation: &Presentation,
    question: &Question,
    list: List,
    cursor: Option<&RawValue>,
    pinned: &Pinned,
    caller: &Caller,
) -> Result<Response, Refusal> {
    let after = cursor.map(read_cursor).transpose()?.flatten();
    let listed = presentation.list(list);
    let begin = after.map_or(0, |after| listed.partition_point(|entry| entry.name <= after));
    let mut rest = listed.get(begin..).unwrap_or_default().iter().filter(|entry| sees(caller, list, &entry.name));
    let entries: Vec<&Listed> = rest.by_ref().take(PAGE_ENTRIES_MAX).collect();
    let cursor = entries.last().filter(|_| rest.next().is_some()).map(|last| write_cursor(last));
    let meta = (question.era == Era::PerRequest).then_some(&*presentation.meta);
    let shown = entries.iter().filter_map(|entry| pinned.shown(entry)).collect();
    question.answer(Page { list, entries: shown, next_cursor: cursor, meta })
}

/// What a token is not for, it is not shown: that goes by the token alone, so that every list of one token is the same.
fn sees(caller: &Caller, list: List, name: &ToolName) -> bool {
    match list {
        List::Tools => caller.sees_tool(name),
        List::Resources | List::ResourceTemplates | List::Prompts => caller.sees_everything(),
    }
}

impl Serialize for Page<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_map(None)?;
        if self.meta.is_some() {
            page.serialize_entry("resultType", &ResultType::COMPLETE)?;
        }
        page.serialize_entry(self.list.member(), &self.entries)?;
        if let Some(cursor) = &self.next_cursor {
            page.serialize_entry("nextCursor", cursor)?;
        }
        if let Some(meta) = self.meta {
            page.serialize_entry("ttlMs", &LISTING_TTL_MS)?;
            page.serialize_entry("cacheScope", &CacheScope::Private)?;
            page.serialize_entry("_meta", meta)?;
        }
        page.end()
    }
}

fn write_cursor(last: &Listed) -> String {
    URL_SAFE_NO_PAD.encode(last.name.as_str())
}

/// `null` is no cursor.
fn read_cursor(cursor: &RawValue) -> Result<Option<ToolName>, Refusal> {
    let cursor: Option<String> = serde_json::from_str(cursor.get()).map_err(|error| Refusal::params(&error))?;
    let Some(cursor) = cursor else { return Ok(None) };
    let name =
        URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|name| name.parse().ok());
    name.map(Some)
        .ok_or_else(|| Refusal::invalid_params("`cursor` is not one that this server gave out; leave it out to begin anew"))
}

#[cfg(test)]
mod tests {
    use domain::RequestId;
    use http_body_util::BodyExt;
    use rmcp::model::{ListToolsResult, RequestId as MessageId, ServerCapabilities, ServerConfig};
    use serde_json::{Value, json, value::to_raw_value};

    use app::Who;

    use super::*;

    #[tokio::test]
    async fn pages_hold_every_tool_once_and_in_order() {
        let (presentation, question) = (presentation(0..250), question(Era::PerRequest));
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let page = page(list_after(&presentation, &question, cursor.as_deref())).await;
            sizes.push(page.tools.len());
            seen.extend(page.tools.into_iter().map(|tool| tool.name));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }

        assert_eq!(sizes, [100, 100, 50]);
        assert_eq!(seen, (0..250).map(name).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_page_may_be_the_last() {
        let page = page(list_after(&presentation(0..100), &question(Era::Handshake), None)).await;

        assert_eq!((page.tools.len(), page.next_cursor), (100, None));
    }

    #[tokio::test]
    async fn a_release_between_two_pages_repeats_nothing_and_leaves_out_nothing() {
        let question = question(Era::Handshake);
        let first = page(list_after(&presentation(0..200), &question, None)).await;

        // Tool 99, which the cursor names, is gone; so is 150.
        let next = presentation((0..99).chain(100..150).chain(151..200));
        let second = page(list_after(&next, &question, first.next_cursor.as_deref())).await;

        let names: Vec<_> = second.tools.into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, (100..150).chain(151..200).map(name).collect::<Vec<_>>());
    }

    fn list_after(presentation: &Presentation, question: &Question, cursor: Option<&str>) -> Result<Response, Refusal> {
        let cursor = cursor.map(|cursor| to_raw_value(cursor).unwrap());
        list(presentation, question, List::Tools, cursor.as_deref(), &Pinned::default(), &Caller::of(Who::Admin))
    }

    async fn page(listed: Result<Response, Refusal>) -> ListToolsResult {
        let body = listed.unwrap().into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        serde_json::from_value(answer["result"].clone()).unwrap()
    }

    fn presentation(numbers: impl Iterator<Item = u32>) -> Presentation {
        let tool = |number| Listed {
            name: name(number).parse().unwrap(),
            entry: to_raw_value(&json!({"name": name(number), "inputSchema": {"type": "object"}})).unwrap(),
        };
        Presentation::with_tools(config(), numbers.map(tool).collect())
    }

    fn config() -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn name(number: u32) -> String {
        format!("tool_{number:03}")
    }

    fn question(era: Era) -> Question {
        Question { id: MessageId::Number(1), request_id: RequestId::new(), era }
    }
}
