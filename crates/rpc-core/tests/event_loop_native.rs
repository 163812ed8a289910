//! Native calls over the event loop, in both directions.

use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use event_loop::{EventLoop, Handle, Stats};
use rpc_core::event_loop::{Handler, Message};
use rpc_core::{Client, Codec, Context, Error, Fault, Options, Registry, native};

const PATIENCE: Duration = Duration::from_secs(20);

/// A loop with both ends of a connection on it, each with functions.
struct Both {
    client: Client,
    handle: Handle<Message>,
    thread: JoinHandle<Stats>,
}

impl Both {
    fn start(near: Registry, far: Registry) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let mut event_loop: EventLoop<Message> = EventLoop::new().expect("a poller");
            let handler = |registry| {
                let options = Options::new(Codec::Postcard);
                Handler::new(native::Peer::new(Arc::new(registry), options))
            };
            let (one, two) = UnixStream::pair().expect("a pair of sockets");
            let (near, far) = (handler(near), handler(far));
            let client = near.client();
            let options = event_loop::Options::default();
            event_loop
                .add_stream(one, options.clone(), near)
                .expect("it can be watched");
            event_loop
                .add_stream(two, options, far)
                .expect("it can be watched");
            tell.send((client, event_loop.handle()))
                .expect("the test waits");
            event_loop.run().expect("nothing to fail")
        });
        let (client, handle) = told.recv_timeout(PATIENCE).expect("the loop starts");
        wait(client.opened()).expect("both speak postcard");
        Self {
            client,
            handle,
            thread,
        }
    }

    fn stop(self) -> Stats {
        self.handle.stop(Duration::from_secs(5));
        self.thread.join().expect("the loop does not panic")
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let begun = Instant::now();
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            return result;
        }
        assert!(begun.elapsed() < PATIENCE, "it is not ready in time");
        thread::park_timeout(PATIENCE);
    }
}

fn arithmetic() -> Registry {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry
}

#[test]
fn a_client_of_a_loop_calls_from_another_thread() {
    let both = Both::start(Registry::new(), arithmetic());
    let pending: Vec<_> = (0..1000)
        .map(|n| both.client.call::<i64>("add", (n, 1_i64)))
        .collect();
    for (n, pending) in (0..).zip(pending) {
        assert_eq!(wait(pending).unwrap(), n + 1);
    }
    let unknown = wait(both.client.call::<i64>("nothing", ()));
    assert!(matches!(unknown, Err(Error::Fault(_))), "{unknown:?}");
    let client = both.client.clone();
    let stats = both.stop();
    assert_eq!((stats.finished, stats.failed), (2, 0));
    let closed = wait(client.call::<i64>("add", (1_i64, 1_i64)));
    assert!(closed.is_err_and(|error| error.is_safe_to_repeat()));
}

#[test]
fn a_function_calls_its_caller_back() {
    let mut far = Registry::new();
    far.register_async("twice", ["x"], |cx: Context, x: i64| async move {
        let caller = Client::of(&cx).ok_or_else(|| Fault::from("there is nobody to call"))?;
        let sum: i64 = caller
            .call("add", (x, x))
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, Fault>(sum)
    });
    let both = Both::start(arithmetic(), far);
    for x in 0..100 {
        assert_eq!(wait(both.client.call::<i64>("twice", (x,))).unwrap(), 2 * x);
    }
    both.stop();
}

#[test]
fn a_call_that_is_dropped_is_cancelled_at_the_other_end() {
    let (tell, told) = std::sync::mpsc::channel();
    struct Tells(std::sync::mpsc::Sender<&'static str>);
    impl Drop for Tells {
        fn drop(&mut self) {
            // Nobody may be listening any more.
            let _ = self.0.send("dropped");
        }
    }
    let mut far = Registry::new();
    far.register_async("never", [], move |_| {
        let tells = Tells(tell.clone());
        let _ = tells.0.send("begun");
        async move {
            let _tells = tells;
            std::future::pending::<()>().await;
        }
    });
    let both = Both::start(Registry::new(), far);
    let pending = both.client.call::<()>("never", ());
    assert_eq!(told.recv_timeout(PATIENCE), Ok("begun"));
    drop(pending);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("dropped"));
    both.stop();
}

#[test]
fn why_a_conversation_failed_is_told() {
    use std::cell::RefCell;
    use std::rc::Rc;

    let sim = event_loop::sim::Sim::new();
    let options = event_loop::LoopOptions::default();
    let mut event_loop: EventLoop<Message> =
        EventLoop::simulated(&sim, options).expect("nothing to fail");
    let told = Rc::new(RefCell::new(Vec::new()));
    let mut browse = |bytes: &[u8]| {
        let own = Rc::clone(&told);
        let peer = native::Peer::new(Arc::default(), Options::new(Codec::Postcard));
        let handler =
            Handler::new(peer).on_failure(move |why| own.borrow_mut().push(why.to_string()));
        let (socket, mut far) = sim.stream();
        event_loop
            .add_stream(socket, event_loop::Options::default(), handler)
            .expect("it can be watched");
        far.send(bytes);
        far.finish();
        while !far.is_closed() {
            event_loop
                .turn(Some(Duration::ZERO))
                .expect("nothing to fail");
            sim.advance(Duration::from_secs(1));
        }
    };
    browse(b"GET / HTTP/1.1\r\n\r\n");
    browse(b"");
    let told = told.borrow();
    assert!(told[0].contains("HTTP"), "{told:?}");
    assert_eq!(
        told.len(),
        1,
        "a peer that just leaves is no failure: {told:?}"
    );
}
