use std::fmt;
use std::pin::Pin;

use crate::Fault;

/// What a call comes to: its result, encoded as the dialect wants it, or why there is none.
pub type Answer = Result<Vec<u8>, Fault>;

/// Names and bytes that go with a call beside its arguments.
pub type Metadata = Vec<(String, Vec<u8>)>;

/// A call that the driver of a connection has to run; its answer goes back by
/// [`Dialect::complete`](crate::Dialect::complete).
#[derive(Debug)]
pub struct Job {
    /// Which call.
    pub id: JobId,
    /// What to do.
    pub work: Work,
}

/// Names a running call within its connection; never used twice there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// A call that is ready to run. A panic in it is caught and becomes a [`Fault`].
pub enum Work {
    /// Short: run it at once in the connection's own thread, holding no lock of the connection.
    Quick(Box<dyn FnOnce() -> Answer + Send>),
    /// May take long: run it on a worker thread.
    Blocking(Box<dyn FnOnce() -> Answer + Send>),
    /// Poll it, wherever wakers work.
    Future(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick(_) => "Quick",
            Self::Blocking(_) => "Blocking",
            Self::Future(_) => "Future",
        })
    }
}
