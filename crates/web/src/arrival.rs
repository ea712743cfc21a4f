//! What every request but a probe passes before anybody asks who sends it: how much comes from its network, and how much of that was refused.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use app::limits::{self, Arrival, Standing};
use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header, request::Parts};

use crate::{WebSettings, account::forgery, caller::bearer, client_address, error::ApiError, rate_fields, state::WebState};

/// Where a request stands with the rates of whoever sent it, once that is known: the answer says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stands(Arc<OnceLock<Standing>>);

impl Stands {
    /// Writes down where a request stands, if its answer is to say so.
    pub(crate) fn tell(parts: &Parts, standing: Option<Standing>) {
        if let (Some(Self(place)), Some(standing)) = (parts.extensions.get(), standing) {
            // The first is the door's; what comes later is a part of it.
            let _ = place.set(standing);
        }
    }
}

/// The route of the door for MCP.
const MCP: &str = "/mcp/{server}";

/// Lets a request in, or says when it is worth coming again.
pub(crate) async fn pass(state: &WebState, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    if matches!(route, "/health/live" | "/health/ready") {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let from = client_address::of(&parts, &state.settings.trusted_proxies);
    let shows = parts.headers.contains_key(header::AUTHORIZATION);
    let arrival = arrival_of(&state.settings, &parts, route);
    let standing = match limits::arrive(&state.app, from, arrival, shown(&parts.headers)) {
        Ok(standing) => standing,
        Err(too_many) => return ApiError::from(too_many).into_response(),
    };
    // A call says itself where it stands.
    let stands = (route != MCP).then(Stands::default);
    if let Some(stands) = &stands {
        parts.extensions.insert(stands.clone());
    }
    let answering = next.run(Request::from_parts(parts, body));
    // A call goes on without the database, and looks after itself; all else would wait for one that does not answer. Metrics tell of that.
    let mut answer = if route == MCP || route == "/metrics" {
        answering.await
    } else {
        match state.app.while_database_is_there(answering).await {
            Ok(answer) => answer,
            Err(away) => return ApiError::from(away).into_response(),
        }
    };
    count(state, from, shows, answer.status());
    let standing = standing.or_else(|| stands.and_then(|Stands(place)| place.get().copied()));
    if let Some(standing) = standing.filter(|_| !answer.status().is_server_error()) {
        tell(&mut answer, &standing);
    }
    answer
}

/// Guessing is slow: who shows what is not accepted may do so a few times a minute. Who shows nothing is only told what to show.
fn count(state: &WebState, from: IpAddr, shows: bool, status: StatusCode) {
    if shows && status == StatusCode::UNAUTHORIZED {
        limits::count_failure(&state.app, from);
    }
}

fn tell(answer: &mut Response, standing: &Standing) {
    // An error is written by the door, outside of this: it has its own fields where it is about a rate.
    if answer.status() != StatusCode::TOO_MANY_REQUESTS && !answer.headers().contains_key(rate_fields::RATE_LIMIT) {
        answer.headers_mut().extend(rate_fields::of_standing(standing));
    }
}

/// What says who sends a request; of another scheme than Bearer, nothing that could be known.
fn shown(headers: &HeaderMap) -> Option<&str> {
    headers.contains_key(header::AUTHORIZATION).then(|| bearer(headers).unwrap_or_default())
}

fn arrival_of(settings: &WebSettings, parts: &Parts, route: &str) -> Arrival {
    match arrival_at(&parts.method, route) {
        Arrival::Login if forgery::is_evident(settings, parts, route) => Arrival::Other,
        arrival => arrival,
    }
}

fn arrival_at(method: &Method, route: &str) -> Arrival {
    match route {
        // Whatever leads to a sign-in besides the page itself, by whichever method.
        route if route.starts_with("/sign-in/") => Arrival::Login,
        // What is changed of a registration is written down for as long as the registration itself.
        "/oauth/register/{client_id}" if method == Method::PUT => Arrival::Registration,
        _ if method != Method::POST => Arrival::Other,
        "/sign-in" | "/sign-up" => Arrival::Login,
        "/oauth/token" | "/oauth/introspect" | "/oauth/revoke" | "/oauth/device_authorization" => Arrival::Token,
        "/oauth/register" => Arrival::Registration,
        _ => Arrival::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_at_is_counted_apart() {
        for (method, route, arrival) in [
            (Method::POST, "/sign-in", Arrival::Login),
            (Method::GET, "/sign-in", Arrival::Other),
            (Method::GET, "/sign-in/upstream/{upstream_id}/callback", Arrival::Login),
            (Method::POST, "/oauth/token", Arrival::Token),
            (Method::POST, "/oauth/register", Arrival::Registration),
            (Method::PUT, "/oauth/register/{client_id}", Arrival::Registration),
            (Method::GET, "/oauth/register/{client_id}", Arrival::Other),
            (Method::POST, "/mcp/{server}", Arrival::Other),
        ] {
            assert_eq!(arrival_at(&method, route), arrival, "{method} {route}");
        }
    }
}
