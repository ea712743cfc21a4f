//! From where a request comes: what is written down of it.

use std::{convert::Infallible, sync::Arc};

use app::{Caller, Whence, Who};
use axum::extract::{FromRef, FromRequestParts};
use domain::RequestId;
use http::request::Parts;

use crate::{WebSettings, client_address};

/// Whoever asks, before they have shown who they are: the door of what anybody may ask.
pub(crate) struct Stranger(pub(crate) Caller);

/// From where a request comes: its id, which [`crate::door::pass`] has given it, and the address of whoever sent it.
pub(crate) fn of(parts: &Parts, settings: &WebSettings) -> Whence {
    Whence {
        request: parts.extensions.get::<RequestId>().copied(),
        address: Some(client_address::of(parts, &settings.trusted_proxies)),
    }
}

impl<S> FromRequestParts<S> for Stranger
where
    S: Send + Sync,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(Who::Anyone.at(of(parts, &Arc::from_ref(state)))))
    }
}
