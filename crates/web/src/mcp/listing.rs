//! `tools/list`: the tools of a server, in the order of their names, a page at a time.

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ToolName;
use rmcp::model::{CacheScope, ResultType};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    answer::Question,
    era::Era,
    presentation::{Presentation, PresentedTool},
    refusal::Refusal,
};

/// Tools of a page: most servers fit on one, and a page of schemas stays below a megabyte.
const PAGE_TOOLS_MAX: usize = 100;

/// How long a client may go by a list. A release is to be seen soon after it was made.
const LISTING_TTL_MS: u64 = 5_000;

/// The result of `tools/list` (MCP, `ListToolsResult`). It is `rmcp`'s, but its entries are JSON already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    tools: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<CacheScope>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// The page that begins after `cursor`. A cursor is the name of the last tool that was seen, so pages fit together even if a release
/// comes between them.
pub(super) fn list(presentation: &Presentation, question: &Question, cursor: Option<&str>) -> Result<Response, Refusal> {
    let after = cursor.map(read_cursor).transpose()?;
    let begin = after.map_or(0, |after| presentation.tools.partition_point(|tool| tool.name <= after));
    let rest = presentation.tools.get(begin..).unwrap_or_default();
    let shown = rest.get(..PAGE_TOOLS_MAX).unwrap_or(rest);
    let last = shown.last().filter(|_| shown.len() < rest.len());
    let for_each_request = question.era == Era::PerRequest;
    question.answer(Page {
        result_type: for_each_request.then_some(ResultType::COMPLETE),
        tools: shown.iter().map(|tool| &*tool.entry).collect(),
        next_cursor: last.map(write_cursor),
        ttl_ms: for_each_request.then_some(LISTING_TTL_MS),
        cache_scope: for_each_request.then_some(CacheScope::Private),
        meta: for_each_request.then_some(&*presentation.meta),
    })
}

fn write_cursor(last: &PresentedTool) -> String {
    URL_SAFE_NO_PAD.encode(last.name.as_str())
}

fn read_cursor(cursor: &str) -> Result<ToolName, Refusal> {
    let name =
        URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|name| name.parse().ok());
    name.ok_or_else(|| Refusal::invalid_params("`cursor` is not one that this server gave out; leave it out to begin anew"))
}

#[cfg(test)]
mod tests {
    use domain::RequestId;
    use http_body_util::BodyExt;
    use rmcp::model::{ListToolsResult, RequestId as MessageId, ServerConfig};
    use serde_json::{Value, json, value::to_raw_value};

    use super::*;

    #[tokio::test]
    async fn pages_hold_every_tool_once_and_in_order() {
        let (presentation, question) = (presentation(0..250), question(Era::PerRequest));
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let page = page(list(&presentation, &question, cursor.as_deref())).await;
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
        let page = page(list(&presentation(0..100), &question(Era::Handshake), None)).await;

        assert_eq!((page.tools.len(), page.next_cursor), (100, None));
    }

    #[tokio::test]
    async fn a_release_between_two_pages_repeats_nothing_and_leaves_out_nothing() {
        let question = question(Era::Handshake);
        let first = page(list(&presentation(0..200), &question, None)).await;

        // Tool 99, which the cursor names, is gone; so is 150.
        let next = presentation((0..99).chain(100..150).chain(151..200));
        let second = page(list(&next, &question, first.next_cursor.as_deref())).await;

        let names: Vec<_> = second.tools.into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, (100..150).chain(151..200).map(name).collect::<Vec<_>>());
    }

    async fn page(listed: Result<Response, Refusal>) -> ListToolsResult {
        let body = listed.unwrap().into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        serde_json::from_value(answer["result"].clone()).unwrap()
    }

    fn presentation(numbers: impl Iterator<Item = u32>) -> Presentation {
        let tool = |number| PresentedTool {
            name: name(number).parse().unwrap(),
            entry: to_raw_value(&json!({"name": name(number), "inputSchema": {"type": "object"}})).unwrap(),
            param_headers: Vec::new(),
        };
        Presentation::with_tools(ServerConfig::default(), numbers.map(tool).collect())
    }

    fn name(number: u32) -> String {
        format!("tool_{number:03}")
    }

    fn question(era: Era) -> Question {
        Question { id: MessageId::Number(1), request_id: RequestId::new(), era }
    }
}
