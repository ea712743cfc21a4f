//! Who asks: the bearer token of a request (RFC 6750, section 2.1) and whose it is.

use std::sync::Arc;

use app::{App, AppError, Caller, tokens};
use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, header, request::Parts};

use crate::error::ApiError;

/// The longest token that is looked at: an API key has 46 characters, the tokens of an authorization server some hundred.
const TOKEN_BYTES_MAX: usize = 4096;

/// Whoever runs the platform: the door of `/admin/v1`. What they may do is decided in `app`.
pub(crate) struct AdminCaller(pub(crate) Caller);

/// Whoever acts for a customer, by one of its API keys, signed in, or by a token: the door of `/api/v1`. What they may do is decided in `app`.
pub(crate) struct CustomerCaller(pub(crate) Caller);

impl<S> FromRequestParts<S> for AdminCaller
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match authenticate(&parts.headers, &Arc::from_ref(state)).await? {
            caller @ Caller::Admin => Ok(Self(caller)),
            _ => Err(AppError::Forbidden { needed: "the admin key" }.into()),
        }
    }
}

impl<S> FromRequestParts<S> for CustomerCaller
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match authenticate(&parts.headers, &Arc::from_ref(state)).await? {
            caller @ (Caller::Key(_) | Caller::Member(_) | Caller::Token(_)) => Ok(Self(caller)),
            Caller::Admin | Caller::Person(_) | Caller::Anyone => {
                Err(AppError::Forbidden { needed: "a customer's API key" }.into())
            }
        }
    }
}

async fn authenticate(headers: &HeaderMap, app: &App) -> Result<Caller, ApiError> {
    let token = bearer(headers)
        .ok_or_else(|| ApiError::no_token("a key is needed in the header Authorization, as `Authorization: Bearer <key>`"))?;
    Ok(tokens::authenticate(app, token).await?)
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
