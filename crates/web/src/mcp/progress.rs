//! A call that reports its progress: the answer is a stream of events, whose last one is the result.

use std::{convert::Infallible, sync::Arc, time::Duration};

use app::{
    Progress, Report,
    calls::{self, CallRequest},
};
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use http::{HeaderName, HeaderValue};
use rmcp::model::{ProgressNotificationMethod, ProgressNotificationParam, ProgressToken};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::{
    answer::{self, Question},
    call_result,
    endpoint::Visit,
    in_flight::CallInFlight,
    refusal::Refusal,
};

/// Reports that wait for a slow client; further ones are dropped, for a later one says more than an earlier.
const REPORTS_WAITING_MAX: usize = 32;

/// A stream is never silent for longer, so that no proxy on the way takes it for dead: the shortest patience in use is 30 s. A call that
/// has reported nothing by then opens its stream all the same.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Characters of a report's message that are passed on: it stands beside a bar.
const MESSAGE_CHARS_MAX: usize = 1000;

/// Tells nginx and those like it to pass events on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A call that runs on a task of its own, so that a client that reads slowly does not hold it up.
struct Running {
    reports: mpsc::Receiver<Report>,
    result: JoinHandle<Result<String, Refusal>>,
    /// What the task answered, while reports that came before it are still waiting.
    ended: Option<Result<String, Refusal>>,
    token: ProgressToken,
    question: Question,
    /// How far the last report was; each must be farther (MCP, "Progress").
    reached: Option<f64>,
    /// Stops the call when the client goes away: this is dropped with the stream then.
    _on_gone: DropGuard,
}

/// What a call does next.
enum Step {
    Reported(Progress),
    Ended(Result<String, Refusal>),
}

#[derive(Serialize)]
struct Notification {
    jsonrpc: &'static str,
    method: ProgressNotificationMethod,
    params: ProgressNotificationParam,
}

/// Calls a tool. The answer is a stream once there is a report; a call that ends before it answers as any other, with its own status.
pub(super) async fn answer(
    visit: &Visit,
    question: Question,
    token: ProgressToken,
    in_flight: CallInFlight,
    request: impl FnOnce(&CancellationToken, Option<mpsc::Sender<Report>>) -> CallRequest,
) -> Result<Response, Refusal> {
    let (sender, reports) = mpsc::channel(REPORTS_WAITING_MAX);
    let request = request(in_flight.cancelled(), Some(sender));
    let gone = in_flight.cancelled().clone().drop_guard();
    let result = spawn(visit, question.clone(), in_flight, request);
    begin(Running { reports, result, ended: None, token, question, reached: None, _on_gone: gone }).await
}

/// Waits for what the call does first.
async fn begin(mut running: Running) -> Result<Response, Refusal> {
    let first = match tokio::time::timeout(KEEP_ALIVE, running.next()).await {
        Ok(Step::Ended(result)) => return result.map(answer::json),
        Ok(Step::Reported(report)) => Some(running.event(report)),
        Err(_) => None,
    };
    Ok(stream_of(first.flatten(), running))
}

fn spawn(
    visit: &Visit,
    question: Question,
    in_flight: CallInFlight,
    request: CallRequest,
) -> JoinHandle<Result<String, Refusal>> {
    let (app, caller, slug) = (Arc::clone(&visit.state.app), visit.caller, visit.server.slug.clone());
    let (presentation, request_id) = (Arc::clone(&visit.presentation), visit.request_id);
    let call = async move {
        let answered = calls::call_tool(&app, &caller, &slug, request).await;
        drop(in_flight);
        let answered = answered.map_err(|error| Refusal::from_app(&error, request_id))?;
        call_result::message(&question, &presentation, &answered)
    };
    tokio::spawn(call.in_current_span())
}

fn stream_of(first: Option<Event>, running: Running) -> Response {
    let begin = stream::iter(first.map(Ok));
    let mut response = Sse::new(stream::StreamExt::chain(begin, events(running)))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"))
        .into_response();
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn events(running: Running) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some(running), async |running| {
        let mut running = running?;
        loop {
            match running.next().await {
                Step::Reported(report) => {
                    if let Some(event) = running.event(report) {
                        return Some((Ok(event), Some(running)));
                    }
                }
                Step::Ended(result) => return Some((Ok(running.last_event(result)), None)),
            }
        }
    })
}

impl Running {
    /// Reports go before the end that they came before.
    async fn next(&mut self) -> Step {
        if self.ended.is_none() {
            tokio::select! {
                biased;
                Some(progress) = next_progress(&mut self.reports) => return Step::Reported(progress),
                result = &mut self.result => self.ended = Some(self.task_result(result)),
            }
        }
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Progress(progress) = report {
                return Step::Reported(progress);
            }
        }
        Step::Ended(self.ended.take().unwrap_or_else(|| Err(self.fault())))
    }

    /// What the call answered. A task that panicked answered nothing: that is our fault.
    fn task_result(&self, result: Result<Result<String, Refusal>, JoinError>) -> Result<String, Refusal> {
        result.unwrap_or_else(|error| {
            tracing::error!(%error, "the task of a call broke down: {error}");
            Err(self.fault())
        })
    }

    fn fault(&self) -> Refusal {
        Refusal::internal(self.question.request_id)
    }

    /// The event of a report; a report that is no step forward has none.
    fn event(&mut self, report: Progress) -> Option<Event> {
        let Progress { progress, total, message } = report;
        if !progress.is_finite() || self.reached.is_some_and(|reached| progress <= reached) {
            return None;
        }
        self.reached = Some(progress);
        let mut params = ProgressNotificationParam::new(self.token.clone(), progress);
        params.total = total.filter(|total| total.is_finite());
        params.message = message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect());
        let notification = Notification { jsonrpc: "2.0", method: ProgressNotificationMethod, params };
        serde_json::to_string(&notification).ok().map(event)
    }

    fn last_event(&self, result: Result<String, Refusal>) -> Event {
        event(result.unwrap_or_else(|refusal| {
            // An error's data are what serde_json read itself: they can be written.
            serde_json::to_string(&refusal.of(self.question.id.clone()).into_message()).unwrap_or_default()
        }))
    }
}

/// The next report of progress; `None` when none can come any more.
async fn next_progress(reports: &mut mpsc::Receiver<Report>) -> Option<Progress> {
    loop {
        if let Report::Progress(progress) = reports.recv().await? {
            return Some(progress);
        }
    }
}

fn event(message: String) -> Event {
    Event::default().event("message").data(message)
}

#[cfg(test)]
mod tests {
    use domain::RequestId;
    use http::header;
    use http_body_util::BodyExt;
    use rmcp::model::{NumberOrString, RequestId as MessageId};

    use super::*;
    use crate::mcp::era::Era;

    #[tokio::test(start_paused = true)]
    async fn a_silent_call_opens_a_stream_and_keeps_it_alive() {
        let response = begin(running(Duration::from_secs(40), Ok("{}".to_owned()))).await.unwrap();

        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, ": keep-alive\n\nevent: message\ndata: {}\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_after_the_stream_has_begun_is_its_last_event() {
        let response = begin(running(Duration::from_secs(20), Err(Refusal::cancelled()))).await.unwrap();

        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32800,"message":"the request was cancelled"}}"#;
        assert_eq!(body, format!("event: message\ndata: {error}\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_ends_in_silence_keeps_its_own_status() {
        let refusal = begin(running(Duration::from_secs(1), Err(Refusal::internal(RequestId::new())))).await.unwrap_err();

        assert_eq!(refusal.into_response().status(), http::StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn a_stream_that_is_dropped_cancels_the_call() {
        let cancelled = CancellationToken::new();
        let silent = running(Duration::from_hours(1), Ok(String::new()));
        let running = Running { _on_gone: cancelled.clone().drop_guard(), ..silent };

        drop(stream_of(None, running));

        assert!(cancelled.is_cancelled());
    }

    /// A call that ends after `takes`, without a report.
    fn running(takes: Duration, result: Result<String, Refusal>) -> Running {
        let (sender, reports) = mpsc::channel(1);
        let result = tokio::spawn(async move {
            let _reporting = sender;
            tokio::time::sleep(takes).await;
            result
        });
        let question = Question { id: MessageId::Number(7), request_id: RequestId::new(), era: Era::Handshake };
        let token = ProgressToken(NumberOrString::Number(1));
        Running { reports, result, ended: None, token, question, reached: None, _on_gone: CancellationToken::new().drop_guard() }
    }
}
