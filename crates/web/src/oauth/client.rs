//! Which client talks to an endpoint (RFC 6749, section 2.3), and what it is told if it gets nothing.

use std::net::{IpAddr, Ipv4Addr};

use app::{
    App, client_documents,
    clients::{self, Authenticated},
    tokens::TokenFault,
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use oauth::{ClientAuthentication, TokenError, TokenErrorCode};

use super::form::ClientForm;
use crate::error::ApiError;

/// Why a client gets nothing.
#[derive(Debug)]
pub(super) struct Refused {
    fault: TokenFault,
    /// Whether it tried to prove itself in the `Authorization` field: then it is told how that is done.
    tried_header: bool,
}

/// The client that sent the form.
pub(super) async fn authenticate(app: &App, form: &ClientForm) -> Result<Authenticated, Refused> {
    let refused = |fault| Refused::new(fault, form);
    let shown = ClientAuthentication::parse(form.authorization.as_deref(), &form.parameters);
    let shown = shown.map_err(|error| refused(error.into()))?;
    client_documents::admit(app, shown.client_id(), form.from.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
        .map_err(|error| refused(error.into()))?;
    clients::authenticate(app, &shown).await.map_err(refused)
}

impl Refused {
    pub(super) fn new(fault: TokenFault, form: &ClientForm) -> Self {
        Self { fault, tried_header: form.authorization.is_some() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.fault {
            TokenFault::Refused(error) => refused(&error, self.tried_header),
            TokenFault::App(error) => ApiError::from(error).into_response(),
        }
    }
}

fn refused(error: &TokenError, tried_header: bool) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = (status, Json(error)).into_response();
    if error.code == TokenErrorCode::InvalidClient && tried_header {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"toolwright\""));
    }
    answer
}
