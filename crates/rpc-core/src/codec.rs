use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(any(feature = "bincode", feature = "postcard"))]
use serde::de;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};

use crate::{Budget, DecodeError, DecodeLimits, Encode, EncodeError};

#[cfg(feature = "json")]
pub(crate) use arguments::Erased;
pub use arguments::{ArgumentReader, ArgumentWriter, Encoded};

mod arguments;
#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "postcard")]
mod postcard;

/// Of a list or map, in the words of serde: libraries say it by names of their own.
#[cfg(any(feature = "bincode", feature = "postcard"))]
const NO_LENGTH: &str =
    "a list or a map must know its length in this codec; with serde's flatten it doesn't";

/// How values become bytes.
///
/// | | `Postcard` | `Bincode` | `Json` |
/// |---|---|---|---|
/// | take it | between programs of your own | for peers that speak it already | for other languages, and for people |
/// | `300_i64` | 2 bytes | 3 bytes | 3 bytes |
/// | a text, a list | length of 1 byte up to 127 bytes or elements | 1 byte up to 250 | 2 bytes, and a comma between elements |
/// | a struct | its fields, nothing else | its fields, nothing else | the names of the fields each time |
/// | bytes in a [`Value`](crate::Value) | as they are | as they are | base64: a third more |
/// | the types must match | at both ends, field by field | at both ends, field by field | by names; unknown ones are skipped |
///
/// Each is a crate feature (`postcard`, `bincode`, `json`), and off by default.
///
/// **`Postcard`** is the one to choose: a stable, [specified](https://postcard.jamesmunns.com) format, maintained,
/// and the shortest. **`Json`** is text that every language reads. `NaN` and the infinities of an `f64` become
/// `null` in it, which is no `f64` when it is read; a `Value` keeps them. `Some(None)` becomes `null` too, and is read
/// as `None`.
///
/// **`Bincode`** is abandoned upstream (RUSTSEC-2025-0141; its 3.0.0 is a tombstone that doesn't compile). It is
/// here, as 2.0.1 with its standard configuration, since there are peers and stored data that speak it. What is
/// known to be dangerous about it, lengths that are believed, nesting and lists of nothing, is stopped
/// [outside of it](crate::Budget), and its own `Decode` is not used, only serde's.
///
/// Postcard and bincode don't describe what they carry, so types that have to look before they know can't be
/// read: `#[serde(untagged)]`, `#[serde(tag = …)]`, `#[serde(flatten)]`, and `serde_json::Value`. Fields under
/// `#[serde(skip_serializing_if = …)]` are written or not and can't be told apart when read. `Value` works with all.
///
/// The same number may be spelled in several ways (`1` in nine bytes of bincode, with spaces in JSON), and all are
/// read. Who signs or hashes encoded values does that with the bytes as they arrived.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use rpc_core::{Codec, DecodeError, DecodeLimits, Encode};
///
/// let mut bytes = Vec::new();
/// Codec::Postcard.encode(&("left", 300_i64), &mut bytes)?;
/// assert_eq!(bytes, b"\x04left\xd8\x04");
///
/// let limits = DecodeLimits::default();
/// assert_eq!(Codec::Postcard.decode::<(String, i64)>(&bytes, &limits)?, ("left".to_owned(), 300));
///
/// bytes.push(0);
/// let read = Codec::Postcard.decode::<(String, i64)>(&bytes, &limits);
/// assert_eq!(read, Err(DecodeError::TrailingBytes { left: 1 }));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Bincode 2 with its standard configuration: variable-length little-endian integers.
    #[cfg(feature = "bincode")]
    Bincode,
    /// Postcard 1.
    #[cfg(feature = "postcard")]
    Postcard,
    /// JSON without line breaks. Arguments are one array.
    #[cfg(feature = "json")]
    Json,
}

impl Codec {
    /// Those that are compiled in.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "bincode")]
        Self::Bincode,
        #[cfg(feature = "postcard")]
        Self::Postcard,
        #[cfg(feature = "json")]
        Self::Json,
    ];

    /// The number that stands for it on the wire: 1 for bincode, 2 for postcard, 3 for JSON.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => 1,
            #[cfg(feature = "postcard")]
            Self::Postcard => 2,
            #[cfg(feature = "json")]
            Self::Json => 3,
        }
    }

    /// The codec of that number, if there is one and it is compiled in.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.id() == id)
    }

    /// "bincode", "postcard" or "json".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => "bincode",
            #[cfg(feature = "postcard")]
            Self::Postcard => "postcard",
            #[cfg(feature = "json")]
            Self::Json => "json",
        }
    }

    /// The codec as something that lives for ever, for [`Registry::invoke`](crate::Registry::invoke).
    #[must_use]
    pub const fn encoder(self) -> &'static dyn Encode {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => &Self::Bincode,
            #[cfg(feature = "postcard")]
            Self::Postcard => &Self::Postcard,
            #[cfg(feature = "json")]
            Self::Json => &Self::Json,
        }
    }

    /// Reads the one value that `bytes` hold, from the first byte to the last.
    ///
    /// What a peer announces is never believed: memory is taken as values arrive, a few times what their types
    /// need for these bytes. A panic of the type's own `Deserialize` ends here, unless the program aborts on panics.
    ///
    /// # Errors
    /// [`DecodeError`], with what is wrong.
    pub fn decode<'de, T: Deserialize<'de>>(
        self,
        bytes: &'de [u8],
        limits: &DecodeLimits,
    ) -> Result<T, DecodeError> {
        let budget = limits.budget(bytes.len());
        let (value, used) = self.read(PhantomData::<T>, bytes, &budget)?;
        match bytes.len() - used {
            0 => Ok(value),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }

    /// The arguments of a call: `positional` values, and then one for each of `keywords`, which travel elsewhere.
    ///
    /// It takes no memory of its own. All of them together stay within `limits`.
    #[must_use]
    pub fn arguments<'a, K: Iterator<Item = &'a str>>(
        self,
        bytes: &'a [u8],
        positional: usize,
        keywords: K,
        limits: &DecodeLimits,
    ) -> ArgumentReader<'a, K> {
        ArgumentReader::new(self, bytes, positional, keywords, limits)
    }

    /// Reads a value from the front of `bytes`; with it, how many bytes it took.
    pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
        budget: &Budget,
    ) -> Result<(S::Value, usize), DecodeError> {
        let read = AssertUnwindSafe(|| self.read_uncaught(seed, bytes, budget));
        catch_unwind(read).unwrap_or(Err(DecodeError::Panicked))
    }

    /// As [`read`](Self::read), for a caller that catches panics.
    #[inline]
    fn read_uncaught<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
        budget: &Budget,
    ) -> Result<(S::Value, usize), DecodeError> {
        let seed = budget.guard(seed);
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => budget
                .told(bincode::read(seed, bytes))
                .map_err(|error| explained(error, bincode::UNDESCRIBED)),
            #[cfg(feature = "postcard")]
            Self::Postcard => budget
                .told(postcard::read(seed, bytes))
                .map_err(|error| explained(error, postcard::UNDESCRIBED)),
            #[cfg(feature = "json")]
            Self::Json => budget.told(json::read(seed, bytes)),
        }
    }

    /// As [`encode`](Encode::encode), by way of the value's own type.
    #[inline]
    pub(crate) fn write<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::write(value, out),
            #[cfg(feature = "postcard")]
            Self::Postcard => postcard::write(value, out),
            #[cfg(feature = "json")]
            Self::Json => json::write(value, out),
        }
    }

    /// Whether functions read and write it by way of their own types. JSON's work is in its text, and it would
    /// make every program larger.
    fn is_binary(self) -> bool {
        match self {
            #[cfg(feature = "json")]
            Self::Json => false,
            #[cfg(any(feature = "bincode", feature = "postcard"))]
            _ => true,
        }
    }
}

/// The same, but for what the library says when a type asks what comes: who sees it should know what to look for.
#[cold]
#[cfg(any(feature = "bincode", feature = "postcard"))]
fn explained(error: DecodeError, undescribed: impl fmt::Display) -> DecodeError {
    match error {
        DecodeError::Invalid { reason } if reason == undescribed.to_string() => de::Error::custom(
            "the type must see what a value is before it can be read, as with serde's untagged, tag and flatten, \
                 and this codec doesn't say it",
        ),
        error => error,
    }
}

impl Encode for Codec {
    fn encode(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.write(value, out)
    }

    fn codec(&self) -> Option<Codec> {
        self.is_binary().then_some(*self)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
