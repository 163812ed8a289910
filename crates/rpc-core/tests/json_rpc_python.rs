//! Python as the client of JSON-RPC on the event loop, with nothing but its standard library.

mod json_rpc;

use std::future::poll_fn;
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use event_loop::EventLoop;
use rpc_core::event_loop::{Handler, Message};
use rpc_core::json_rpc::{Options, Peer};
use rpc_core::{Fault, Registry};
use serde_json::Value;

/// Whether somebody has asked, and who waits for that.
#[derive(Default)]
struct Asked {
    is_asked: bool,
    waker: Option<Waker>,
}

/// What the script needs beside the functions of the specification.
fn registry() -> Registry {
    let mut registry = json_rpc::functions(false);
    registry.register("echo", ["value"], |value: Value| -> Result<_, Fault> {
        Ok(value)
    });
    registry.register("panics", [], || -> i64 { panic!("as the test wants it") });
    registry.register("fails", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key: 'left'").with_data("left"))
    });
    let notes = Arc::new(Mutex::new(Vec::<String>::new()));
    let all = Arc::clone(&notes);
    registry.register("note", ["text"], move |text: String| {
        notes.lock().expect("nobody panicked").push(text);
    });
    registry.register("noted", [], move || {
        all.lock().expect("nobody panicked").clone()
    });
    let asked = Arc::new(Mutex::new(Asked::default()));
    let asks = Arc::clone(&asked);
    registry.register_async("when_asked", [], move |_| {
        let asked = Arc::clone(&asked);
        poll_fn(move |cx| {
            let mut asked = asked.lock().expect("nobody panicked");
            if std::mem::take(&mut asked.is_asked) {
                return Poll::Ready("at last");
            }
            asked.waker = Some(cx.waker().clone());
            Poll::Pending
        })
    });
    registry.register("ask", [], move || {
        let mut asked = asks.lock().expect("nobody panicked");
        asked.is_asked = true;
        if let Some(waker) = asked.waker.take() {
            waker.wake();
        }
        "asked"
    });
    registry.introspection();
    registry
}

#[test]
fn a_python_script_calls_notifies_batches_and_pipelines() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut event_loop: EventLoop<Message> = EventLoop::new().expect("a poller");
        let registry = Arc::new(registry());
        let options = event_loop::Options::default();
        event_loop
            .listen(listener, options, move |_| {
                Handler::new(Peer::new(Arc::clone(&registry), Options::default()))
            })
            .expect("it can be watched");
        tell.send(event_loop.handle()).expect("the test waits");
        event_loop.run().expect("nothing to fail")
    });
    let handle = told.recv().expect("the loop starts");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/python/json_rpc_client.py"
    );
    let output = Command::new("python3")
        .args([script, &port.to_string()])
        .output()
        .expect("this test needs python3");
    handle.stop(Duration::from_secs(5));
    let stats = server.join().expect("the loop does not panic");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!((stats.accepted, stats.finished), (1, 1));
}
