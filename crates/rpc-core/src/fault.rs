use std::borrow::Cow;
use std::fmt;
use std::io;

use crate::Value;

/// Why a call got no result: what the callee tells the caller, in every dialect.
///
/// A function gives one by returning `Err` of anything that converts into it; the crate makes the others.
/// `kind`, `message` and `data` arrive at a Rust caller as they were sent.
///
/// ```
/// use rpc_core::{Fault, Kind};
///
/// let fault = Fault::new("KeyError", "no such key: 'left'").with_data("left");
/// assert_eq!(fault.kind, Kind::Application("KeyError".into()));
/// assert_eq!(fault.to_string(), "KeyError: no such key: 'left'");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What sort of failure it is; programs decide by this.
    pub kind: Kind,
    /// For people.
    pub message: String,
    /// What else a program may want to know.
    pub data: Option<Value>,
}

/// The sorts of failure a call can meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// No function has that name.
    UnknownFunction,
    /// The function exists, but not with these arguments: too many, too few, an unknown name, a wrong type.
    WrongArguments,
    /// The function ran and failed; the name is its own ("KeyError").
    Application(String),
    /// The function panicked. The peer is told no more than that; the panic hook of the callee has the rest.
    Panicked,
    /// The function ran, but its result can't be expressed in the codec or dialect of the call.
    Unencodable,
    /// The deadline of the call passed before there was a result. The function may still be running.
    DeadlineExceeded,
    /// The call was cancelled.
    Cancelled,
    /// The callee has as many calls running or waiting as it takes. The function was not run.
    Overloaded,
    /// The callee is about to end this connection. The function was not run.
    ShuttingDown,
    /// The result is larger than a message may be.
    TooLarge,
}

impl Kind {
    /// The name of the kind: "UnknownFunction", or what the application calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::UnknownFunction => "UnknownFunction",
            Self::WrongArguments => "WrongArguments",
            Self::Application(name) => name,
            Self::Panicked => "Panicked",
            Self::Unencodable => "Unencodable",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Cancelled => "Cancelled",
            Self::Overloaded => "Overloaded",
            Self::ShuttingDown => "ShuttingDown",
            Self::TooLarge => "TooLarge",
        }
    }

    /// Whether the function certainly was not run, so that the call may be repeated.
    #[must_use]
    pub fn is_safe_to_repeat(&self) -> bool {
        matches!(
            self,
            Self::UnknownFunction | Self::WrongArguments | Self::Overloaded | Self::ShuttingDown
        )
    }
}

impl Fault {
    /// A failure of the application, by the name it has there.
    #[must_use]
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(Kind::Application(name.into()), message)
    }

    /// A failure of one of the other kinds.
    #[must_use]
    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            data: None,
        }
    }

    /// The same with more for programs to look at.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// No function is called `name`.
    #[must_use]
    pub fn unknown_function(name: &str) -> Self {
        Self::of(
            Kind::UnknownFunction,
            format!("no such function: '{}'", shortened(name)),
        )
    }

    /// The arguments are wrong, as `message` says.
    #[must_use]
    pub fn wrong_arguments(message: impl Into<String>) -> Self {
        Self::of(Kind::WrongArguments, message)
    }

    /// The function panicked.
    #[must_use]
    pub fn panicked() -> Self {
        Self::of(
            Kind::Panicked,
            "the function failed in a way it didn't foresee",
        )
    }
}

/// Names from a peer go into messages up to a bounded length.
pub(crate) fn shortened(name: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Fault {}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::new("Error", message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::new("Error", message)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::new("OSError", error.to_string())
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Fault {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.downcast::<Self>() {
            Ok(fault) => *fault,
            Err(error) => Self::new("Error", error.to_string()),
        }
    }
}
