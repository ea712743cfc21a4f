//! Who looks at a page.

use std::sync::Arc;

use app::{App, AppError, Caller, PersonCaller, Whence, Who, accounts};
use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse as _, Response},
};
use domain::CustomerId;
use http::{Method, request::Parts};

use super::{cookies, csrf::CsrfToken, page, return_to::ReturnTo};
use crate::{WebSettings, caller::counted, error::ApiError, whence};

/// Somebody who is signed in. Everybody else is sent to the page where one signs in, and comes back afterwards.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    /// Who it is.
    pub(crate) person: PersonCaller,
    /// From where they ask.
    pub(crate) from: Whence,
    /// What the forms of their pages carry; [`super::form::PostedForm`] has checked it.
    pub(crate) csrf: CsrfToken,
}

/// Somebody who may be signed in.
pub(crate) struct MaybeSignedIn(pub(crate) Option<SignedIn>);

impl SignedIn {
    /// Them, for use cases.
    pub(crate) fn caller(&self) -> Caller {
        Who::Person(self.person).at(self.from)
    }

    /// Them as they act for `customer`; one that they do not belong to answers as one that there is not (SEC-17).
    pub(crate) async fn acting_for(&self, app: &App, customer: CustomerId) -> Result<Caller, AppError> {
        Ok(accounts::act_for(app, self.person, Some(customer)).await?.at(self.from))
    }
}

impl<S> FromRequestParts<S> for SignedIn
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let MaybeSignedIn(found) = MaybeSignedIn::from_request_parts(parts, state).await.map_err(ApiError::into_response)?;
        found.ok_or_else(|| page::see_other(&where_to(parts).after("/sign-in")))
    }
}

impl<S> FromRequestParts<S> for MaybeSignedIn
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let settings = Arc::<WebSettings>::from_ref(state);
        let Some(cookie) = cookies::sign_in(&settings, &parts.headers) else { return Ok(Self(None)) };
        let app = Arc::<App>::from_ref(state);
        match accounts::authenticate(&app, cookie).await {
            Ok(person) => {
                let signed_in = SignedIn { person, from: whence::of(parts, &settings), csrf: CsrfToken::of(cookie) };
                counted(parts, &app, signed_in.caller())?;
                Ok(Self(Some(signed_in)))
            }
            Err(AppError::Unauthenticated) => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// A page can be gone back to; a form that was sent cannot.
fn where_to(parts: &Parts) -> ReturnTo {
    let asked =
        parts.uri.path_and_query().filter(|_| parts.method == Method::GET).and_then(|path| ReturnTo::parse(path.as_str()));
    asked.unwrap_or_else(ReturnTo::account)
}
