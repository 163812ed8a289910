use framing::FrameError;

use crate::frame::Head;

/// What has come of a message. Nothing is lost when reading stops halfway, and never a byte more is asked for.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    head: Head,
    payload: Vec<u8>,
    /// Why nothing more can be read.
    broken: Option<FrameError>,
}

impl Incoming {
    /// The length of the message, once that is known.
    pub(crate) fn payload_len(&mut self, max: usize) -> Result<Option<usize>, FrameError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.head.payload_len(max).map_err(|error| self.fail(error))
    }

    /// Where the bytes of the header go that are missing.
    pub(crate) fn head_room(&mut self) -> &mut [u8] {
        self.head.room()
    }

    /// So many bytes are in the [`head_room`](Self::head_room) now.
    pub(crate) fn fill_head(&mut self, count: usize) {
        self.head.fill(count);
    }

    /// Where the rest of the payload goes: to the end of the vector, and no more than so many bytes. There is room for
    /// some, but for no more than has come before, or a little.
    pub(crate) fn payload_room(&mut self, payload_len: usize) -> Option<(&mut Vec<u8>, usize)> {
        let received = self.payload.len();
        let missing = payload_len - received;
        if missing == 0 {
            return None;
        }
        if received == self.payload.capacity() {
            self.payload.reserve_exact(missing.min(received.max(STEP)));
        }
        Some((&mut self.payload, missing))
    }

    /// The message, which is complete.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.head = Head::default();
        std::mem::take(&mut self.payload)
    }

    /// Moves what has come of the payload to the front of a buffer, and says how much that is.
    pub(crate) fn hand_over(&mut self, buffer: &mut [u8]) -> usize {
        let received = self.payload.len();
        buffer[..received].copy_from_slice(&self.payload);
        self.payload.clear();
        received
    }

    /// The contrary of [`hand_over`](Self::hand_over), if the rest did not come.
    pub(crate) fn take_back(&mut self, payload: &[u8]) {
        self.payload.extend_from_slice(payload);
    }

    /// Whether nothing of the next message has come, so that the stream may end here.
    pub(crate) fn is_between(&self) -> bool {
        self.head.received() == 0
    }

    /// The stream has ended elsewhere.
    pub(crate) fn truncated(&mut self) -> FrameError {
        let truncated = match self.head.payload_len(usize::MAX) {
            Ok(Some(len)) => FrameError::Truncated {
                expected: len as u64,
                received: self.payload.len() as u64,
            },
            _ => self.head.truncated(),
        };
        self.fail(truncated)
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.broken = Some(error.clone());
        error
    }
}

/// How much room there is at first.
const STEP: usize = 64 << 10;
