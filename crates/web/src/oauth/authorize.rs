//! The authorization endpoint (RFC 6749, section 3.1): a browser comes with a client's request, and is led to the page on which its person
//! decides. Nothing is kept: the request goes with the browser, sealed.

use std::sync::Arc;

use app::{App, PendingRequest, tokens::authorize};
use axum::{
    Extension,
    extract::{RawQuery, State},
    response::Response,
};
use domain::RequestId;
use oauth::{AuthorizationRequest, AuthorizeErrorCode, Prompt};

use super::{consent, form::BrowserForm, refusal::Refused};
use crate::account::page::see_other;

/// A request in the address, as clients send it.
pub(super) async fn by_link(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    begin(&app, query.unwrap_or_default()).await.map_err(|refusal| Refused::new(refusal, request_id))
}

/// A request in a form, which clients may send as well (RFC 6749, section 3.1).
pub(super) async fn by_form(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    BrowserForm(query): BrowserForm,
) -> Result<Response, Refused> {
    begin(&app, query).await.map_err(|refusal| Refused::new(refusal, request_id))
}

async fn begin(app: &App, query: String) -> Result<Response, authorize::Refusal> {
    let request = match AuthorizationRequest::parse(app.issuer(), &query) {
        Ok(request) => request,
        Err(fault) => return Err(authorize::refuse(app, fault).await),
    };
    let asked = authorize::begin(app, &request).await?;
    if asked.prompt == Prompt::Never {
        // What the client may do is always asked: whoever shows its name could be another program (RFC 8252, section 8.6).
        let told = authorize::tell(app, &asked, AuthorizeErrorCode::InteractionRequired, "the user is always asked here");
        return Err(authorize::Refusal::Reply(told));
    }
    let pending = PendingRequest::new(query);
    let pending = if asked.prompt.asks_to_sign_in() { pending.after_new_sign_in() } else { pending };
    let Some(path) = consent::path(&pending.seal(app)?) else {
        let told = authorize::tell(app, &asked, AuthorizeErrorCode::InvalidRequest, "the request is too long");
        return Err(authorize::Refusal::Reply(told));
    };
    Ok(see_other(path.as_str()))
}
