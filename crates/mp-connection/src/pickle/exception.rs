use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::dict::Dict;
use super::items::Items;
use super::{Value, show};

pub(super) mod known;

/// A Python exception as a value: what its class is called, its arguments, and the attributes that were set on it.
///
/// No class stands behind it, and nothing of Python's is run. What Python doesn't send, isn't here: the traceback, the
/// cause and the context.
///
/// ```
/// use mp_connection::pickle::{Exception, Value};
///
/// let missing = Exception::new("KeyError", ["colour"]);
/// assert!(missing.is_a("LookupError"));
/// assert_eq!(missing.to_string(), "KeyError: 'colour'");
/// assert_eq!(Value::from(missing).to_string(), "KeyError('colour')");
/// ```
#[derive(Clone, PartialEq)]
pub struct Exception {
    module: Cow<'static, str>,
    class: Cow<'static, str>,
    args: Arc<Items>,
    attributes: Arc<Dict>,
}

impl Exception {
    /// An exception of Python's `builtins`. Any name is taken, but Python raises `AttributeError` when it reads one
    /// that it doesn't know.
    pub fn new<T: Into<Value>>(
        class: impl Into<Cow<'static, str>>,
        args: impl IntoIterator<Item = T>,
    ) -> Self {
        Self::with_module("builtins", class, args)
    }

    /// An exception of some module, which Python imports when it reads this.
    pub fn with_module<T: Into<Value>>(
        module: impl Into<Cow<'static, str>>,
        class: impl Into<Cow<'static, str>>,
        args: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            module: module.into(),
            class: class.into(),
            args: Arc::new(args.into_iter().collect()),
            attributes: Arc::default(),
        }
    }

    /// The same with attributes, such as `__notes__`.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl Into<Arc<Dict>>) -> Self {
        self.attributes = attributes.into();
        self
    }

    pub(super) fn from_parts(
        module: &str,
        class: &str,
        args: Arc<Items>,
        attributes: Arc<Dict>,
    ) -> Self {
        let name = |name: &str| match name {
            "builtins" => Cow::Borrowed("builtins"),
            _ => Cow::Owned(name.to_owned()),
        };
        let class = match known::class(class.as_bytes()) {
            Some(known) if known == class => Cow::Borrowed(known),
            _ => name(class),
        };
        Self {
            module: name(module),
            class,
            args,
            attributes,
        }
    }

    /// Arguments and attributes, to be dropped without recursion.
    pub(super) fn into_values(self) -> impl Iterator<Item = Value> {
        [Value::Tuple(self.args), Value::Dict(self.attributes)].into_iter()
    }

    /// The module of its class: "builtins", as a rule.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The name of its class.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// What its class was called with: Python's `args`.
    #[must_use]
    pub fn args(&self) -> &Arc<Items> {
        &self.args
    }

    /// What was set on it later.
    #[must_use]
    pub fn attributes(&self) -> &Arc<Dict> {
        &self.attributes
    }

    /// Whether `except ANCESTOR` would catch it, for classes of Python's `builtins`. Of others only their own name is
    /// known.
    ///
    /// ```
    /// # use mp_connection::pickle::Exception;
    /// let error = Exception::new("ConnectionResetError", [104]);
    /// assert!(error.is_a("OSError") && error.is_a("Exception") && !error.is_a("ValueError"));
    /// ```
    #[must_use]
    pub fn is_a(&self, ancestor: &str) -> bool {
        if self.module == "builtins" {
            known::is_a(&self.class, ancestor)
        } else {
            self.class == ancestor
        }
    }
}

/// As in the last line of Python's traceback: `KeyError: 'colour'`. Those of `OSError` and its kind with two arguments
/// are shown as Python shows them, `[Errno 2] No such file or directory`; what other classes do in their `__str__` is
/// not known here.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.module != "builtins" {
            write!(f, "{}.", self.module)?;
        }
        f.write_str(&self.class)?;
        match self.args.as_slice() {
            [] => Ok(()),
            [Value::Str(text)] if !self.is_a("KeyError") => write!(f, ": {text}"),
            [one] => write!(f, ": {one}"),
            [number, Value::Str(text)] if self.is_a("OSError") => {
                write!(f, ": [Errno {number}] {text}")
            }
            many => {
                f.write_str(": ")?;
                show::show_tuple(many, f)
            }
        }
    }
}

/// As Python's `repr`.
impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show_exception(self, f)
    }
}

impl std::error::Error for Exception {}
