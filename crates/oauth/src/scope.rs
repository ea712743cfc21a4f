//! Which scopes are asked for, and which may be given.

use domain::{Scope, Scopes};

use crate::Resource;

/// Why scopes cannot be given (`invalid_scope`, RFC 6749, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// None of the scopes that were asked for is one of this resource.
    #[error("none of the scopes asked for is known; known are: {0}")]
    Unknown(Scopes),
    /// More was asked for than was given at first.
    #[error("more scopes are asked for than were given; given were: {0}")]
    Wider(Scopes),
}

/// The scopes that a resource knows. Those of single tools are not listed: they are the tools' names.
#[must_use]
pub fn scopes_of(resource: &Resource) -> Scopes {
    match resource {
        Resource::Server(_) => Scopes::of([Scope::McpTools]),
        Resource::Management => Scopes::of([Scope::ServersRead, Scope::ServersWrite, Scope::ExecutionsRead, Scope::MembersWrite]),
    }
}

/// What is given when nothing is asked for (RFC 6749, section 3.3): all of a server, and of the API that which changes nothing.
#[must_use]
pub fn default_scopes(resource: &Resource) -> Scopes {
    match resource {
        Resource::Server(_) => scopes_of(resource),
        Resource::Management => Scopes::of([Scope::ServersRead]),
    }
}

/// The scopes that a request asks for. Those that the resource does not know are passed over, and the answer says what was given.
pub fn asked_scopes(asked: Option<&str>, resource: &Resource) -> Result<Scopes, ScopeError> {
    match asked.map(known) {
        None | Some(Asked::Nothing) => Ok(default_scopes(resource)),
        Some(Asked::These(scopes)) => {
            let scopes = scopes.within(&scopes_of(resource));
            if scopes.is_empty() { Err(ScopeError::Unknown(scopes_of(resource))) } else { Ok(scopes) }
        }
    }
}

/// The scopes of a token that a refresh asks for: those `given` at first, or fewer, never more (RFC 6749, section 6).
pub fn narrowed_scopes(asked: Option<&str>, given: &Scopes) -> Result<Scopes, ScopeError> {
    match asked.map(known) {
        None | Some(Asked::Nothing) => Ok(given.clone()),
        Some(Asked::These(scopes)) if !scopes.is_empty() && given.covers(&scopes) => Ok(scopes),
        Some(Asked::These(_)) => Err(ScopeError::Wider(given.clone())),
    }
}

enum Asked {
    /// Only words that ask for nothing here.
    Nothing,
    /// Some scopes; none, if none is known.
    These(Scopes),
}

/// `offline_access` and `openid` are what clients of OpenID Connect add to whatever they want; refresh tokens are given anyway.
fn known(text: &str) -> Asked {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    if words.all(|word| matches!(word, "offline_access" | "openid")) {
        Asked::Nothing
    } else {
        Asked::These(Scopes::known_in(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Resource {
        Resource::Server("demo".parse().unwrap())
    }

    #[test]
    fn rfc_6749_section_3_3_without_scopes_the_default_is_given() {
        for asked in [None, Some(""), Some("offline_access"), Some("openid  offline_access")] {
            assert_eq!(asked_scopes(asked, &server()).unwrap().to_string(), "mcp:tools", "{asked:?}");
            assert_eq!(asked_scopes(asked, &Resource::Management).unwrap().to_string(), "servers:read", "{asked:?}");
        }
    }

    #[test]
    fn rfc_6749_section_3_3_scopes_of_another_resource_are_passed_over() {
        assert_eq!(asked_scopes(Some("mcp:tools:add servers:write email"), &server()).unwrap().to_string(), "mcp:tools:add");
        assert_eq!(asked_scopes(Some("mcp:tools servers:write"), &Resource::Management).unwrap().to_string(), "servers:write");
        assert!(matches!(asked_scopes(Some("servers:write"), &server()), Err(ScopeError::Unknown(_))));
        assert!(matches!(asked_scopes(Some("email"), &server()), Err(ScopeError::Unknown(_))));
    }

    #[test]
    fn rfc_6749_section_6_a_refresh_never_widens() {
        let given = "mcp:tools:add mcp:tools:sub".parse().unwrap();

        assert_eq!(narrowed_scopes(None, &given).unwrap(), given);
        assert_eq!(narrowed_scopes(Some("mcp:tools:add offline_access"), &given).unwrap().to_string(), "mcp:tools:add");
        for asked in ["mcp:tools", "mcp:tools:mul", "mcp:tools:add mcp:tools:mul", "servers:read", "email"] {
            assert!(matches!(narrowed_scopes(Some(asked), &given), Err(ScopeError::Wider(_))), "{asked}");
        }
    }
}
