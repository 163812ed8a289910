/// What a peer may announce. The defaults are safe for peers that are not known.
///
/// ```
/// use bulk_array::Limits;
///
/// let limits = Limits {
///     max_bytes: 4 << 30,
///     ..Limits::default()
/// };
/// # assert_eq!(limits.max_dims, 32);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that the elements of an array may have: 1 GiB by default.
    pub max_bytes: u64,
    /// The most dimensions: 32 by default, which was numpy's limit up to its version 1; now it is 64.
    pub max_dims: usize,
    /// The longest header in bytes: 64 KiB by default.
    pub max_header_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_dims: 32,
            max_header_len: 64 * 1024,
        }
    }
}
