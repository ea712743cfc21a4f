//! Headers `X-Env-NAME`, which bring secrets of callers to the tools of a server (SEC-7).

use http::{HeaderMap, HeaderName};

use crate::error::ApiError;

/// What their names begin with.
const PREFIX: &str = "x-env-";

/// The only path that takes them, with a server's name behind it.
const WHERE: &str = "/mcp/";

/// What stands behind the prefix in the name of such a header, in lower case; `None` for any other header.
pub(crate) fn name_in(header: &HeaderName) -> Option<&str> {
    header.as_str().strip_prefix(PREFIX)
}

/// Refuses them wherever no tool is called: whoever sends one elsewhere has taken one address for another, and is to know that the secret went
/// astray. `/mcp` itself holds them against what its server's tools take.
pub(crate) fn check(path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    if !path.starts_with(WHERE) && headers.keys().any(|name| name_in(name).is_some()) {
        let message = "headers X-Env-... are taken at /mcp/<server> only, for tools that ask for them: send none here";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}
