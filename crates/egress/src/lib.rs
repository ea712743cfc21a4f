//! The only way out. [`Egress`] is one per node: resolver, address guard, TLS, connections, breakers. [`Outbound`] is one call's share of
//! it: what its tool was granted, what its tier allows, until when.
//!
//! A request is checked in this order, at its first hop and at every redirect: the URL's form, the grants, the secrets in it, the tier's
//! bytes; it waits for a place, and asks the breaker of the host. Then the name is resolved once, every address it has is checked, and one of
//! exactly these is connected to (SEC-12), unless the customer has a connection to that origin from an earlier request. Guest code holds
//! placeholders of secrets; their values are put in here and are taken out of answers (SEC-16).

mod address;
mod body;
mod breakers;
mod call;
mod config;
mod connector;
mod deadline;
mod egress;
mod error;
mod exchange;
mod fetch;
mod guard;
mod headers;
mod host_and_port;
mod latency;
mod meter;
mod outbound;
mod owner;
mod permission;
mod pool;
mod request_body;
mod resolver;
mod secrets;
mod sending;
mod target;
mod tls;
mod usage;

pub use body::ResponseBody;
pub use breakers::{BreakerConfig, BreakerState, BreakerView, Forced};
pub use config::EgressConfig;
pub use egress::{Egress, StartError};
pub use error::{Attempt, ErrorCategory, FetchError, Phase};
pub use fetch::{FetchRequest, FetchResponse, Redirect};
pub use host_and_port::{HostAndPort, ParseHostAndPortError};
pub use outbound::{Outbound, Waits};
pub use permission::{Bounds, GrantedSecret, Permission};
pub use request_body::BoxError;
pub use secrets::SecretError;
pub use usage::Usage;
