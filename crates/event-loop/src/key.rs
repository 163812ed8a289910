use std::fmt;

/// Names one thing that a loop watches: a stream, a listener, a datagram socket.
///
/// A key is never used twice: its slot may get a new tenant, but that tenant gets a new generation.
/// A message or a close sent to a key whose tenant has gone reaches nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) generation: u32,
    pub(crate) index: u32,
}

impl Key {
    /// Never matches a slot: generations in use are odd.
    pub(crate) const NOBODY: Self = Self {
        generation: 0,
        index: u32::MAX,
    };

    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            generation: (bits >> 32) as u32,
            index: bits as u32,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}.{})", self.index, self.generation)
    }
}
