//! OAuth 2.1: what goes over the wire, and the rules about it, as pure functions. Nothing here reads a clock, makes a random number,
//! opens a connection or awaits; time and randomness are passed in.

mod authorize;
mod claims;
mod client_authentication;
mod client_id;
mod code;
mod error_description;
mod issuer;
mod parameters;
mod pkce;
mod prompt;
mod redirect_uri;
mod refresh;
mod reply;
mod resource;
mod scope;
mod secret;
mod token_answer;
mod token_error;
mod token_request;

pub use authorize::{AuthorizationRequest, AuthorizeError, AuthorizeErrorCode, AuthorizeFault, PageFault};
pub use claims::{AccessTokenClaims, ClaimsError, ExpectedClaims};
pub use client_authentication::{AssertionClaims, AssertionError, Audiences, ClientAuthentication};
pub use client_id::{ClientId, ClientIdError, DocumentUrl};
pub use code::{Code, CodeOutcome, CodeRefusal, CodeState, Redemption};
pub use error_description::ErrorDescription;
pub use issuer::{Issuer, IssuerError};
pub use parameters::{Parameters, ParametersError};
pub use pkce::{Challenge, ChallengeError, Verifier, VerifierError};
pub use prompt::{Prompt, PromptError};
pub use redirect_uri::{RedirectUri, RedirectUriError};
pub use refresh::{Family, FamilyState, Presented, RefreshLifetimes};
pub use reply::{CheckedReply, ReplyTo};
pub use resource::{Resource, ResourceError};
pub use scope::{ScopeError, asked_scopes, default_scopes, narrowed_scopes, scopes_of};
pub use secret::Secret;
pub use token_answer::TokenAnswer;
pub use token_error::{TokenError, TokenErrorCode};
pub use token_request::{GrantType, TokenRequest};
