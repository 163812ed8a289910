use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use crate::arguments::{ArgumentSource, Encode};
use crate::function::{
    Async, AsyncFunction, Deferred, Function, FunctionWithContext, Immediate, Parameters, Plain,
    Reply, Signature, WithContext, caught,
};
use crate::{Context, Fault, Metadata, Work};

/// The functions that can be called, by name.
///
/// Register at the start, then share it between connections and dialects in an [`Arc`]; nothing changes it later.
///
/// A parameter of type `Option` may be left out by the caller. Who gives it by `postcard` or `bincode` gives an `Option`:
/// `Some(10)`, not `10`. A function runs once for each call that arrives and is
/// never run twice for one.
#[derive(Default)]
pub struct Registry {
    entries: HashMap<Box<str>, Registered, BuildHasherDefault<Fnv>>,
}

/// A function that was just registered, to say more about it.
pub struct Registered {
    signature: Signature,
    doc: Box<str>,
    callable: Callable,
    is_introspection: bool,
}

enum Callable {
    AtOnce(Arc<dyn Immediate>),
    Later {
        function: Arc<dyn Deferred>,
        is_blocking: bool,
    },
}

/// One call, as a dialect hands it to [`Registry::invoke`].
#[derive(Debug, Default)]
pub struct Call<'a> {
    /// Which function.
    pub name: &'a str,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// What came beside the arguments.
    pub metadata: Metadata,
}

/// What became of a call.
#[derive(Debug)]
pub enum Invoked {
    /// It ran. `Ok`: its encoded result was appended; `Err`: nothing was.
    Done(Result<(), Fault>),
    /// It is ready to run elsewhere; the context is the one it sees, for [`Context::cancel`].
    Later(Work, Context),
}

impl Registry {
    /// No functions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a function that is quick: it runs in the thread that reads from the connection, before anything else
    /// of that connection. [`blocking`](Registered::blocking) on what this returns sends it to a worker instead.
    ///
    /// # Panics
    /// If the name is taken, empty or longer than 255 bytes, or a parameter's name is twice there or longer than 255
    /// bytes. That `parameters` are as many as the closure has is checked when it is compiled.
    pub fn register<F, P, const N: usize>(
        &mut self,
        name: &str,
        parameters: [&str; N],
        function: F,
    ) -> &mut Registered
    where
        F: Function<P>,
        F::Output: Reply,
        P: Parameters,
    {
        const { assert!(N == P::COUNT, "as many names as parameters") };
        self.insert(
            name,
            &parameters,
            Callable::AtOnce(Arc::new(Plain(function, PhantomData))),
        )
    }

    /// Registers a function that is quick and looks at its [`Context`].
    ///
    /// # Panics
    /// As [`register`](Self::register).
    pub fn register_with<F, P, const N: usize>(
        &mut self,
        name: &str,
        parameters: [&str; N],
        function: F,
    ) -> &mut Registered
    where
        F: FunctionWithContext<P>,
        F::Output: Reply,
        P: Parameters,
    {
        const {
            assert!(
                N == P::COUNT,
                "as many names as parameters beside the context"
            )
        };
        self.insert(
            name,
            &parameters,
            Callable::Later {
                function: Arc::new(WithContext(function, PhantomData)),
                is_blocking: false,
            },
        )
    }

    /// Registers a function that returns a future. Every driver can run it: the event loop polls it in its own thread,
    /// tokio as a task, threads on their workers. Only under tokio may it use tokio's timers and sockets.
    ///
    /// # Panics
    /// As [`register`](Self::register).
    pub fn register_async<F, P, const N: usize>(
        &mut self,
        name: &str,
        parameters: [&str; N],
        function: F,
    ) -> &mut Registered
    where
        F: AsyncFunction<P>,
        F::Output: Reply,
        P: Parameters,
    {
        const {
            assert!(
                N == P::COUNT,
                "as many names as parameters beside the context"
            )
        };
        self.insert(
            name,
            &parameters,
            Callable::Later {
                function: Arc::new(Async(function, PhantomData)),
                is_blocking: false,
            },
        )
    }

    /// Registers `system.listMethods`, `system.methodSignature` and `system.methodHelp`, as XML-RPC knows them, in
    /// every dialect. The [`fingerprint`](Self::fingerprint) is without them.
    ///
    /// # Panics
    /// If one of the names is taken.
    pub fn introspection(&mut self) {
        self.register_with("system.listMethods", [], |cx: &Context| {
            cx.registry()
                .list()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .doc("The names of all functions, sorted.")
        .is_introspection = true;
        self.register_with(
            "system.methodSignature",
            ["name"],
            move |cx: &Context, name: String| {
                cx.registry()
                    .signature(&name)
                    .ok_or_else(|| Fault::unknown_function(&name))
            },
        )
        .doc("A function's name and parameters.")
        .is_introspection = true;
        self.register_with(
            "system.methodHelp",
            ["name"],
            move |cx: &Context, name: String| {
                cx.registry()
                    .help(&name)
                    .map(str::to_owned)
                    .ok_or_else(|| Fault::unknown_function(&name))
            },
        )
        .doc("What a function says about itself.")
        .is_introspection = true;
    }

    /// The names of all functions, sorted.
    #[must_use]
    pub fn list(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.entries.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// A function's name and parameters: `add(x, y)`.
    #[must_use]
    pub fn signature(&self, name: &str) -> Option<String> {
        Some(self.entries.get(name)?.signature.to_string())
    }

    /// What was said about a function with [`Registered::doc`]; empty if nothing was.
    #[must_use]
    pub fn help(&self, name: &str) -> Option<&str> {
        Some(&self.entries.get(name)?.doc)
    }

    /// A number that is the same for registries with the same names and parameters: the 64-bit FNV-1a hash of their
    /// sorted [signatures](Self::signature), each followed by a line end. Types are not in it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut signatures: Vec<String> = self
            .entries
            .values()
            .filter(|entry| !entry.is_introspection)
            .map(|entry| entry.signature.to_string())
            .collect();
        signatures.sort_unstable();
        fingerprint(signatures.iter().map(String::as_str))
    }

    /// Calls a function, for authors of dialects. `encode` puts the result into bytes; that of a function which runs at
    /// once is appended to `out`.
    ///
    /// A panic, in the function or in reading its arguments, becomes [`Fault::panicked`].
    pub fn invoke(
        &self,
        call: Call<'_>,
        arguments: &mut dyn ArgumentSource,
        encode: &'static dyn Encode,
        connection: &Context,
        out: &mut Vec<u8>,
    ) -> Invoked {
        let Some(entry) = self.entries.get(call.name) else {
            return Invoked::Done(Err(Fault::unknown_function(call.name)));
        };
        match &entry.callable {
            Callable::AtOnce(function) => {
                let start = out.len();
                let done = caught(|| function.run(arguments, &entry.signature, encode, out));
                if done.is_err() {
                    out.truncate(start);
                }
                Invoked::Done(done)
            }
            Callable::Later {
                function,
                is_blocking,
            } => {
                let context = connection.for_call(call.deadline, call.metadata);
                let (function, own) = (Arc::clone(function), context.clone());
                let prepare =
                    || function.prepare(arguments, &entry.signature, encode, own, *is_blocking);
                match caught(prepare) {
                    Ok(work) => Invoked::Later(work, context),
                    Err(fault) => Invoked::Done(Err(fault)),
                }
            }
        }
    }

    fn insert(&mut self, name: &str, parameters: &[&str], callable: Callable) -> &mut Registered {
        assert!(
            !self.entries.contains_key(name),
            "a function is already called '{name}'"
        );
        assert!(
            (1..=255).contains(&name.len()),
            "a function's name has 1 to 255 bytes, not {}",
            name.len()
        );
        for (index, parameter) in parameters.iter().enumerate() {
            assert!(
                parameter.len() <= 255,
                "a parameter's name has at most 255 bytes, not {}",
                parameter.len()
            );
            assert!(
                !parameters[..index].contains(parameter),
                "{name}() has two parameters called '{parameter}'"
            );
        }
        let signature = Signature {
            name: name.into(),
            parameters: parameters
                .iter()
                .map(|&parameter| parameter.into())
                .collect(),
        };
        self.entries.entry(name.into()).or_insert(Registered {
            signature,
            doc: "".into(),
            callable,
            is_introspection: false,
        })
    }
}

impl Registered {
    /// Says what the function does, for `system.methodHelp`.
    pub fn doc(&mut self, text: &str) -> &mut Self {
        self.doc = text.into();
        self
    }

    /// The function may take long: it runs on a worker thread, so that other calls don't wait for it. Has no effect on
    /// one that returns a future.
    pub fn blocking(&mut self) -> &mut Self {
        let function: Arc<dyn Deferred> = match &self.callable {
            Callable::AtOnce(function) => Arc::clone(function) as _,
            Callable::Later { function, .. } => Arc::clone(function),
        };
        self.callable = Callable::Later {
            function,
            is_blocking: true,
        };
        self
    }
}

/// The fingerprint of functions with these sorted signatures.
pub(crate) fn fingerprint<'a>(signatures: impl Iterator<Item = &'a str>) -> u64 {
    let mut hash = Fnv::default();
    for signature in signatures {
        hash.write(signature.as_bytes());
        hash.write(b"\n");
    }
    hash.finish()
}

/// The 64-bit FNV-1a hash. It finds functions too: quick for short names, and which names there are is for the program
/// to choose, not for its callers.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.parameters.join(", "))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.signature)
    }
}
