//! Forms that come back: bounded, from a page of ours, with the token that only this browser was given.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, Request};
use domain::Scopes;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::json;
use url::form_urlencoded;

use super::{cookies::FormCookie, csrf::CsrfToken, same_origin::Initiator};
use crate::{
    WebSettings,
    envelope::ErrorCode,
    error::ApiError,
    extract::body::{self, BodyBounds},
};

/// Bytes of a form: the longest return path, which may be an authorization request, and some fields.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Fields of a form: a tick box for each scope that a client may ask for, and what goes with them.
const FIELDS_MAX: usize = Scopes::COUNT_MAX + 16;

/// A form that somebody filled in on a page of ours, and nobody else for them (cross-site request forgery).
#[derive(Debug)]
pub(crate) struct PostedForm {
    fields: Vec<(String, String)>,
    csrf: CsrfToken,
}

impl PostedForm {
    /// What was filled in; empty if nothing was.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// What was filled in and is to be shown to nobody.
    pub(crate) fn secret(&self, name: &str) -> SecretString {
        SecretString::from(self.text(name))
    }

    /// What the forms of the same browser carry.
    pub(crate) const fn csrf(&self) -> &CsrfToken {
        &self.csrf
    }
}

impl<S> FromRequest<S> for PostedForm
where
    S: Send + Sync,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let settings = Arc::<WebSettings>::from_ref(state);
        if Initiator::of(&settings, request.headers(), request.uri()) == Initiator::Foreign {
            return Err(refused("this form came from a page of another site"));
        }
        let csrf = FormCookie::of_request(&settings, request.headers()).ok_or_else(|| {
            refused("this form came without the cookie that went with it: allow cookies for this site, go back, and load the page again")
        })?;
        if body::media_type(request.headers()) != "application/x-www-form-urlencoded" {
            return Err(body::unsupported("a form is needed, as application/x-www-form-urlencoded"));
        }
        body::check_plain(request.headers())?;
        let bytes = body::read(request, &BodyBounds { bytes_max: BODY_BYTES_MAX, wait: settings.body_wait }, too_large).await?;
        let form = Self { fields: parse(&bytes)?, csrf };
        if !form.csrf.is(form.text("csrf")) {
            return Err(refused("this form is no longer valid: go back, load the page again, and fill it in once more"));
        }
        Ok(form)
    }
}

/// The fields of a form. One that stands twice would be read in two ways by two readers.
fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(bytes).take(FIELDS_MAX + 1) {
        if fields.len() == FIELDS_MAX || fields.iter().any(|(field, _)| *field == name) {
            return Err(ApiError::invalid("this form has a field twice, or too many fields"));
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Ok(fields)
}

fn refused(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
}

fn too_large() -> ApiError {
    let message = format!("the form is larger than the {BODY_BYTES_MAX} bytes that are read");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
        .with_details(json!({ "bytes_max": BODY_BYTES_MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stands_once() {
        assert_eq!(parse(b"a=1&b=%2F+x").unwrap(), [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "/ x".to_owned())]);
        assert!(parse(b"a=1&a=2").is_err());
        let many = (0..=FIELDS_MAX).map(|index| format!("f{index}=")).collect::<Vec<_>>().join("&");
        assert!(parse(many.as_bytes()).is_err());
    }
}
