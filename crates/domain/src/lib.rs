//! The words of Toolwright as checked types. Everything here is data and rules: nothing reads a clock, a file or a socket of
//! its own accord, and nothing awaits.

mod clock;
mod diagnostic;
mod digest;
mod grants;
mod ids;
mod interface;
mod language;
mod limits;
mod log_line;
mod names;
mod outcome;
mod receipt;
mod tier;

pub use clock::{Clock, SetClock, SystemClock};
pub use diagnostic::Diagnostic;
pub use digest::{Digest, ParseDigestError};
pub use grants::{GrantError, GrantedHost, Grants, HostPattern, HttpMethod};
pub use ids::{ApiKeyId, CallId, CustomerId, ReleaseId, RequestId, ServerId, ToolId, VersionId};
pub use interface::{Example, InterfaceError, ToolInterface};
pub use language::Language;
pub use limits::{LibraryModules, LimitExceeded, LimitName, Limits};
pub use log_line::{LogLevel, LogLine};
pub use names::{ApiKeyName, CustomerName, EnvName, EnvValue, NameError, ServerTitle, Slug, ToolName};
pub use outcome::{Outcome, Status, ToolFailure};
pub use receipt::Receipt;
pub use tier::{Tier, TierName};
