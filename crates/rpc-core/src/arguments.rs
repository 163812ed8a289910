use std::fmt;

use serde::Serialize;

use crate::Fault;
use crate::codec::{Codec, Encoded};

/// Arguments as they arrive: a dialect gives them one after the other, so that formats which don't describe
/// themselves work like those which do.
pub trait ArgumentSource {
    /// Where the next argument belongs; `None` after the last.
    ///
    /// # Errors
    /// [`Kind::WrongArguments`](crate::Kind::WrongArguments) if what arrived is no list of arguments, or has
    /// something after its end.
    fn next(&mut self) -> Result<Option<Slot<'_>>, Fault>;

    /// Hands the deserialiser of that argument to `read`; called once after each `Some` of [`next`](Self::next).
    ///
    /// # Errors
    /// [`Kind::WrongArguments`](crate::Kind::WrongArguments), with what `read` or the format complained of.
    fn value(&mut self, read: &mut ReadValue<'_>) -> Result<(), Fault>;

    /// What [`value`](Self::value) does, for a parameter that is a [`Value`](crate::Value): a source whose deserialiser
    /// is not forgotten on the way reads it in half of the time. `None` if it has no such way.
    #[doc(hidden)]
    fn dynamic(&mut self) -> Option<Result<crate::Value, Fault>> {
        None
    }

    /// All arguments together, if they are positional and encoded by the crate's own means: a function, which knows
    /// their types, then reads them itself, in a third of the time. It is read either so or one by one.
    #[doc(hidden)]
    fn encoded(&mut self) -> Option<Encoded<'_>> {
        None
    }
}

/// Reads one value from whatever format it arrived in.
pub type ReadValue<'a> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'a;

/// Where an argument belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// To the next parameter.
    Positional,
    /// To the parameter of this name.
    Keyword(&'a str),
}

/// Arguments as a caller gives them: a tuple of up to eight values, or [`Arguments`] for keywords.
pub trait ToArguments {
    /// Gives each argument to `sink`, the positional ones first.
    ///
    /// # Errors
    /// What the sink says.
    fn write(&self, sink: &mut dyn ArgumentSink) -> Result<(), EncodeError>;
}

/// Takes arguments, one after the other.
pub trait ArgumentSink {
    /// One argument; `name` is `None` for a positional one.
    ///
    /// # Errors
    /// [`EncodeError`] if the value can't be expressed, or the name is too long.
    fn value(
        &mut self,
        name: Option<&str>,
        value: &dyn erased_serde::Serialize,
    ) -> Result<(), EncodeError>;

    /// As for [`ArgumentSource::encoded`]: where `count` positional arguments are to be appended.
    #[doc(hidden)]
    fn encoded(&mut self, count: usize) -> Option<(Codec, &mut Vec<u8>)> {
        let _ = count;
        None
    }
}

/// Arguments with names, without, or mixed.
///
/// ```
/// use rpc_core::Arguments;
///
/// let arguments = Arguments::new().positional(&"left").keyword("limit", &10);
/// # let _ = arguments;
/// ```
#[derive(Default, Clone)]
pub struct Arguments<'a> {
    positional: Vec<&'a dyn erased_serde::Serialize>,
    keywords: Vec<(&'a str, &'a dyn erased_serde::Serialize)>,
}

impl<'a> Arguments<'a> {
    /// No arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, for the next parameter.
    #[must_use]
    pub fn positional(mut self, value: &'a impl Serialize) -> Self {
        self.positional.push(value);
        self
    }

    /// One more, for the parameter of this name.
    #[must_use]
    pub fn keyword(mut self, name: &'a str, value: &'a impl Serialize) -> Self {
        self.keywords.push((name, value));
        self
    }
}

impl ToArguments for Arguments<'_> {
    fn write(&self, sink: &mut dyn ArgumentSink) -> Result<(), EncodeError> {
        for value in &self.positional {
            sink.value(None, value)?;
        }
        for (name, value) in &self.keywords {
            sink.value(Some(name), value)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.keywords.iter().map(|(name, _)| name).collect();
        f.debug_struct("Arguments")
            .field("positional", &self.positional.len())
            .field("keywords", &names)
            .finish()
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Serialize),*> ToArguments for ($($name,)*) {
            #[allow(non_snake_case, reason = "a type and its value share a letter")]
            fn write(&self, sink: &mut dyn ArgumentSink) -> Result<(), EncodeError> {
                const COUNT: usize = 0 $(+ { let _ = stringify!($name); 1 })*;
                let ($($name,)*) = self;
                match sink.encoded(COUNT) {
                    Some((_codec, _out)) => {
                        $(_codec.write($name, _out)?;)*
                    }
                    None => {
                        $(sink.value(None, $name)?;)*
                    }
                }
                Ok(())
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

/// Puts one value, the result of a call, into bytes.
pub trait Encode: Sync {
    /// Appends `value` to `out`.
    ///
    /// # Errors
    /// [`EncodeError`] if the format has no way to express it; `out` may then hold a part of it.
    fn encode(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError>;

    /// As for [`ArgumentSource::encoded`]: the codec, if this is one.
    #[doc(hidden)]
    fn codec(&self) -> Option<Codec> {
        None
    }
}

/// A value that can't be expressed in the format it should go out in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(pub String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}
