//! Why a client gets no tokens.

use oauth::{TokenError, TokenErrorCode};
use store::StoreError;

use crate::{AppError, client_documents::ClientDocumentError};

/// Why an endpoint that clients talk to themselves did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The client is told why (RFC 6749, section 5.2).
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// It is not the client's fault.
    #[error(transparent)]
    App(#[from] AppError),
}

impl TokenFault {
    pub(crate) fn new(code: TokenErrorCode, description: &str) -> Self {
        Self::Refused(TokenError::new(code, description))
    }

    pub(crate) fn invalid_grant(description: &str) -> Self {
        Self::new(TokenErrorCode::InvalidGrant, description)
    }
}

impl From<StoreError> for TokenFault {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

impl From<ClientDocumentError> for TokenFault {
    /// A client whose host is away for now is told to come back, and not that it is none.
    fn from(error: ClientDocumentError) -> Self {
        match error.passing() {
            Ok(error) => Self::App(error),
            Err(error) => Self::new(TokenErrorCode::InvalidClient, &error.to_string()),
        }
    }
}
