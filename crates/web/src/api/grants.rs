//! Grants, as the API shows and describes them.

use std::collections::BTreeMap;

use domain::{GrantedHost, Grants, HttpMethod};
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
    /// Names of secrets it may use, each with the hosts that may receive it. Not available yet: must be empty.
    #[schema(required = false)]
    secrets: BTreeMap<String, Vec<String>>,
    /// Library modules it may import. None are available yet: must be empty.
    #[schema(required = false)]
    modules: Vec<String>,
}

/// A host that a tool may reach.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedHost)]
struct HostView {
    /// A host name, or `*.` and one, which stands for every name below it.
    #[schema(max_length = 253, example = "api.example.com")]
    host: String,
    /// The port; without one, 443.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    port: Option<u16>,
    /// The methods; without any, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    methods: Vec<MethodView>,
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
    fn from(Grants { hosts, env, secrets, modules }: Grants) -> Self {
        let secrets = secrets.into_iter().map(|(name, hosts)| (name.into(), hosts.into_iter().map(String::from).collect()));
        Self {
            hosts: hosts.into_iter().map(HostView::from).collect(),
            env: env.into_iter().map(String::from).collect(),
            secrets: secrets.collect(),
            modules: modules.into_iter().collect(),
        }
    }
}

impl From<GrantedHost> for HostView {
    fn from(GrantedHost { host, port, methods }: GrantedHost) -> Self {
        Self { host: host.into(), port: port.map(Into::into), methods: methods.into_iter().map(MethodView::from).collect() }
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
