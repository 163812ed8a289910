use super::{Error, Fault};

/// The bytes of a pickle, within their frames.
///
/// A frame is what must be read before anything in it can be: it holds whole instructions and no other frame. Outside
/// of frames are only the protocol and long texts and bytes, in what Python writes; here anything may be.
pub(super) struct Input<'de> {
    pickle: &'de [u8],
    /// What is left of the frame, or of the pickle outside of one.
    rest: &'de [u8],
    /// What comes behind the frame.
    behind: &'de [u8],
    /// How much was left of the pickle when the instruction began.
    left: usize,
}

impl<'de> Input<'de> {
    pub(super) const fn new(pickle: &'de [u8]) -> Self {
        Self {
            pickle,
            rest: pickle,
            behind: &[],
            left: pickle.len(),
        }
    }

    /// Where the instruction began.
    pub(super) const fn offset(&self) -> usize {
        self.pickle.len() - self.left
    }

    pub(super) fn last_opcode(&self) -> u8 {
        self.pickle[self.offset()]
    }

    #[inline]
    pub(super) fn opcode(&mut self) -> Result<u8, Fault> {
        if self.rest.is_empty() {
            self.rest = std::mem::take(&mut self.behind);
        }
        self.left = self.rest.len() + self.behind.len();
        let [opcode] = self.array()?;
        Ok(opcode)
    }

    pub(super) fn frame(&mut self) -> Result<(), Fault> {
        let len = u64::from_le_bytes(self.array()?);
        let parts = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        match parts {
            Some(parts) if self.behind.is_empty() => (self.rest, self.behind) = parts,
            _ => {
                return Err(Fault::from(Error::Frame {
                    offset: self.offset(),
                }));
            }
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), Fault> {
        let len = self.rest.len() + self.behind.len();
        if len != 0 {
            let offset = self.pickle.len() - len;
            return Err(Fault::from(Error::Trailing { offset, len }));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.cut(N as u64)),
        }
    }

    #[inline]
    pub(super) fn counted_u8(&mut self) -> Result<&'de [u8], Fault> {
        let [len] = self.array()?;
        self.take(len.into())
    }

    pub(super) fn counted_u32(&mut self) -> Result<&'de [u8], Fault> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(len.into())
    }

    pub(super) fn counted_u64(&mut self) -> Result<&'de [u8], Fault> {
        let len = u64::from_le_bytes(self.array()?);
        self.take(len)
    }

    /// The lengths of old instructions have a sign.
    pub(super) fn counted_i32(&mut self) -> Result<&'de [u8], Fault> {
        let len = i32::from_le_bytes(self.array()?);
        match u64::try_from(len) {
            Ok(len) => self.take(len),
            Err(_) => Err(Fault::from(Error::Spelling {
                offset: self.offset(),
            })),
        }
    }

    /// What is there up to the next newline, which is taken away, too.
    pub(super) fn line(&mut self) -> Result<&'de [u8], Fault> {
        match self.rest.iter().position(|&byte| byte == b'\n') {
            Some(len) => {
                let line = &self.rest[..len];
                self.rest = &self.rest[len + 1..];
                Ok(line)
            }
            None => Err(self.cut(self.rest.len() as u64 + 1)),
        }
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'de [u8], Fault> {
        let parts = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        match parts {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.cut(len)),
        }
    }

    /// Why so many bytes can't be taken.
    #[cold]
    fn cut(&self, len: u64) -> Fault {
        let offset = self.offset();
        Fault::from(
            match len.saturating_sub((self.rest.len() + self.behind.len()) as u64) {
                0 => Error::Frame { offset },
                missing => Error::Truncated { offset, missing },
            },
        )
    }
}
