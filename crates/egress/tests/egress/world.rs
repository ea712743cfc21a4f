//! What every test starts with.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::GrantedHost;
use egress::{
    Bounds, Egress, EgressConfig, FetchError, FetchRequest, FetchResponse, GrantedSecret, Outbound, Permission, Redirect,
    ResponseBody,
};

use crate::{names::Names, upstream::Upstream};

/// A node's way out whose names are ours. `a.test`, `b.test` and `c.test` are this machine.
pub(crate) struct World {
    pub(crate) names: Names,
    pub(crate) egress: Arc<Egress>,
}

impl World {
    /// The operator allows `a.test` and `b.test` on the upstreams' ports.
    pub(crate) async fn with(upstreams: &[&Upstream]) -> Self {
        Self::configured(upstreams, |_| {}).await
    }

    pub(crate) async fn configured(upstreams: &[&Upstream], configure: impl FnOnce(&mut EgressConfig)) -> Self {
        let names = Names::start().await;
        for name in ["a.test", "b.test", "c.test", "api.a.test"] {
            names.set(name, &["127.0.0.1"]);
        }
        let ports = upstreams.iter().map(|upstream| upstream.port);
        let allow_private = ports
            .flat_map(|port| ["a.test", "b.test", "api.a.test"].map(|host| format!("{host}:{port}").parse().unwrap()))
            .collect();
        let mut config = EgressConfig { nameservers: vec![names.address], allow_private, ..EgressConfig::default() };
        configure(&mut config);
        Self { names, egress: Egress::start(config).unwrap() }
    }

    /// A call of customer 1 that is granted `hosts`, such as `http://a.test:80`.
    pub(crate) fn call(&self, hosts: &[String]) -> Outbound {
        self.call_of(1, hosts, &[])
    }

    /// Secrets are given as name, value and host.
    pub(crate) fn call_of(&self, owner: u128, hosts: &[String], secrets: &[(&str, &str, &str)]) -> Outbound {
        self.egress.open(permission(owner, hosts, secrets), bounds(1 << 30, 20_000))
    }

    pub(crate) fn call_within(&self, hosts: &[String], bounds: Bounds) -> Outbound {
        self.egress.open(permission(1, hosts, &[]), bounds)
    }
}

pub(crate) fn bounds(egress_bytes_max: u64, milliseconds: u64) -> Bounds {
    Bounds { egress_bytes_max, deadline: Instant::now() + Duration::from_millis(milliseconds) }
}

pub(crate) fn permission(owner: u128, hosts: &[String], secrets: &[(&str, &str, &str)]) -> Arc<Permission> {
    let hosts = hosts.iter().map(|text| granted(text)).collect();
    let mut given: BTreeMap<_, GrantedSecret> = BTreeMap::new();
    for (name, value, host) in secrets {
        let secret = GrantedSecret { value: (*value).to_owned().into(), hosts: vec![host.parse().unwrap()] };
        given.insert(name.parse().unwrap(), secret);
    }
    Arc::new(Permission::new(owner, hosts, given))
}

fn granted(text: &str) -> GrantedHost {
    let (scheme, rest) = text.split_once("://").unwrap();
    let (host, port) = rest.rsplit_once(':').unwrap();
    serde_json::from_str(&format!(r#"{{"scheme":"{scheme}","host":"{host}","port":{port}}}"#)).unwrap()
}

/// `http://host:port` of an upstream.
pub(crate) fn at(host: &str, upstream: &Upstream) -> String {
    format!("http://{host}:{}", upstream.port)
}

pub(crate) fn get(url: &str) -> FetchRequest {
    FetchRequest { method: "GET".to_owned(), url: url.to_owned(), ..FetchRequest::default() }
}

pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: &str) -> FetchRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FetchRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        redirect: Redirect::Follow,
    }
}

pub(crate) async fn read(mut body: ResponseBody) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

pub(crate) async fn text(response: FetchResponse) -> String {
    String::from_utf8(read(response.body).await.unwrap()).unwrap()
}
