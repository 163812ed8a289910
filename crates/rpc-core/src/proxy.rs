use serde::de::DeserializeOwned;

use crate::registry::fingerprint;
use crate::{Client, Error, Pending, Registry, ToArguments, blocking};

/// What a [`proxy!`](crate::proxy!) calls by: either of the two clients.
pub trait Caller {
    /// What a call gives: the result, or a future of it.
    type Outcome<R: DeserializeOwned>;

    /// Calls a function, as the client's own method of that name.
    fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Self::Outcome<R>;
}

impl Caller for Client {
    type Outcome<R: DeserializeOwned> = Pending<R>;

    fn call<R: DeserializeOwned>(&self, function: &str, arguments: impl ToArguments) -> Pending<R> {
        self.call(function, arguments)
    }
}

impl Caller for blocking::Client {
    type Outcome<R: DeserializeOwned> = Result<R, Error>;

    fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        self.call(function, arguments)
    }
}

/// Makes a type whose methods are the functions of the other end.
///
/// It has `new(client)`, for a [`Client`](crate::Client) or a [`blocking::Client`](crate::blocking::Client), and a
/// method for each function that gives what the client's `call` gives: a future of the result, or the result.
/// `fingerprint()` is that of a registry with exactly these functions; as
/// [`Options::expect`](crate::Options::expect) it finds out at the start that the other end has others.
///
/// What is not written here is sent as it is called: a function's name, and its arguments by position.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use rpc_core::{Client, Codec, Error, Options, Registry, blocking, proxy};
///
/// proxy! {
///     /// Reckons elsewhere.
///     pub struct Calculator {
///         /// The sum of two numbers.
///         fn add(x: i64, y: i64) -> i64;
///         fn log(text: &str);
///     }
/// }
///
/// async fn twice(client: Client) -> Result<i64, Error> {
///     let calculator = Calculator::new(client);
///     calculator.log("twice").await?;
///     let sum = calculator.add(2, 3).await?;
///     calculator.add(sum, sum).await
/// }
///
/// fn once(client: blocking::Client) -> Result<i64, Error> {
///     Calculator::new(client).add(2, 3)
/// }
///
/// let mut registry = Registry::new();
/// registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
/// registry.register("log", ["text"], |text: String| println!("{text}"));
/// let fingerprint = Calculator::<Client>::fingerprint();
/// assert_eq!(fingerprint, registry.fingerprint());
/// let options = Options { expect: Some(fingerprint), ..Options::new(Codec::Postcard) };
/// # let _ = (twice, once, options);
/// # }
/// ```
#[macro_export]
macro_rules! proxy {
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident {
            $(
                $(#[$doc:meta])*
                fn $function:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        $visible struct $name<C>(C);

        #[allow(dead_code, reason = "a program may call some of the functions only")]
        impl<C: $crate::Caller> $name<C> {
            /// Makes a proxy that calls by this client.
            $visible fn new(client: C) -> Self {
                Self(client)
            }

            /// Returns the fingerprint of a registry that has these functions and no others.
            #[must_use]
            $visible fn fingerprint() -> u64 {
                $crate::Registry::fingerprint_of(&[
                    $((stringify!($function), &[$(stringify!($argument)),*])),*
                ])
            }

            $(
                $(#[$doc])*
                $visible fn $function(
                    &self,
                    $($argument: $type),*
                ) -> C::Outcome<$crate::proxy!(@result $($result)?)> {
                    self.0.call(stringify!($function), ($($argument,)*))
                }
            )*
        }
    };
    (@result) => { () };
    (@result $result:ty) => { $result };
}

impl Registry {
    /// Returns the [fingerprint](Self::fingerprint) of a registry with these functions, in any order: their names and
    /// those of their parameters. For a program that calls them, and has no such registry.
    #[must_use]
    pub fn fingerprint_of(functions: &[(&str, &[&str])]) -> u64 {
        let signature =
            |(name, parameters): &(&str, &[&str])| format!("{name}({})", parameters.join(", "));
        let mut signatures: Vec<String> = functions.iter().map(signature).collect();
        signatures.sort_unstable();
        fingerprint(signatures.iter().map(String::as_str))
    }
}
