//! Closing a connection so that its last answer arrives.
//!
//! A socket that is closed while unread bytes lie in it tells the other side "reset", and a reset may overtake the answer
//! that was written before it: who sends too much would see a broken connection instead of 413. So we say that we are
//! done, and go on reading for a moment, until the other side has heard it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use kernel::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long, and for how many bytes, we listen to somebody to whom we have already answered.
const LONGEST: Duration = Duration::from_secs(1);
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A connection that ends politely.
pub(crate) struct Lingering {
    stream: TcpStream,
    parting: Option<Parting>,
}

struct Parting {
    until: Pin<Box<Sleep>>,
    heard: usize,
}

impl Lingering {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Lingering { stream, parting: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Lingering { stream, parting } = &mut *self;
        if parting.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let parting =
            parting.get_or_insert_with(|| Parting { until: Box::pin(tokio::time::sleep(LONGEST)), heard: 0 });
        let mut ignored = [0_u8; 8 * 1024];
        while parting.heard < MOST_BYTES && parting.until.as_mut().poll(cx).is_pending() {
            let mut ignored = ReadBuf::new(&mut ignored);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut ignored)) {
                Ok(()) if !ignored.filled().is_empty() => parting.heard += ignored.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
