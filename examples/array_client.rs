//! Receives an array, straight into the memory where it is to be.
//!
//! ```sh
//! cargo run --release --example array_server
//! cargo run --release --example array_client -- --check
//! ```
//!
//! In chunks, a transfer that broke off, or was stopped by Ctrl-C, goes on where it was:
//!
//! ```sh
//! cargo run --release --example array_server -- --wire chunked
//! cargo run --release --example array_client -- --wire chunked --output numbers.npy
//! cargo run --release --example array_client -- --wire chunked --output numbers.npy --resume
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
use std::net::{Shutdown, TcpStream};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use bulk_array::blocking::{chunked, npy, raw};
use bulk_array::chunked::{Checkpoint, Transfer};
use bulk_array::npy::Header;
use bulk_array::{ByteOrder, Dtype, Element, Limits};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use examples::arrays::{self, ForElement, Meter, PartFile, Wire, for_dtype};
use examples::{Address, Logging, Signals};

/// Receives an array
#[derive(Parser)]
struct Args {
    /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25000")]
    connect: Address,
    /// How the array crosses the socket
    #[arg(long, value_enum, default_value_t = Wire::Raw)]
    wire: Wire,
    /// How many elements there are (raw, and with several streams: they need to know before the wire tells)
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    count: usize,
    /// Of which type they are (npy tells it)
    #[arg(long, value_name = "TYPE", default_value = "f8", value_parser = arrays::dtype)]
    dtype: Dtype,
    /// How many bytes the array may have
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    max_bytes: u64,
    /// Where to put the array
    #[arg(long, value_name = "X.npy")]
    output: Option<PathBuf>,
    /// Go on where a transfer to this output stopped (chunked); what is there is in X.npy.part
    #[arg(long, requires = "output")]
    resume: bool,
    /// Over how many connections at a time (chunked)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    streams: u16,
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
    if args.wire != Wire::Chunked && (args.resume || args.streams > 1) {
        let why = "--resume and --streams are for --wire chunked alone";
        Args::command()
            .error(ErrorKind::ArgumentConflict, why)
            .exit();
    }
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let bytes = (args.count as u64).checked_mul(args.dtype.item_size() as u64);
    if args.wire != Wire::Npy && bytes.is_none_or(|bytes| bytes > args.max_bytes) {
        let (count, dtype, most) = (args.count, args.dtype, args.max_bytes);
        return Err(format!("{count} numbers of {dtype} are more than {most} bytes").into());
    }
    if args.wire == Wire::Chunked {
        let receiving = ReceivingChunks { args };
        return for_dtype(args.dtype, receiving).expect("an option has only such types");
    }
    let mut stream = connect(args)?;
    let header = match args.wire {
        Wire::Npy => npy::recv_header(&mut stream, &args.limits()).map_err(|e| args.explain(e))?,
        _ => Header::new(args.dtype, ByteOrder::Little, [args.count]),
    };
    let dtype = header.dtype();
    let receiving = Receiving {
        args,
        stream,
        header,
    };
    for_dtype(dtype, receiving).ok_or_else(|| format!("nothing here has numbers like {dtype}"))?
}

fn connect(args: &Args) -> io::Result<TcpStream> {
    let stream = TcpStream::from(args.connect.connect()?);
    stream.set_read_timeout(Some(args.stall_timeout))?;
    Ok(stream)
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

/// The elements are to come in chunks, and some may be there.
struct ReceivingChunks<'a> {
    args: &'a Args,
}

impl ForElement for ReceivingChunks<'_> {
    type Output = Result<(), Box<dyn Error>>;

    fn run<T: Element + Debug + Send + Sync>(self) -> Self::Output {
        let args = self.args;
        let part = args.output.as_deref().map(PartFile::beside);
        let kept = match &part {
            Some(part) if args.resume => part.load()?,
            _ => None,
        };
        let (checkpoint, values) = kept.unzip();
        let mut values: Vec<T> = values.unwrap_or_default();
        let end = if args.streams == 1 {
            let transfer = Transfer::vec(values, &args.limits());
            let (transfer, end) = receive_chunks(args, transfer, checkpoint)?;
            values = transfer.into_vec();
            end
        } else {
            values.resize(args.count, T::zeroed());
            let transfer = Transfer::parallel(&mut values, args.streams);
            receive_chunks(args, transfer, checkpoint)?.1
        };
        match (end, part) {
            (End::Complete(header), part) => {
                args.take(&header, &values)?;
                part.iter().for_each(PartFile::remove);
                Ok(())
            }
            (End::Stopped(why, Some(checkpoint)), Some(part)) if checkpoint.bytes > 0 => {
                part.save(&checkpoint, &values)?;
                let (bytes, path) = (checkpoint.bytes, part.path().display());
                Err(
                    format!("{why}; {bytes} bytes are in {path}, --resume goes on from there")
                        .into(),
                )
            }
            (End::Stopped(why, _), _) => Err(why.into()),
        }
    }
}

/// How a transfer in chunks ended.
enum End {
    Complete(Header),
    Stopped(String, Option<Checkpoint>),
}

/// Receives what is not there yet, and gives the transfer back with what is there then.
fn receive_chunks<'v, T: Element + Send + Sync>(
    args: &Args,
    mut transfer: Transfer<'v, T>,
    checkpoint: Option<Checkpoint>,
) -> Result<(Transfer<'v, T>, End), Box<dyn Error>> {
    if let Some(checkpoint) = &checkpoint {
        transfer = transfer.with_checkpoint(checkpoint)?;
    }
    transfer = transfer.with_stall_timeout(Some(args.stall_timeout));
    let connections = (0..args.streams).map(|_| connect(args));
    let connections = connections.collect::<io::Result<Vec<_>>>()?;
    let is_stopping = Arc::default();
    if args.output.is_some() {
        close_on_signals(&connections, Arc::clone(&is_stopping))?;
    }
    let failure = receive_streams(&connections, &transfer);
    let why = match failure {
        None => {
            let header = transfer.header().expect("every stream begins with it");
            let header = Header::new(header.dtype, ByteOrder::NATIVE, header.shape);
            return Ok((transfer, End::Complete(header)));
        }
        Some(_) if is_stopping.load(Ordering::Relaxed) => "stopped".to_owned(),
        Some(error) => args.explain(error),
    };
    let checkpoint = transfer.checkpoint();
    Ok((transfer, End::Stopped(why, checkpoint)))
}

// ANCHOR: chunked
/// Receives each stream over its connection. Returns why, if they did not all come to their ends.
fn receive_streams<T: Element + Send + Sync>(
    connections: &[TcpStream],
    transfer: &Transfer<'_, T>,
) -> Option<bulk_array::Error> {
    let meter = Meter::start(0, transfer.progress().done);
    let failure = OnceLock::new();
    thread::scope(|scope| {
        for (number, mut connection) in (0..).zip(connections) {
            let (meter, failure) = (&meter, &failure);
            scope.spawn(move || {
                let received = chunked::recv(&mut connection, transfer, number, |progress| {
                    let (done, total) = (progress.done, progress.total);
                    tracing::trace!("{done} of {total} bytes");
                    meter.set(done, total);
                    ControlFlow::Continue(())
                });
                if let Err(error) = received {
                    // The first to fail tells why, and the others are of no use without it.
                    let _ = failure.set(error);
                    close(connections);
                }
            });
        }
    });
    meter.finish();
    failure.into_inner()
}
// ANCHOR_END: chunked

/// At the first signal, ends the connections, and so the transfer: what is verified can be kept.
fn close_on_signals(connections: &[TcpStream], is_stopping: Arc<AtomicBool>) -> io::Result<()> {
    let connections = connections.iter().map(TcpStream::try_clone);
    let connections = connections.collect::<io::Result<Vec<_>>>()?;
    let mut signals = Signals::watch()?;
    thread::spawn(move || {
        signals.wait();
        is_stopping.store(true, Ordering::Relaxed);
        close(&connections);
    });
    Ok(())
}

fn close(connections: &[TcpStream]) {
    for connection in connections {
        // One that has ended need not be closed.
        let _ = connection.shutdown(Shutdown::Both);
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
            arrays::check_recipe(values)?;
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
