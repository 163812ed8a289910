use crate::error::ArrayError;
use crate::shape::Shape;

/// Elements and their shape: what a wire that describes its arrays brings.
///
/// ```
/// use bulk_array::Array;
///
/// let array = Array::new(vec![1, 2, 3, 4, 5, 6], [2, 3])?;
/// assert_eq!(array.get(&[1, 0]), Some(&4));
/// assert_eq!(array.into_vec(), [1, 2, 3, 4, 5, 6]);
/// # Ok::<(), bulk_array::ArrayError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    values: Vec<T>,
    shape: Shape,
}

impl<T> Array<T> {
    /// Gives elements a shape.
    ///
    /// # Errors
    ///
    /// [`ArrayError::LenMismatch`] if the shape has another number of elements.
    pub fn new(values: Vec<T>, shape: impl Into<Shape>) -> Result<Self, ArrayError> {
        let shape = shape.into();
        check_len(values.len(), &shape)?;
        Ok(Self { values, shape })
    }

    /// Returns the shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the elements in the order that the shape tells.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Returns the element at an index, one number for each dimension; `None` outside of the array.
    #[must_use]
    pub fn get(&self, index: &[usize]) -> Option<&T> {
        self.values.get(self.shape.offset(index)?)
    }

    /// Returns the elements in the order that the shape tells, without copying them.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }
}

pub(crate) fn check_len(len: usize, shape: &Shape) -> Result<(), ArrayError> {
    match shape.len() == Some(len as u64) {
        true => Ok(()),
        false => Err(ArrayError::LenMismatch {
            len: len as u64,
            shape: shape.clone(),
        }),
    }
}
