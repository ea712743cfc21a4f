//! Breakers of the way out, and what went over it.

use std::{collections::BTreeMap, sync::Arc};

use app::{
    App,
    breakers::{self, Force},
};
use axum::{Json as Answer, extract::State};
use domain::{CustomerId, HostPattern};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::BreakerPath;
use crate::{
    caller::AdminCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// What a host is set to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBreaker {
    /// What becomes of requests to the host, whoever's.
    state: ForceName,
}

/// What becomes of requests to a host.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Force)]
pub(crate) enum ForceName {
    /// None goes there.
    Open,
    /// All go there, whatever fails.
    Closed,
    /// Breakers decide, and begin anew.
    Automatic,
}

/// What was decided on a host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ForcedBreaker {
    /// The host.
    #[schema(value_type = String, example = "api.example.com")]
    host: HostPattern,
    /// What becomes of requests to it.
    state: ForceName,
}

/// A breaker: of one customer and one host, or what was decided on a host for all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Breaker)]
pub(crate) struct BreakerView {
    /// The customer; absent on what was decided for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, format = Uuid)]
    customer_id: Option<CustomerId>,
    /// The host.
    #[schema(example = "api.example.com")]
    host: String,
    /// What it does at the moment.
    state: BreakerState,
    /// When it tries the host again at the earliest, in milliseconds from now, if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    /// Requests that went well.
    successes: u64,
    /// Requests that failed by the host's fault.
    failures: u64,
    /// Requests that were not tried.
    refused: u64,
    /// How long an answer usually takes, in milliseconds; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answer_ms: Option<u64>,
}

/// What a breaker does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerState {
    /// Requests go.
    Closed,
    /// None goes.
    Open,
    /// Trials go.
    HalfOpen,
    /// None goes, as was decided.
    ForcedOpen,
    /// All go, as was decided.
    ForcedClosed,
}

/// What this node's tools did outside since it started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Egress)]
pub(crate) struct EgressView {
    /// Requests that were asked for, each hop of a redirect counted.
    requests: u64,
    /// Requests that wait for their answer or whose answer is being read.
    requests_in_flight: u64,
    /// Bytes of HTTP that were sent.
    bytes_sent: u64,
    /// Bytes of HTTP that were received.
    bytes_received: u64,
    /// Connections that were made.
    connections_opened: u64,
    /// Requests that went over a connection of an earlier one.
    connections_reused: u64,
    /// Connections that wait for a request.
    connections_idle: u64,
    /// Breakers that refuse requests.
    breakers_open: u64,
    /// Requests that failed, by kind of error.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({ "refused": 2, "time_out": 1 }))]
    errors: BTreeMap<&'static str, u64>,
}

impl From<breakers::BreakerView> for BreakerView {
    fn from(breaker: breakers::BreakerView) -> Self {
        let breakers::BreakerView { customer_id, host, state, retry_after_ms, successes, failures, refused, answer_ms } = breaker;
        Self { customer_id, host, state: state.into(), retry_after_ms, successes, failures, refused, answer_ms }
    }
}

impl From<breakers::BreakerState> for BreakerState {
    fn from(state: breakers::BreakerState) -> Self {
        match state {
            breakers::BreakerState::Closed => Self::Closed,
            breakers::BreakerState::Open => Self::Open,
            breakers::BreakerState::HalfOpen => Self::HalfOpen,
            breakers::BreakerState::ForcedOpen => Self::ForcedOpen,
            breakers::BreakerState::ForcedClosed => Self::ForcedClosed,
        }
    }
}

impl From<ForceName> for Force {
    fn from(name: ForceName) -> Self {
        match name {
            ForceName::Open => Self::Open,
            ForceName::Closed => Self::Closed,
            ForceName::Automatic => Self::Automatic,
        }
    }
}

impl From<breakers::Usage> for EgressView {
    fn from(view: breakers::Usage) -> Self {
        let breakers::Usage { requests, requests_in_flight, bytes_sent, bytes_received, .. } = view;
        Self {
            requests,
            requests_in_flight,
            bytes_sent,
            bytes_received,
            connections_opened: view.connections_opened,
            connections_reused: view.connections_reused,
            connections_idle: view.connections_idle,
            breakers_open: view.breakers_open,
            errors: view.errors.into_iter().map(|(category, count)| (category.as_str(), count)).collect(),
        }
    }
}

/// Lists the breakers of the node that answers
///
/// A host that failed too often is left alone for a while, each customer's tools for themselves. What was decided for all comes first.
#[utoipa::path(get, path = "/breakers", tag = "egress", security(("admin_key" = [])), params(PageQuery),
    responses((status = 200, description = "A page of breakers", body = Page<BreakerView>)))]
pub(crate) async fn list_breakers(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<BreakerView>>, ApiError> {
    let found = breakers::list(&app, &caller, &page.try_into()?)?;
    Ok(Answer(found.into()))
}

/// Decides what becomes of requests to a host
///
/// For the tools of all customers, on the node that answers, until it is restarted.
#[utoipa::path(put, path = "/breakers/{host}", tag = "egress", security(("admin_key" = [])), params(BreakerPath),
    request_body = NewBreaker, responses((status = 200, description = "What was decided", body = ForcedBreaker)))]
pub(crate) async fn put_breaker(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(BreakerPath { host }): Path<BreakerPath>,
    Json(NewBreaker { state }): Json<NewBreaker>,
) -> Result<Answer<ForcedBreaker>, ApiError> {
    breakers::force(&app, &caller, &host, state.into()).await?;
    Ok(Answer(ForcedBreaker { host, state }))
}

/// Tells what the tools of the node that answers did outside
#[utoipa::path(get, path = "/egress", tag = "egress", security(("admin_key" = [])),
    responses((status = 200, description = "Counts since its start, and how things stand", body = EgressView)))]
pub(crate) async fn get_egress(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
) -> Result<Answer<EgressView>, ApiError> {
    Ok(Answer(breakers::load_egress(&app, &caller)?.into()))
}
