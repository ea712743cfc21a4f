//! Guests and the outside: requests, bodies, secrets, and the bounds on them.

mod bodies;
mod name_server;
mod requests;
mod secrets;
mod upstream;
mod waiting;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::GrantedHost;
use egress::{Bounds, Egress, EgressConfig, GrantedSecret, Outbound, Permission};
use sandbox::Invocation;
use serde_json::json;

use self::{name_server::NameServer, upstream::Upstream};
use crate::room::{Room, as_data, invocation};

const HOST: &str = "api.upstream.test";
pub(crate) const SECRET: &str = "s3cret-value-of-the-key";

/// An upstream on loopback, a name server that leads every name there, and an egress that may go there.
pub(crate) struct Outside {
    pub(crate) upstream: Upstream,
    pub(crate) egress: Arc<Egress>,
    permission: Arc<Permission>,
    _name_server: NameServer,
}

impl Outside {
    pub(crate) async fn start() -> Self {
        Self::with_secret(SECRET).await
    }

    async fn with_secret(secret: &str) -> Self {
        let (upstream, name_server) = (Upstream::start().await, NameServer::start().await);
        let port = upstream.address.port();
        let config = EgressConfig {
            nameservers: vec![name_server.address],
            allow_private: vec![format!("{HOST}:{port}").parse().unwrap()],
            ..EgressConfig::default()
        };
        let granted: GrantedHost = serde_json::from_value(json!({"scheme": "http", "host": HOST, "port": port})).unwrap();
        let secret = GrantedSecret { value: secret.into(), hosts: vec![HOST.parse().unwrap()] };
        let secrets = BTreeMap::from([("KEY".parse().unwrap(), secret)]);
        let permission = Arc::new(Permission::new(1, vec![granted], secrets));
        Self { upstream, egress: Egress::start(config).unwrap(), permission, _name_server: name_server }
    }

    pub(crate) fn open(&self, egress_bytes_max: u64) -> Outbound {
        let deadline = Instant::now() + Duration::from_secs(30);
        self.egress.open(self.permission.clone(), Bounds { egress_bytes_max, deadline })
    }

    /// A call that may go there.
    pub(crate) fn invocation(&self) -> Invocation {
        let call = invocation();
        Invocation { outbound: Some(self.open(call.limits.egress_bytes_max)), ..call }
    }

    /// A request as the guest writes it.
    pub(crate) fn request(&self, path: &str) -> String {
        json!({"url": format!("http://{HOST}:{}{path}", self.upstream.address.port())}).to_string()
    }

    /// Waits until nothing of any call is under way.
    async fn is_quiet_soon(&self) {
        for _ in 0..500 {
            let usage = self.egress.usage();
            let kept = usize::try_from(usage.connections_idle).unwrap();
            if usage.requests_in_flight == 0 && self.upstream.connections_open() <= kept {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are open: {:?}", self.upstream.connections_open(), self.egress.usage());
    }
}

/// A guest with `text` at byte 1024, whose `call` is `body`. There are, besides the host's functions:
/// `$begin` sends the request that is the text, and gives 0 if it was refused; `$refused` answers with why the last function was refused;
/// `$end` waits for any operation and gives whether it went well; `$failed` answers with why not, `$said` with what it said; `$get` reads
/// the body 2 to its end, in 32 KiB at most, and answers with it.
async fn guest(text: &str, body: &str) -> Room {
    Room::new(&code(text.len(), body), &as_data(text)).await
}

fn code(text_bytes: usize, body: &str) -> String {
    format!(
        r#"
  (func $begin (result i32)
    (call $fetch (i32.const 1024) (i32.const {text_bytes}) (i32.const 0) (i32.const 0) (i32.const 256))
    (i32.eqz (i32.load8_u (i32.const 256))))
  (func $refused (result i32)
    (call $fail (i32.const 0) (i32.const 0) (i32.load (i32.const 260)) (i32.load (i32.const 264))))
  (func $end (result i32)
    (call $wait (i32.const 300))
    (i32.eqz (i32.load8_u (i32.const 304))))
  (func $failed (result i32)
    (call $fail (i32.const 0) (i32.const 0) (i32.load (i32.const 308)) (i32.load (i32.const 312))))
  (func $said (result i32) (call $ok (i32.load (i32.const 308)) (i32.load (i32.const 312))))
  (func $get (result i32) (local $to i32)
    (local.set $to (i32.const 65536))
    (loop $again
      (call $read (i32.const 2) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
      (if (i32.eqz (call $end)) (then (return (call $failed))))
      (call $take (i32.load (i32.const 300)) (i32.const 320))
      (if (i32.load (i32.const 324)) (then
        (memory.copy (local.get $to) (i32.load (i32.const 320)) (i32.load (i32.const 324)))
        (local.set $to (i32.add (local.get $to) (i32.load (i32.const 324))))
        (br $again))))
    (call $ok (i32.const 65536) (i32.sub (local.get $to) (i32.const 65536))))
  (func (export "call") (param $text i32) (param $bytes i32) (result i32) (local $n i32) {body})"#
    )
}

/// Sends the request, and fails as it fails.
const FETCH: &str = "
  (if (i32.eqz (call $begin)) (then (return (call $refused))))
  (if (i32.eqz (call $end)) (then (return (call $failed))))";
