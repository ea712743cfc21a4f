//! Counts the bytes of one call, and of the node.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sending::Sending;

/// What one call sent and received.
#[derive(Debug)]
pub(crate) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
    /// Of earlier runs of the call, which are not the node's to count again.
    earlier: AtomicU64,
    max: u64,
}

impl Meter {
    pub(crate) const fn new(max: u64) -> Self {
        Self { sent: AtomicU64::new(0), received: AtomicU64::new(0), earlier: AtomicU64::new(0), max }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn total(&self) -> u64 {
        self.sent().saturating_add(self.received()).saturating_add(self.earlier.load(Ordering::Relaxed))
    }

    pub(crate) fn count_earlier(&self, bytes: u64) {
        self.earlier.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// Bytes that there may be more.
    pub(crate) fn left(&self) -> u64 {
        self.max.saturating_sub(self.total())
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.total() > self.max
    }

    /// Whether `bytes` more would be too many.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        self.total().saturating_add(bytes) <= self.max
    }
}

/// Which call a connection works for at the moment: a connection outlives the calls that use it, one after another.
#[derive(Debug, Default)]
pub(crate) struct MeterSlot {
    current: Mutex<Option<Arc<Meter>>>,
    /// How far its request is.
    pub(crate) sending: Arc<Sending>,
}

impl MeterSlot {
    /// Stays until the next call uses the connection: no byte of it is nobody's.
    pub(crate) fn set(&self, meter: Arc<Meter>) {
        *self.lock() = Some(meter);
    }

    fn count(&self, bytes: usize, which: impl Fn(&Meter) -> &AtomicU64) -> io::Result<()> {
        let current = self.lock();
        let Some(meter) = current.as_ref() else { return Ok(()) };
        which(meter).fetch_add(bytes as u64, Ordering::Relaxed);
        if meter.is_exceeded() { Err(io::Error::other("the call's bytes are used up")) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Meter>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose bytes are counted; it fails as soon as there are too many.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    slot: Arc<MeterSlot>,
}

impl<S> Metered<S> {
    pub(crate) const fn new(stream: S, slot: Arc<MeterSlot>) -> Self {
        Self { stream, slot }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.slot.count(buffer.filled().len() - before, |meter| &meter.received))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, buffer))?;
        self.slot.count(written, |meter| &meter.sent)?;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, buffers))?;
        self.slot.count(written, |meter| &meter.sent)?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.slot.sending.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_are_counted_for_the_call_that_uses_the_connection() {
        let (near, mut far) = tokio::io::duplex(64);
        let slot = Arc::new(MeterSlot::default());
        let mut near = Metered::new(near, Arc::clone(&slot));
        let (one, two) = (Arc::new(Meter::new(100)), Arc::new(Meter::new(6)));

        slot.set(Arc::clone(&one));
        near.write_all(b"hello").await.unwrap();
        far.write_all(b"you").await.unwrap();
        near.read_exact(&mut [0; 3]).await.unwrap();
        slot.set(Arc::clone(&two));
        near.write_all(b"again").await.unwrap();

        assert_eq!((one.sent(), one.received(), two.total()), (5, 3, 5));
        assert!(two.has_room_for(1) && !two.has_room_for(2));
        assert!(near.write_all(b"more").await.is_err(), "the second call's bytes are used up");
    }

    #[test]
    fn bytes_of_earlier_runs_count_against_the_call_alone() {
        let meter = Meter::new(10);

        meter.count_earlier(9);

        assert!(meter.has_room_for(1) && !meter.has_room_for(2));
        assert_eq!((meter.total(), meter.sent(), meter.received()), (9, 0, 0));
    }
}
