//! Grants, as the API shows and describes them.

use std::collections::BTreeMap;

use domain::{GrantedHost, Grants, HttpMethod, Precedence, Scheme};
use serde::Serialize;
use utoipa::ToSchema;

/// What a version of a tool may use of the outside: nothing that is not here. Every member may be left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grants)]
pub(crate) struct GrantsView {
    /// Hosts it may reach.
    #[schema(required = false)]
    hosts: Vec<HostView>,
    /// Names of environment values it may read.
    #[schema(required = false, max_items = 64, example = json!(["UNITS"]))]
    env: Vec<String>,
    /// Names of secrets it may use, each with the granted hosts that may receive it.
    #[schema(required = false)]
    secrets: BTreeMap<String, Vec<String>>,
    /// Those of `secrets` whose value a caller may bring, with the header `X-Env-` and the name, in a request to `/mcp`: with `owner`, where the server
    /// has no such secret of its own; with `caller`, also instead of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    from_caller: BTreeMap<String, PrecedenceView>,
    /// Library modules it imports. Given and not empty, they bound what the source may import.
    #[schema(required = false)]
    modules: Vec<String>,
}

/// Whose value of a secret counts where its owner has set one and the caller brings one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Precedence)]
enum PrecedenceView {
    Owner,
    Caller,
}

/// A host that a tool may reach.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedHost)]
struct HostView {
    /// How it is reached; without it, by `https`.
    #[schema(required = false)]
    scheme: SchemeView,
    /// A host name, or `*.` and one, which stands for every name below it.
    #[schema(max_length = 253, example = "api.example.com")]
    host: String,
    /// The port; without one, 443, and 80 for `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    port: Option<u16>,
    /// The methods; without any, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    methods: Vec<MethodView>,
}

/// How a host is reached.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scheme)]
enum SchemeView {
    Https,
    Http,
}

/// A request method that can be granted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = HttpMethod)]
enum MethodView {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl From<Grants> for GrantsView {
    fn from(Grants { hosts, env, secrets, from_caller, modules }: Grants) -> Self {
        let secrets = secrets.into_iter().map(|(name, hosts)| (name.into(), hosts.into_iter().map(String::from).collect()));
        Self {
            hosts: hosts.into_iter().map(HostView::from).collect(),
            env: env.into_iter().map(String::from).collect(),
            secrets: secrets.collect(),
            from_caller: from_caller.into_iter().map(|(name, precedence)| (name.into(), precedence.into())).collect(),
            modules: modules.into_iter().map(String::from).collect(),
        }
    }
}

impl From<Precedence> for PrecedenceView {
    fn from(precedence: Precedence) -> Self {
        match precedence {
            Precedence::Owner => Self::Owner,
            Precedence::Caller => Self::Caller,
        }
    }
}

impl From<GrantedHost> for HostView {
    fn from(GrantedHost { scheme, host, port, methods }: GrantedHost) -> Self {
        let scheme = match scheme {
            Scheme::Https => SchemeView::Https,
            Scheme::Http => SchemeView::Http,
        };
        let methods = methods.into_iter().map(MethodView::from).collect();
        Self { scheme, host: host.into(), port: port.map(Into::into), methods }
    }
}

impl From<HttpMethod> for MethodView {
    fn from(method: HttpMethod) -> Self {
        match method {
            HttpMethod::Get => Self::Get,
            HttpMethod::Head => Self::Head,
            HttpMethod::Post => Self::Post,
            HttpMethod::Put => Self::Put,
            HttpMethod::Patch => Self::Patch,
            HttpMethod::Delete => Self::Delete,
            HttpMethod::Options => Self::Options,
        }
    }
}
