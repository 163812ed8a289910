//! `bulk-array` beside bare sockets, beside Python's `memoryview` and beside `bincode`: 50,000,000 `f64` over TCP, from one
//! process on one core to another on the other core.
//!
//! `cargo bench -p benches --bench bulk_array`; see the README for the options and how to read it.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use benches::process::{Cores, pin_child};
use benches::report::{Summary, print_table, take_turns};
use bulk_array::blocking::{chunked, npy, raw};
use bulk_array::chunked::{Progress, Transfer};
use bulk_array::{ByteOrder, Limits, Reader};
use rustix::time::{ClockId, clock_gettime};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--sender", contender, count] => return send(contender, number(count)?),
        ["--receiver", contender, count, address] => {
            return receive(contender, number(count)?, address);
        }
        _ => {}
    }
    // Only `cargo bench` passes `--bench`. Other words name the contenders wanted, by a part of the name.
    let is_smoke = words.contains(&"--test") || !words.contains(&"--bench");
    let (rounds, count) = match is_smoke {
        true => (1, 100_000),
        false => (11, 50_000_000),
    };
    let wanted: Vec<&str> = words
        .into_iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let is_wanted = |contender: &&Contender| {
        let mut words = wanted.iter();
        contender.is_limit() || wanted.is_empty() || words.any(|word| contender.name.contains(word))
    };
    let contenders: Vec<&Contender> = CONTENDERS.iter().filter(is_wanted).collect();
    let cores = Cores::choose()?;
    let measured = take_turns(rounds, contenders.len(), |index| {
        measure(contenders[index], count, cores)
    })?;

    let mut limit = 0;
    let mut rows = Vec::new();
    for (index, contender) in contenders.iter().enumerate() {
        if contender.is_limit() {
            limit = index;
        }
        let (rounds, limits) = (&measured[index], &measured[limit]);
        let bytes = count as f64 * 8.0;
        let speed = rounds.iter().map(|round| bytes / round.seconds / 1e9);
        let pairs = rounds.iter().zip(limits);
        let ratio = pairs.map(|(round, limit)| limit.seconds / round.seconds);
        let cpu = rounds.iter().map(|round| round.cpu_seconds * 1e9 / bytes);
        let mebibytes = |more: fn(&Round) -> u64| {
            let all = rounds
                .iter()
                .map(|round| more(round) as f64 / f64::from(1 << 20));
            format!("{:.1}", Summary::of(all).median)
        };
        rows.push([
            contender.name.to_owned(),
            format!("{:.2}", Summary::of(speed)),
            format!("{:.2}", Summary::of(ratio)),
            format!("{:.2}", Summary::of(cpu)),
            mebibytes(|round| round.receiver_memory),
            mebibytes(|round| round.sender_memory),
        ]);
    }
    let title = format!("{count} f64 over TCP");
    let head = [
        "",
        "GB/s",
        "ratio to bare",
        "receiver CPU s/GB",
        "receiver MiB",
        "sender MiB",
    ];
    print_table(&title, head, &rows);
    Ok(())
}

struct Contender {
    name: &'static str,
    wire: Wire,
    /// Whether the memory received into has been written to before.
    is_touched: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Bare,
    Raw,
    AnyReader,
    OtherOrder,
    Npy,
    Chunked,
    ChunkedTokio,
    Tokio,
    Bincode,
    Python,
}

const fn fresh(name: &'static str, wire: Wire) -> Contender {
    Contender {
        name,
        wire,
        is_touched: false,
    }
}

const fn touched(name: &'static str, wire: Wire) -> Contender {
    Contender {
        name,
        wire,
        is_touched: true,
    }
}

/// Each is compared with the bare one before it.
const CONTENDERS: &[Contender] = &[
    fresh("bare write_all, read_exact", Wire::Bare),
    fresh("raw", Wire::Raw),
    fresh("raw, any reader", Wire::AnyReader),
    fresh("raw, the other byte order", Wire::OtherOrder),
    fresh("npy", Wire::Npy),
    fresh("chunked", Wire::Chunked),
    fresh("raw, tokio", Wire::Tokio),
    fresh("chunked, tokio", Wire::ChunkedTokio),
    fresh("Python's memoryview", Wire::Python),
    fresh("bincode of the Vec", Wire::Bincode),
    touched("into touched memory: bare", Wire::Bare),
    touched("into touched memory: raw", Wire::Raw),
    touched("into touched memory: any reader", Wire::AnyReader),
    touched("into touched memory: npy", Wire::Npy),
    touched("into touched memory: chunked", Wire::Chunked),
    touched("into touched memory: raw, tokio", Wire::Tokio),
    touched("into touched memory: chunked, tokio", Wire::ChunkedTokio),
    touched("into touched memory: Python's memoryview", Wire::Python),
];

impl Contender {
    fn is_limit(&self) -> bool {
        self.wire == Wire::Bare
    }

    fn command(&self, role: &str, count: usize) -> io::Result<Command> {
        let mut command = match self.wire {
            Wire::Python => Command::new("python3"),
            _ => Command::new(env::current_exe()?),
        };
        if self.wire == Wire::Python {
            command.args(["-c", PYTHON]);
        }
        command.args([role, self.name, &count.to_string()]);
        Ok(command)
    }
}

struct Round {
    seconds: f64,
    /// Time of the receiver on its core.
    cpu_seconds: f64,
    /// The most memory at a time, without the array, and without what the process had before it had the array.
    receiver_memory: u64,
    sender_memory: u64,
}

fn measure(contender: &Contender, count: usize, cores: Cores) -> io::Result<Round> {
    let (sender, address) = Peer::start(&mut contender.command("--sender", count)?, cores.server)?;
    let mut command = contender.command("--receiver", count)?;
    let (receiver, took) = Peer::start(command.arg(address), cores.load)?;
    let (seconds, cpu_seconds) = took.split_once(' ').unwrap_or_default();
    Ok(Round {
        seconds: number(seconds)?,
        cpu_seconds: number(cpu_seconds)?,
        receiver_memory: receiver.more_than(count)?,
        sender_memory: sender.more_than(count)?,
    })
}

/// One end, a process. It says how much memory it has before the array, and then a line more. It ends when its input does.
struct Peer {
    child: Child,
    memory: u64,
}

impl Peer {
    fn start(command: &mut Command, core: usize) -> io::Result<(Self, String)> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut peer = Self { child, memory: 0 };
        pin_child(&peer.child, core)?;
        let output = peer.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut output = BufReader::new(output);
        peer.memory = number(&line(&mut output)?)?;
        let said = line(&mut output)?;
        Ok((peer, said))
    }

    fn more_than(&self, count: usize) -> io::Result<u64> {
        let peak = peak_memory(&self.child.id().to_string())?;
        Ok(peak.saturating_sub(self.memory + count as u64 * 8))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Whether it ended well showed in what it said.
        let _ = self.child.wait();
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn peak_memory(process: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(number::<u64>(word.unwrap_or_default())? * 1024)
}

fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    let number = word.parse().ok();
    number.ok_or_else(|| io::Error::other(format!("expected a number, got {word:?}")))
}

fn wire(contender: &str) -> io::Result<Wire> {
    let found = CONTENDERS.iter().find(|known| known.name == contender);
    Ok(found.ok_or(io::ErrorKind::NotFound)?.wire)
}

/// The sender's process: an array for everybody who connects and says a byte.
fn send(contender: &str, count: usize) -> io::Result<()> {
    println!("{}", peak_memory("self")?);
    let wire = wire(contender)?;
    let mut values = vec![0.0; count];
    for (index, value) in values.iter_mut().enumerate() {
        *value = (index % 1000) as f64;
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming() {
                let sent = stream.and_then(|mut stream| {
                    stream.read_exact(&mut [0])?;
                    send_by(wire, stream, &values)
                });
                if let Err(error) = sent {
                    eprintln!("{error}");
                }
            }
        });
        io::stdin().read_to_end(&mut Vec::new())?;
        std::process::exit(0);
    })
}

fn send_by(wire: Wire, mut stream: TcpStream, values: &[f64]) -> io::Result<()> {
    match wire {
        Wire::Bare | Wire::Python => stream.write_all(bytemuck::cast_slice(values)),
        Wire::Raw | Wire::AnyReader => raw::send_slice(&mut stream, values, ByteOrder::Little),
        Wire::OtherOrder => raw::send_slice(&mut stream, values, ByteOrder::Big),
        Wire::Npy => npy::send_slice(&mut stream, values, values.len()).map_err(io::Error::other),
        Wire::Chunked => {
            chunked::send_slice(&mut stream, values, values.len()).map_err(io::Error::other)
        }
        Wire::ChunkedTokio => on_tokio(stream, async |mut stream| {
            let sent = bulk_array::tokio::chunked::send_slice(&mut stream, values, values.len());
            sent.await.map_err(io::Error::other)
        }),
        Wire::Tokio => on_tokio(stream, async |mut stream| {
            bulk_array::tokio::raw::send_slice(&mut stream, values, ByteOrder::Little).await
        }),
        Wire::Bincode => {
            let bytes = bincode::serde::encode_to_vec(values, BINCODE).map_err(io::Error::other)?;
            stream.write_all(&bytes)
        }
    }
}

/// The receiver's process: receives an array, a second one if the memory shall be touched, and says how long the last took.
fn receive(contender: &str, count: usize, address: &str) -> io::Result<()> {
    println!("{}", peak_memory("self")?);
    let wire = wire(contender)?;
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let is_touched = CONTENDERS
        .iter()
        .any(|known| known.name == contender && known.is_touched);
    let mut values = Vec::new();
    let mut took = (Duration::ZERO, Duration::ZERO);
    for _ in 0..1 + usize::from(is_touched) {
        let mut stream = TcpStream::connect(address)?;
        let start = (Instant::now(), cpu_time());
        stream.write_all(&[0])?;
        values = receive_by(wire, stream, values, count)?;
        took = (start.0.elapsed(), cpu_time() - start.1);
    }
    let mut pairs = values.iter().enumerate();
    if values.len() != count || pairs.any(|(index, &value)| value != (index % 1000) as f64) {
        return Err(io::Error::other("this is another array"));
    }
    println!("{} {}", took.0.as_secs_f64(), took.1.as_secs_f64());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// `values` is empty, or memory that has been used.
fn receive_by(
    wire: Wire,
    mut stream: TcpStream,
    mut values: Vec<f64>,
    count: usize,
) -> io::Result<Vec<f64>> {
    let order = ByteOrder::Little;
    match wire {
        Wire::Bare | Wire::Python => {
            if values.is_empty() {
                values = vec![0.0; count];
            }
            stream.read_exact(bytemuck::cast_slice_mut(&mut values))?;
            Ok(values)
        }
        Wire::Raw => raw::recv_reusing(&mut stream, &mut values, count, order).map(|()| values),
        Wire::AnyReader => {
            raw::recv_reusing(&mut Reader(stream), &mut values, count, order).map(|()| values)
        }
        Wire::OtherOrder => {
            raw::recv_reusing(&mut stream, &mut values, count, ByteOrder::Big).map(|()| values)
        }
        Wire::Npy => npy::recv_reusing(&mut stream, &mut values, &LIMITS).map(|_| values),
        Wire::Chunked => {
            let transfer = Transfer::vec(values, &LIMITS);
            chunked::recv(&mut stream, &transfer, 0, go_on).map(|()| transfer.into_vec())
        }
        Wire::ChunkedTokio => {
            return on_tokio(stream, async |mut stream| {
                let transfer = Transfer::vec(values, &LIMITS);
                let received = bulk_array::tokio::chunked::recv(&mut stream, &transfer, 0, go_on);
                received.await.map_err(io::Error::other)?;
                Ok(transfer.into_vec())
            });
        }
        Wire::Tokio => {
            return on_tokio(stream, async |mut stream| {
                let received =
                    bulk_array::tokio::raw::recv_reusing(&mut stream, &mut values, count, order);
                received.await.map_err(io::Error::other)?;
                Ok(values)
            });
        }
        Wire::Bincode => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            let (values, _) =
                bincode::serde::decode_from_slice(&bytes, BINCODE).map_err(io::Error::other)?;
            return Ok(values);
        }
    }
    .map_err(io::Error::other)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn on_tokio<T>(
    stream: TcpStream,
    work: impl AsyncFnOnce(tokio::net::TcpStream) -> io::Result<T>,
) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        work(tokio::net::TcpStream::from_std(stream)?).await
    })
}

const BINCODE: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
> = bincode::config::standard().with_fixed_int_encoding();

const LIMITS: Limits = Limits {
    max_bytes: 1 << 40,
    max_dims: 32,
    max_header_len: 64 * 1024,
};

/// Both ends in Python, as in the recipe. New memory is that of a map, which is where numpy's zeros come from, too.
const PYTHON: &str = r#"
import array, mmap, socket, sys, threading, time

role, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM:"))
print(int(peak.split()[1]) * 1024, flush=True)

def send_from(values, sock):
    view = memoryview(values).cast("B")
    while len(view):
        view = view[sock.send(view):]

def recv_into(values, sock):
    view = memoryview(values).cast("B")
    while len(view):
        received = sock.recv_into(view)
        if not received:
            raise EOFError
        view = view[received:]

def serve(listener, values):
    while True:
        sock = listener.accept()[0]
        with sock:
            sock.recv(1)
            send_from(values, sock)

some = array.array("d", range(1000))
if role == "--sender":
    values = some * (count // 1000)
    listener = socket.create_server(("127.0.0.1", 0))
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    threading.Thread(target=serve, args=(listener, values), daemon=True).start()
else:
    host, port = sys.argv[4].split(":")
    values = None
    for _ in range(2 if "touched" in name else 1):
        with socket.create_connection((host, int(port))) as sock:
            start, cpu = time.perf_counter(), time.process_time()
            sock.sendall(b"\0")
            if values is None:
                values = mmap.mmap(-1, count * 8)
            recv_into(values, sock)
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
    view = memoryview(values)
    for at in range(0, len(view), 8000):
        assert view[at:at + 8000] == memoryview(some).cast("B"), at
    print(took, cpu, flush=True)
sys.stdin.read()
"#;
