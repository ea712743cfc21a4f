//! What a connection gets for which there is no place.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::places::Full;

/// How long a refused client may take to read why.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of the request that are read and thrown away. A socket that is closed with bytes unread resets the connection, and the client would
/// lose the answer.
const UNREAD_BYTES_MAX: usize = 16 * 1024;

/// Answers 503, or 429 where its own network has too many, without having read the request, and closes.
pub(super) async fn answer(mut stream: TcpStream, why: Full) {
    // A client that does not listen is told nothing.
    let _ = timeout(TIMEOUT, write(&mut stream, why)).await;
}

async fn write(stream: &mut TcpStream, why: Full) -> std::io::Result<()> {
    let (status, message, retry_after_s) = match why {
        Full::Node => ("503 Service Unavailable", "too many connections are open; try again in a moment", 1),
        Full::Network => {
            ("429 Too Many Requests", "too many connections from your network are open: close some, or use them again", 5)
        }
    };
    let body = format!(r#"{{"error_code":"too_many_connections","message":"{message}","details":{{}},"request_id":null}}"#);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nretry-after: {retry_after_s}\r\ncache-control: \
         no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    let mut left = UNREAD_BYTES_MAX;
    let mut bytes = [0; 4096];
    while left > 0 {
        match stream.read(&mut bytes).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
