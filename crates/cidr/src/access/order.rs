/// Which of the rules of an [`AccessList`](crate::AccessList) that contain an address decides about it:
/// [`LongestMatch`] or [`FirstMatch`].
pub trait Order: sealed::Order {}

/// The rule with the longest prefix decides, whatever its place in the list; at equal length a deny rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongestMatch;

/// The first rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstMatch;

impl Order for LongestMatch {}

impl Order for FirstMatch {}

mod sealed {
    #[expect(unnameable_types, reason = "it seals `Order`")]
    pub trait Order: Default {
        const IS_FIRST: bool;
    }

    impl Order for super::LongestMatch {
        const IS_FIRST: bool = false;
    }

    impl Order for super::FirstMatch {
        const IS_FIRST: bool = true;
    }
}
