use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

/// Names an array that is offered, so that a receiver that comes back knows it again.
///
/// The same id promises the same elements. It is no secret, and no proof of who the sender is. Written and parsed as 32
/// hexadecimal digits.
///
/// ```
/// use bulk_array::chunked::TransferId;
///
/// let id = TransferId([0xab; 16]);
/// assert_eq!(id.to_string(), "abababababababababababababababab");
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_ne!(TransferId::fresh(), TransferId::fresh());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransferId(pub [u8; 16]);

impl TransferId {
    /// Makes one that no other transfer has, by chance.
    #[must_use]
    pub fn fresh() -> Self {
        // The keys of the hashers are random.
        let half = || RandomState::new().hash_one(0).to_le_bytes();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&half());
        id[8..].copy_from_slice(&half());
        Self(id)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferId({self})")
    }
}

impl FromStr for TransferId {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(ParseCheckpointError)
    }
}

/// How far a transfer has come, to be kept where it outlives the program.
///
/// The first [`bytes`](Self::bytes) of the array are verified; keep them with it. Written and parsed as one word:
///
/// ```
/// use bulk_array::chunked::{Checkpoint, TransferId};
///
/// let checkpoint = Checkpoint {
///     id: TransferId([1; 16]),
///     chunk: 3,
///     bytes: 3 << 20,
/// };
/// assert_eq!(checkpoint.to_string(), "01010101010101010101010101010101:3:3145728");
/// assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which array.
    pub id: TransferId,
    /// The first chunk that is not verified.
    pub chunk: u64,
    /// The bytes of the array before it.
    pub bytes: u64,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.id, self.chunk, self.bytes)
    }
}

impl FromStr for Checkpoint {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, place) = text.split_once(':').ok_or(ParseCheckpointError)?;
        let (chunk, bytes) = place.split_once(':').ok_or(ParseCheckpointError)?;
        Ok(Self {
            id: id.parse()?,
            chunk: chunk.parse().map_err(|_| ParseCheckpointError)?,
            bytes: bytes.parse().map_err(|_| ParseCheckpointError)?,
        })
    }
}

/// A text is no [`Checkpoint`], or no [`TransferId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseCheckpointError;

impl fmt::Display for ParseCheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected 32 hexadecimal digits, and for a checkpoint `:CHUNK:BYTES` behind them",
        )
    }
}

impl std::error::Error for ParseCheckpointError {}
