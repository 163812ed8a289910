use bytemuck::Pod;

use crate::dtype::{Dtype, Kind};

/// A number that arrays are made of.
///
/// Implemented for the integers up to 64 bits, for `f32` and `f64`, and for pairs of these, which are complex numbers.
/// Arrays of bools are sent and received as `u8`.
///
/// Own types can have it, as long as any bytes are one of them ([`Pod`]) and they are as large as their
/// [`DTYPE`](Self::DTYPE) says, which is checked at compile time:
///
/// ```
/// use bulk_array::{Dtype, Element, Kind};
///
/// #[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
/// #[repr(transparent)]
/// struct Mask(u8); // numpy's bool
///
/// impl Element for Mask {
///     const DTYPE: Dtype = Dtype::new(Kind::Bool, 1);
/// }
/// ```
pub trait Element: Pod {
    /// What such an element is called.
    const DTYPE: Dtype;
}

/// Returns the dtype of `T`, which has the size that it says.
pub(crate) const fn dtype_of<T: Element>() -> Dtype {
    const {
        assert!(
            T::DTYPE.item_size() == size_of::<T>(),
            "the DTYPE of this element has another size than the element"
        );
    }
    T::DTYPE
}

macro_rules! elements {
    ($($type:ty: $kind:ident,)*) => {
        $(impl Element for $type {
            const DTYPE: Dtype = Dtype::new(Kind::$kind, size_of::<Self>());
        })*
    };
}

elements! {
    u8: Uint,
    u16: Uint,
    u32: Uint,
    u64: Uint,
    i8: Int,
    i16: Int,
    i32: Int,
    i64: Int,
    f32: Float,
    f64: Float,
    [f32; 2]: Complex,
    [f64; 2]: Complex,
}
