//! Sends a text, or its standard input, to an echo server and prints what comes back.
//!
//! ```sh
//! cargo run --example echo_server
//! cargo run --example echo_client -- hello
//! cargo run --example echo_client -- --check 100000000
//! ```

use std::error::Error;
use std::io::{self, Cursor, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use auth_hmac::blocking::{Untimed, answer, initiate};
use clap::Parser;
use examples::{Address, KeyOptions, Logging, Proof};
use socket2::Socket;

/// Sends a text, or standard input, to an echo server and prints what comes back
#[derive(Parser)]
struct Args {
    /// What to send, as a line; without it, standard input is sent
    text: Option<String>,
    /// Where the server listens: HOST:PORT, unix:PATH or unix:@NAME
    /// [default: 127.0.0.1:20000; with a key 127.0.0.1:18000]
    #[arg(long, value_name = "ADDR")]
    connect: Option<Address>,
    /// Send so many bytes instead, and check what comes back rather than print it
    #[arg(long, value_name = "BYTES", conflicts_with = "text")]
    check: Option<u64>,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let proof = args.key.load()?;
    let server = args.connect.unwrap_or_else(|| args.key.default_address());
    let socket = server.connect()?;
    if let Some(proof) = proof {
        authenticate(&socket, &proof).map_err(|error| format!("{server}: {error}"))?;
    }
    let socket = Arc::new(socket);
    let (said, heard): (Box<dyn Read + Send>, Box<dyn Write>) = match (args.check, args.text) {
        (Some(len), _) => (
            Box::new(Count::default().take(len)),
            Box::<Count>::default(),
        ),
        (None, Some(text)) => (Box::new(Cursor::new(text + "\n")), Box::new(io::stdout())),
        (None, None) => (Box::new(io::stdin()), Box::new(io::stdout())),
    };
    let received = converse(&socket, said, heard)?;
    if args.check.is_some() {
        println!("{received} bytes came back right");
    }
    Ok(())
}

/// Proves to the server that we know the key, and has it prove the same where that is asked for.
fn authenticate(socket: &Socket, proof: &Proof) -> Result<(), auth_hmac::Error> {
    // How often the driver looks at the clock.
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut stream = Untimed(socket);
    match proof {
        Proof::Challenge(key, options) => answer(&mut stream, key, options)?,
        Proof::Mutual(key, options) => initiate(&mut stream, key, options).map(drop)?,
    }
    Ok(socket.set_read_timeout(None)?)
}

/// Says everything on a thread of its own, so that both directions move at the same time: a server that
/// finds nobody reading its answers stops reading too.
fn converse(
    socket: &Arc<Socket>,
    mut said: impl Read + Send + 'static,
    mut heard: impl Write,
) -> Result<u64, Box<dyn Error>> {
    let (tell, told) = mpsc::channel();
    let to_server = Arc::clone(socket);
    std::thread::spawn(move || {
        let sent = io::copy(&mut said, &mut &*to_server);
        let sent = sent.and_then(|sent| to_server.shutdown(Shutdown::Write).map(|()| sent));
        // Nobody listens when the program is ending.
        let _ = tell.send(sent);
    });
    let received = io::copy(&mut &**socket, &mut heard)?;
    heard.flush()?;
    // A server that has heard the end hangs up after it. One that hangs up before leaves the thread
    // waiting for standard input.
    match told.recv_timeout(Duration::from_secs(1)) {
        Ok(Ok(sent)) if sent == received => Ok(received),
        Ok(Ok(sent)) => Err(format!("only {received} of {sent} bytes came back").into()),
        Ok(Err(error)) => Err(format!("the server hung up: {error}").into()),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err("the server hung up".into())
        }
    }
}

/// Counts from 0 to 250, over and over: as a source, or checking what is written to it.
#[derive(Default)]
struct Count(u8);

impl Count {
    fn next(&mut self) -> u8 {
        let now = self.0;
        self.0 = (now + 1) % 251;
        now
    }
}

impl Read for Count {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill_with(|| self.next());
        Ok(buffer.len())
    }
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.iter().find(|&&byte| byte != self.next()) {
            None => Ok(bytes.len()),
            Some(wrong) => Err(io::Error::other(format!("a wrong byte came back: {wrong}"))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
