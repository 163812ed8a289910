//! `rpc-core` under its drivers, with `postcard`, and the JSON-RPC dialect.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use event_loop::EventLoop;
use futures::prelude::*;
use rpc_core::blocking::{self, Pending};
use rpc_core::event_loop::{Handler, Message};
use rpc_core::{Client, Codec, Dialect, Options, Registry, json_rpc, native};
use tokio::runtime::{Builder, Runtime};

use super::{Load, arguments, check};

fn registry() -> Arc<Registry> {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    Arc::new(registry)
}

fn options() -> Options {
    Options::new(Codec::Postcard)
}

pub(super) fn serve_event_loop() -> io::Result<()> {
    let registry = registry();
    run_event_loop(move || native::Peer::new(Arc::clone(&registry), options()))
}

pub(super) fn serve_json() -> io::Result<()> {
    let registry = registry();
    run_event_loop(move || json_rpc::Peer::new(Arc::clone(&registry), json_rpc::Options::default()))
}

fn run_event_loop<D: Dialect>(dialect: impl Fn() -> D + 'static) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    let mut event_loop: EventLoop<Message> = EventLoop::new()?;
    event_loop.listen(listener, event_loop::Options::default(), move |_| {
        Handler::new(dialect())
    })?;
    event_loop.run()?;
    Ok(())
}

pub(super) fn serve_threads() -> io::Result<()> {
    let registry = registry();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        // A load that goes away is the end of its connection and nothing else.
        let _ = blocking::serve(&stream, native::Peer::new(Arc::clone(&registry), options()));
    }
}

pub(super) fn serve_tokio() -> io::Result<()> {
    let registry = registry();
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on {}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let peer = native::Peer::new(Arc::clone(&registry), options());
            tokio::spawn(rpc_core::tokio::serve(stream, peer));
        }
    })
}

struct Blocking(blocking::Client);

pub(super) fn connect_blocking(address: SocketAddr) -> io::Result<Box<dyn Load>> {
    Ok(Box::new(Blocking(blocking::Client::new(
        connect(address)?,
        options(),
    )?)))
}

impl Load for Blocking {
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()> {
        if in_flight == 1 {
            for call in 0..calls {
                check(call, self.0.call("add", arguments(call))?)?;
            }
            return Ok(());
        }
        let mut done = 0;
        let mut pending: Vec<Pending<i64>> = Vec::with_capacity(in_flight);
        while done < calls {
            let mut batch = self.0.batch();
            for call in done..calls.min(done + in_flight) {
                pending.push(batch.call("add", arguments(call))?);
            }
            batch.send();
            for answer in pending.drain(..) {
                check(done, answer.wait()?)?;
                done += 1;
            }
        }
        Ok(())
    }
}

struct Tokio {
    runtime: Runtime,
    client: Client,
}

pub(super) fn connect_tokio(address: SocketAddr) -> io::Result<Box<dyn Load>> {
    let runtime = runtime()?;
    let client = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        io::Result::Ok(rpc_core::tokio::connect(stream, options()).await?)
    })?;
    Ok(Box::new(Tokio { runtime, client }))
}

impl Load for Tokio {
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()> {
        let client = &self.client;
        let results = stream::iter(0..calls)
            .map(|call| async move { check(call, client.call("add", arguments(call)).await?) })
            .buffer_unordered(in_flight);
        self.runtime.block_on(results.try_collect::<()>())
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Lines of JSON by hand: the client must not be what is measured.
struct Json {
    answers: BufReader<TcpStream>,
    bytes: Vec<u8>,
    line: String,
}

pub(super) fn connect_json(address: SocketAddr) -> io::Result<Box<dyn Load>> {
    let answers = BufReader::with_capacity(64 << 10, connect(address)?);
    Ok(Box::new(Json {
        answers,
        bytes: Vec::new(),
        line: String::new(),
    }))
}

impl Load for Json {
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()> {
        let mut done = 0;
        while done < calls {
            self.bytes.clear();
            let batch = done..calls.min(done + in_flight);
            for call in batch.clone() {
                let (x, y) = arguments(call);
                writeln!(
                    self.bytes,
                    r#"{{"jsonrpc":"2.0","id":{call},"method":"add","params":[{x},{y}]}}"#
                )?;
            }
            self.answers.get_mut().write_all(&self.bytes)?;
            for call in batch {
                self.line.clear();
                self.answers.read_line(&mut self.line)?;
                let result = self
                    .line
                    .split_once(r#""result":"#)
                    .map_or("", |(_, rest)| rest);
                let digits = result
                    .split(|c: char| !c.is_ascii_digit())
                    .next()
                    .unwrap_or("");
                check(call, digits.parse().unwrap_or(-1))?;
                done += 1;
            }
        }
        Ok(())
    }
}
