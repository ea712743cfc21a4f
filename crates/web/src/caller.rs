//! Who asks: the bearer token of a request (RFC 6750, section 2.1), or the cookie of a sign-in, and whose it is.

use std::sync::Arc;

use app::{
    App, AppError, Caller, PersonCaller, Who, accounts, limits,
    tokens::{self, Wanted},
};
use axum::extract::{FromRef, FromRequestParts};
use domain::CustomerId;
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};

use crate::{
    WebSettings,
    account::{cookies, csrf::CsrfToken, same_origin::Initiator},
    arrival::Stands,
    envelope::ErrorCode,
    error::ApiError,
    whence,
};

/// The longest token that is looked at: an API key has 46 characters, an access token some hundred, and 5 thousand with as many scopes as it may have.
const TOKEN_BYTES_MAX: usize = 8192;

/// Names the customer that a person acts for who belongs to several.
const CUSTOMER: HeaderName = HeaderName::from_static("toolwright-customer");
/// Carries the token of forms, for pages whose requests say nothing of where they come from.
const CSRF: HeaderName = HeaderName::from_static("toolwright-csrf");

/// Whoever runs the platform: the door of `/admin/v1`. What they may do is decided in `app`.
pub(crate) struct AdminCaller(pub(crate) Caller);

/// Whoever acts for a customer, by one of its API keys, signed in, or by a token: the door of `/api/v1`. What they may do is decided in `app`.
pub(crate) struct CustomerCaller(pub(crate) Caller);

/// A person who is signed in, about what is theirs alone: the door of `/api/v1/account`.
pub(crate) struct SignedInPerson {
    pub(crate) caller: Caller,
    /// What the page may send along with what changes something.
    pub(crate) csrf: CsrfToken,
}

impl<S> FromRequestParts<S> for AdminCaller
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match authenticate(&parts.headers, &Arc::from_ref(state), Wanted::Admin).await? {
            who @ Who::Admin => Ok(Self(who.at(whence::of(parts, &Arc::from_ref(state))))),
            _ => Err(AppError::Forbidden { needed: "the admin key" }.into()),
        }
    }
}

impl<S> FromRequestParts<S> for CustomerCaller
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (app, settings) = (Arc::<App>::from_ref(state), Arc::<WebSettings>::from_ref(state));
        let from = whence::of(parts, &settings);
        if let Some((person, _)) = signed_in(parts, &app, &settings).await? {
            let member = accounts::act_for(&app, person, named_customer(&parts.headers)?).await?;
            return Ok(Self(counted(parts, &app, member.at(from))?));
        }
        match authenticate(&parts.headers, &app, Wanted::Management).await? {
            who @ (Who::Key(_) | Who::Member(_) | Who::Token(_)) => Ok(Self(counted(parts, &app, who.at(from))?)),
            Who::Admin | Who::Person(_) | Who::Anyone => Err(AppError::Forbidden { needed: "a customer's API key" }.into()),
        }
    }
}

impl<S> FromRequestParts<S> for SignedInPerson
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (app, settings) = (Arc::<App>::from_ref(state), Arc::<WebSettings>::from_ref(state));
        if let Some((person, csrf)) = signed_in(parts, &app, &settings).await? {
            return Ok(Self { caller: counted(parts, &app, Who::Person(person).at(whence::of(parts, &settings)))?, csrf });
        }
        authenticate(&parts.headers, &app, Wanted::Management).await?;
        Err(AppError::Forbidden { needed: "a person who is signed in" }.into())
    }
}

/// The caller, counted: by what it may read or write in a minute.
pub(crate) fn counted(parts: &Parts, app: &App, caller: Caller) -> Result<Caller, AppError> {
    let request = if parts.method.is_safe() { limits::Request::Read } else { limits::Request::Write };
    Stands::tell(parts, limits::admit_request(app, &caller, request)?);
    Ok(caller)
}

/// Who shows the cookie of a sign-in, if there is one and no bearer token: what was put into a request by hand counts before what a browser
/// puts into each. What changes something must come from a page of ours, since the browser sends the cookie whoever asks it to.
async fn signed_in(parts: &Parts, app: &App, settings: &WebSettings) -> Result<Option<(PersonCaller, CsrfToken)>, ApiError> {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let Some(cookie) = cookies::sign_in(settings, &parts.headers) else { return Ok(None) };
    let person = accounts::authenticate(app, cookie).await?;
    let csrf = CsrfToken::of(cookie);
    let carried = parts.headers.get(CSRF).and_then(|token| token.to_str().ok());
    let from_us = match Initiator::of(settings, &parts.headers, &parts.uri) {
        Initiator::Ours => carried.is_none_or(|carried| csrf.is(carried)),
        Initiator::Unknown => carried.is_some_and(|carried| csrf.is(carried)),
        Initiator::Foreign => false,
    };
    if parts.method.is_safe() || from_us {
        return Ok(Some((person, csrf)));
    }
    let message = "a request with a cookie that changes something must come from a page of this installation, or carry the header Toolwright-Csrf";
    Err(ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message))
}

fn named_customer(headers: &HeaderMap) -> Result<Option<CustomerId>, ApiError> {
    let Some(named) = headers.get(CUSTOMER) else { return Ok(None) };
    let id = named.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| ApiError::invalid("the header Toolwright-Customer must be the id of a customer"))
}

async fn authenticate(headers: &HeaderMap, app: &App, wanted: Wanted<'_>) -> Result<Who, ApiError> {
    let token = bearer(headers)
        .ok_or_else(|| ApiError::no_token("a key is needed in the header Authorization, as `Authorization: Bearer <key>`"))?;
    Ok(tokens::authenticate(app, token, wanted).await?)
}

/// The bearer token of a request. The scheme's case does not matter (RFC 9110, section 11.1); two `Authorization` fields are none.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let field = fields.next().filter(|field| field.len() <= TOKEN_BYTES_MAX)?;
    if fields.next().is_some() {
        return None;
    }
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_case_of_the_scheme_does_not_matter() {
        for field in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(bearer(&headers(&[field])), Some("abc"), "{field}");
        }
    }

    #[test]
    fn what_is_not_one_bearer_token_is_none() {
        let long = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX));
        for fields in [&[][..], &["abc"], &["Bearer"], &["Bearer "], &["Basic abc"], &[&long], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(fields)), None, "{fields:?}");
        }
    }

    fn headers(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (header::AUTHORIZATION, HeaderValue::from_str(field).unwrap())).collect()
    }
}
