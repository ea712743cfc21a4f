//! HTTP/2 by frames that are written by hand (RFC 9113, section 6).

use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    case::{Miss, Verdict, must},
    http::{closed, connect},
    world::World,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// The end of the stream and of its fields.
const WHOLE: u8 = 5;
/// CANCEL.
const CANCEL: u32 = 8;

/// Requests that are taken back as soon as they are made, as many as the connection takes.
pub(crate) async fn rapid_reset(world: Arc<World>) -> Verdict {
    let mut stream = begin(&world).await?;
    let mut sent = 0_u32;
    for index in 0..100_000_u32 {
        let id = 2 * index + 1;
        let bytes = [frame(HEADERS, WHOLE, id, &get()), frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat();
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
        sent += 1;
    }
    ended(&mut stream, sent, "resets").await
}

/// SETTINGS and PINGs, whose answers nobody reads.
pub(crate) async fn frame_flood(world: Arc<World>) -> Verdict {
    let mut stream = begin(&world).await?;
    let bytes = [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, &[0; 8])].concat();
    let mut sent = 0_u32;
    while sent < 200_000 && matches!(tokio::time::timeout(Duration::from_secs(10), stream.write_all(&bytes)).await, Ok(Ok(()))) {
        sent += 1;
    }
    ended(&mut stream, sent, "pairs of frames").await
}

async fn begin(world: &World) -> Result<TcpStream, Miss> {
    let mut stream = connect(world).await?;
    stream.write_all(PREFACE).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    Ok(stream)
}

async fn ended(stream: &mut TcpStream, sent: u32, what: &str) -> Verdict {
    must(closed(stream, Duration::from_secs(10)).await, || format!("the connection goes on after {sent} {what}"))?;
    Ok(format!("the connection ended ({sent} {what} written)"))
}

/// `GET /health/live` of localhost; names from the static table (RFC 7541, appendix A).
fn get() -> Vec<u8> {
    [b"\x82\x86\x04\x0c/health/live".as_slice(), b"\x01\x09localhost"].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame: Vec<u8> = length.into_iter().skip(1).collect();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
