//! Streams that tell a client what changes at a server: `subscriptions/listen` of 2026-07-28, and the GET stream of 2025-11-25.
//!
//! A stream is fed by the change notices that every node hears, so it does not matter which node it is open on. It ends when the node
//! stops, and when its key or its server is deleted.

mod places;

use std::{collections::VecDeque, convert::Infallible};

use app::{AppError, Watch, catalogue, offers::Changes};
use axum::response::{Response, sse::Event};
use futures_util::{Stream, stream};
use http::StatusCode;
use rmcp::model::{ErrorCode, RequestId as MessageId, SubscriptionFilter};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use self::places::Place;
pub(super) use self::places::{Full, Places};
use super::{
    answer::Question,
    endpoint::Visit,
    in_flight::CallInFlight,
    refusal::Refusal,
    reports::{self, notification},
    session::{self, SessionKey},
};

/// URIs of one `subscriptions/listen`.
const SUBSCRIPTIONS_MAX: usize = 64;

/// The `_meta` key that says of which stream a notification is.
const SUBSCRIPTION_ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// Seconds after which another stream may have ended.
const RETRY_AFTER_S: u32 = 60;

/// What a client wants to hear of.
enum Interest {
    /// What its request said, by whose id every notification is marked.
    Listen { filter: SubscriptionFilter, id: MessageId, in_flight: CallInFlight },
    /// All lists, and what its session watches at the moment.
    Session(Option<SessionKey>),
}

/// An open stream.
struct Feed {
    /// Its server is what was served when it was last looked.
    visit: Visit,
    watch: Watch,
    interest: Interest,
    /// Events that are still to be sent.
    waiting: VecDeque<Event>,
    has_ended: bool,
    _place: Place,
}

/// The parameters of every notification of a stream.
#[derive(Default, Serialize)]
struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<&'a SubscriptionFilter>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

/// The result that a stream of 2026-07-28 ends with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenResult {
    result_type: &'static str,
    #[serde(rename = "_meta")]
    meta: Value,
}

/// Opens the stream of a `subscriptions/listen`. Its first event says what is listened to: all that was asked for.
pub(super) async fn listen(visit: Visit, question: Question, wanted: Option<&RawValue>) -> Result<Response, Refusal> {
    if !visit.accepted.events {
        let message = "the answer is a stream: the header Accept must allow text/event-stream";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, ErrorCode::INVALID_REQUEST, message));
    }
    let wanted = wanted.ok_or_else(|| Refusal::invalid_params("`notifications` must say what is listened to"))?;
    let filter: SubscriptionFilter = serde_json::from_str(wanted.get()).map_err(|error| Refusal::params(&error))?;
    let uris = filter.resource_subscriptions.as_deref().unwrap_or_default();
    if uris.len() > SUBSCRIPTIONS_MAX {
        return Err(Refusal::invalid_params(format!("one stream watches {SUBSCRIPTIONS_MAX} resources at most")));
    }
    uris.iter().try_for_each(|uri| session::check_uri(uri))?;
    let in_flight = visit.door.calls.enter(visit.call_key(question.id.clone()));
    let interest = Interest::Listen { filter, id: question.id, in_flight };
    open(visit, interest).await
}

/// Opens the stream of a client of 2025-11-25.
pub(super) async fn follow(visit: Visit) -> Result<Response, Refusal> {
    let session = visit.session();
    open(visit, Interest::Session(session)).await
}

async fn open(visit: Visit, interest: Interest) -> Result<Response, Refusal> {
    let place = visit
        .door
        .streams
        .take(visit.caller.identity(), visit.caller.from.address)
        .map_err(|full| Refusal::too_many_streams(full, RETRY_AFTER_S))?;
    let refused = |error: AppError| match error {
        AppError::Busy { .. } => Refusal::too_many_streams(Full::Server, RETRY_AFTER_S),
        error => Refusal::from_app(&error, visit.request_id),
    };
    let watch = catalogue::watch(&visit.state.app, &visit.caller, &visit.server.slug).await.map_err(refused)?;
    let waiting = interest.acknowledgement().into_iter().collect();
    Ok(reports::stream_of(events(Feed { visit, watch, interest, waiting, has_ended: false, _place: place })))
}

fn events(feed: Feed) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(feed, async |mut feed| feed.next().await.map(|event| (Ok(event), feed)))
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            self.wait().await;
        }
    }

    /// Waits for a change, or for the end.
    async fn wait(&mut self) {
        let heard = tokio::select! {
            heard = self.watch.changed(&self.visit.state.app) => heard,
            () = self.interest.cancelled() => {
                self.has_ended = true;
                return;
            }
        };
        let told = match heard {
            Ok(changes) => self.tell(changes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "a stream of changes ends: {error}");
            self.waiting.extend(self.interest.result());
            self.has_ended = true;
        }
    }

    async fn tell(&mut self, changes: Changes) -> Result<(), AppError> {
        for (has_changed, method, is_wanted) in [
            (changes.tools, "notifications/tools/list_changed", self.interest.wants(|filter| filter.tools_list_changed)),
            (
                changes.resources,
                "notifications/resources/list_changed",
                self.interest.wants(|filter| filter.resources_list_changed),
            ),
            (changes.prompts, "notifications/prompts/list_changed", self.interest.wants(|filter| filter.prompts_list_changed)),
        ] {
            if has_changed && is_wanted {
                self.waiting.extend(notification(method, Params { meta: self.interest.mark(), ..Params::default() }));
            }
        }
        let now = catalogue::load(&self.visit.state.app, &self.visit.caller, &self.visit.server.slug).await?;
        let before = std::mem::replace(&mut self.visit.server, now);
        for uri in self.interest.subscriptions(&self.visit) {
            if before.offers.version_at(&uri) != self.visit.server.offers.version_at(&uri) {
                let params = Params { uri: Some(&uri), meta: self.interest.mark(), ..Params::default() };
                self.waiting.extend(notification("notifications/resources/updated", params));
            }
        }
        Ok(())
    }
}

impl Interest {
    /// The first event of a stream of 2026-07-28.
    fn acknowledgement(&self) -> Option<Event> {
        let Self::Listen { filter, .. } = self else { return None };
        let params = Params { notifications: Some(filter), meta: self.mark(), ..Params::default() };
        notification("notifications/subscriptions/acknowledged", params)
    }

    /// The last one.
    fn result(&self) -> Option<Event> {
        let Self::Listen { id, .. } = self else { return None };
        let result = ListenResult { result_type: "complete", meta: self.mark()? };
        let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        Some(reports::event(message.to_string()))
    }

    fn wants(&self, kind: impl FnOnce(&SubscriptionFilter) -> Option<bool>) -> bool {
        match self {
            Self::Listen { filter, .. } => kind(filter) == Some(true),
            Self::Session(_) => true,
        }
    }

    /// The resources that are watched now.
    fn subscriptions(&self, visit: &Visit) -> Vec<String> {
        match self {
            Self::Listen { filter, .. } => filter.resource_subscriptions.clone().unwrap_or_default(),
            Self::Session(Some(session)) => visit.door.sessions.said(session).subscriptions.iter().cloned().collect(),
            Self::Session(None) => Vec::new(),
        }
    }

    /// What marks a notification as one of this stream.
    fn mark(&self) -> Option<Value> {
        match self {
            Self::Listen { id, .. } => Some(json!({ SUBSCRIPTION_ID_KEY: id })),
            Self::Session(_) => None,
        }
    }

    async fn cancelled(&self) {
        match self {
            Self::Listen { in_flight, .. } => in_flight.cancelled().cancelled().await,
            Self::Session(_) => std::future::pending().await,
        }
    }
}
