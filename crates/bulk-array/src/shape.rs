use std::fmt;

/// The dimensions of an array, and the order of its elements in memory.
///
/// ```
/// use bulk_array::{Order, Shape};
///
/// let matrix = Shape::from([3, 4]); // three rows, stored one after the other
/// assert_eq!((matrix.dims(), matrix.order()), (&[3, 4][..], Order::C));
/// assert_eq!(matrix.len(), Some(12));
/// let columns = Shape::fortran([3, 4]); // four columns, stored one after the other
/// assert_eq!(columns.to_string(), "(3, 4) in Fortran order");
/// assert_eq!(Shape::from(5).to_string(), "(5,)");
/// assert_eq!(Shape::from([]).len(), Some(1)); // a single number has no dimensions
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: Vec<u64>,
    order: Order,
}

/// Which elements of an array are neighbours in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Those that differ in the last index: row by row.
    C,
    /// Those that differ in the first index: column by column.
    Fortran,
}

impl Shape {
    /// Describes an array of these dimensions.
    ///
    /// Where both orders are the same (one dimension, say) the order is C: so equal arrays have equal shapes.
    #[must_use]
    pub fn new(dims: Vec<u64>, order: Order) -> Self {
        let both = dims.contains(&0) || dims.iter().filter(|&&dim| dim > 1).count() < 2;
        let order = if both { Order::C } else { order };
        Self { dims, order }
    }

    /// Describes an array of these dimensions in Fortran order.
    #[must_use]
    pub fn fortran<const N: usize>(dims: [usize; N]) -> Self {
        Self::new(dims.map(|dim| dim as u64).into(), Order::Fortran)
    }

    /// Returns the dimensions.
    #[must_use]
    pub fn dims(&self) -> &[u64] {
        &self.dims
    }

    /// Returns the order of the elements.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// Returns the number of elements: the product of the dimensions, `None` if 64 bits are not enough for it.
    ///
    /// An array that has a dimension of zero has no elements, whatever the others are.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self.is_empty() {
            true => Some(0),
            false => self
                .dims
                .iter()
                .try_fold(1, |len: u64, &dim| len.checked_mul(dim)),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dims.contains(&0)
    }

    pub(crate) fn tuple(&self) -> Tuple<'_> {
        Tuple(&self.dims)
    }

    /// Returns where in memory the element at `index` is, counted in elements; `None` outside of the array.
    #[must_use]
    pub fn offset(&self, index: &[usize]) -> Option<usize> {
        if index.len() != self.dims.len() {
            return None;
        }
        let step = |offset: usize, (&i, &dim): (&usize, &u64)| match (i as u64) < dim {
            true => offset
                .checked_mul(usize::try_from(dim).ok()?)?
                .checked_add(i),
            false => None,
        };
        let mut pairs = index.iter().zip(&self.dims);
        match self.order {
            Order::C => pairs.try_fold(0, step),
            Order::Fortran => pairs.rev().try_fold(0, step),
        }
    }
}

impl From<usize> for Shape {
    /// Describes a vector of so many elements.
    fn from(len: usize) -> Self {
        Self::from([len])
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(dims.map(|dim| dim as u64).into(), Order::C)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims.iter().map(|&dim| dim as u64).collect(), Order::C)
    }
}

impl From<&Self> for Shape {
    fn from(shape: &Self) -> Self {
        shape.clone()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tuple().fmt(f)?;
        match self.order {
            Order::C => Ok(()),
            Order::Fortran => f.write_str(" in Fortran order"),
        }
    }
}

/// The dimensions as Python writes a tuple.
pub(crate) struct Tuple<'a>(&'a [u64]);

impl fmt::Display for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (place, dim) in self.0.iter().enumerate() {
            match place {
                0 => write!(f, "{dim}")?,
                _ => write!(f, ", {dim}")?,
            }
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}
