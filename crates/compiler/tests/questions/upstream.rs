//! A web server on loopback that counts its requests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use domain::GrantedHost;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) const HOST: &str = "upstream.localhost";

/// Answers each request with its number. Serves until it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                // A client that goes away is no error here.
                tokio::spawn(async move { drop(serve(stream, &seen).await) });
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn authority(&self) -> String {
        format!("{HOST}:{}", self.address.port())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority())
    }

    pub(crate) fn granted(&self) -> GrantedHost {
        serde_json::from_value(json!({"scheme": "http", "host": HOST, "port": self.address.port()})).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
        while read.len() < end + length {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let body = String::from_utf8_lossy(&read[end..end + length]).into_owned();
        read.drain(..end + length);
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Request { path, body });
            seen.len()
        };
        let answer = json!({ "number": number }).to_string();
        let length = answer.len();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}").as_bytes()).await?;
    }
}
