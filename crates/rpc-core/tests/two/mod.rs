//! Two ends of a connection over real streams, and functions that the test has a say in.
#![allow(dead_code, reason = "each test file has its own")]

use std::collections::HashMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rpc_core::blocking::{Client, Workers};
use rpc_core::{Codec, Context, Error, Fault, Options, Registry, native};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn options() -> Options {
    Options::new(Codec::Postcard)
}

/// The two ends of a TCP connection.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("it is connected");
    (near, far)
}

/// What the functions share with the test: gates by name.
#[derive(Default)]
pub(crate) struct World {
    gates: Mutex<HashMap<String, Gate>>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    has_begun: bool,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl World {
    pub(crate) fn open(&self, name: &str) {
        let waker = self.change(name, |gate| {
            gate.is_open = true;
            gate.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn await_begun(&self, name: &str) {
        self.until(name, "begun", |gate| gate.has_begun);
    }

    pub(crate) fn await_cancelled(&self, name: &str) {
        self.until(name, "cancelled", |gate| gate.is_cancelled);
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Gate) -> T) -> T {
        let mut gates = self.gates();
        let result = change(gates.entry(name.to_owned()).or_default());
        self.changed.notify_all();
        result
    }

    fn until(&self, name: &str, what: &str, is_so: impl Fn(&Gate) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut gates = self.gates();
        while !gates.get(name).is_some_and(&is_so) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{name} should be {what} by now");
            gates = self
                .changed
                .wait_timeout(gates, left)
                .expect("no test panics with it")
                .0;
        }
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<String, Gate>> {
        self.gates.lock().expect("no test panics with it")
    }
}

/// A future's place at a gate.
struct Dream(Arc<World>, String);

impl Drop for Dream {
    fn drop(&mut self) {
        self.0.change(&self.1, |gate| gate.is_cancelled = true);
    }
}

pub(crate) fn functions() -> (Arc<World>, Registry) {
    let (world, count) = (Arc::new(World::default()), Arc::new(AtomicU64::new(0)));
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry.register("echo", ["text"], |text: String| text);
    registry.register("fail", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key"))
    });
    registry.register("panic", [], || -> () { panic!("on purpose") });
    let counted = Arc::clone(&count);
    registry.register("count", [], move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    registry.register("counted", [], move || counted.load(Ordering::Relaxed));
    registry.register_with("left", [], |cx: &Context| {
        cx.remaining(Instant::now())
            .map_or(0, |left| left.as_millis() as u64)
    });
    registry.register_with("who", [], |cx: &Context| {
        String::from_utf8_lossy(&cx.metadata()[0].1).into_owned()
    });
    registry
        .register("later", ["pause", "name"], |pause: u64, name: String| {
            (0..pause).for_each(|_| thread::yield_now());
            name
        })
        .blocking();
    let hanging = Arc::clone(&world);
    registry
        .register_with("hang", ["name"], move |cx: &Context, name: String| {
            let mut gates = hanging.gates();
            gates.entry(name.clone()).or_default().has_begun = true;
            hanging.changed.notify_all();
            while !gates[&name].is_open && !cx.is_cancelled() {
                let pause = Duration::from_millis(5);
                let waited = hanging.changed.wait_timeout(gates, pause);
                gates = waited.expect("no test panics with it").0;
            }
            let gate = gates.entry(name.clone()).or_default();
            gate.is_cancelled = cx.is_cancelled();
            hanging.changed.notify_all();
            name
        })
        .blocking();
    let dreaming = Arc::clone(&world);
    registry.register_async("dream", ["name"], move |_: Context, name: String| {
        let dream = Dream(Arc::clone(&dreaming), name.clone());
        std::future::poll_fn(move |cx| {
            dream.0.change(&dream.1, |gate| {
                gate.has_begun = true;
                gate.waker = Some(cx.waker().clone());
                match gate.is_open {
                    true => Poll::Ready(name.clone()),
                    false => Poll::Pending,
                }
            })
        })
    });
    (world, registry)
}

/// A server of one connection, on a thread.
pub(crate) struct Server {
    pub(crate) world: Arc<World>,
    pub(crate) workers: Workers,
    near: Mutex<Option<TcpStream>>,
    far: TcpStream,
    result: Receiver<Result<(), Error>>,
}

impl Server {
    pub(crate) fn start((world, registry): (Arc<World>, Registry)) -> Self {
        let (near, far) = tcp();
        let (tell, result) = channel();
        let workers = Workers::new(64, 1024);
        let (stream, serving) = (far.try_clone().expect("descriptors"), workers.clone());
        let peer = native::Peer::new(Arc::new(registry), options());
        thread::spawn(move || tell.send(serving.serve(&stream, peer)));
        Self {
            world,
            workers,
            near: Mutex::new(Some(near)),
            far,
            result,
        }
    }

    /// The client. There is one.
    pub(crate) fn client(&self) -> Client {
        let near = self.near.lock().expect("no test panics with it").take();
        Client::new(near.expect("there is one client"), options()).expect("they suit")
    }

    pub(crate) fn cut(&self) {
        self.far.shutdown(Shutdown::Both).expect("it is connected");
    }

    pub(crate) fn result(&self) -> Result<(), Error> {
        self.result.recv_timeout(PATIENCE).expect("serving ends")
    }
}
