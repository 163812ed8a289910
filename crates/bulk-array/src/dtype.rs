use std::fmt;

/// What the elements of an array are: their kind and their size, without a byte order.
///
/// Written as numpy writes it: `f8` is an `f64`, `u1` a `u8`, `c16` a pair of `f64`.
///
/// ```
/// use bulk_array::{Dtype, Element, Kind};
///
/// assert_eq!(f64::DTYPE, Dtype::new(Kind::Float, 8));
/// assert_eq!(f64::DTYPE.to_string(), "f8");
/// assert_eq!(<[f64; 2]>::DTYPE.to_string(), "c16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dtype {
    kind: Kind,
    item_size: u8,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `b`: a byte that is 0 or 1.
    Bool,
    /// `i`: an integer with a sign.
    Int,
    /// `u`: an integer without a sign.
    Uint,
    /// `f`: an IEEE 754 number.
    Float,
    /// `c`: two of them, real and imaginary part.
    Complex,
}

impl Dtype {
    /// Describes elements of `item_size` bytes.
    ///
    /// # Panics
    ///
    /// If numbers of this kind have no such size: a bool has 1 byte, integers 1, 2, 4 or 8, floats 2, 4, 8 or 16,
    /// and complex numbers 8, 16 or 32. In a constant that is an error of the compiler.
    #[must_use]
    pub const fn new(kind: Kind, item_size: usize) -> Self {
        match Self::checked(kind, item_size) {
            Some(dtype) => dtype,
            None => panic!("no number of this kind has this size"),
        }
    }

    pub(crate) const fn checked(kind: Kind, item_size: usize) -> Option<Self> {
        let exists = match kind {
            Kind::Bool => item_size == 1,
            Kind::Int | Kind::Uint => matches!(item_size, 1 | 2 | 4 | 8),
            Kind::Float => matches!(item_size, 2 | 4 | 8 | 16),
            Kind::Complex => matches!(item_size, 8 | 16 | 32),
        };
        match exists {
            true => Some(Self {
                kind,
                item_size: item_size as u8,
            }),
            false => None,
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// Returns the size of an element in bytes.
    #[must_use]
    pub const fn item_size(self) -> usize {
        self.item_size as usize
    }

    /// Returns the size in bytes of what is turned round when the byte order changes: the whole element, or each of
    /// the two parts of a complex number.
    #[must_use]
    pub const fn component_size(self) -> usize {
        match self.kind {
            Kind::Complex => self.item_size() / 2,
            _ => self.item_size(),
        }
    }

    /// Whether elements of type `found` can be taken for these: the same, or bools as `u8`.
    pub(crate) fn accepts(self, found: Self) -> bool {
        self == found || (self == Self::new(Kind::Uint, 1) && found.kind == Kind::Bool)
    }
}

impl Kind {
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Bool => 'b',
            Self::Int => 'i',
            Self::Uint => 'u',
            Self::Float => 'f',
            Self::Complex => 'c',
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.item_size)
    }
}
