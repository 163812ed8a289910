use std::hash::{BuildHasherDefault, Hasher};

/// Hashes addresses, which nobody outside the program can choose.
pub(super) type AddressHash = BuildHasherDefault<AddressHasher>;

#[derive(Debug, Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize((*byte).into());
        }
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_usize(number as usize);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        // An odd number with about as many ones as zeros.
        self.0 = (self.0 ^ number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(32)
    }
}
