use crate::pickle::error::Error;

/// The bytes of a pickle, within their frames.
///
/// A frame is what must be read before anything in it can be: it holds whole instructions and no other frame. Outside
/// of frames are only the protocol and long texts and bytes, in what Python writes; here anything may be.
pub(super) struct Input<'de> {
    pickle: &'de [u8],
    at: usize,
    /// The end of the frame, or of the pickle outside of one.
    end: usize,
    /// Where the instruction began.
    offset: usize,
}

impl<'de> Input<'de> {
    pub(super) fn new(pickle: &'de [u8]) -> Self {
        Self {
            pickle,
            at: 0,
            end: pickle.len(),
            offset: 0,
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn last_opcode(&self) -> u8 {
        self.pickle[self.offset]
    }

    #[inline]
    pub(super) fn opcode(&mut self) -> Result<u8, Error> {
        self.offset = self.at;
        if self.at == self.end {
            self.end = self.pickle.len();
        }
        let [opcode] = self.array()?;
        Ok(opcode)
    }

    pub(super) fn frame(&mut self) -> Result<(), Error> {
        let len = u64::from_le_bytes(self.array()?);
        let is_inside = self.end != self.pickle.len();
        match usize::try_from(len) {
            Ok(len) if !is_inside && len <= self.end - self.at => self.end = self.at + len,
            _ => {
                return Err(Error::Frame {
                    offset: self.offset,
                });
            }
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), Error> {
        let len = self.pickle.len() - self.at;
        if len != 0 {
            return Err(Error::Trailing {
                offset: self.at,
                len,
            });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.pickle[self.at..self.end].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.cut(N as u64)),
        }
    }

    #[inline]
    pub(super) fn counted_u8(&mut self) -> Result<&'de [u8], Error> {
        let [len] = self.array()?;
        self.take(len.into())
    }

    pub(super) fn counted_u32(&mut self) -> Result<&'de [u8], Error> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(len.into())
    }

    pub(super) fn counted_u64(&mut self) -> Result<&'de [u8], Error> {
        let len = u64::from_le_bytes(self.array()?);
        self.take(len)
    }

    /// The lengths of old instructions have a sign.
    pub(super) fn counted_i32(&mut self) -> Result<&'de [u8], Error> {
        let len = i32::from_le_bytes(self.array()?);
        match u64::try_from(len) {
            Ok(len) => self.take(len),
            Err(_) => Err(Error::Spelling {
                offset: self.offset,
            }),
        }
    }

    /// What is there up to the next newline, which is taken away, too.
    pub(super) fn line(&mut self) -> Result<&'de [u8], Error> {
        let rest = &self.pickle[self.at..self.end];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(len) => {
                self.at += len + 1;
                Ok(&rest[..len])
            }
            None => Err(self.cut(rest.len() as u64 + 1)),
        }
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'de [u8], Error> {
        let rest = &self.pickle[self.at..self.end];
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.cut(len)),
        }
    }

    /// Why so many bytes can't be taken.
    #[cold]
    fn cut(&self, len: u64) -> Error {
        let offset = self.offset;
        match len.saturating_sub((self.pickle.len() - self.at) as u64) {
            0 => Error::Frame { offset },
            missing => Error::Truncated { offset, missing },
        }
    }
}
