//! Receives an array, straight into the memory where it is to be.
//!
//! ```sh
//! cargo run --release --example array_server
//! cargo run --release --example array_client -- --check
//! ```
//!
//! The server can also be Python's, with numpy or without it:
//!
//! ```sh
//! python3 examples/python/array_raw_server.py
//! python3 examples/python/array_numpy_server.py npy numbers.npy
//! ```

use std::error::Error;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bulk_array::blocking::{npy, raw};
use bulk_array::npy::Header;
use bulk_array::{ByteOrder, Dtype, Element, Limits};
use clap::Parser;
use examples::{Address, ForElement, Logging, Meter, Wire, for_dtype};

/// Receives an array
#[derive(Parser)]
struct Args {
    /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25000")]
    connect: Address,
    /// How the array crosses the socket
    #[arg(long, value_enum, default_value_t = Wire::Raw)]
    wire: Wire,
    /// How many elements there are (raw: nothing on the wire tells it)
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    count: usize,
    /// Of which type they are (npy tells it)
    #[arg(long, value_name = "TYPE", default_value = "f8", value_parser = examples::dtype)]
    dtype: Dtype,
    /// How many bytes the array may have
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    max_bytes: u64,
    /// Where to put the array
    #[arg(long, value_name = "X.npy")]
    output: Option<PathBuf>,
    /// See whether the array is that of the recipe: 0, 1, 2 …
    #[arg(long)]
    check: bool,
    /// How long the server may send no byte
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = examples::seconds)]
    stall_timeout: Duration,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::from(args.connect.connect()?);
    stream.set_read_timeout(Some(args.stall_timeout))?;
    let header = match args.wire {
        Wire::Raw => Header::new(args.dtype, ByteOrder::Little, [args.count]),
        Wire::Npy => npy::recv_header(&mut stream, &args.limits()).map_err(|e| args.explain(e))?,
    };
    let dtype = header.dtype();
    let receiving = Receiving {
        args,
        stream,
        header,
    };
    for_dtype(dtype, receiving)
        .ok_or_else(|| format!("no program here has numbers like {dtype}"))?
}

/// The elements are to come.
struct Receiving<'a> {
    args: &'a Args,
    stream: TcpStream,
    header: Header,
}

impl ForElement for Receiving<'_> {
    type Output = Result<(), Box<dyn Error>>;

    fn run<T: Element + Debug + Send + Sync>(self) -> Self::Output {
        let Self {
            args,
            stream,
            header,
        } = self;
        let len = header.shape().len().expect("it is within the limits");
        let meter = Meter::start(len * size_of::<T>() as u64, 0);
        let received = raw::recv_vec(&mut meter.over(&stream), len as usize, header.order());
        meter.finish();
        let values: Vec<T> = received.map_err(|error| args.explain(error))?;
        let native = Header::new(header.dtype(), ByteOrder::NATIVE, header.into_shape());
        args.take(&native, &values)
    }
}

impl Args {
    fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes,
            ..Limits::default()
        }
    }

    /// The array is there.
    fn take<T: Element + Debug>(
        &self,
        header: &Header,
        values: &[T],
    ) -> Result<(), Box<dyn Error>> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{} {}: {}",
            header.dtype(),
            header.shape(),
            ends(values)
        )?;
        if self.check {
            examples::check_recipe(values)?;
            writeln!(out, "all are the recipe's")?;
        }
        if let Some(path) = &self.output {
            let written = File::create(path).and_then(|mut file| {
                file.write_all(&header.encode())?;
                raw::send_slice(&mut file, values, header.order())
            });
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    fn explain(&self, error: impl Into<bulk_array::Error>) -> String {
        match error.into() {
            bulk_array::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let patience = self.stall_timeout.as_secs_f64();
                format!("{}: no byte for {patience} s", self.connect)
            }
            error => format!("{}: {error}", self.connect),
        }
    }
}

/// The first elements and the last.
fn ends<T: Debug>(values: &[T]) -> String {
    match values {
        [first @ .., last] if first.len() > 3 => {
            let first: String = first[..3]
                .iter()
                .map(|value| format!("{value:?}, "))
                .collect();
            format!("{first}…, {last:?}")
        }
        few => format!("{few:?}"),
    }
}
