use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::AsyncWrite;

/// What the stream has not taken yet. It and the dialect's own buffer change places, so nothing is copied.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    needs_flush: bool,
}

impl Outgoing {
    /// Takes all of `output`, once what was taken before is sent.
    pub(super) fn take(&mut self, output: &mut Vec<u8>) {
        if self.len() == 0 && !output.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.sent = 0;
            std::mem::swap(&mut self.bytes, output);
        }
    }

    /// Sends it all; ready when the stream keeps nothing back either.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while self.len() > 0 {
            let rest = &self.bytes[self.sent..];
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
            self.needs_flush = true;
        }
        if self.needs_flush {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }
}

/// How much memory stays with a connection that once had more to send.
const KEPT: usize = 64 << 10;
