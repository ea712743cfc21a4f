//! What a connection gets for which there is no place.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long a refused client may take to read why.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of the request that are read and thrown away. A socket that is closed with bytes unread resets the connection, and the client would
/// lose the answer.
const UNREAD_BYTES_MAX: usize = 16 * 1024;

const BODY: &str = r#"{"error_code":"too_many_connections","message":"too many connections are open; try again in a moment","details":{},"request_id":null}"#;

/// Answers 503 without having read the request, and closes.
pub(super) async fn answer(mut stream: TcpStream) {
    // A client that does not listen is told nothing.
    let _ = timeout(TIMEOUT, write(&mut stream)).await;
}

async fn write(stream: &mut TcpStream) -> std::io::Result<()> {
    let length = BODY.len();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(BODY.as_bytes()).await?;
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
