//! What happens to a client that still writes when it has its answer (413, 401, 431...): the connection is closed in one direction, and what it sends
//! is read and thrown away for a while. A socket that is closed with bytes unread resets the connection, and most clients then see a broken pipe and
//! not the answer (RFC 9112, section 9.6). HTTP/2 has words for it, `RST_STREAM` with `NO_ERROR`, which h2 says by itself.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep_until},
};

/// Connections that linger at one time; one more is closed at once. Each holds its place among the connections as well.
const LINGERING_MAX: usize = 256;

/// How much, and for how long, is read of a client that has its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes.
    bytes: u64,
    /// From the answer on.
    time: Duration,
    /// Without a byte.
    silence: Duration,
}

impl Bounds {
    /// As much as the largest body that anybody may send (a component), so that whoever is somewhat above a bound learns of it; what a slow line
    /// brings in half a minute; and as long as a lost packet may take to come again.
    pub(super) const USUAL: Self =
        Self { bytes: 32 * 1024 * 1024, time: Duration::from_secs(30), silence: Duration::from_secs(5) };
}

/// Who may linger.
#[derive(Debug, Clone)]
pub(super) struct Lingering {
    places: Arc<Semaphore>,
    bounds: Bounds,
}

/// A connection that lingers.
#[derive(Debug)]
pub(super) struct Linger {
    bounds: Bounds,
    left: u64,
    ends_at: Instant,
    timer: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Lingering {
    pub(super) fn new() -> Self {
        Self::within(LINGERING_MAX, Bounds::USUAL)
    }

    fn within(max: usize, bounds: Bounds) -> Self {
        Self { places: Arc::new(Semaphore::new(max)), bounds }
    }

    /// Begins, if there is a place.
    pub(super) fn begin(&self) -> Option<Linger> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (bounds, now) = (self.bounds, Instant::now());
        let timer = Box::pin(sleep_until(now + bounds.silence.min(bounds.time)));
        Some(Linger { bounds, left: bounds.bytes, ends_at: now + bounds.time, timer, _place: place })
    }
}

impl Linger {
    /// Reads until the client has ended, or one of the bounds is reached.
    pub(super) fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 8 * 1024];
        while self.left > 0 {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len() as u64);
                    let now = Instant::now();
                    if now >= self.ends_at {
                        break;
                    }
                    self.timer.as_mut().reset((now + self.bounds.silence).min(self.ends_at));
                }
                // Its end, or that of the connection.
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(context));
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::timeout};

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1024 * 1024, time: Duration::from_secs(20), silence: Duration::from_secs(10) };

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    /// How long a connection lingers whose client does this, and how much of its bytes is left then.
    async fn linger(bounds: Bounds, client: impl AsyncFnOnce(&mut TcpStream)) -> (Duration, u64) {
        let (mut ours, mut theirs) = pair().await;
        let mut linger = Lingering::within(1, bounds).begin().unwrap();
        let began = Instant::now();
        let server = async {
            poll_fn(|context| linger.poll(&mut theirs, context)).await;
            drop(theirs);
            began.elapsed()
        };
        let both = async { tokio::join!(server, client(&mut ours)) };
        let (took, ()) = timeout(Duration::from_secs(30), both).await.expect("it ends");
        (took, linger.left)
    }

    #[tokio::test]
    async fn what_a_client_still_writes_is_read_to_its_end() {
        let (took, left) = linger(BOUNDS, async |client| {
            client.write_all(&vec![b'x'; 600_000]).await.unwrap();
            client.shutdown().await.unwrap();
        })
        .await;

        assert_eq!(left, BOUNDS.bytes - 600_000);
        assert!(took < BOUNDS.silence, "{took:?}");
    }

    #[tokio::test]
    async fn a_client_that_writes_without_end_is_left() {
        let (took, left) = linger(BOUNDS, async |client| while client.write_all(&[b'x'; 8_192]).await.is_ok() {}).await;

        assert_eq!(left, 0);
        assert!(took < BOUNDS.silence, "{took:?}");
    }

    #[tokio::test]
    async fn a_client_that_drips_is_left_after_a_time() {
        let bounds = Bounds { time: Duration::from_millis(600), silence: Duration::from_millis(400), ..BOUNDS };
        let drip = async |client: &mut TcpStream| {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };

        let (took, left) = linger(bounds, drip).await;

        assert!(took >= bounds.time && took < Duration::from_secs(10), "{took:?}");
        assert!(left > 0);
    }

    #[tokio::test]
    async fn a_client_that_is_silent_is_left_sooner() {
        let bounds = Bounds { silence: Duration::from_millis(200), ..BOUNDS };

        let (took, _) = linger(bounds, async |_: &mut TcpStream| tokio::time::sleep(Duration::from_secs(1)).await).await;

        assert!(took >= bounds.silence && took < bounds.time / 2, "{took:?}");
    }

    #[tokio::test]
    async fn so_many_linger_at_one_time_and_no_more() {
        let lingering = Lingering::within(2, BOUNDS);
        let (first, second) = (lingering.begin(), lingering.begin());

        assert!(first.is_some() && second.is_some());
        assert!(lingering.begin().is_none());
        drop(first);
        assert!(lingering.begin().is_some());
    }
}
