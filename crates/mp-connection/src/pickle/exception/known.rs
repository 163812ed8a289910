//! The exceptions in Python's `builtins`, up to 3.14, and those that Python 2 had beside.

/// Each with what it is derived from.
const CLASSES: &[(&str, &str)] = &[
    ("ArithmeticError", "Exception"),
    ("AssertionError", "Exception"),
    ("AttributeError", "Exception"),
    ("BaseException", "object"),
    ("BaseExceptionGroup", "BaseException"),
    ("BlockingIOError", "OSError"),
    ("BrokenPipeError", "ConnectionError"),
    ("BufferError", "Exception"),
    ("BytesWarning", "Warning"),
    ("ChildProcessError", "OSError"),
    ("ConnectionAbortedError", "ConnectionError"),
    ("ConnectionError", "OSError"),
    ("ConnectionRefusedError", "ConnectionError"),
    ("ConnectionResetError", "ConnectionError"),
    ("DeprecationWarning", "Warning"),
    ("EOFError", "Exception"),
    ("EncodingWarning", "Warning"),
    ("EnvironmentError", "OSError"),
    ("Exception", "BaseException"),
    // Of BaseExceptionGroup, too: `is_a` sees to that.
    ("ExceptionGroup", "Exception"),
    ("FileExistsError", "OSError"),
    ("FileNotFoundError", "OSError"),
    ("FloatingPointError", "ArithmeticError"),
    ("FutureWarning", "Warning"),
    ("GeneratorExit", "BaseException"),
    ("IOError", "OSError"),
    ("ImportError", "Exception"),
    ("ImportWarning", "Warning"),
    ("IndentationError", "SyntaxError"),
    ("IndexError", "LookupError"),
    ("InterruptedError", "OSError"),
    ("IsADirectoryError", "OSError"),
    ("KeyError", "LookupError"),
    ("KeyboardInterrupt", "BaseException"),
    ("LookupError", "Exception"),
    ("MemoryError", "Exception"),
    ("ModuleNotFoundError", "ImportError"),
    ("NameError", "Exception"),
    ("NotADirectoryError", "OSError"),
    ("NotImplementedError", "RuntimeError"),
    ("OSError", "Exception"),
    ("OverflowError", "ArithmeticError"),
    ("PendingDeprecationWarning", "Warning"),
    ("PermissionError", "OSError"),
    ("ProcessLookupError", "OSError"),
    ("PythonFinalizationError", "RuntimeError"),
    ("RecursionError", "RuntimeError"),
    ("ReferenceError", "Exception"),
    ("ResourceWarning", "Warning"),
    ("RuntimeError", "Exception"),
    ("RuntimeWarning", "Warning"),
    ("StandardError", "Exception"),
    ("StopAsyncIteration", "Exception"),
    ("StopIteration", "Exception"),
    ("SyntaxError", "Exception"),
    ("SyntaxWarning", "Warning"),
    ("SystemError", "Exception"),
    ("SystemExit", "BaseException"),
    ("TabError", "IndentationError"),
    ("TimeoutError", "OSError"),
    ("TypeError", "Exception"),
    ("UnboundLocalError", "NameError"),
    ("UnicodeDecodeError", "UnicodeError"),
    ("UnicodeEncodeError", "UnicodeError"),
    ("UnicodeError", "ValueError"),
    ("UnicodeTranslateError", "UnicodeError"),
    ("UnicodeWarning", "Warning"),
    ("UserWarning", "Warning"),
    ("ValueError", "Exception"),
    ("Warning", "Exception"),
    ("WindowsError", "OSError"),
    ("ZeroDivisionError", "ArithmeticError"),
];

/// The name that Python 3 knows it by.
pub(crate) fn class(name: &[u8]) -> Option<&'static str> {
    let (name, base) = *find(name)?;
    Some(match name {
        "EnvironmentError" | "IOError" | "StandardError" | "WindowsError" => base,
        _ => name,
    })
}

/// Whether an exception of the one class is one of the other, too.
pub(crate) fn is_a(class: &str, ancestor: &str) -> bool {
    if (class, ancestor) == ("ExceptionGroup", "BaseExceptionGroup") {
        return true;
    }
    let line = std::iter::successors(find(class.as_bytes()), |(_, base)| find(base.as_bytes()));
    line.into_iter().any(|&(name, _)| name == ancestor)
}

fn find(name: &[u8]) -> Option<&'static (&'static str, &'static str)> {
    CLASSES
        .binary_search_by(|(known, _)| known.as_bytes().cmp(name))
        .ok()
        .map(|at| &CLASSES[at])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_in_order_and_leads_to_its_roots() {
        assert!(super::CLASSES.is_sorted());
        for (name, base) in super::CLASSES {
            assert!(
                *name == "BaseException" || super::find(base.as_bytes()).is_some(),
                "{name}"
            );
            assert!(super::is_a(name, "BaseException"), "{name}");
        }
    }
}
