//! A server outside that means harm, on loopback, by raw sockets; and one that nobody may reach, which counts who does.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_compression::tokio::bufread::GzipEncoder;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the bomb unpacks to.
const BOMB_BYTES: u64 = 64 << 20;

/// A listener whose connections answer by their path; it stops when this is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Upstream {
    /// On a port of its own.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let bomb = Arc::new(bomb().await?);
        let serving = tokio::spawn({
            let heads = Arc::clone(&heads);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (heads, bomb) = (Arc::clone(&heads), Arc::clone(&bomb));
                    // Whoever asks may go away before the answer.
                    tokio::spawn(async move { answer(stream, &heads, &bomb).await.ok() });
                }
            }
        });
        Ok(Self { address, heads, serving })
    }

    /// Heads of the requests that came so far; an empty one for a connection that asked for nothing.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Two digits a byte.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

async fn answer(mut stream: TcpStream, heads: &Mutex<Vec<String>>, bomb: &[u8]) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match path {
        "/redirect" => {
            let target = query.trim_start_matches("to=");
            write(&mut stream, &format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")).await
        }
        "/silent" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            Ok(())
        }
        "/slow" => {
            write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
            loop {
                write(&mut stream, "x").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        "/endless" => {
            write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            loop {
                write(&mut stream, &chunk).await?;
            }
        }
        "/bomb" => {
            let length = bomb.len();
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n")).await?;
            stream.write_all(bomb).await
        }
        "/headers" => {
            let headers = "x-flood: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(5_000);
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n")).await
        }
        "/mirror" => mirror(&mut stream, &head).await,
        _ => {
            let length = head.len();
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}")).await
        }
    }
}

/// Sends the credentials back: as they came, in two pieces, and in the usual encodings.
async fn mirror(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    let bearer =
        head.lines().find_map(|line| line.to_ascii_lowercase().starts_with("authorization: bearer ").then(|| &line[22..]));
    let secret = bearer.unwrap_or_default().trim();
    let hex = hex(secret);
    let (first, second) = secret.split_at(secret.len() / 2);
    write(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    for piece in [format!("{secret} {} {hex} {first}", BASE64_STANDARD.encode(secret)), format!("{second} end")] {
        write(stream, &format!("{:x}\r\n{piece}\r\n", piece.len())).await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    write(stream, "0\r\n\r\n").await
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(bytes.get(..read).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn write(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await
}

async fn bomb() -> std::io::Result<Vec<u8>> {
    let zeros = BufReader::new(tokio::io::repeat(0).take(BOMB_BYTES));
    let mut packed = Vec::new();
    GzipEncoder::new(zeros).read_to_end(&mut packed).await?;
    Ok(packed)
}
