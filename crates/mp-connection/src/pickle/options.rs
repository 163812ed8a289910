use super::opcode;

/// What pickles may look like, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which protocol is written. Default [`Protocol::V4`], which every Python since 3.4 reads. Read are all, 0 to 5.
    pub protocol: Protocol,
    /// How deep values may be nested, read and written. A container is a level, an exception one more than the tuple
    /// of its arguments. Default 100; more than 1000 counts as 1000.
    pub max_depth: usize,
    /// How many values there may be, each counted as often as it is mentioned. In reading, what the pickle only makes
    /// on the way counts, too. Default 1,000,000; more than 2<sup>31</sup> counts as 2<sup>31</sup>.
    pub max_values: usize,
    /// How many bytes all texts, byte strings and long integers may have together, each counted as often as it is
    /// mentioned. Default 64 MiB.
    pub max_bytes: usize,
    /// How many bytes of memory a pickle that is read may take, beside its own, by estimate: about 50 for a value,
    /// 50 to 100 more for a container, and what texts and byte strings are long. Default 64 MiB.
    pub max_memory: usize,
    /// Which exceptions are read beside those of Python's `builtins`: pairs of module and class. No code of theirs is
    /// run. Default none.
    pub exceptions: Vec<(String, String)>,
}

impl Options {
    /// How deep a value can be nested at all.
    pub(crate) const MAX_DEPTH: usize = 1000;

    /// How many values can be counted.
    pub(super) const MAX_VALUES: usize = 1 << 31;

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Self::MAX_DEPTH)
    }

    /// How many newtypes and `Some` of Rust's there may be on the way to a value. They leave no trace in a pickle, but
    /// take stack.
    pub(super) fn wrappers(&self) -> u16 {
        2 * self.depth() as u16 + 2
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            max_depth: 100,
            max_values: 1_000_000,
            max_bytes: 64 << 20,
            max_memory: 64 << 20,
            exceptions: Vec::new(),
        }
    }
}

/// A version of the format that can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Read by Python 2.6 and later, and every 3.x. Exceptions of classes that Python 2 lacks are written as the nearest
    /// ancestor that it has: `ConnectionResetError` as `OSError`.
    V2,
    /// Read by every 3.x.
    V3,
    /// Read by 3.4 and later.
    #[default]
    V4,
    /// Read by 3.8 and later.
    V5,
}

impl Protocol {
    /// Tells in which one a pickle is, as the first two bytes say. Protocols 0 and 1 say nothing and count as 2, newer ones
    /// than 5, which are not read, as 5.
    ///
    /// Who answers in it is understood by whoever asked.
    ///
    /// ```
    /// use mp_connection::pickle::Protocol;
    ///
    /// assert_eq!(Protocol::of(b"\x80\x03K\x05."), Protocol::V3);
    /// assert_eq!(Protocol::of(b"I5\n."), Protocol::V2);
    /// ```
    #[must_use]
    pub fn of(pickle: &[u8]) -> Self {
        match pickle {
            [opcode::PROTO, 3, ..] => Self::V3,
            [opcode::PROTO, 4, ..] => Self::V4,
            [opcode::PROTO, 5..=u8::MAX, ..] => Self::V5,
            _ => Self::V2,
        }
    }

    /// What stands behind `PROTO`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }
}
