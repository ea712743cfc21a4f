//! Names and ids in a path.

use axum::extract::{FromRequestParts, path::ErrorKind, rejection::PathRejection};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::printable;
use crate::error::{self, ApiError};

/// The parameters of a path as checked types. A malformed name is 422: it can never name anything.
pub(crate) struct Path<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(rejection)) => Err(explain(rejection.into_kind())),
            Err(_) => Err(error::internal()),
        }
    }
}

fn explain(kind: ErrorKind) -> ApiError {
    match kind {
        ErrorKind::DeserializeError { message, .. } | ErrorKind::Message(message) => {
            ApiError::invalid(format!("the path is not right: {}", printable(&message)))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => ApiError::invalid(format!("`{key}` in the path is not UTF-8")),
        _ => error::internal(),
    }
}
