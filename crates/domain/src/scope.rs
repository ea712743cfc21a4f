//! What a token may be used for (RFC 6749, section 3.3).

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{NameError, ToolName};

/// One thing that a token may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that a server serves: tools, resources, prompts.
    McpTools,
    /// One tool of a server: to see it and to call it.
    McpTool(ToolName),
    /// To read servers, tools, versions and releases of a customer.
    ServersRead,
    /// To build, try, release, change and delete them.
    ServersWrite,
    /// To read what calls did.
    ExecutionsRead,
    /// To invite, change and remove members.
    MembersWrite,
}

/// A set of scopes, in one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

const PREFIX: &str = "mcp:tools:";

impl Scopes {
    /// Scopes of a set, at most.
    pub const COUNT_MAX: usize = 64;

    /// A set of these.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().collect())
    }

    /// The scopes of a list with spaces between, but for those that are not known here, which are passed over (RFC 6749, section 3.3), and
    /// `offline_access`, which asks for nothing that is not given anyway. The first [`Scopes::COUNT_MAX`] count.
    #[must_use]
    pub fn known_in(text: &str) -> Self {
        Self(text.split(' ').filter_map(|scope| scope.parse().ok()).take(Self::COUNT_MAX).collect())
    }

    /// Whether it has no scope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its scopes.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether all of a server may be used.
    #[must_use]
    pub fn allows_server(&self) -> bool {
        self.0.contains(&Scope::McpTools)
    }

    /// Whether this tool of a server may be used.
    #[must_use]
    pub fn allows_tool(&self, tool: &ToolName) -> bool {
        self.allows_server() || self.0.contains(&Scope::McpTool(tool.clone()))
    }

    /// Whether `scope` is in it, or in one that it has.
    #[must_use]
    pub fn allows(&self, scope: &Scope) -> bool {
        match scope {
            Scope::McpTool(tool) => self.allows_tool(tool),
            Scope::ServersRead => self.0.contains(scope) || self.0.contains(&Scope::ServersWrite),
            _ => self.0.contains(scope),
        }
    }

    /// Whether everything in `others` is allowed by it.
    #[must_use]
    pub fn covers(&self, others: &Self) -> bool {
        others.0.iter().all(|scope| self.allows(scope))
    }

    /// Those of `self` that `allowed` allows.
    #[must_use]
    pub fn within(&self, allowed: &Self) -> Self {
        Self(self.0.iter().filter(|scope| allowed.allows(scope)).cloned().collect())
    }

    /// Those of both, as far as a set goes ([`Scopes::COUNT_MAX`]): of more, those of `others` come first.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let left = Self::COUNT_MAX.saturating_sub(others.0.len());
        Self(others.0.iter().chain(self.0.difference(&others.0).take(left)).cloned().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::McpTools => out.write_str("mcp:tools"),
            Self::McpTool(tool) => write!(out, "{PREFIX}{tool}"),
            Self::ServersRead => out.write_str("servers:read"),
            Self::ServersWrite => out.write_str("servers:write"),
            Self::ExecutionsRead => out.write_str("executions:read"),
            Self::MembersWrite => out.write_str("members:write"),
        }
    }
}

impl FromStr for Scope {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "mcp:tools" => Ok(Self::McpTools),
            "servers:read" => Ok(Self::ServersRead),
            "servers:write" => Ok(Self::ServersWrite),
            "executions:read" => Ok(Self::ExecutionsRead),
            "members:write" => Ok(Self::MembersWrite),
            _ => match text.strip_prefix(PREFIX) {
                Some(tool) => tool.parse().map(Self::McpTool),
                None => Err(NameError::new("scope", "one of those that the metadata of the authorization server name", text)),
            },
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(out, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = NameError;

    /// A list of ours: every scope in it must be known.
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.split(' ')
            .filter(|scope| !scope.is_empty())
            .take(Self::COUNT_MAX)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for Scopes {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn a_union_is_no_larger_than_a_set_may_be() {
        let tools = |from: usize| Scopes::of((from..from + 64).map(|index| format!("mcp:tools:t{index:03}").parse().unwrap()));

        let both = tools(0).with(&tools(32));

        assert_eq!(both.iter().count(), Scopes::COUNT_MAX);
        assert!(both.covers(&tools(32)), "the later ones come first");
        assert_eq!(both.to_string().parse::<Scopes>(), Ok(both));
        assert_eq!(tools(0).with(&tools(0)), tools(0));
    }

    #[test]
    fn a_list_is_read_and_written_in_one_order() {
        assert_eq!(scopes("servers:read mcp:tools:add mcp:tools").to_string(), "mcp:tools mcp:tools:add servers:read");
        assert_eq!(Scopes::known_in("mcp:tools offline_access openid mcp:tools:a/b").to_string(), "mcp:tools");
        assert!("mcp:tools openid".parse::<Scopes>().is_err());
    }

    #[test]
    fn the_whole_covers_its_parts_and_not_the_other_way() {
        for (has, wanted, covers) in [
            ("mcp:tools", "mcp:tools:add", true),
            ("mcp:tools:add", "mcp:tools", false),
            ("mcp:tools:add", "mcp:tools:sub", false),
            ("servers:write", "servers:read", true),
            ("servers:read", "servers:write", false),
            ("servers:write", "members:write", false),
            ("mcp:tools", "servers:read", false),
        ] {
            assert_eq!(scopes(has).covers(&scopes(wanted)), covers, "{has} {wanted}");
        }
    }

    #[test]
    fn what_is_asked_for_is_cut_to_what_is_allowed() {
        assert_eq!(
            scopes("mcp:tools mcp:tools:add servers:read").within(&scopes("mcp:tools:add servers:write")).to_string(),
            "mcp:tools:add servers:read"
        );
    }
}
