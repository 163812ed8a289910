/// Why a call or a conversation failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The other end answered with a failure.
    Fault(crate::Fault),
}
