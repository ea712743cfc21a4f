//! The words of Toolwright as checked types. Everything here is data and rules: nothing reads a clock, a file or a socket of
//! its own accord, and nothing awaits.

mod access_policy;
mod clock;
mod content;
mod diagnostic;
mod digest;
mod email;
mod grants;
mod icon;
mod ids;
mod interface;
mod journal;
mod json_text;
mod keep_contents;
mod language;
mod limits;
mod log_line;
mod member_role;
mod names;
mod offer;
mod outcome;
mod param_header;
mod question;
mod receipt;
mod resource_uri;
mod scope;
mod server_words;
mod tier;

pub use access_policy::AccessPolicy;
pub use clock::{Clock, SetClock, SystemClock};
pub use content::{
    Completion, ContentAnnotations, ContentAnswer, ContentBlock, ContentError, PromptAnswer, PromptMessage, ResourceAnswer,
    ResourceContents, Role,
};
pub use diagnostic::Diagnostic;
pub use digest::{Digest, ParseDigestError};
pub use email::EmailAddress;
pub use grants::{Destination, GrantError, GrantedHost, Grants, HostPattern, HttpMethod, Precedence, Scheme};
pub use icon::{Icon, IconError, Theme};
pub use ids::{
    AccessId, ApiKeyId, AuditEntryId, AuthorizationId, CallId, ClientKey, ConsentId, CustomerId, IdentityId, InvitationId,
    JournalId, PasskeyId, QuestionId, ReleaseId, RequestId, ServerId, SignInId, ToolId, UserId, VersionId,
};
pub use interface::{Example, InterfaceError, ToolInterface};
pub use journal::{
    Entry, HostAnswer, HostCall, Journal, JournalEntry, JournalMismatch, JournalPins, Suspended, SuspendedBody, SuspendedSleep,
};
pub use json_text::{JsonText, JsonTextError};
pub use keep_contents::KeepContents;
pub use language::Language;
pub use limits::{LibraryModules, LimitExceeded, LimitName, Limits};
pub use log_line::{LogLevel, LogLine};
pub use member_role::MemberRole;
pub use names::{
    ApiKeyName, CustomerName, EnvName, EnvValue, ModuleName, NameError, PasskeyName, PersonName, ServerTitle, Slug, ToolName,
    UpstreamId,
};
pub use offer::{Offer, PromptArgument, PromptOffer, ResourceOffer};
pub use outcome::{Answer, Outcome, Status, ToolFailure};
pub use param_header::{ParamHeader, ParamHeaderError};
pub use question::{
    Abilities, Ability, AnswerError, OpenQuestion, ParseQuestionKeyError, Question, QuestionAnswer, QuestionError, QuestionKey,
    QuestionKind,
};
pub use receipt::Receipt;
pub use resource_uri::ResourceUri;
pub use scope::{Scope, Scopes};
pub use server_words::ServerWords;
pub use tier::{Tier, TierName};
