//! The request that a browser brings to the authorization endpoint (RFC 6749, section 4.1.1).

use crate::{
    Challenge, ChallengeError, ClientIdError, ErrorDescription, Issuer, Parameters, ParametersError, Prompt, PromptError,
    RedirectUriError, ReplyTo, Resource, ResourceError, ScopeError,
};

/// A request in the right form. Whether its client exists, and owns the address to answer to, is not known yet: see [`ReplyTo::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Who asks, and where the answer is to go.
    pub reply_to: ReplyTo,
    /// The hash that whoever redeems the code must know the origin of.
    pub challenge: Challenge,
    /// `scope` as it was written; see [`crate::asked_scopes`].
    pub scope: Option<String>,
    /// What the token is to be for. Clients older than MCP's 2025-06-18 do not say.
    pub resource: Option<Resource>,
    /// What the user is to be asked.
    pub prompt: Prompt,
}

/// Why a request is refused, and who is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeFault {
    /// Only the person at the browser is told: there is no address that it could be sent to.
    #[error(transparent)]
    Page(#[from] PageFault),
    /// The client is told, once its address has been [checked](ReplyTo::check).
    #[error("{error}")]
    Reply {
        /// Where the answer is to go: not checked yet.
        reply_to: Box<ReplyTo>,
        /// What it says.
        error: AuthorizeError,
    },
}

/// What is wrong with the client or the address: never sent on (RFC 6749, section 4.1.2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// The query cannot be read at all, or names client or address more than once.
    #[error("the request cannot be read: {0}")]
    Parameters(#[from] ParametersError),
    /// No client is named.
    #[error("the request names no client: `client_id` is missing")]
    ClientMissing,
    /// What is named is no client.
    #[error("the request names no client: {0}")]
    Client(#[from] ClientIdError),
    /// The address is none that a browser may be sent to.
    #[error("the request cannot be answered: {0}")]
    RedirectUri(#[from] RedirectUriError),
    /// No address is named, and the client has not exactly one.
    #[error("the request cannot be answered: `redirect_uri` is missing")]
    RedirectUriMissing,
    /// The address is none of the client's.
    #[error("the request cannot be answered: the client has not registered this `redirect_uri`")]
    RedirectUriNotRegistered,
}

/// What a client is told by way of the browser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct AuthorizeError {
    /// For the program.
    pub code: AuthorizeErrorCode,
    /// For its developer.
    pub description: ErrorDescription,
}

/// Codes of errors at the authorization endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizeErrorCode {
    /// Something is missing, repeated or malformed (RFC 6749, section 4.1.2.1).
    InvalidRequest,
    /// The client may not do this (same section).
    UnauthorizedClient,
    /// The user, or this server, said no (same section).
    AccessDenied,
    /// Only codes are given out (same section).
    UnsupportedResponseType,
    /// No scope that is known (same section).
    InvalidScope,
    /// Something broke here (same section).
    ServerError,
    /// Too much is going on here (same section).
    TemporarilyUnavailable,
    /// No resource of ours (RFC 8707, section 2).
    InvalidTarget,
    /// Nothing may be asked, and nobody is signed in (OpenID Connect Core, section 3.1.2.6).
    LoginRequired,
    /// Nothing may be asked, and the user has not let the client in (same section).
    ConsentRequired,
    /// Nothing may be asked, and something else must be (same section).
    InteractionRequired,
    /// `request` is not read (same section).
    RequestNotSupported,
    /// `request_uri` is not read (same section).
    RequestUriNotSupported,
}

impl AuthorizeErrorCode {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidTarget => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
        }
    }
}

impl AuthorizeError {
    /// An error with words for the developer.
    #[must_use]
    pub fn new(code: AuthorizeErrorCode, description: &str) -> Self {
        Self { code, description: ErrorDescription::new(description) }
    }
}

impl AuthorizationRequest {
    /// Reads the query of a request.
    pub fn parse(issuer: &Issuer, query: &str) -> Result<Self, AuthorizeFault> {
        let parameters = Parameters::parse(query).map_err(PageFault::Parameters)?;
        let reply_to = reply_to(&parameters)?;
        match Asked::parse(issuer, &parameters) {
            Ok(Asked { challenge, scope, resource, prompt }) => Ok(Self { reply_to, challenge, scope, resource, prompt }),
            Err(error) => Err(AuthorizeFault::Reply { reply_to: Box::new(reply_to), error }),
        }
    }

    /// Refuses this request after all, for a reason that shows only later: nobody signed in, no consent, no such resource.
    #[must_use]
    pub fn fault(&self, code: AuthorizeErrorCode, description: &str) -> AuthorizeFault {
        AuthorizeFault::Reply { reply_to: Box::new(self.reply_to.clone()), error: AuthorizeError::new(code, description) }
    }
}

impl From<ParametersError> for AuthorizeError {
    fn from(error: ParametersError) -> Self {
        Self::new(AuthorizeErrorCode::InvalidRequest, &error.to_string())
    }
}

impl From<ChallengeError> for AuthorizeError {
    fn from(error: ChallengeError) -> Self {
        Self::new(AuthorizeErrorCode::InvalidRequest, &error.to_string())
    }
}

impl From<PromptError> for AuthorizeError {
    fn from(error: PromptError) -> Self {
        Self::new(AuthorizeErrorCode::InvalidRequest, &error.to_string())
    }
}

impl From<ResourceError> for AuthorizeError {
    fn from(error: ResourceError) -> Self {
        Self::new(AuthorizeErrorCode::InvalidTarget, &error.to_string())
    }
}

impl From<ScopeError> for AuthorizeError {
    fn from(error: ScopeError) -> Self {
        Self::new(AuthorizeErrorCode::InvalidScope, &error.to_string())
    }
}

/// The parts whose faults the client is told of.
struct Asked {
    challenge: Challenge,
    scope: Option<String>,
    resource: Option<Resource>,
    prompt: Prompt,
}

impl Asked {
    fn parse(issuer: &Issuer, parameters: &Parameters) -> Result<Self, AuthorizeError> {
        parameters.check_that_each_stands_once()?;
        check_that_it_is_understood(parameters)?;
        Ok(Self {
            challenge: challenge(parameters)?,
            scope: parameters.find("scope").map(str::to_owned),
            resource: resource(issuer, parameters)?,
            prompt: parameters.find("prompt").map(Prompt::parse).transpose()?.unwrap_or_default(),
        })
    }
}

fn reply_to(parameters: &Parameters) -> Result<ReplyTo, PageFault> {
    if let Some(name) = ["client_id", "redirect_uri"].into_iter().find(|name| parameters.repeats(name)) {
        return Err(ParametersError::Repeated(name.to_owned()).into());
    }
    let client_id = parameters.find("client_id").ok_or(PageFault::ClientMissing)?.parse()?;
    let redirect_uri = parameters.find("redirect_uri").map(str::parse).transpose()?;
    // Of two states none can be told to be the client's.
    let state = if parameters.repeats("state") { None } else { parameters.find("state").map(str::to_owned) };
    Ok(ReplyTo { client_id, redirect_uri, state })
}

fn check_that_it_is_understood(parameters: &Parameters) -> Result<(), AuthorizeError> {
    use AuthorizeErrorCode::{InvalidRequest, RequestNotSupported, RequestUriNotSupported, UnsupportedResponseType};
    let wrong = |code, description| Err(AuthorizeError::new(code, description));
    match parameters.find("response_type") {
        Some("code") => {}
        Some(_) => return wrong(UnsupportedResponseType, "`response_type` must be `code`"),
        None => return wrong(InvalidRequest, "`response_type` is missing"),
    }
    if parameters.find("response_mode").is_some_and(|mode| mode != "query") {
        return wrong(InvalidRequest, "`response_mode` must be `query`");
    }
    if parameters.find("request").is_some() {
        return wrong(RequestNotSupported, "`request` is not read: put the parameters into the query");
    }
    if parameters.find("request_uri").is_some() {
        return wrong(RequestUriNotSupported, "`request_uri` is not read: put the parameters into the query");
    }
    Ok(())
}

fn challenge(parameters: &Parameters) -> Result<Challenge, AuthorizeError> {
    let wrong = |description| AuthorizeError::new(AuthorizeErrorCode::InvalidRequest, description);
    let challenge =
        parameters.find("code_challenge").ok_or_else(|| wrong("`code_challenge` is missing: every client needs PKCE"))?;
    // Left out, the method would be `plain` (RFC 7636, section 4.3), which is not taken.
    if parameters.find("code_challenge_method") != Some("S256") {
        return Err(wrong("`code_challenge_method` must be `S256`"));
    }
    Ok(Challenge::parse(challenge)?)
}

fn resource(issuer: &Issuer, parameters: &Parameters) -> Result<Option<Resource>, ResourceError> {
    let mut all = parameters.all("resource");
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(ResourceError::Several),
        (Some(text), None) => Resource::parse(issuer, text).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
