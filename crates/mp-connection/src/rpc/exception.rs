//! Faults as the exceptions that Python raises for them.

use std::fmt;

use rpc_core::{Fault, Kind, Value};

use super::request::shortened;
use crate::pickle::{self, Dict, Exception};

/// What the caller of a function raises when there is this fault instead of a result.
pub(super) fn of_fault(fault: &Fault) -> Exception {
    let class = match &fault.kind {
        // That of a function which has to do with functions.
        Kind::UnknownFunction => Some("KeyError"),
        Kind::WrongArguments => Some("TypeError"),
        Kind::DeadlineExceeded => Some("TimeoutError"),
        Kind::Application(name) => raisable(name),
        _ => None,
    };
    let (class, message) = match class {
        Some(class) => (class, fault.message.clone()),
        None => ("RuntimeError", fault.to_string()),
    };
    match &fault.data {
        None => Exception::new(class, [message]),
        Some(Value::Tagged(tag, list))
            if tag == "tuple"
                && let Value::List(args) = &**list =>
        {
            Exception::new(class, args.iter().filter_map(to_pickle_value))
        }
        Some(data) => {
            let data = to_pickle_value(data).map(|data| ("data", data));
            Exception::new(class, [message]).with_attributes(data.into_iter().collect::<Dict>())
        }
    }
}

/// What a dictionary of functions raises.
pub(super) fn unknown_function(name: &str) -> Exception {
    Exception::new("KeyError", [shortened(name, LONGEST_NAME)])
}

/// What is raised for a message that is no request.
pub(super) fn malformed(reason: impl fmt::Display) -> Exception {
    Exception::new("ValueError", [reason.to_string()])
}

/// The same value, if Python has it.
fn to_pickle_value(value: &Value) -> Option<pickle::Value> {
    let options = pickle::Options::default();
    pickle::Value::from_pickle(&options.to_pickle(value).ok()?, &options).ok()
}

/// The class of that name, if every Python 3 has it, an unmodified client raises it, and it can be made of one text.
fn raisable(name: &str) -> Option<&'static str> {
    RAISABLE.iter().copied().find(|class| *class == name)
}

/// No function has a longer one.
const LONGEST_NAME: usize = 255;

/// Not among them: those that are no `Exception` (`SystemExit`), those that need other arguments
/// (`UnicodeDecodeError`), and those that came after 3.4 (`RecursionError`).
const RAISABLE: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "BytesWarning",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
];
