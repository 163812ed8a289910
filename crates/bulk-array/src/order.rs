/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The lowest: nearly every machine of today.
    Little,
    /// The highest: the "network byte order".
    Big,
}

impl ByteOrder {
    /// That of this machine: arrays are sent as they are.
    pub const NATIVE: Self = match cfg!(target_endian = "big") {
        true => Self::Big,
        false => Self::Little,
    };
}

/// Turns the bytes of numbers round where their order is not the native one.
///
/// It is done in steps, so that what is turned is in the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swap {
    /// The bytes of a number, 1 if nothing is to be done.
    component: usize,
}

impl Swap {
    pub(crate) fn new(component: usize, order: ByteOrder) -> Self {
        let component = match order == ByteOrder::NATIVE {
            true => 1,
            false => component,
        };
        Self { component }
    }

    pub(crate) fn is_needed(self) -> bool {
        self.component > 1
    }

    /// Returns the most bytes to receive before they are turned.
    pub(crate) fn step(self) -> usize {
        match self.is_needed() {
            true => STEP,
            false => usize::MAX,
        }
    }

    /// Returns how many of `bytes` are whole numbers.
    pub(crate) fn whole(self, bytes: usize) -> usize {
        bytes - bytes % self.component
    }

    /// Turns whole numbers round.
    pub(crate) fn apply(self, bytes: &mut [u8]) {
        match self.component {
            2 => each(bytes, |number| {
                u16::from_ne_bytes(number).swap_bytes().to_ne_bytes()
            }),
            4 => each(bytes, |number| {
                u32::from_ne_bytes(number).swap_bytes().to_ne_bytes()
            }),
            8 => each(bytes, |number| {
                u64::from_ne_bytes(number).swap_bytes().to_ne_bytes()
            }),
            16 => each(bytes, |number| {
                u128::from_ne_bytes(number).swap_bytes().to_ne_bytes()
            }),
            _ => {}
        }
    }
}

/// As integers, since compilers know no fast way to reverse four bytes.
fn each<const N: usize>(bytes: &mut [u8], turned: impl Fn([u8; N]) -> [u8; N]) {
    for number in bytes.as_chunks_mut().0 {
        *number = turned(*number);
    }
}

/// Bytes; a multiple of every size of an element, and small beside a second-level cache.
pub(crate) const STEP: usize = 64 * 1024;
