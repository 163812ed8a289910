//! Echo servers in every structure, each as its users would write it.
//!
//! Each binds a free port of the loopback interface, prints it, and serves until it is killed.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use event_loop::{Context, EventLoop, Options, Outgoing};
use socket_server::{Connection, HandlerResult, Limits, Server, Strategy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The contenders in Rust, the one that the others are measured by first; see [`PYTHON`] for more.
pub const CONTENDERS: &[&str] = &[
    BARE,
    "threads",
    "serial",
    "pool",
    "prefork",
    "processes",
    "bare tokio",
    "tokio",
    "event-loop",
];
/// A thread for each connection and nothing else.
pub const BARE: &str = "bare threads";
/// Contenders in Python: a name, and the class of its `socketserver` module.
pub const PYTHON: &[(&str, &str)] = &[
    ("Python threads", "ThreadingTCPServer"),
    ("Python forks", "ForkingTCPServer"),
];
/// Takes the name of the class as its argument.
pub const SCRIPT: &str = "
import socketserver, sys

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while said := self.request.recv(8192):
            self.request.sendall(said)

Server = getattr(socketserver, sys.argv[1])
Server.request_queue_size = 4096
with Server(('127.0.0.1', 0), Echo) as server:
    print('listening on %s:%d' % server.server_address, flush=True)
    server.serve_forever()
";

/// How many workers a pool has, of threads or of processes.
const WORKERS: usize = 8;
/// How many processes run at a time, where each connection has its own; as in Python.
const MAX_CHILDREN: usize = 40;
/// What each connection reads into.
const BUFFER_LEN: usize = 8 << 10;
/// As many as any scenario has.
const MAX_CONNECTIONS: usize = 20_000;

/// Runs one of the [`CONTENDERS`].
///
/// # Errors
///
/// What the system says; does not return otherwise.
pub fn serve(contender: &str) -> io::Result<()> {
    match contender {
        BARE => serve_bare(),
        "threads" => serve_block(Strategy::Threads),
        "serial" => serve_block(Strategy::Serial),
        "pool" => serve_block(Strategy::Pool { workers: WORKERS }),
        "prefork" => serve_block(Strategy::Prefork { workers: WORKERS }),
        "processes" => serve_block(Strategy::Processes { max: MAX_CHILDREN }),
        "bare tokio" => run_tokio(serve_bare_tokio()),
        "tokio" => run_tokio(serve_block_on_tokio()),
        "event-loop" => serve_event_loop(),
        _ => Err(io::Error::other(format!("no contender {contender:?}"))),
    }
}

/// How many connections a contender talks with at the same time.
#[must_use]
pub fn most_at_a_time(contender: &str) -> usize {
    match contender {
        "serial" => 1,
        "pool" | "prefork" => WORKERS,
        "processes" | "Python forks" => MAX_CHILDREN,
        _ => MAX_CONNECTIONS,
    }
}

fn block() -> Server {
    Server::tcp("127.0.0.1:0").limits(Limits {
        max_connections: MAX_CONNECTIONS,
        max_per_address: MAX_CONNECTIONS,
        ..Limits::default()
    })
}

fn serve_block(strategy: Strategy) -> io::Result<()> {
    let running = block().strategy(strategy).serve(echo)?;
    println!("listening on {}", running.address());
    running.wait();
    Ok(())
}

fn echo(connection: &mut Connection) -> HandlerResult {
    echo_to_the_end(connection)?;
    Ok(())
}

fn echo_to_the_end(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = [0; BUFFER_LEN];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

fn serve_bare() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || serve_bare_connection(&stream));
    }
}

fn serve_bare_connection(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    echo_to_the_end(stream)
}

fn run_tokio(server: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(server)
}

async fn serve_block_on_tokio() -> io::Result<()> {
    let running = block().serve_tokio(async |connection| {
        echo_asynchronously(connection).await?;
        Ok(())
    })?;
    println!("listening on {}", running.address());
    Err(running.wait().await)
}

async fn serve_bare_tokio() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo_asynchronously(stream));
    }
}

async fn echo_asynchronously(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

fn serve_event_loop() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    let options = Options {
        max_connections: MAX_CONNECTIONS,
        ..Options::default()
    };
    let mut event_loop: EventLoop = EventLoop::new()?;
    event_loop.listen(listener, options, |_peer| {
        |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes)
    })?;
    event_loop.run()?;
    Ok(())
}
