//! A call that reports what it does, or asks its client: the answer is a stream of events, whose last one is the result.

use std::{convert::Infallible, time::Duration};

use app::{Progress, Report, ResultMemory, questions::OutgoingQuestion};
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use domain::LogLine;
use futures_util::{Stream, stream};
use http::{HeaderName, HeaderValue};
use rmcp::model::{ProgressNotificationMethod, ProgressNotificationParam, ProgressToken};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::DropGuard;
use tracing::Instrument;

use super::{
    answer::{self, Message, Question},
    in_flight::CallInFlight,
    log_level::Severity,
    questions,
    refusal::Refusal,
};

/// Reports that wait for a slow client; further ones are dropped. Lines of a log come in bursts, of some dozens.
pub(super) const WAITING_MAX: usize = 128;

/// A stream is never silent for longer, so that no proxy on the way takes it for dead: the shortest patience in use is 30 s. A call that
/// has reported nothing by then opens its stream all the same.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Characters of a report's message that are passed on: it stands beside a bar.
const MESSAGE_CHARS_MAX: usize = 1000;

/// Tells nginx and those like it to pass events on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Makes events of what a call reports, as far as the client wants them.
pub(super) struct Listener {
    progress_token: Option<ProgressToken>,
    /// How far the last report was; each must be farther (MCP, "Progress").
    reached: Option<f64>,
    log_level: Option<Severity>,
    /// The name that lines of the log carry.
    logger: String,
}

/// What comes out of a call while it runs.
pub(super) struct Told {
    pub(super) reports: mpsc::Receiver<Report>,
    /// Absent if there is nobody to ask on this stream.
    pub(super) questions: Option<mpsc::Receiver<OutgoingQuestion>>,
}

/// A call that runs on a task of its own, so that a client that reads slowly does not hold it up.
struct Running {
    told: Told,
    result: JoinHandle<Result<Message, Refusal>>,
    /// What the task answered, while reports that came before it are still waiting.
    ended: Option<Result<Message, Refusal>>,
    listener: Listener,
    question: Question,
    /// Stops the call when the client goes away: this is dropped with the stream then.
    _on_gone: DropGuard,
}

/// Where the stream of a call stands.
enum Stage {
    Runs(Box<Running>),
    /// Its last event is on its way. What comes after it is asked for when it has gone.
    Sends {
        _memory: Option<ResultMemory>,
    },
}

/// What a call does next, as far as the client hears of it.
enum Step {
    Told(Event),
    Ended(Result<Message, Refusal>),
}

/// What a notification is, in a message.
#[derive(Serialize)]
struct Notification<M, P> {
    jsonrpc: &'static str,
    method: M,
    params: P,
}

/// A line of a tool's log (MCP, `LoggingMessageNotificationParams`).
#[derive(Serialize)]
struct LogParams<'a> {
    level: Severity,
    logger: &'a str,
    data: &'a str,
}

/// Runs `call`, which tells and asks the client things. The answer is a stream once there is something to tell; a call that ends before it
/// answers as any other, with its own status.
pub(super) async fn answer(
    question: Question,
    listener: Listener,
    in_flight: CallInFlight,
    told: Told,
    call: impl Future<Output = Result<Message, Refusal>> + Send + 'static,
) -> Result<Response, Refusal> {
    let gone = in_flight.cancelled().clone().drop_guard();
    let call = async move {
        let answered = call.await;
        drop(in_flight);
        answered
    };
    let result = tokio::spawn(call.in_current_span());
    begin(Running { told, result, ended: None, listener, question, _on_gone: gone }).await
}

/// A notification as an event.
pub(super) fn notification(method: impl Serialize, params: impl Serialize) -> Option<Event> {
    serde_json::to_string(&Notification { jsonrpc: "2.0", method, params }).ok().map(event)
}

/// A stream of events that is told to be passed on as it comes, and that is never silent for long.
pub(super) fn stream_of(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")).into_response();
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// A message as an event.
pub(super) fn event(message: String) -> Event {
    Event::default().event("message").data(message)
}

/// Waits for what the call does first.
async fn begin(mut running: Running) -> Result<Response, Refusal> {
    let first = match tokio::time::timeout(KEEP_ALIVE, running.next()).await {
        Ok(Step::Ended(result)) => return result.map(answer::json),
        Ok(Step::Told(event)) => Some(event),
        Err(_) => None,
    };
    Ok(stream_of(stream::StreamExt::chain(stream::iter(first.map(Ok)), events(running))))
}

fn events(running: Running) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Stage::Runs(Box::new(running)), async |stage| {
        let Stage::Runs(mut running) = stage else { return None };
        match running.next().await {
            Step::Told(event) => Some((Ok(event), Stage::Runs(running))),
            Step::Ended(result) => {
                let (event, memory) = running.last_event(result);
                Some((Ok(event), Stage::Sends { _memory: memory }))
            }
        }
    })
}

impl Running {
    /// Reports go before the end that they came before.
    async fn next(&mut self) -> Step {
        while self.ended.is_none() {
            tokio::select! {
                biased;
                Some(report) = self.told.reports.recv() => {
                    if let Some(event) = self.listener.event(report) {
                        return Step::Told(event);
                    }
                }
                Some(question) = next_question(self.told.questions.as_mut()) => {
                    if let Some(message) = questions::message(&question) {
                        return Step::Told(event(message));
                    }
                }
                result = &mut self.result => self.ended = Some(self.task_result(result)),
            }
        }
        while let Ok(report) = self.told.reports.try_recv() {
            if let Some(event) = self.listener.event(report) {
                return Step::Told(event);
            }
        }
        Step::Ended(self.ended.take().unwrap_or_else(|| Err(self.fault())))
    }

    /// What the call answered. A task that panicked answered nothing: that is our fault.
    fn task_result(&self, result: Result<Result<Message, Refusal>, JoinError>) -> Result<Message, Refusal> {
        result.unwrap_or_else(|error| {
            tracing::error!(%error, "the task of a call broke down: {error}");
            Err(self.fault())
        })
    }

    fn fault(&self) -> Refusal {
        Refusal::internal(self.question.request_id)
    }

    fn last_event(&self, result: Result<Message, Refusal>) -> (Event, Option<ResultMemory>) {
        let Message { text, memory, .. } = result.unwrap_or_else(|refusal| {
            // An error's data are what serde_json read itself: they can be written.
            serde_json::to_string(&refusal.of(self.question.id.clone()).into_message()).unwrap_or_default().into()
        });
        (event(text), memory)
    }
}

async fn next_question(questions: Option<&mut mpsc::Receiver<OutgoingQuestion>>) -> Option<OutgoingQuestion> {
    questions?.recv().await
}

impl Listener {
    pub(super) fn new(progress_token: Option<ProgressToken>, log_level: Option<Severity>, logger: &str) -> Self {
        Self { progress_token, reached: None, log_level, logger: logger.to_owned() }
    }

    /// The event of a report; one that is not wanted has none.
    fn event(&mut self, report: Report) -> Option<Event> {
        match report {
            Report::Progress(progress) => self.progress(progress),
            Report::Log(line) => self.line(&line),
        }
    }

    /// A report that is no step forward is none.
    fn progress(&mut self, report: Progress) -> Option<Event> {
        let token = self.progress_token.clone()?;
        let Progress { progress, total, message } = report;
        if !progress.is_finite() || self.reached.is_some_and(|reached| progress <= reached) {
            return None;
        }
        self.reached = Some(progress);
        let mut params = ProgressNotificationParam::new(token, progress);
        params.total = total.filter(|total| total.is_finite());
        params.message = message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect());
        notification(ProgressNotificationMethod, params)
    }

    fn line(&self, line: &LogLine) -> Option<Event> {
        let level = Severity::from(line.level);
        let is_wanted = self.log_level.is_some_and(|wanted| level >= wanted);
        is_wanted
            .then(|| notification("notifications/message", LogParams { level, logger: &self.logger, data: &line.message }))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use domain::RequestId;
    use http::header;
    use http_body_util::BodyExt;
    use rmcp::model::{NumberOrString, RequestId as MessageId};
    use tokio_util::sync::CancellationToken;

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

        drop(stream_of(events(running)));

        assert!(cancelled.is_cancelled());
    }

    /// A call that ends after `takes`, without a report.
    fn running(takes: Duration, result: Result<String, Refusal>) -> Running {
        let result = result.map(Message::from);
        let (sender, reports) = mpsc::channel(1);
        let result = tokio::spawn(async move {
            let _reporting = sender;
            tokio::time::sleep(takes).await;
            result
        });
        let question = Question { id: MessageId::Number(7), request_id: RequestId::new(), era: Era::Handshake };
        let token = ProgressToken(NumberOrString::Number(1));
        let listener = Listener::new(Some(token), None, "a");
        let told = Told { reports, questions: None };
        Running { told, result, ended: None, listener, question, _on_gone: CancellationToken::new().drop_guard() }
    }
}
