//! Who asks.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{
    ApiKeyId, AuthorizationId, ConsentId, CustomerId, MemberRole, Offer, RequestId, Scope, Scopes, ServerId, SignInId,
    ToolInterface, ToolName, UserId,
};
use store::pins::PinHolder;
use uuid::Uuid;

use crate::AppError;

/// Who asks, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is: what decides what they may do.
    pub who: Who,
    /// From where: what is written down of it, and decides nothing.
    pub from: Whence,
}

/// From where something is asked. Nothing is known where the program asks itself: for a command, or in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whence {
    /// The request.
    pub request: Option<RequestId>,
    /// The address of whoever sent it.
    pub address: Option<IpAddr>,
}

/// Who asks. What is kept in memory of a key or a token is this alone: each request comes from somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs the platform.
    Admin,
    /// A customer, by one of its API keys.
    Key(KeyCaller),
    /// A person who is signed in and acts for a customer.
    Member(MemberCaller),
    /// A person who is signed in, about what is theirs alone.
    Person(PersonCaller),
    /// A client, by a token that somebody let it have.
    Token(Arc<TokenCaller>),
    /// Nobody who is known.
    Anyone,
}

/// A customer, by one of its API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyCaller {
    /// The customer.
    pub customer: CustomerId,
    /// The key that was shown.
    pub api_key: ApiKeyId,
    /// Whether definitions are held against what was read first through that key (SEC-18).
    pub pins_definitions: bool,
}

/// A person who is signed in and acts for a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberCaller {
    /// The person.
    pub user: UserId,
    /// Their sign-in.
    pub sign_in: SignInId,
    /// The customer.
    pub customer: CustomerId,
    /// What they may do there.
    pub role: MemberRole,
}

/// A person who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonCaller {
    /// The person.
    pub user: UserId,
    /// Their sign-in.
    pub sign_in: SignInId,
}

/// A client, by an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCaller {
    /// What the token comes from; ending it ends the token.
    pub authorization: AuthorizationId,
    /// The client's `client_id`.
    pub client: String,
    /// Who let the client in; absent if it came for itself.
    pub user: Option<UserId>,
    /// By which consent; absent likewise.
    pub consent: Option<ConsentId>,
    /// Whether definitions are held against what was pinned for that consent (SEC-18).
    pub pins_definitions: bool,
    /// What the token is for (RFC 8707): this and nothing else.
    pub audience: Audience,
    /// What it may be used for there.
    pub scopes: Scopes,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// One server.
    Server(ServerId),
    /// What one customer has.
    Management {
        /// The customer.
        customer: CustomerId,
        /// What whoever let the client in may do there.
        role: MemberRole,
    },
}

/// What tells callers apart: two requests are of one caller if and only if it is the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerIdentity {
    /// Whoever runs the platform.
    Admin,
    /// By this API key.
    Key(ApiKeyId),
    /// By this sign-in.
    SignIn(SignInId),
    /// By tokens of this authorization.
    Authorization(AuthorizationId),
    /// Nobody who is known: this may be many.
    Anyone,
}

impl CallerIdentity {
    /// The same, for what is bound to a caller: a number for the kind, and the id.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 17] {
        let (kind, id) = match self {
            Self::Admin => (0, Uuid::nil()),
            Self::Key(key) => (1, key.as_uuid()),
            Self::SignIn(sign_in) => (2, sign_in.as_uuid()),
            Self::Authorization(authorization) => (3, authorization.as_uuid()),
            Self::Anyone => (4, Uuid::nil()),
        };
        let mut bytes = [kind; 17];
        if let Some(rest) = bytes.get_mut(1..) {
            rest.copy_from_slice(id.as_bytes());
        }
        bytes
    }
}

impl Who {
    /// The API key that was shown, if it was one.
    #[must_use]
    pub const fn api_key(&self) -> Option<ApiKeyId> {
        match self {
            Self::Key(key) => Some(key.api_key),
            _ => None,
        }
    }

    /// The same, asking from somewhere.
    #[must_use]
    pub const fn at(self, from: Whence) -> Caller {
        Caller { who: self, from }
    }
}

impl Caller {
    /// Somebody of whom it is not known from where they ask: the program itself, or a test.
    #[must_use]
    pub const fn of(who: Who) -> Self {
        who.at(Whence { request: None, address: None })
    }

    /// What tells it apart from others.
    #[must_use]
    pub fn identity(&self) -> CallerIdentity {
        match &self.who {
            Who::Admin => CallerIdentity::Admin,
            Who::Key(key) => CallerIdentity::Key(key.api_key),
            Who::Member(member) => CallerIdentity::SignIn(member.sign_in),
            Who::Person(person) => CallerIdentity::SignIn(person.sign_in),
            Who::Token(token) => CallerIdentity::Authorization(token.authorization),
            Who::Anyone => CallerIdentity::Anyone,
        }
    }

    /// The API key that was shown, if it was one.
    #[must_use]
    pub const fn api_key(&self) -> Option<ApiKeyId> {
        self.who.api_key()
    }

    /// The authorization whose token was shown, if it was one.
    #[must_use]
    pub fn authorization(&self) -> Option<AuthorizationId> {
        match &self.who {
            Who::Token(token) => Some(token.authorization),
            _ => None,
        }
    }

    /// The consent that the token comes of, if one was shown that comes of any.
    #[must_use]
    pub fn consent(&self) -> Option<ConsentId> {
        match &self.who {
            Who::Token(token) => token.consent,
            _ => None,
        }
    }

    /// The person who asks, or who let the client in that does.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match &self.who {
            Who::Member(member) => Some(member.user),
            Who::Person(person) => Some(person.user),
            Who::Token(token) => token.user,
            Who::Admin | Who::Key(_) | Who::Anyone => None,
        }
    }

    /// The sign-in by which somebody asks.
    #[must_use]
    pub const fn sign_in(&self) -> Option<SignInId> {
        match &self.who {
            Who::Member(member) => Some(member.sign_in),
            Who::Person(person) => Some(person.sign_in),
            Who::Admin | Who::Key(_) | Who::Token(_) | Who::Anyone => None,
        }
    }

    /// The `client_id` of the client that shows a token.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        match &self.who {
            Who::Token(token) => Some(&token.client),
            _ => None,
        }
    }

    /// Refuses a token that is not for this use of a server; whoever comes without one is not bound by scopes. The refusal names all that a token needs
    /// which does what this one did so far, and this (RFC 6750, section 3.1).
    pub fn check_scope(&self, scope: &Scope) -> Result<(), AppError> {
        match &self.who {
            Who::Token(token) if !token.scopes.allows(scope) => {
                Err(AppError::Scope { needed: token.scopes.with(&Scopes::of([scope.clone()])) })
            }
            _ => Ok(()),
        }
    }

    /// Whether a list of a server shows it this tool; [`Caller::check_scope`] says whether it may call it.
    #[must_use]
    pub fn sees_tool(&self, tool: &ToolName) -> bool {
        match &self.who {
            Who::Token(token) => token.scopes.allows_tool(tool),
            _ => true,
        }
    }

    /// Whether it sees everything that a server offers: its tools, its resources, its prompts.
    #[must_use]
    pub fn sees_everything(&self) -> bool {
        match &self.who {
            Who::Token(token) => token.scopes.allows_server(),
            _ => true,
        }
    }

    /// What holds the pins that definitions are held against: the API key that was shown, or the consent that a token comes of (SEC-18); none
    /// where nobody asked for it.
    pub(crate) fn pin_holder(&self) -> Option<PinHolder> {
        match &self.who {
            Who::Key(KeyCaller { api_key, pins_definitions: true, .. }) => Some(PinHolder::ApiKey(*api_key)),
            Who::Token(token) if token.pins_definitions => token.consent.map(PinHolder::Consent),
            _ => None,
        }
    }

    /// The same whose key or consent holds back what changes, or does not; whoever has neither is as before.
    pub(crate) fn holding_back(self, pins_definitions: bool) -> Self {
        let who = match self.who {
            Who::Token(token) => Who::Token(Arc::new(TokenCaller { pins_definitions, ..TokenCaller::clone(&token) })),
            Who::Key(key) => Who::Key(KeyCaller { pins_definitions, ..key }),
            who => who,
        };
        Self { who, ..self }
    }

    /// Whether it may read this of a server: a token shows it what it is for.
    pub(crate) fn sees(&self, tool: &ToolInterface) -> bool {
        match &self.who {
            Who::Token(token) => are_for(&token.scopes, tool),
            _ => true,
        }
    }
}

/// Whether scopes let a client use this of a server: by themselves tools alone, and everything only with the whole server.
pub(crate) fn are_for(scopes: &Scopes, tool: &ToolInterface) -> bool {
    match tool.offer {
        Offer::Tool => scopes.allows_tool(&tool.name),
        Offer::Resource(_) | Offer::Prompt(_) => scopes.allows_server(),
    }
}
