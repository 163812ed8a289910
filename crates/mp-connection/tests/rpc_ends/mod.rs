//! What the tests of remote calls share: functions, servers in every structure, Pythons.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use event_loop::EventLoop;
use mp_connection::rpc::{Options, Peer};
use mp_connection::{Auth, pickle};
use rpc_core::blocking::Workers;
use rpc_core::event_loop::{Handler, Message};
use rpc_core::{Context, Fault, Registry, Value};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::sync::watch;

/// Long enough for anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const KEY: &str = "peekaboo";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: i64,
    pub(crate) y: i64,
}

pub(crate) fn auth() -> Auth {
    Auth::with_legacy_md5(KEY).expect("the key is not empty")
}

/// Functions of every kind.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry.register("sub", ["x", "y"], |x: i64, y: i64| x - y);
    registry.register("greet", ["name"], |name: Option<String>| {
        format!("hello, {}", name.as_deref().unwrap_or("you"))
    });
    registry.register("echo", ["value"], |value: Value| value);
    registry.register("echo_pickle", ["value"], |value: pickle::Value| {
        Ok::<_, Fault>(value)
    });
    registry.register("nothing", [], || ());
    registry.register("pair", ["x", "y"], |x: String, y: f64| (x, y));
    registry.register("point", ["x", "y"], |x: i64, y: i64| {
        Ok::<_, Fault>(Point { x, y })
    });
    registry.register("norm", ["point"], |Point { x, y }: Point| x * x + y * y);
    registry.register("length", ["data"], |data: ByteBuf| data.len());
    registry.register("total", ["items"], |items: Vec<i64>| {
        items.iter().sum::<i64>()
    });
    registry.register("factorial", ["n"], |n: u32| {
        (1..=u128::from(n)).product::<u128>()
    });
    registry.register("zeros", ["count"], |count: usize| {
        Ok::<_, Fault>(ByteBuf::from(vec![0; count]))
    });
    registry
        .register("slow_zeros", ["count"], |count: usize| {
            Ok::<_, Fault>(ByteBuf::from(vec![0; count]))
        })
        .blocking();
    fail(&mut registry);
    wait(&mut registry);
    registry
}

fn fail(registry: &mut Registry) {
    registry.register(
        "fails",
        ["name", "message"],
        |name: String, text: String| Err::<(), _>(Fault::new(name, text)),
    );
    registry.register("fails_with_data", [], || {
        let limit = Value::from_iter([("limit", 4)]);
        Err::<(), _>(Fault::new("ValueError", "too much").with_data(limit))
    });
    registry.register("fails_with_arguments", [], || {
        let arguments = vec![Value::from(2), Value::from("no such thing")];
        let arguments = Value::tagged("tuple", Value::List(arguments));
        Err::<(), _>(Fault::new("OSError", "as the tuple says").with_data(arguments))
    });
    registry.register("panics", [], || -> i64 { panic!("as the test wants it") });
    registry
        .register("slow_fails", [], || {
            Err::<(), _>(Fault::new("KeyError", "late"))
        })
        .blocking();
    registry
        .register("slow_panics", [], || -> i64 {
            panic!("as the test wants it")
        })
        .blocking();
}

fn wait(registry: &mut Registry) {
    registry
        .register("slow_add", ["x", "y"], |x: i64, y: i64| x + y)
        .blocking();
    registry.register_async(
        "async_add",
        ["x", "y"],
        |_, x: i64, y: i64| async move { x + y },
    );
    registry.register_async("never", [], |_| pending::<()>());
    registry.register_with("dialect", [], |cx: &Context| cx.dialect());
    registry.register_with("with_context", ["x", "y"], |_: &Context, x: i64, y: i64| {
        x + y
    });
}

/// A structure in which a dialect can be served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Driver {
    Threads,
    Tokio,
    EventLoop,
}

pub(crate) const DRIVERS: [Driver; 3] = [Driver::Threads, Driver::Tokio, Driver::EventLoop];

/// A server on a port of its own, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(driver: Driver, registry: Registry, options: &Options) -> Self {
        let (registry, options) = (Arc::new(registry), options.clone());
        Self::with(driver, move || {
            Peer::new(Arc::clone(&registry), options.clone()).authenticated(&auth())
        })
    }

    pub(crate) fn with(driver: Driver, peer: impl Fn() -> Peer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || match driver {
            Driver::Threads => on_threads(&listener, &peer, &tell),
            Driver::Tokio => on_tokio(listener, &peer, &tell),
            Driver::EventLoop => on_event_loop(listener, peer, &tell),
        });
        Self {
            address,
            stop: Some(told.recv().expect("it starts")),
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

type Stop = Box<dyn FnOnce() + Send>;

fn on_threads(listener: &TcpListener, peer: &impl Fn() -> Peer, tell: &mpsc::Sender<Stop>) {
    let address = listener.local_addr().expect("it is bound");
    let (workers, is_over) = (Workers::default(), Arc::new(AtomicBool::new(false)));
    let (stopping, over) = (workers.clone(), Arc::clone(&is_over));
    let stop: Stop = Box::new(move || {
        over.store(true, Ordering::Relaxed);
        stopping.drain();
        drop(TcpStream::connect(address));
    });
    tell.send(stop).expect("the test waits");
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let (stream, workers, peer) = (stream.expect("it is there"), workers.clone(), peer());
        // How a conversation ends is for its other end to check.
        threads.push(thread::spawn(move || drop(workers.serve(&stream, peer))));
    }
    for thread in threads {
        thread.join().expect("it does not panic");
    }
}

fn on_tokio(listener: TcpListener, peer: &impl Fn() -> Peer, tell: &mpsc::Sender<Stop>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (stop, mut stopping) = watch::channel(false);
    let stop: Stop = Box::new(move || {
        let _ = stop.send(true);
    });
    tell.send(stop).expect("the test waits");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket can");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime is here");
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.expect("it is there"),
                _ = stopping.changed() => return,
            };
            stream.set_nodelay(true).expect("a socket can");
            tokio::spawn(rpc_core::tokio::serve(stream, peer()));
        }
    });
}

fn on_event_loop(
    listener: TcpListener,
    peer: impl Fn() -> Peer + Send + 'static,
    tell: &mpsc::Sender<Stop>,
) {
    let mut event_loop: EventLoop<Message> = EventLoop::new().expect("a poller");
    event_loop
        .listen(listener, event_loop::Options::default(), move |_| {
            Handler::new(peer())
        })
        .expect("it can be watched");
    let handle = event_loop.handle();
    let stop: Stop = Box::new(move || handle.stop(Duration::from_secs(1)));
    tell.send(stop).expect("the test waits");
    event_loop.run().expect("nothing to fail");
}

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into()).chain(named).collect()
}

/// Runs a script with a Python; it must succeed.
pub(crate) fn run(python: &PathBuf, script: &str, arguments: &[&str]) {
    let output = Command::new(python)
        .arg(format!(
            "{}/tests/python/{script}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .args(arguments)
        .output()
        .expect("this test needs python3");
    assert!(
        output.status.success(),
        "{} {script} {arguments:?}: {}\n{}{}",
        python.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A message with its length.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("tests send short messages");
    [&len.to_be_bytes()[..], message].concat()
}

/// A request as a frame.
pub(crate) fn request(name: &str, arguments: impl Serialize) -> Vec<u8> {
    request_with(name, arguments, BTreeMap::<&str, i64>::new())
}

/// One with keywords.
pub(crate) fn request_with(
    name: &str,
    arguments: impl Serialize,
    keywords: impl Serialize,
) -> Vec<u8> {
    let inner = pickle::to_pickle(&(name, arguments, keywords)).expect("plain values");
    frame(&pickle::to_pickle(&ByteBuf::from(inner)).expect("bytes"))
}

/// The values in frames of answers.
pub(crate) fn answers(mut frames: &[u8]) -> Vec<pickle::Value> {
    let options = pickle::Options::default();
    let mut answers = Vec::new();
    while let Some((len, rest)) = frames.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        let inner: ByteBuf = pickle::from_pickle(message).expect("a pickle of bytes");
        answers.push(pickle::Value::from_pickle(&inner, &options).expect("a pickle"));
        frames = rest;
    }
    answers
}

/// No arguments: a tuple of nothing, which `()` is not.
pub(crate) const NONE: [(); 0] = [];
