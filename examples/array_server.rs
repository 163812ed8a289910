//! Sends an array to every client, in one piece and without a copy on the way.
//!
//! ```sh
//! cargo run --release --example array_server
//! cargo run --release --example array_client
//! python3 examples/python/array_raw_client.py 50000000
//! ```
//!
//! The array is that of the recipe: 50,000,000 float64 numbers 0, 1, 2 … It can also be that of a file, which goes
//! from the disk to the socket without passing through the program:
//!
//! ```sh
//! cargo run --release --example array_server -- --wire npy --file numbers.npy
//! cargo run --release --example array_client -- --wire npy --output copy.npy
//! ```
//!
//! With `--wire chunked` a transfer can be interrupted, and go on: see `array_client`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bulk_array::blocking::{chunked, npy, raw};
use bulk_array::chunked::{Offer, TransferId};
use bulk_array::npy::Header;
use bulk_array::{Array, ByteOrder, Element, Limits, Reader, linux};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use examples::arrays::{self, ForElement, Wire, for_dtype, throughput};
use examples::{AccessOptions, Address, Logging};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use socket_server::Connection;

/// Sends an array to every client
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25000")]
    listen: Address,
    /// How the array crosses the socket
    #[arg(long, value_enum, default_value_t = Wire::Raw)]
    wire: Wire,
    /// How many numbers to send: 0, 1, 2 …
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50_000_000,
        conflicts_with = "file"
    )]
    count: usize,
    /// Send the array of this file instead
    #[arg(long, value_name = "X.npy")]
    file: Option<PathBuf>,
    /// Let the network card read the numbers where they are, if it can (raw, npy)
    #[arg(long, conflicts_with = "file")]
    zero_copy: bool,
    /// How many clients are served at a time; more are turned away
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_connections: usize,
    /// How long a client may take no byte
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = examples::seconds)]
    stall_timeout: Duration,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    logging: Logging,
}

/// How many bytes a client was sent, or why it was not sent all.
type Sent = Result<u64, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    if args.wire == Wire::Chunked && args.zero_copy {
        let why = "--zero-copy is for --wire raw and npy";
        Args::command()
            .error(ErrorKind::ArgumentConflict, why)
            .exit();
    }
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    match &args.file {
        Some(path) => serve_file(args, NpyFile::open(path)?),
        None => serve_recipe(args, arrays::recipe(args.count)?),
    }
}

/// Sends the numbers from where they are.
fn serve_recipe(args: &Args, values: Vec<f64>) -> Result<(), Box<dyn Error>> {
    let len = 8 * values.len() as u64;
    let (in_place, patience) = (args.zero_copy, args.stall_timeout);
    match args.wire {
        Wire::Raw => serve(args, move |connection| {
            if in_place && ByteOrder::NATIVE == ByteOrder::Little {
                send_in_place(connection, &values, patience)?;
            } else {
                raw::send_slice(connection, &values, ByteOrder::Little)?;
            }
            Ok(len)
        }),
        Wire::Npy => serve(args, move |connection| {
            if in_place {
                let header = Header::new(f64::DTYPE, ByteOrder::NATIVE, values.len()).encode();
                connection.write_all(&header)?;
                send_in_place(connection, &values, patience)?;
            } else {
                npy::send_slice(connection, &values, values.len())?;
            }
            Ok(len)
        }),
        Wire::Chunked => {
            // Of another process, too, the same numbers are the same transfer.
            let id = transfer_id(*b"recipe f", len);
            let count = values.len();
            serve_chunks(args, Array::new(values, count)?, id)
        }
    }
}

/// Sends the bytes of the file, without reading them.
fn serve_file(args: &Args, npy: NpyFile) -> Result<(), Box<dyn Error>> {
    let patience = args.stall_timeout;
    let (start, len) = match args.wire {
        Wire::Raw => (npy.start, npy.len),
        Wire::Npy => (0, npy.start + npy.len),
        Wire::Chunked => {
            let dtype = npy.header.dtype();
            let served = for_dtype(dtype, ServingChunks { args, npy });
            return served.ok_or_else(|| format!("nothing here has numbers like {dtype}"))?;
        }
    };
    serve(args, move |connection| {
        set_socket_timeout(&*connection, Timeout::Send, Some(patience))?;
        linux::send_file(connection, &npy.file, start, len)?;
        Ok(len)
    })
}

/// Reads the file into memory, for the checksums, and serves it.
struct ServingChunks<'a> {
    args: &'a Args,
    npy: NpyFile,
}

impl ForElement for ServingChunks<'_> {
    type Output = Result<(), Box<dyn Error>>;

    fn run<T: Element + Debug + Send + Sync>(self) -> Self::Output {
        let NpyFile {
            mut file,
            header,
            len,
            ..
        } = self.npy;
        let count = len as usize / size_of::<T>();
        let values: Vec<T> = raw::recv_vec(&mut file, count, header.order())?;
        // A file that was not written to since is the same transfer.
        let modified = file.metadata()?.modified()?.duration_since(UNIX_EPOCH)?;
        let id = transfer_id((modified.as_nanos() as u64).to_le_bytes(), len);
        serve_chunks(self.args, Array::new(values, header.into_shape())?, id)
    }
}

fn serve_chunks<T: Element + Send + Sync>(
    args: &Args,
    array: Array<T>,
    id: TransferId,
) -> Result<(), Box<dyn Error>> {
    let shape = array.shape().clone();
    let offer = Offer::new(array.into_vec(), shape)?
        .with_id(id)
        .with_stall_timeout(Some(args.stall_timeout));
    serve(args, move |connection| {
        let mut sent = 0;
        chunked::send(&mut Reader(connection), &offer, |progress| {
            sent = progress.done;
            ControlFlow::Continue(())
        })?;
        Ok(sent)
    })
}

fn transfer_id(what: [u8; 8], len: u64) -> TransferId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&what);
    id[8..].copy_from_slice(&len.to_le_bytes());
    TransferId(id)
}

fn send_in_place(connection: &Connection, values: &[f64], patience: Duration) -> io::Result<()> {
    set_socket_timeout(connection, Timeout::Send, Some(patience))?;
    let delivery = linux::send_slice_zerocopy(connection, values)?;
    tracing::debug!("{}: {delivery:?}", connection.peer());
    Ok(())
}

/// Serves clients with what `send` sends, each on a thread.
fn serve(
    args: &Args,
    send: impl Fn(&mut Connection) -> Sent + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let limits = socket_server::Limits {
        max_connections: args.max_connections,
        // A text in place of an array would be taken for numbers.
        refusal: Cow::Borrowed(b""),
        idle_timeout: Some(args.stall_timeout),
        ..socket_server::Limits::default()
    };
    let server = args
        .access
        .load()?
        .guard(args.listen.server().limits(limits));
    examples::serve(&args.listen, server, move |connection| {
        let began = Instant::now();
        let sent = send(connection)?;
        let (peer, throughput) = (connection.peer(), throughput(sent, began.elapsed()));
        tracing::info!("{peer}: {throughput}");
        Ok(())
    })
}

/// A .npy file, and where the elements are in it.
struct NpyFile {
    file: File,
    header: Header,
    start: u64,
    len: u64,
}

impl NpyFile {
    fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        Self::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut file = File::open(path)?;
        let limits = Limits {
            max_bytes: u64::MAX,
            ..Limits::default()
        };
        let header = npy::recv_header(&mut file, &limits)?;
        let start = file.stream_position()?;
        let elements = header.shape().len().expect("it is within the limits");
        let len = elements * header.dtype().item_size() as u64;
        let (size, end) = (file.metadata()?.len(), start + len);
        if size < end {
            return Err(format!("{size} bytes, of {end} that its header tells").into());
        }
        tracing::info!("{}: {} {}", path.display(), header.dtype(), header.shape());
        Ok(Self {
            file,
            header,
            start,
            len,
        })
    }
}
