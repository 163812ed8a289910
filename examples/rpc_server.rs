//! Lets programs call functions by Python's `multiprocessing.connection`.
//!
//! ```sh
//! cargo run --example rpc_server -- --authkey peekaboo
//! cargo run --example rpc_client -- --authkey peekaboo add 2 3
//! cargo run --example rpc_client -- --authkey peekaboo sub 2 y=0.5
//! python3 examples/python/rpc_client.py peekaboo
//! ```
//!
//! A call is the pickle of a function's name, its arguments and its keyword arguments; the answer is the pickle of
//! what the function returns, or of an exception. The server can also be Python's:
//!
//! ```sh
//! python3 examples/python/rpc_server.py peekaboo
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use examples::{Address, AuthOptions, Logging, Serving};
use mp_connection::rpc::{Options, Peer};
use rpc_core::{Fault, Registry};
use serde::{Deserialize, Serialize};

/// Lets programs call functions by multiprocessing.connection
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17000")]
    listen: Address,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let auth = args.key.load()?;
    let registry = Arc::new(functions());
    examples::serve_dialect(&args.listen, &args.serving, move |peer| {
        let calls = Peer::new(Arc::clone(&registry), Options::default());
        match &auth {
            Some(auth) => calls.authenticated(auth).on_login(move |generation| {
                examples::log_generation(peer, generation);
            }),
            None => calls,
        }
    })
}

// ANCHOR: functions
fn functions() -> Registry {
    let mut registry = Registry::new();
    registry
        .register("add", ["x", "y"], |x: Number, y: Number| {
            x.with(y, i64::checked_add, |x, y| x + y)
        })
        .doc("The sum of two numbers.");
    registry
        .register("sub", ["x", "y"], |x: Number, y: Number| {
            x.with(y, i64::checked_sub, |x, y| x - y)
        })
        .doc("What is left of x without y.");
    registry
        .register("mul", ["x", "y"], |x: Number, y: Number| {
            x.with(y, i64::checked_mul, |x, y| x * y)
        })
        .doc("The product of two numbers.");
    registry
        .register("div", ["x", "y"], |x: Number, y: Number| {
            match (x.to_f64(), y.to_f64()) {
                (_, 0.0) => Err(Fault::new("ZeroDivisionError", "division by zero")),
                (x, y) => Ok(x / y),
            }
        })
        .doc("How often y is in x; ZeroDivisionError if y is 0.");
    registry
        .register("mean", ["numbers"], |numbers: Vec<f64>| {
            match numbers.len() {
                0 => Err(Fault::new("ValueError", "no numbers have no mean")),
                count => Ok(numbers.iter().sum::<f64>() / count as f64),
            }
        })
        .doc("The arithmetic mean of a list of numbers; ValueError if there are none.");
    registry.introspection();
    registry
}
// ANCHOR_END: functions

/// As Python has them: two integers make an integer.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn with(
        self,
        other: Self,
        ints: fn(i64, i64) -> Option<i64>,
        floats: fn(f64, f64) -> f64,
    ) -> Result<Self, Fault> {
        match (self, other) {
            (Self::Int(x), Self::Int(y)) => ints(x, y)
                .map(Self::Int)
                .ok_or_else(|| Fault::new("OverflowError", "the result has more than 64 bits")),
            (x, y) => Ok(Self::Float(floats(x.to_f64(), y.to_f64()))),
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}
