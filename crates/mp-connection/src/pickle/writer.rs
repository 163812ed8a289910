//! A pickle as it is written, one instruction after another.

use super::int::shortest;
use super::names::Names;
use super::{Error, Limit, Options, Protocol, opcode};
use container::{BY_NAME, Global};
pub(super) use container::{Opened, Shape};

mod container;
mod exception;

/// Appends a pickle to a buffer, and keeps to the limits: what it writes can be read under the same options.
///
/// Until it is [finished](Self::finish), the buffer is as it was.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    /// The buffer itself, which is taken from its place meanwhile.
    out: Vec<u8>,
    place: &'a mut Vec<u8>,
    /// How much there was before.
    before: usize,
    options: &'a Options,
    max_values: usize,
    spent: Spent,
    /// How many levels are left.
    levels: usize,
    /// Inside how many keys and elements of sets it is: only what can be hashed may stand there.
    keys: usize,
    names: Names,
    globals: [Option<u32>; 4],
    remembered: u32,
}

/// What has been used of the limits. Counters of one size would be added to as a vector, and wait for one another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) values: u32,
    pub(super) bytes: usize,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.before);
        *self.place = std::mem::take(&mut self.out);
    }
}

impl<'a> Writer<'a> {
    /// Begins a pickle.
    pub(super) fn new(place: &'a mut Vec<u8>, options: &'a Options) -> Self {
        let mut out = std::mem::take(place);
        let before = out.len();
        out.extend_from_slice(&[opcode::PROTO, options.protocol.number()]);
        Self {
            out,
            place,
            before,
            options,
            max_values: options.max_values.min(Options::MAX_VALUES),
            spent: Spent::default(),
            levels: options.depth(),
            keys: 0,
            names: Names::default(),
            globals: [None; 4],
            remembered: 0,
        }
    }

    /// Ends the pickle.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.check()?;
        self.out.push(opcode::STOP);
        self.before = self.out.len();
        Ok(())
    }

    pub(super) fn options(&self) -> &'a Options {
        self.options
    }

    pub(super) fn levels(&self) -> usize {
        self.levels
    }

    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// The text that was written there.
    pub(super) fn text_at(&self, position: usize) -> Option<&str> {
        let text = match self.out.get(position..)? {
            [opcode::SHORT_BINUNICODE, _, text @ ..] => text,
            [opcode::BINUNICODE, _, _, _, _, text @ ..] => text,
            _ => return None,
        };
        str::from_utf8(text).ok()
    }

    /// Where the next instruction comes.
    pub(super) fn position(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since then. It must be nothing that is remembered.
    pub(super) fn take_back(&mut self, position: usize, spent: Spent) {
        self.out.truncate(position);
        self.spent = spent;
    }

    #[inline]
    pub(super) fn none(&mut self) {
        self.count(1);
        self.out.push(opcode::NONE);
    }

    #[inline]
    pub(super) fn bool(&mut self, value: bool) {
        self.count(1);
        self.out.push(match value {
            true => opcode::NEWTRUE,
            false => opcode::NEWFALSE,
        });
    }

    #[inline]
    pub(super) fn int(&mut self, value: i64) {
        self.count(1);
        let bytes = value.to_le_bytes();
        if let Ok(small) = u8::try_from(value) {
            self.out.extend_from_slice(&[opcode::BININT1, small]);
        } else if u16::try_from(value).is_ok() {
            self.out
                .extend_from_slice(&[opcode::BININT2, bytes[0], bytes[1]]);
        } else if i32::try_from(value).is_ok() {
            let [a, b, c, d, ..] = bytes;
            self.out.extend_from_slice(&[opcode::BININT, a, b, c, d]);
        } else {
            self.long(shortest(&bytes));
        }
    }

    /// An integer in little-endian two's complement, as short as can be.
    pub(super) fn big_int(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.count(1);
        if bytes.len() > size_of::<i64>() {
            self.spent.bytes += bytes.len();
        }
        if i32::try_from(bytes.len()).is_err() {
            return Err(too_long(i32::MAX as usize));
        }
        self.long(bytes);
        Ok(())
    }

    #[inline]
    pub(super) fn float(&mut self, value: f64) {
        self.count(1);
        let mut instruction = [opcode::BINFLOAT; 9];
        instruction[1..].copy_from_slice(&value.to_be_bytes());
        self.out.extend_from_slice(&instruction);
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Result<(), Error> {
        self.count(1);
        self.spent.bytes += text.len();
        self.bare_text(text)
    }

    /// A text that the program holds for ever: written once, then referred to.
    #[inline]
    pub(super) fn name(&mut self, name: &'static str) -> Result<(), Error> {
        self.count(1);
        self.spent.bytes += name.len();
        self.bare_name(name)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.count(1);
        self.spent.bytes += bytes.len();
        self.bare_bytes(bytes)
    }

    pub(super) fn byte_array(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hashable(Some("bytearray"))?;
        self.count(1);
        self.spent.bytes += bytes.len();
        if self.options.protocol >= Protocol::V5 {
            self.long_slice(
                opcode::BYTEARRAY8,
                &(bytes.len() as u64).to_le_bytes(),
                bytes,
            );
            return Ok(());
        }
        self.count(BY_NAME + 1);
        self.global(Global::ByteArray);
        self.bare_bytes(bytes)?;
        self.out
            .extend_from_slice(&[opcode::TUPLE1, opcode::REDUCE]);
        Ok(())
    }

    /// From here to [`end_key`](Self::end_key) is what Python must be able to hash.
    #[inline]
    pub(super) fn begin_key(&mut self) {
        self.keys += 1;
    }

    #[inline]
    pub(super) fn end_key(&mut self) {
        self.keys -= 1;
    }

    /// Remembers the value that was written last, and returns its number.
    #[inline]
    pub(super) fn remember(&mut self) -> u32 {
        let id = self.remembered;
        self.remembered += 1;
        if self.options.protocol >= Protocol::V4 {
            self.out.push(opcode::MEMOIZE);
        } else if let Ok(id) = u8::try_from(id) {
            self.out.extend_from_slice(&[opcode::BINPUT, id]);
        } else {
            self.long_slice(opcode::LONG_BINPUT, &id.to_le_bytes(), &[]);
        }
        id
    }

    /// Refers to a value that was remembered.
    #[inline]
    pub(super) fn recall(&mut self, id: u32) {
        if let Ok(id) = u8::try_from(id) {
            self.out.extend_from_slice(&[opcode::BINGET, id]);
        } else {
            self.long_slice(opcode::LONG_BINGET, &id.to_le_bytes(), &[]);
        }
    }

    /// Counts values; more than can be counted are beyond every limit.
    #[inline]
    fn count(&mut self, values: u32) {
        self.spent.values = self.spent.values.saturating_add(values);
    }

    /// Compares what was counted with the limits. Small values only count, so this is asked where many come together.
    #[inline]
    fn check(&self) -> Result<(), Error> {
        let Spent { values, bytes } = self.spent;
        if values as usize > self.max_values || bytes > self.options.max_bytes {
            return Err(self.beyond());
        }
        Ok(())
    }

    #[cold]
    fn beyond(&self) -> Error {
        if self.spent.values as usize > self.max_values {
            too_large(Limit::Values, self.max_values)
        } else {
            too_large(Limit::Bytes, self.options.max_bytes)
        }
    }

    /// Counts what was written before once more.
    pub(super) fn mention(
        &mut self,
        again: Spent,
        levels: usize,
        unhashable: Option<&'static str>,
    ) -> Result<(), Error> {
        self.count(again.values);
        self.spent.bytes = self.spent.bytes.saturating_add(again.bytes);
        self.check()?;
        if levels > self.levels {
            return Err(self.too_deep());
        }
        self.hashable(unhashable)
    }

    /// Refuses as a key what Python can't hash.
    #[inline]
    pub(super) fn hashable(&self, unhashable: Option<&'static str>) -> Result<(), Error> {
        match unhashable {
            Some(kind) if self.keys > 0 => Err(Error::Unhashable { kind }),
            _ => Ok(()),
        }
    }

    /// Goes one level deeper.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Error> {
        match self.levels.checked_sub(1) {
            Some(levels) => self.levels = levels,
            None => return Err(self.too_deep()),
        }
        Ok(())
    }

    /// Goes back.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.levels += 1;
    }

    #[cold]
    fn too_deep(&self) -> Error {
        too_large(Limit::Depth, self.options.depth())
    }

    #[inline]
    fn bare_text(&mut self, text: &str) -> Result<(), Error> {
        let bytes = text.as_bytes();
        if let Ok(len) = u8::try_from(bytes.len())
            && self.options.protocol >= Protocol::V4
        {
            self.out.extend_from_slice(&[opcode::SHORT_BINUNICODE, len]);
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        self.slice(opcode::BINUNICODE, opcode::BINUNICODE8, bytes)
    }

    #[inline]
    fn bare_name(&mut self, name: &'static str) -> Result<(), Error> {
        match self.names.find(name) {
            Some(id) => {
                self.recall(id);
                Ok(())
            }
            None => self.other_name(name),
        }
    }

    /// One that wasn't foreseen.
    #[cold]
    fn other_name(&mut self, name: &'static str) -> Result<(), Error> {
        if let Some(id) = self.names.search(name) {
            self.recall(id);
        } else {
            self.bare_text(name)?;
            let id = self.remember();
            self.names.add(name, id);
        }
        Ok(())
    }

    fn bare_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.options.protocol < Protocol::V3 {
            return self.latin1(bytes);
        }
        let Ok(len) = u8::try_from(bytes.len()) else {
            return self.slice(opcode::BINBYTES, opcode::BINBYTES8, bytes);
        };
        self.out.extend_from_slice(&[opcode::SHORT_BINBYTES, len]);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes as a text whose characters they are the numbers of, and the function that makes bytes of it: so they are
    /// bytes in every Python.
    fn latin1(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let high = bytes.iter().filter(|byte| !byte.is_ascii()).count();
        let len = u32::try_from(bytes.len() + high).map_err(|_| too_long(u32::MAX as usize))?;
        self.count(BY_NAME + 2);
        self.global(Global::Encode);
        self.out.reserve(len as usize + SPARE);
        self.out.push(opcode::BINUNICODE);
        self.out.extend_from_slice(&len.to_le_bytes());
        if high == 0 {
            self.out.extend_from_slice(bytes);
        } else {
            for &byte in bytes {
                let mut buffer = [0; 2];
                let text = char::from(byte).encode_utf8(&mut buffer);
                self.out.extend_from_slice(text.as_bytes());
            }
        }
        self.bare_name("latin1")?;
        self.out
            .extend_from_slice(&[opcode::TUPLE2, opcode::REDUCE]);
        Ok(())
    }

    /// Bytes after their length in 32 bits, or in 64 where that is needed and known.
    fn slice(&mut self, short: u8, long: u8, bytes: &[u8]) -> Result<(), Error> {
        self.check()?;
        match u32::try_from(bytes.len()) {
            Ok(len) => self.long_slice(short, &len.to_le_bytes(), bytes),
            Err(_) if self.options.protocol >= Protocol::V4 => {
                self.long_slice(long, &(bytes.len() as u64).to_le_bytes(), bytes);
            }
            Err(_) => return Err(too_long(u32::MAX as usize)),
        }
        Ok(())
    }

    fn long_slice(&mut self, opcode: u8, len: &[u8], bytes: &[u8]) {
        // With room for what ends the pickle, so that many bytes are not moved for a few.
        self.out.reserve(bytes.len() + SPARE);
        self.out.push(opcode);
        self.out.extend_from_slice(len);
        self.out.extend_from_slice(bytes);
    }

    fn long(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(len) => self.long_slice(opcode::LONG1, &[len], bytes),
            Err(_) => self.long_slice(opcode::LONG4, &(bytes.len() as u32).to_le_bytes(), bytes),
        }
    }
}

/// Room for the instructions that follow a long one.
const SPARE: usize = 64;

#[cold]
fn too_large(what: Limit, limit: usize) -> Error {
    Error::TooLarge { what, limit }
}

#[cold]
fn too_long(limit: usize) -> Error {
    too_large(Limit::Bytes, limit)
}
