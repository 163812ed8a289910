use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt as Number;

/// An integer of any size.
///
/// [`Value::from`](super::Value) makes a [`Value::Int`](super::Value::Int) of one within 64 bits.
///
/// ```
/// use mp_connection::pickle::BigInt;
///
/// let large: BigInt = "340282366920938463463374607431768211456".parse()?;
/// assert_eq!(large.to_le_bytes().len(), 17);
/// assert!(u128::try_from(&large).is_err());
/// assert_eq!(i128::try_from(&BigInt::from(-7)), Ok(-7));
/// # Ok::<(), mp_connection::pickle::IntError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInt {
    /// Little-endian two's complement, as short as can be: zero has no bytes.
    bytes: Box<[u8]>,
}

/// How many digits are converted from and to decimal, which takes time by their square: as in Python.
pub(super) const MAX_DIGITS: usize = 4300;

/// More bytes have more digits.
const MAX_DECIMAL_BYTES: usize = 1786;

impl BigInt {
    /// From little-endian two's complement of any length.
    ///
    /// ```
    /// # use mp_connection::pickle::BigInt;
    /// assert_eq!(BigInt::from_le_bytes(&[0xff, 0xff]), BigInt::from(-1));
    /// assert_eq!(BigInt::from_le_bytes(&[0xff, 0x00]), BigInt::from(255));
    /// ```
    #[must_use]
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        Self {
            bytes: shortest(bytes).into(),
        }
    }

    /// Little-endian two's complement in as few bytes as can be, none for zero: what pickles hold.
    #[must_use]
    pub fn to_le_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn to_i64(&self) -> Option<i64> {
        to_i64(&self.bytes)
    }
}

/// In decimal, or in hexadecimal if it has more than 4300 digits.
impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = Number::from_signed_bytes_le(&self.bytes);
        if self.bytes.len() <= MAX_DECIMAL_BYTES {
            let decimal = number.to_string();
            if decimal.trim_start_matches('-').len() <= MAX_DIGITS {
                return f.write_str(&decimal);
            }
        }
        write!(f, "{number:#x}")
    }
}

impl fmt::Debug for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BigInt {
    type Err = IntError;

    /// From at most 4300 decimal digits, with a `-` in front if it is negative.
    fn from_str(text: &str) -> Result<Self, IntError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IntError::NoInteger);
        }
        if digits.len() > MAX_DIGITS {
            return Err(IntError::TooLong {
                len: digits.len(),
                max: MAX_DIGITS,
            });
        }
        from_decimal(text)
            .map(|bytes| Self::from_le_bytes(&bytes))
            .ok_or(IntError::NoInteger)
    }
}

impl From<i128> for BigInt {
    fn from(value: i128) -> Self {
        Self::from_le_bytes(&value.to_le_bytes())
    }
}

impl From<u128> for BigInt {
    fn from(value: u128) -> Self {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        Self::from_le_bytes(&bytes)
    }
}

impl From<i64> for BigInt {
    fn from(value: i64) -> Self {
        i128::from(value).into()
    }
}

impl From<u64> for BigInt {
    fn from(value: u64) -> Self {
        i128::from(value).into()
    }
}

impl From<i32> for BigInt {
    fn from(value: i32) -> Self {
        i128::from(value).into()
    }
}

impl TryFrom<&BigInt> for i128 {
    type Error = IntError;

    fn try_from(value: &BigInt) -> Result<Self, IntError> {
        extended(&value.bytes)
            .map(Self::from_le_bytes)
            .ok_or(IntError::OutOfRange)
    }
}

impl TryFrom<&BigInt> for u128 {
    type Error = IntError;

    fn try_from(value: &BigInt) -> Result<Self, IntError> {
        match extended::<17>(&value.bytes) {
            Some([low @ .., 0]) => Ok(Self::from_le_bytes(low)),
            _ => Err(IntError::OutOfRange),
        }
    }
}

/// Why something is no integer, or not one of the wanted size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntError {
    /// The text has something else than digits, or none.
    NoInteger,
    /// The text has too many digits.
    TooLong {
        /// How many.
        len: usize,
        /// The most.
        max: usize,
    },
    /// The integer doesn't fit the type.
    OutOfRange,
}

impl fmt::Display for IntError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInteger => f.write_str("the text is no integer"),
            Self::TooLong { len, max } => {
                write!(f, "the integer has {len} digits, the limit is {max}")
            }
            Self::OutOfRange => f.write_str("the integer is out of range"),
        }
    }
}

impl std::error::Error for IntError {}

/// The same number without bytes that only repeat its sign.
pub(super) fn shortest(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [0] => &[],
            [rest @ .., low, 0] if low & 0x80 == 0 => &bytes[..rest.len() + 1],
            [rest @ .., low, 0xff] if low & 0x80 != 0 => &bytes[..rest.len() + 1],
            _ => return bytes,
        }
    }
}

pub(super) fn to_i64(bytes: &[u8]) -> Option<i64> {
    extended(bytes).map(i64::from_le_bytes)
}

/// The same number in `N` bytes, if it fits. It must be as short as can be.
fn extended<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let is_negative = bytes.last().is_some_and(|high| high & 0x80 != 0);
    let mut extended = [if is_negative { 0xff } else { 0 }; N];
    extended.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(extended)
}

/// The bytes of a number in decimal, which must be within [`MAX_DIGITS`].
pub(super) fn from_decimal(text: &str) -> Option<Box<[u8]>> {
    let number: Number = text.parse().ok()?;
    Some(shortest(&number.to_signed_bytes_le()).into())
}

/// The bytes of a float that is an integer.
pub(super) fn from_float(value: f64) -> Box<[u8]> {
    let bits = value.abs().to_bits();
    let exponent = (bits >> 52) as usize;
    let (significand, shift) = (
        bits & ((1 << 52) - 1) | (1 << 52),
        exponent.saturating_sub(1075),
    );
    debug_assert!(
        value.fract() == 0.0 && exponent >= 1075,
        "the float is a large integer"
    );
    let number = Number::from(significand) << shift;
    let number = if value.is_sign_negative() {
        -number
    } else {
        number
    };
    shortest(&number.to_signed_bytes_le()).into()
}
