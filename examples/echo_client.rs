//! Sends a text, or its standard input, to an echo server and prints what comes back.
//!
//! ```sh
//! cargo run --example echo_server
//! cargo run --example echo_client -- hello
//! cargo run --example echo_client -- --check 100000000
//! ```
//!
//! With TLS it talks only to a server that has a certificate for the name that was asked for:
//!
//! ```sh
//! cargo run --example make_certs
//! cargo run --example echo_server -- --tls-cert certs/server_cert.pem --tls-key certs/server_key.pem
//! cargo run --example echo_client -- --tls-ca certs/ca_cert.pem --connect localhost:17899 hello
//! ```

use std::error::Error;
use std::io::{self, Cursor, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Parser;
use examples::{KeyOptions, Logging, Remote, TlsClientOptions};
use socket2::Socket;
use tls_mixin::TlsStream;

/// Sends a text, or standard input, to an echo server and prints what comes back
#[derive(Parser)]
struct Args {
    /// What to send, as a line; without it, standard input is sent
    text: Option<String>,
    /// Where the server listens: HOST:PORT, unix:PATH or unix:@NAME
    /// [default: 127.0.0.1:20000; with a key 127.0.0.1:18000; with TLS 127.0.0.1:17899]
    #[arg(long, value_name = "ADDR")]
    connect: Option<Remote>,
    /// Send so many bytes instead, and check what comes back rather than print it
    #[arg(long, value_name = "BYTES", conflicts_with = "text")]
    check: Option<u64>,
    #[command(flatten)]
    tls: TlsClientOptions,
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
    let proof = args.key.load("echo")?;
    let default = args.key.default_address(args.tls.is_on());
    let server = args.connect.unwrap_or_else(|| default.into());
    let exchange = match (args.check, args.text) {
        (Some(len), _) => Exchange::new(Count::default().take(len), Count::default()),
        (None, Some(text)) => Exchange::new(Cursor::new(text + "\n"), io::stdout()),
        (None, None) => Exchange::new(io::stdin(), io::stdout()),
    };
    let tls = args.tls.load(&server)?;
    let address = match tls {
        Some(_) => server.address.with_tls(),
        None => server.address,
    };
    // Both are there until the program ends.
    let socket: &'static Socket = Box::leak(Box::new(address.connect()?));
    let context = |error: &dyn Error| format!("{address}: {error}");
    let received = if let Some(tls) = tls {
        let stream = tls.connector.connect(&tls.name, socket);
        let stream: &'static TlsStream<_> = Box::leak(Box::new(stream.map_err(|e| context(&e))?));
        examples::log_session(&address, stream.session());
        if let Some(proof) = proof {
            let proof = proof.within(stream.session());
            proof
                .show(stream, socket)
                .map_err(|error| context(&error))?;
        }
        exchange.run(stream, TlsStream::finish_shared)
    } else {
        if let Some(proof) = proof {
            proof
                .show(socket, socket)
                .map_err(|error| context(&error))?;
        }
        exchange.run(socket, |socket| socket.shutdown(Shutdown::Write))
    };
    let received = received.map_err(|error| context(&*error))?;
    if args.check.is_some() {
        println!("{received} bytes came back right");
    }
    Ok(())
}

/// What is sent, and where the answer goes.
struct Exchange {
    said: Box<dyn Read + Send>,
    heard: Box<dyn Write>,
}

impl Exchange {
    fn new(said: impl Read + Send + 'static, heard: impl Write + 'static) -> Self {
        Self {
            said: Box::new(said),
            heard: Box::new(heard),
        }
    }

    /// Says everything on a thread of its own, so that both directions move at the same time: a server
    /// that finds nobody reading its answers stops reading too. `finish` tells it that this is all.
    fn run<S: Read + Write + Copy + Send + 'static>(
        mut self,
        mut stream: S,
        finish: impl FnOnce(S) -> io::Result<()> + Send + 'static,
    ) -> Result<u64, Box<dyn Error>> {
        let (tell, told) = mpsc::channel();
        let mut to_server = stream;
        std::thread::spawn(move || {
            let sent = io::copy(&mut self.said, &mut to_server);
            let sent = sent.and_then(|sent| finish(to_server).map(|()| sent));
            // Nobody listens when the program is ending.
            let _ = tell.send(sent);
        });
        let received = io::copy(&mut stream, &mut self.heard)?;
        self.heard.flush()?;
        // A server that has heard the end hangs up after it. One that hangs up before leaves the thread
        // waiting for standard input.
        match told.recv_timeout(Duration::from_secs(1)) {
            Ok(Ok(sent)) if sent == received => Ok(received),
            Ok(Ok(sent)) => Err(format!("{sent} bytes were sent, {received} came back").into()),
            Ok(Err(error)) => Err(format!("the server hung up: {error}").into()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err("the server hung up".into())
            }
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
