//! Clients and scopes in plain words, for people who decide on them and look at what they decided.

use domain::{Scope, Scopes};
use serde::Serialize;
use utoipa::ToSchema;

/// A scope, for programs and for people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scope)]
pub(crate) struct ScopeView {
    /// Its name.
    #[schema(example = "mcp:tools")]
    pub(crate) scope: String,
    /// What it lets a client do, in plain words.
    #[schema(example = "use everything on this server")]
    pub(crate) words: String,
}

/// Each scope with its words.
pub(crate) fn views(scopes: &Scopes) -> Vec<ScopeView> {
    scopes.iter().map(|scope| ScopeView { scope: scope.to_string(), words: in_words(scope).0 }).collect()
}

/// What a scope lets a client do, after "It may"; and what one may overlook in that.
pub(crate) fn in_words(scope: &Scope) -> (String, Option<&'static str>) {
    match scope {
        Scope::McpTools => (
            "use everything on this server".to_owned(),
            Some("All of its tools, resources and prompts, also those that are added later."),
        ),
        Scope::McpTool(tool) => (format!("use the tool {tool}"), None),
        Scope::ServersRead => ("see your servers, tools and releases".to_owned(), None),
        Scope::ServersWrite => (
            "build, change, release and delete tools and servers".to_owned(),
            Some("Also see them, and the names of their secrets."),
        ),
        Scope::ExecutionsRead => ("see what calls of your tools did".to_owned(), None),
        Scope::MembersWrite => ("invite, change and remove members".to_owned(), None),
    }
}

/// What is known of where a client comes from.
pub(crate) fn origin_of(host: Option<&str>) -> String {
    match host {
        Some(host) => format!("It comes from {host}."),
        None => "It registered itself: nobody has checked its name.".to_owned(),
    }
}
