//! A web server on loopback, which answers by the path.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Serves until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) connections_open: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) body_bytes: AtomicUsize,
}

/// Counts a connection while it is open.
struct Open(Arc<Counts>);

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::<Counts>::default();
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let counts = shared.clone();
                connections.spawn(async move {
                    counts.connections_open.fetch_add(1, Ordering::Relaxed);
                    let open = Open(counts);
                    // A client that goes away is no error here.
                    let _ = serve(stream, &open.0).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, counts, task }
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections_open(&self) -> usize {
        self.counts.connections_open.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(mut stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
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
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let body_bytes = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        while read.len() < end + body_bytes {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        counts.requests.fetch_add(1, Ordering::Relaxed);
        counts.body_bytes.fetch_add(body_bytes, Ordering::Relaxed);
        read.drain(..end + body_bytes);
        answer(&mut stream, &head).await?;
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

async fn answer(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    let path = head.split(' ').nth(1).unwrap();
    let (path, number) = path.split_once('?').unwrap_or((path, "0"));
    let number: usize = number.parse().unwrap();
    match path {
        "/json" => whole(stream, r#"{"said":"hello"}"#).await,
        // What came as the credential.
        "/authorization" => {
            let credential = header(head, "authorization").unwrap_or("none");
            whole(stream, &format!("{{\"length\":{},\"is\":\"{credential}\"}}", credential.len())).await
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number as u64)).await;
            whole(stream, "{}").await
        }
        "/never" => until_closed(stream).await,
        // A head, one piece, and nothing more.
        "/stuck" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc").await?;
            until_closed(stream).await
        }
        "/bytes" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {number}\r\n\r\n").as_bytes()).await?;
            let piece = vec![b'7'; 16 * 1024];
            let mut left = number;
            while left > 0 {
                let bytes = left.min(piece.len());
                stream.write_all(&piece[..bytes]).await?;
                left -= bytes;
            }
            Ok(())
        }
        "/headers" => {
            let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "7".repeat(number));
            stream.write_all(head.as_bytes()).await
        }
        "/nothing" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await,
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await,
    }
}

/// Says nothing until the client has gone.
async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

async fn whole(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}
