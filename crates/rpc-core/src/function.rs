use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

use crate::arguments::{ArgumentSource, Encode, Slot};
use crate::fault::shortened;
use crate::{Answer, Context, Fault, Kind, Value, Work};

/// What a function may return: `Result<T, E>` with a serialisable `T` and an `E` that converts into [`Fault`], or one
/// of the standard library's plain types.
#[diagnostic::on_unimplemented(
    message = "a function can't return `{Self}` as it is",
    note = "return `Result<T, E>` with `T: serde::Serialize` and `E: Into<rpc_core::Fault>`"
)]
pub trait Reply {
    /// What goes to the caller.
    type Value: Serialize;

    /// The value or the fault.
    ///
    /// # Errors
    /// The function's own.
    fn into_result(self) -> Result<Self::Value, Fault>;
}

impl<T: Serialize, E: Into<Fault>> Reply for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, Fault> {
        self.map_err(Into::into)
    }
}

macro_rules! plain_replies {
    ($([$($generics:tt)*] $type:ty,)*) => {$(
        impl<$($generics)*> Reply for $type {
            type Value = Self;

            fn into_result(self) -> Result<Self, Fault> {
                Ok(self)
            }
        }
    )*};
}

plain_replies! {
    [] (), [] bool, [] char, [] String, [] &'static str, [] Value,
    [] i8, [] i16, [] i32, [] i64, [] i128, [] isize, [] u8, [] u16, [] u32, [] u64, [] u128, [] usize, [] f32, [] f64,
    [T: Serialize] Vec<T>, [T: Serialize] Option<T>, [T: Serialize] Box<T>,
    [K: Serialize, V: Serialize, S] HashMap<K, V, S>, [K: Serialize, V: Serialize] BTreeMap<K, V>,
    [A: Serialize, B: Serialize] (A, B), [A: Serialize, B: Serialize, C: Serialize] (A, B, C),
}

/// The parameters of a function, as a tuple: how they are read from the arguments of a call.
pub trait Parameters: Sized + Send + 'static {
    /// How many there are.
    const COUNT: usize;

    #[doc(hidden)]
    fn read(source: &mut dyn ArgumentSource, signature: &Signature) -> Result<Self, Fault>;
}

/// A closure that can be registered: `P` is the tuple of its parameters.
pub trait Function<P>: Send + Sync + 'static {
    /// What it returns.
    type Output;

    #[doc(hidden)]
    fn call(&self, parameters: P) -> Self::Output;
}

/// A closure whose first parameter is `&Context`.
pub trait FunctionWithContext<P>: Send + Sync + 'static {
    /// What it returns.
    type Output;

    #[doc(hidden)]
    fn call(&self, context: &Context, parameters: P) -> Self::Output;
}

/// A closure whose first parameter is `Context` and which returns a future.
pub trait AsyncFunction<P>: Send + Sync + 'static {
    /// What its future comes to.
    type Output;
    /// The future.
    type Future: Future<Output = Self::Output> + Send + 'static;

    #[doc(hidden)]
    fn call(&self, context: Context, parameters: P) -> Self::Future;
}

/// How a function is called, and the names of its parameters.
#[derive(Debug)]
pub struct Signature {
    pub(crate) name: Box<str>,
    pub(crate) parameters: Box<[Box<str>]>,
}

impl Signature {
    fn index(&self, slot: Slot<'_>, positional: &mut usize) -> Result<usize, Fault> {
        match slot {
            Slot::Positional if *positional < self.parameters.len() => {
                *positional += 1;
                Ok(*positional - 1)
            }
            Slot::Positional => Err(self.wrong(format_args!(
                "takes {} arguments, and more were given",
                self.parameters.len()
            ))),
            Slot::Keyword(name) => {
                let index = self
                    .parameters
                    .iter()
                    .position(|parameter| **parameter == *name);
                index.ok_or_else(|| {
                    self.wrong(format_args!("has no parameter '{}'", shortened(name)))
                })
            }
        }
    }

    #[cold]
    fn unreadable(&self, index: usize, error: impl std::fmt::Display) -> Fault {
        self.wrong(format_args!(
            "argument '{}': {error}",
            self.parameters[index]
        ))
    }

    /// What is wrong with the arguments as a whole, with the function's name.
    #[cold]
    fn unfit(&self, fault: Fault) -> Fault {
        let message = format!("{}(): {}", self.name, fault.message);
        Fault { message, ..fault }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Fault {
        Fault::wrong_arguments(format!("{}() {what}", self.name))
    }
}

fn read_into<T: DeserializeOwned + 'static>(
    place: &mut Option<T>,
    source: &mut dyn ArgumentSource,
    signature: &Signature,
    index: usize,
) -> Result<(), Fault> {
    let name = &signature.parameters[index];
    if place.is_some() {
        return Err(signature.wrong(format_args!("got two values for '{name}'")));
    }
    let dynamic = (place as &mut dyn Any).downcast_mut::<Option<Value>>();
    let read = match dynamic.map(|place| (place, source.dynamic())) {
        Some((place, Some(read))) => read.map(|value| *place = Some(value)),
        _ => source.value(&mut |deserializer| {
            *place = Some(erased_serde::deserialize(deserializer)?);
            Ok(())
        }),
    };
    read.map_err(|fault| signature.unreadable(index, fault.message))
}

/// What was not given: nothing for an `Option`, a fault for anything else.
fn or_missing<T: DeserializeOwned>(
    place: Option<T>,
    signature: &Signature,
    index: usize,
) -> Result<T, Fault> {
    place.map_or_else(
        || {
            T::deserialize(Missing).map_err(|_| {
                signature.wrong(format_args!(
                    "needs a value for '{}'",
                    signature.parameters[index]
                ))
            })
        },
        Ok,
    )
}

struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

macro_rules! arities {
    ($(($($index:tt $name:ident)*))*) => {$(
        impl<$($name: DeserializeOwned + Send + 'static),*> Parameters for ($($name,)*) {
            const COUNT: usize = 0 $(+ { let _ = $index; 1 })*;

            #[allow(non_snake_case, reason = "a type and its value share a letter")]
            fn read(source: &mut dyn ArgumentSource, signature: &Signature) -> Result<Self, Fault> {
                if let Some(mut _encoded) = source.encoded()
                    && _encoded.count() == Self::COUNT
                {
                    $(let $name = _encoded.next().map_err(|error| signature.unreadable($index, error))?;)*
                    _encoded.end().map_err(|fault| signature.unfit(fault))?;
                    return Ok(($($name,)*));
                }
                $(let mut $name: Option<$name> = None;)*
                let mut positional = 0;
                while let Some(slot) = source.next().map_err(|fault| signature.unfit(fault))? {
                    match signature.index(slot, &mut positional)? {
                        $($index => read_into(&mut $name, source, signature, $index)?,)*
                        _ => return Err(signature.wrong("takes no such argument")),
                    }
                }
                Ok(($(or_missing($name, signature, $index)?,)*))
            }
        }

        impl<F, R, $($name),*> Function<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            type Output = R;

            #[allow(non_snake_case, reason = "a type and its value share a letter")]
            fn call(&self, ($($name,)*): ($($name,)*)) -> R {
                self($($name),*)
            }
        }

        impl<F, R, $($name),*> FunctionWithContext<($($name,)*)> for F
        where
            F: Fn(&Context, $($name),*) -> R + Send + Sync + 'static,
        {
            type Output = R;

            #[allow(non_snake_case, reason = "a type and its value share a letter")]
            fn call(&self, context: &Context, ($($name,)*): ($($name,)*)) -> R {
                self(context, $($name),*)
            }
        }

        impl<F, T, $($name),*> AsyncFunction<($($name,)*)> for F
        where
            F: Fn(Context, $($name),*) -> T + Send + Sync + 'static,
            T: Future + Send + 'static,
        {
            type Output = T::Output;
            type Future = T;

            #[allow(non_snake_case, reason = "a type and its value share a letter")]
            fn call(&self, context: Context, ($($name,)*): ($($name,)*)) -> T {
                self(context, $($name),*)
            }
        }
    )*};
}

arities! {
    ()
    (0 A)
    (0 A 1 B)
    (0 A 1 B 2 C)
    (0 A 1 B 2 C 3 D)
    (0 A 1 B 2 C 3 D 4 E)
    (0 A 1 B 2 C 3 D 4 E 5 G)
    (0 A 1 B 2 C 3 D 4 E 5 G 6 H)
    (0 A 1 B 2 C 3 D 4 E 5 G 6 H 7 I)
}

/// A registered function, its types forgotten, that needs its context or may take long.
pub(crate) trait Deferred: Send + Sync {
    /// Reads the arguments; the rest happens elsewhere.
    fn prepare(
        self: Arc<Self>,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &'static dyn Encode,
        context: Context,
        is_blocking: bool,
    ) -> Result<Work, Fault>;
}

/// One that can also be run where it is called.
pub(crate) trait Immediate: Deferred {
    /// Reads the arguments, runs the function and appends its encoded result to `out`.
    fn run(
        &self,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &dyn Encode,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault>;
}

/// The three ways in which a closure is kept; `P` only tells the compiler which parameters it has.
pub(crate) struct Plain<F, P>(pub(crate) F, pub(crate) PhantomData<fn(P)>);
pub(crate) struct WithContext<F, P>(pub(crate) F, pub(crate) PhantomData<fn(P)>);
pub(crate) struct Async<F, P>(pub(crate) F, pub(crate) PhantomData<fn(P)>);

impl<F: Function<P>, P: Parameters> Immediate for Plain<F, P>
where
    F::Output: Reply,
{
    fn run(
        &self,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &dyn Encode,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        encoded(self.0.call(P::read(source, signature)?), encode, out)
    }
}

impl<F: Function<P>, P: Parameters> Deferred for Plain<F, P>
where
    F::Output: Reply,
{
    fn prepare(
        self: Arc<Self>,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &'static dyn Encode,
        _: Context,
        is_blocking: bool,
    ) -> Result<Work, Fault> {
        let parameters = P::read(source, signature)?;
        Ok(closure(is_blocking, move |out| {
            encoded(self.0.call(parameters), encode, out)
        }))
    }
}

impl<F: FunctionWithContext<P>, P: Parameters> Deferred for WithContext<F, P>
where
    F::Output: Reply,
{
    fn prepare(
        self: Arc<Self>,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &'static dyn Encode,
        context: Context,
        is_blocking: bool,
    ) -> Result<Work, Fault> {
        let parameters = P::read(source, signature)?;
        Ok(closure(is_blocking, move |out| {
            encoded(self.0.call(&context, parameters), encode, out)
        }))
    }
}

impl<F: AsyncFunction<P>, P: Parameters> Deferred for Async<F, P>
where
    F::Output: Reply,
{
    fn prepare(
        self: Arc<Self>,
        source: &mut dyn ArgumentSource,
        signature: &Signature,
        encode: &'static dyn Encode,
        context: Context,
        _: bool,
    ) -> Result<Work, Fault> {
        let parameters = P::read(source, signature)?;
        // The closure itself runs at the first poll: by then no lock of the connection is held.
        let mut running = Box::pin(async move {
            let reply = self.0.call(context, parameters).await;
            let mut out = Vec::new();
            encoded(reply, encode, &mut out).map(|()| out)
        });
        Ok(Work::Future(Box::pin(poll_fn(move |cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| Poll::Ready(Err(Fault::panicked())))
        }))))
    }
}

fn encoded(reply: impl Reply, encode: &dyn Encode, out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = reply.into_result()?;
    let encoded = match encode.codec() {
        Some(codec) => codec.write(&value, out),
        None => encode.encode(&value, out),
    };
    encoded.map_err(|error| Fault::of(Kind::Unencodable, error.to_string()))
}

fn closure(
    is_blocking: bool,
    run: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault> + Send + 'static,
) -> Work {
    let work = Box::new(move || -> Answer {
        let mut out = Vec::new();
        caught(|| run(&mut out))?;
        Ok(out)
    });
    if is_blocking {
        Work::Blocking(work)
    } else {
        Work::Quick(work)
    }
}

/// What `run` gives, or [`Fault::panicked`].
pub(crate) fn caught<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Fault::panicked()))
}
