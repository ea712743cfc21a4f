//! Components from the toolchains that people use (tests/components).

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_compression::tokio::bufread::BrotliDecoder;
use domain::{Answer, GrantedHost, LogLevel, Outcome};
use egress::{Bounds, Egress, EgressConfig, Outbound, Permission};
use sandbox::Entry;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{name_server::NameServer, plant::Plant};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_rust_describes_itself_logs_and_completes() {
    let plant = Plant::start();
    let rust = plant.upload(fs::read(folder().join("built/rust-text.wasm")).unwrap()).await;

    assert_eq!(rust.inspected.offers.len(), 1);
    assert_eq!(rust.first().export, None);
    assert_eq!(rust.first().interface.title.as_deref(), Some("Statistics of a text"));
    let invoked = plant.invoke(&rust, "text-statistics", &json!({"text": "one two\nthree"})).await;
    let expected = json!({"characters": 13, "words": 3, "lines": 2, "longest": "three"});
    assert_eq!(invoked.outcome, Outcome::Success(Answer::from(expected)));
    assert_eq!(invoked.log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["read 13 bytes"]);
    let Outcome::ToolError(failure) = plant.call(&rust, &json!({"text": ""})).await else { panic!() };
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("ToolError", "the text is empty"));
    let request = json!({"argument": {"name": "language", "value": "e"}, "context": {"arguments": {}}});
    let completed = plant.invoke_within(&rust, "text-statistics", &request, |call| call.entry = Entry::Complete).await;
    assert_eq!(completed.outcome, Outcome::Success(Answer::from(json!({"values": ["english", "estonian"]}))));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_written_by_hand_is_a_tool() {
    let plant = Plant::start();
    let sum = plant.upload_text(&fs::read_to_string(folder().join("text-add.wat")).unwrap()).await;

    assert_eq!(plant.call(&sum, &json!({"a": 2, "b": -44})).await, Outcome::Success(Answer::from(json!({"result": -42}))));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_python_counts_words() {
    let plant = Plant::start();
    let python = plant.upload(unpack("python-words").await).await;

    assert_eq!(python.first().interface.name.as_str(), "count-words");
    let counted = plant.call(&python, &json!({"text": "a b a Ä ä", "most": 2})).await;
    let expected = json!({"result": [{"word": "a", "count": 2}, {"word": "ä", "count": 2}]});
    assert_eq!(counted, Outcome::Success(Answer::from(expected)));
    let Outcome::ToolError(failure) = plant.call(&python, &json!({"text": "..."})).await else { panic!() };
    assert_eq!(failure.message, "the text has no words");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_in_javascript_tells_the_time_and_fetches_what_it_is_granted() {
    let plant = Plant::start();
    let javascript = plant.upload(unpack("javascript-web").await).await;
    let upstream = Upstream::start("hello from outside").await;
    let call = async |outbound: Option<Outbound>, url: &str| {
        let arguments = json!({ "url": url });
        plant.invoke_within(&javascript, "read-text", &arguments, |call| call.outbound = outbound).await
    };

    let names: Vec<_> = javascript.inspected.offers.iter().map(|offer| offer.interface.name.as_str()).collect();
    assert_eq!(names, ["get-current-time", "read-text"]);
    let Outcome::Success(answer) = plant.invoke(&javascript, "get-current-time", &json!({})).await.outcome else { panic!() };
    let time = answer.structured().unwrap().to_value();
    assert!(time["result"].as_str().unwrap().starts_with("20"), "{time}");

    let read = call(Some(upstream.open(1_000_000)), &upstream.url()).await;
    assert_eq!(read.outcome, Outcome::Success(Answer::from(json!({"result": "hello from outside"}))));
    assert_eq!(read.receipt.host_calls, 1);
    assert!(read.receipt.egress_bytes > 18, "{:?}", read.receipt);
    let line = read.log.first().unwrap();
    assert_eq!((line.level, line.message.as_str()), (LogLevel::Info, format!("reading {}", upstream.url()).as_str()));

    let without = call(None, &upstream.url()).await;
    assert!(matches!(without.outcome, Outcome::ToolError(_)), "{:?}", without.outcome);
    assert!(without.log.iter().any(|line| line.message.contains("the tool is granted no hosts")), "{:?}", without.log);
    let elsewhere = call(Some(upstream.open(1_000_000)), "http://example.test/").await;
    assert!(matches!(elsewhere.outcome, Outcome::ToolError(_)), "{:?}", elsewhere.outcome);
    assert!(elsewhere.log.iter().any(|line| line.message.contains("the tool is not granted GET")), "{:?}", elsewhere.log);

    let dear = call(Some(upstream.open(60)), &upstream.url()).await;
    let Outcome::LimitExceeded(limit) = dear.outcome else { panic!("{:?}", dear.outcome) };
    assert_eq!(limit.limit.as_str(), "egress_bytes_max");
    let arguments = json!({"url": upstream.url()});
    let counted = plant
        .invoke_within(&javascript, "read-text", &arguments, |call| {
            call.outbound = Some(upstream.open(1_000_000));
            call.limits.host_calls_max = 0;
        })
        .await;
    let Outcome::LimitExceeded(limit) = counted.outcome else { panic!("{:?}", counted.outcome) };
    assert_eq!(limit.limit.as_str(), "host_calls_max");
    plant.end().await;
}

/// A host on this machine that answers everything with one text, and a name server that leads to it.
struct Upstream {
    egress: Arc<Egress>,
    port: u16,
    _name_server: NameServer,
}

const HOST: &str = "pages.upstream.test";

impl Upstream {
    async fn start(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    let mut chunk = [0; 1024];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut chunk).await {
                            Ok(count @ 1..) => head.extend_from_slice(&chunk[..count]),
                            _ => return,
                        }
                    }
                    let length = text.len();
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        let name_server = NameServer::start().await;
        let config = EgressConfig {
            nameservers: vec![name_server.address],
            allow_private: vec![format!("{HOST}:{port}").parse().unwrap()],
            ..EgressConfig::default()
        };
        Self { egress: Egress::start(config).unwrap(), port, _name_server: name_server }
    }

    fn url(&self) -> String {
        format!("http://{HOST}:{}/page", self.port)
    }

    /// A way out that leads here alone.
    fn open(&self, egress_bytes_max: u64) -> Outbound {
        let host: GrantedHost = serde_json::from_value(json!({"scheme": "http", "host": HOST, "port": self.port})).unwrap();
        let permission = Permission::new(1, vec![host], std::collections::BTreeMap::new());
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        self.egress.open(Arc::new(permission), Bounds { egress_bytes_max, deadline })
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/components")
}

async fn unpack(name: &str) -> Vec<u8> {
    let packed = fs::read(folder().join(format!("built/{name}.wasm.br"))).unwrap();
    let mut component = Vec::new();
    BrotliDecoder::new(packed.as_slice()).read_to_end(&mut component).await.unwrap();
    component
}
