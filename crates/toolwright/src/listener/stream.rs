//! A socket that tells its connection's [`Activity`] what passes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::{
    activity::Activity,
    frames::Frames,
    linger::{Linger, Lingering},
};

pub(super) struct WatchedStream {
    stream: TcpStream,
    activity: Arc<Activity>,
    frames: Frames,
    lingering: Lingering,
    end: End,
}

/// How far the connection has ended.
#[derive(Debug)]
enum End {
    Open,
    /// Nothing is written any more.
    Lingering(Linger),
    Closed,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, lingering: Lingering) -> Self {
        Self { stream, activity, frames: Frames::new(), lingering, end: End::Open }
    }

    /// Whether the client may still be writing: what was unread of it, or has come since.
    fn is_written_to(&self) -> bool {
        self.activity.lingers() || self.stream.try_read(&mut [0; 1024]).is_ok_and(|read| read > 0)
    }

    fn wrote<T>(&self, result: Poll<T>) -> Poll<T> {
        match result {
            Poll::Ready(_) => self.activity.sent(),
            Poll::Pending => self.activity.blocked(),
        }
        result
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = buffer.filled().get(before..).unwrap_or_default();
        if !came.is_empty() {
            self.activity.received();
            if self.frames.look(came, Instant::now()).is_err() {
                self.activity.flooded();
                return Poll::Ready(Err(io::Error::other("more frames that carry nothing than any honest client sends")));
            }
        }
        result
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.end {
                End::Open => {
                    ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
                    let linger = if this.is_written_to() { this.lingering.begin() } else { None };
                    this.end = linger.map_or(End::Closed, End::Lingering);
                }
                End::Lingering(linger) => {
                    ready!(linger.poll(&mut this.stream, context));
                    this.end = End::Closed;
                }
                End::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}
