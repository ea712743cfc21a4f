//! The two eras of the protocol, and how a request says which one it speaks.

use domain::Abilities;
use http::HeaderMap;
use rmcp::model::{ClientCapabilities, ProgressToken, ProtocolVersion};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    log_level::Severity,
    refusal::Refusal,
    routing_headers::{self, MCP_PROTOCOL_VERSION},
};

const PROTOCOL_VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// How client and server come to know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2024-11-05 to 2025-11-25: once, by `initialize`.
    Handshake,
    /// 2026-07-28: in the `_meta` of every request.
    PerRequest,
}

/// What the parameters of any request may carry under `_meta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    /// Reads `_meta`. What is not an object counts as absent.
    pub(super) fn read(given: Option<&'a RawValue>) -> Result<Self, Refusal> {
        match given.map(RawValue::get) {
            Some(text) if text.starts_with('{') => serde_json::from_str(text).map_err(|error| Refusal::params(&error)),
            _ => Ok(Self::default()),
        }
    }

    /// What reports of progress are to be labelled with; absent if nobody wants them.
    pub(super) fn progress_token(&self) -> Option<ProgressToken> {
        serde_json::from_str(self.progress_token?.get()).ok()
    }

    /// The least line of a tool's log that is wanted; absent if none is.
    pub(super) fn log_level(&self) -> Result<Option<Severity>, Refusal> {
        self.log_level.map(|given| Severity::read(Some(given))).transpose()
    }

    /// What the client declares that it can be asked.
    pub(super) fn abilities(&self) -> Abilities {
        let declared = self.client_capabilities.map_or("{}", RawValue::get);
        if declared == "{}" {
            return Abilities::default();
        }
        serde_json::from_str(declared).map(|declared| Abilities::of_capabilities(&declared)).unwrap_or_default()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        serde_json::from_str(self.protocol_version?.get()).ok()
    }

    fn has_client_capabilities(&self) -> bool {
        let Some(given) = self.client_capabilities.map(RawValue::get) else { return false };
        given == "{}" || given.starts_with('{') && serde_json::from_str::<ClientCapabilities>(given).is_ok()
    }
}

/// The era of a request other than `initialize`, whose headers and `_meta` have been found to agree.
///
/// `name` is what the request names, where its method has that: the tool of a `tools/call`. The order of the checks is `rmcp`'s, so that
/// both halves of this door complain of the same thing first.
pub(super) fn of_request(headers: &HeaderMap, method: &str, name: Option<&str>, meta: &Meta<'_>) -> Result<Era, Refusal> {
    let in_header = routing_headers::single(headers, MCP_PROTOCOL_VERSION)?;
    let in_body = meta.protocol_version();
    if in_body.is_none() {
        in_header.map_or(Ok(()), check_known)?;
    }
    if in_header.is_some_and(is_per_request) {
        routing_headers::check(headers, method, name)?;
    }
    match (in_body, in_header) {
        (Some(_), None) => {
            Err(Refusal::header_mismatch("the header MCP-Protocol-Version is missing: it repeats what params._meta says"))
        }
        (Some(body), Some(header)) if body.as_str() != header => Err(Refusal::header_mismatch(format!(
            "the header MCP-Protocol-Version says {header:.32}, params._meta says {body:.32}"
        ))),
        (Some(version), Some(_)) => {
            check_known(version.as_str())?;
            match is_per_request(version.as_str()) {
                true if meta.has_client_capabilities() => Ok(Era::PerRequest),
                true => Err(Refusal::missing_meta(&[CLIENT_CAPABILITIES_KEY])),
                false => Ok(Era::Handshake),
            }
        }
        (None, header) if method == "server/discover" || header.is_some_and(is_per_request) => {
            let capabilities = (!meta.has_client_capabilities()).then_some(CLIENT_CAPABILITIES_KEY);
            let missing: Vec<_> = [PROTOCOL_VERSION_KEY].into_iter().chain(capabilities).collect();
            Err(Refusal::missing_meta(&missing))
        }
        (None, _) => Ok(Era::Handshake),
    }
}

/// Whether a request says by its header alone that it is one of 2026-07-28.
pub(super) fn is_of_2026(headers: &HeaderMap) -> bool {
    routing_headers::single(headers, MCP_PROTOCOL_VERSION).ok().flatten().is_some_and(is_per_request)
}

/// Checks the headers of a request for a stream.
pub(super) fn check_stream(headers: &HeaderMap) -> Result<(), Refusal> {
    routing_headers::single(headers, MCP_PROTOCOL_VERSION)?.map_or(Ok(()), check_known)
}

/// Checks the headers of a notification: they may be absent, but not wrong.
pub(super) fn check_notification(headers: &HeaderMap, method: &str) -> Result<(), Refusal> {
    let version = routing_headers::single(headers, MCP_PROTOCOL_VERSION)?;
    version.map_or(Ok(()), check_known)?;
    routing_headers::check_method_if_given(headers, method)
}

/// Checks the headers of `initialize`: clients send them once a version has been agreed, but what they send must not contradict.
pub(super) fn check_initialize(headers: &HeaderMap, requested: &ProtocolVersion) -> Result<(), Refusal> {
    let Some(version) = routing_headers::single(headers, MCP_PROTOCOL_VERSION)? else { return Ok(()) };
    if version != requested.as_str() {
        let message = format!("the header MCP-Protocol-Version says {version:.32}, params.protocolVersion says {requested:.32}");
        return Err(Refusal::invalid_request(message));
    }
    routing_headers::check_method_if_given(headers, "initialize")
}

fn check_known(version: &str) -> Result<(), Refusal> {
    if ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str() == version) {
        Ok(())
    } else {
        Err(Refusal::unsupported_version(version))
    }
}

/// Versions are dates, so their order is that of their letters.
fn is_per_request(version: &str) -> bool {
    version >= ProtocolVersion::NO_INITIALIZE.as_str()
}
