use super::Writer;
use super::container::BY_NAME;
use crate::pickle::exception::known;
use crate::pickle::reader::refused;
use crate::pickle::{Error, Protocol, opcode};

impl Writer<'_> {
    /// Begins an exception with its class. Its arguments follow, a tuple, and [`call`](Self::call).
    ///
    /// Python imports and calls whatever it is told here. So it is told of exceptions and nothing else, whoever it was
    /// that named the class.
    pub(in crate::pickle) fn open_exception(
        &mut self,
        module: &str,
        class: &str,
    ) -> Result<(), Error> {
        self.hashable(Some("Exception"))?;
        // With the name; the tuple counts when it comes.
        self.count(BY_NAME);
        self.enter()?;
        let builtin = known::class(class.as_bytes()).filter(|_| module == "builtins");
        match builtin {
            Some(class) if self.options.protocol < Protocol::V3 => {
                self.name_of("exceptions", in_python_2(class));
            }
            Some(class) => self.name_of(module, class),
            None if self.is_named(module, class) => self.name_of(module, class),
            None => return Err(refused(module.as_bytes(), class.as_bytes())),
        }
        Ok(())
    }

    /// Calls what was named with the arguments after it.
    pub(in crate::pickle) fn call(&mut self) {
        self.out.push(opcode::REDUCE);
    }

    /// Gives what was called the dict after it as its attributes.
    pub(in crate::pickle) fn set_attributes(&mut self) {
        self.out.push(opcode::BUILD);
    }

    /// Whether the options name it, in one line each: another line would be another instruction.
    fn is_named(&self, module: &str, class: &str) -> bool {
        let mut named = self.options.exceptions.iter();
        !module.contains('\n')
            && !class.contains('\n')
            && named.any(|(m, c)| m == module && c == class)
    }

    /// Names something of a module.
    pub(super) fn name_of(&mut self, module: &str, name: &str) {
        self.out.push(opcode::GLOBAL);
        for part in [module, "\n", name, "\n"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }
}

/// The nearest class that Python 2 has.
fn in_python_2(class: &str) -> &str {
    match class {
        "BaseExceptionGroup" => "BaseException",
        "ExceptionGroup" | "StopAsyncIteration" => "Exception",
        "EncodingWarning" | "ResourceWarning" => "Warning",
        "ModuleNotFoundError" => "ImportError",
        "PythonFinalizationError" | "RecursionError" => "RuntimeError",
        _ if known::is_a(class, "OSError") => "OSError",
        _ => class,
    }
}
