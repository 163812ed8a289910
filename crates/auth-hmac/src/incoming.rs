use std::ops::Range;

use crate::error::SessionError;
use crate::session::{HEAD, Session, TAG};

/// What came of a stream of sealed messages.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    /// Where in `bytes` the unread ones are.
    unread: Range<usize>,
}

/// What a look at the unread bytes tells.
pub(crate) enum Next {
    /// A payload, which is at this place.
    Message(Range<usize>),
    /// The peer has said that nothing follows.
    End,
    /// More bytes are needed.
    More,
}

/// How many bytes one read asks for, at least.
const READ: usize = 8 * 1024;

impl Incoming {
    pub(crate) fn next(&mut self, session: &mut Session) -> Result<Next, SessionError> {
        let opener = session.opener_mut();
        let found = opener.check(&self.bytes[self.unread.clone()])?;
        let Some((len, is_last)) = found else {
            return Ok(match opener.has_ended() {
                true => Next::End,
                false => Next::More,
            });
        };
        let start = self.unread.start + HEAD;
        self.unread.start = start + len + TAG;
        match is_last && len == 0 {
            true => self.next(session),
            false => Ok(Next::Message(start..start + len)),
        }
    }

    pub(crate) fn receive_eof(&self, session: &mut Session) -> Result<(), SessionError> {
        session.receive_eof(&self.bytes[self.unread.clone()])
    }

    pub(crate) fn slice(&self, place: Range<usize>) -> &[u8] {
        &self.bytes[place]
    }

    /// Where to read to. It grows with what came, not with what was announced.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        self.bytes
            .resize(self.unread.end + self.unread.end.max(READ), 0);
        &mut self.bytes[self.unread.end..]
    }

    /// So many bytes were read to the [`room`](Self::room).
    pub(crate) fn filled(&mut self, read: usize) {
        self.unread.end += read;
    }
}
