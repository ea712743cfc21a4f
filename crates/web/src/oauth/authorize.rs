//! The authorization endpoint (RFC 6749, section 3.1): a browser comes with a client's request, and is led to the page on which its person
//! decides. Nothing is kept: the request goes with the browser, sealed.

use std::{net::IpAddr, sync::Arc};

use app::{App, PendingRequest, client_documents, clients::ClientError, tokens::authorize};
use axum::{
    Extension,
    extract::{RawQuery, State},
    response::Response,
};
use domain::RequestId;
use oauth::{AuthorizationRequest, AuthorizeErrorCode, AuthorizeFault, Prompt};

use super::{consent, form::BrowserForm, refusal::Refused};
use crate::account::{page::see_other, signed_in::MaybeSignedIn, whereabouts};

/// A request in the address, as clients send it.
pub(super) async fn by_link(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    whereabouts::From(from): whereabouts::From,
    MaybeSignedIn(who): MaybeSignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let begun = begin(&app, from.address, query.unwrap_or_default()).await;
    begun.map_err(|refusal| Refused::new(refusal, request_id).before(who.as_ref()))
}

/// A request in a form, which clients may send as well (RFC 6749, section 3.1).
pub(super) async fn by_form(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    whereabouts::From(from): whereabouts::From,
    MaybeSignedIn(who): MaybeSignedIn,
    BrowserForm(query): BrowserForm,
) -> Result<Response, Refused> {
    let begun = begin(&app, from.address, query).await;
    begun.map_err(|refusal| Refused::new(refusal, request_id).before(who.as_ref()))
}

async fn begin(app: &App, from: IpAddr, query: String) -> Result<Response, authorize::Refusal> {
    let request = match AuthorizationRequest::parse(app.issuer(), &query) {
        Ok(request) => request,
        Err(fault) => {
            if let AuthorizeFault::Reply { reply_to, .. } = &fault {
                client_documents::admit(app, &reply_to.client_id, from).map_err(ClientError::from)?;
            }
            return Err(authorize::refuse(app, fault).await);
        }
    };
    client_documents::admit(app, &request.reply_to.client_id, from).map_err(ClientError::from)?;
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
