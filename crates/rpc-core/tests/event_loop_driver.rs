//! The event-loop driver, with a clock moved by hand: answers nobody reads, calls that never end, callers that
//! vanish, stopping.

mod json_rpc;

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use event_loop::sim::{self, Sim};
use event_loop::{EventLoop, LoopOptions, PostError, Stats};
use rpc_core::event_loop::{Handler, Message};
use rpc_core::json_rpc::{Options, Peer};
use rpc_core::{Context, Registry};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    sim: Sim,
    event_loop: EventLoop<Message>,
    registry: Arc<Registry>,
}

impl World {
    fn new(registry: Registry) -> Self {
        Self::with(registry, LoopOptions::default())
    }

    fn with(registry: Registry, options: LoopOptions) -> Self {
        let sim = Sim::new();
        Self {
            event_loop: EventLoop::simulated(&sim, options).expect("nothing to fail"),
            sim,
            registry: Arc::new(registry),
        }
    }

    fn connect(&mut self) -> Caller {
        self.connect_with(event_loop::Options::default(), Options::default())
    }

    fn connect_with(&mut self, stream: event_loop::Options, options: Options) -> Caller {
        let (socket, peer) = self.sim.stream();
        let handler = Handler::new(Peer::new(Arc::clone(&self.registry), options));
        self.event_loop
            .add_stream(socket, stream, handler)
            .expect("nothing to fail");
        self.turn();
        Caller {
            peer,
            received: Vec::new(),
        }
    }

    fn turn(&mut self) {
        self.event_loop.turn(None).expect("nothing to fail");
    }

    /// Turns until it has happened, with what comes from other threads.
    fn until<T>(&mut self, mut has_happened: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            self.turn();
            if let Some(result) = has_happened() {
                return result;
            }
            assert!(begun.elapsed() < PATIENCE, "it never happened");
            std::thread::yield_now();
        }
    }
}

struct Caller {
    peer: sim::Peer,
    received: Vec<u8>,
}

impl Caller {
    fn call(&mut self, method: &str, params: &Value, id: usize) {
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id});
        self.peer.send(format!("{call}\n").as_bytes());
    }

    /// The next answer that has come: its id, and its result or the code of its error.
    fn answer(&mut self) -> Option<(u64, Value)> {
        self.received.extend(self.peer.received());
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.received.drain(..=end).collect();
        let mut answer: Value = serde_json::from_slice(&line).expect("it is JSON");
        let id = answer["id"].as_u64().expect("ids are numbers here");
        let outcome = match answer.get_mut("result") {
            Some(result) => result.take(),
            None => answer["error"]["code"].take(),
        };
        Some((id, outcome))
    }
}

/// A future that ends when the test says so, and counts how often it was dropped.
#[derive(Clone, Default)]
struct Gate {
    waker: Arc<Mutex<Option<Waker>>>,
    is_open: Arc<AtomicUsize>,
    polled: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Gate {
    async fn wait(self) -> &'static str {
        let _counted = Counted(Arc::clone(&self.dropped));
        poll_fn(|cx| {
            self.polled.fetch_add(1, Ordering::SeqCst);
            if self.is_open.load(Ordering::SeqCst) > 0 {
                return Poll::Ready("through");
            }
            *self.waker.lock().expect("nobody panicked") = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn waker(&self) -> Waker {
        let waker = self.waker.lock().expect("nobody panicked");
        waker.clone().expect("it was polled")
    }

    fn open(&self) {
        self.is_open.store(1, Ordering::SeqCst);
        self.waker().wake();
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// A registry with the function `wait`.
fn gated() -> (Registry, Gate) {
    let mut registry = json_rpc::functions(false);
    let gate = Gate::default();
    let theirs = gate.clone();
    registry.register_async("wait", [], move |_| theirs.clone().wait());
    (registry, gate)
}

#[test]
fn what_comes_together_is_answered_together() {
    let mut world = World::new(json_rpc::functions(false));
    let mut caller = world.connect();
    let before = caller.peer.calls();
    for id in 0..100 {
        caller.call("subtract", &json!([id, 1]), id);
    }
    world.turn();
    for id in 0..100_i64 {
        assert_eq!(caller.answer(), Some((id as u64, json!(id - 1))));
    }
    let calls = caller.peer.calls() - before;
    assert!(
        calls <= 3,
        "a read, a write and a look for more, not {calls}"
    );
}

#[test]
fn a_future_is_polled_when_it_is_woken_and_others_are_answered_meanwhile() {
    let (registry, gate) = gated();
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.call("wait", &json!([]), 1);
    caller.call("subtract", &json!([3, 2]), 2);
    world.turn();
    assert_eq!(caller.answer(), Some((2, json!(1))));
    world.turn();
    assert_eq!(gate.polled.load(Ordering::SeqCst), 1);

    std::thread::scope(|scope| scope.spawn(|| gate.open()).join()).unwrap();
    world.turn();
    assert_eq!(caller.answer(), Some((1, json!("through"))));
    assert_eq!(gate.polled.load(Ordering::SeqCst), 2);
    assert_eq!(gate.dropped(), 1);
}

#[test]
fn wakers_that_nobody_waits_for_any_more_do_no_harm() {
    let (registry, gate) = gated();
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.call("wait", &json!([]), 1);
    world.turn();
    let waker = gate.waker();
    gate.open();
    world.turn();
    assert_eq!(caller.answer(), Some((1, json!("through"))));
    waker.wake_by_ref();
    world.turn();
    caller.peer.finish();
    world.turn();
    assert!(caller.peer.is_closed());
    waker.wake();
    world.turn();
    drop(world);
}

/// A program's own type of messages.
#[derive(Debug)]
enum Mine {
    Rpc(Message),
    Mark,
}

impl From<Message> for Mine {
    fn from(message: Message) -> Self {
        Self::Rpc(message)
    }
}

impl TryFrom<Mine> for Message {
    type Error = Mine;

    fn try_from(message: Mine) -> Result<Self, Mine> {
        match message {
            Mine::Rpc(message) => Ok(message),
            Mine::Mark => Err(message),
        }
    }
}

#[test]
fn a_full_message_queue_loses_no_wake_up() {
    let (registry, gate) = gated();
    let sim = Sim::new();
    let options = LoopOptions {
        message_queue: 1,
        ..LoopOptions::default()
    };
    let mut event_loop: EventLoop<Mine> = EventLoop::simulated(&sim, options).unwrap();
    let (socket, peer) = sim.stream();
    let handler = Handler::new(Peer::new(Arc::new(registry), Options::default()));
    let key = event_loop
        .add_stream(socket, event_loop::Options::default(), handler)
        .unwrap();
    let mut caller = Caller {
        peer,
        received: Vec::new(),
    };
    caller.call("wait", &json!([]), 1);
    event_loop.turn(None).unwrap();

    let handle = event_loop.handle();
    handle.post(key, Mine::Mark).unwrap();
    let refused = handle.post(key, Mine::Mark);
    assert!(matches!(refused, Err(PostError::Full { .. })));
    gate.open();
    event_loop.turn(None).unwrap();
    assert_eq!(caller.answer(), Some((1, json!("through"))));
}

#[test]
fn a_future_that_wakes_itself_for_ever_holds_up_nobody() {
    let mut registry = json_rpc::functions(false);
    registry.register_async("restless", [], |_| {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    let mut world = World::new(registry);
    let (mut one, mut other) = (world.connect(), world.connect());
    one.call("restless", &json!([]), 1);
    world.turn();
    for id in 0..3 {
        one.call("subtract", &json!([id, 0]), id);
        other.call("subtract", &json!([id, 0]), id);
        world.turn();
        assert_eq!(one.answer(), Some((id as u64, json!(id))));
        assert_eq!(other.answer(), Some((id as u64, json!(id))));
    }
}

#[test]
fn a_call_that_never_ends_is_ended_by_its_deadline() {
    let (mut registry, gate) = gated();
    let cancelled = Arc::new(Mutex::new(None::<Context>));
    let seen = Arc::clone(&cancelled);
    registry.register_async("never", [], move |cx| {
        *seen.lock().expect("nobody panicked") = Some(cx);
        std::future::pending::<()>()
    });
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.call("wait", &json!([]), 1);
    caller.call("never", &json!([]), 2);
    world.turn();
    let context = cancelled.lock().unwrap().clone().expect("it was called");
    assert_eq!(
        context.remaining(world.sim.now()),
        Some(Duration::from_secs(30))
    );

    world.sim.advance(Duration::from_millis(29_999));
    world.turn();
    assert_eq!(caller.answer(), None);
    assert!(!context.is_cancelled());
    world.sim.advance(Duration::from_millis(2));
    world.turn();
    assert_eq!(caller.answer(), Some((1, json!(-32001))));
    assert_eq!(caller.answer(), Some((2, json!(-32001))));
    assert_eq!(gate.dropped(), 1);
    assert!(context.is_cancelled());
}

#[test]
fn when_the_caller_vanishes_its_futures_are_dropped() {
    let (mut registry, gate) = gated();
    let contexts = Arc::new(Mutex::new(Vec::<Context>::new()));
    let seen = Arc::clone(&contexts);
    let (started, has_started) = mpsc::channel();
    let (finish, may_finish) = mpsc::channel::<()>();
    let may_finish = Mutex::new(may_finish);
    registry
        .register_with("block", [], move |cx: &Context| {
            seen.lock().expect("nobody panicked").push(cx.clone());
            started.send(()).expect("the test waits for it");
            let may_finish = may_finish.lock().expect("nobody panicked");
            may_finish.recv_timeout(PATIENCE).is_ok()
        })
        .blocking();
    let mut world = World::new(registry);
    let mut caller = world.connect();
    for id in 0..10 {
        caller.call("wait", &json!([]), id);
    }
    caller.call("block", &json!([]), 10);
    world.turn();
    has_started.recv_timeout(PATIENCE).expect("a worker has it");

    caller.peer.fail(std::io::ErrorKind::ConnectionReset);
    world.turn();
    assert_eq!(gate.dropped(), 10);
    assert!(contexts.lock().unwrap()[0].is_cancelled());
    finish.send(()).unwrap();
    let mut other = world.connect();
    other.call("subtract", &json!([2, 1]), 1);
    assert_eq!(world.until(|| other.answer()), (1, json!(1)));
    assert_eq!(other.answer(), None);
}

#[test]
fn blocking_functions_run_elsewhere_and_too_many_are_refused() {
    let mut registry = json_rpc::functions(false);
    let (started, has_started) = mpsc::channel();
    let (finish, may_finish) = mpsc::channel::<()>();
    let may_finish = Mutex::new(may_finish);
    registry
        .register("block", [], move || {
            started.send(()).expect("the test waits for it");
            let may_finish = may_finish.lock().expect("nobody panicked");
            may_finish.recv_timeout(PATIENCE).is_ok()
        })
        .blocking();
    registry
        .register("panics", [], || -> i64 { panic!("as the test wants it") })
        .blocking();
    let options = LoopOptions {
        offload_threads: 1,
        offload_queue: 1,
        ..LoopOptions::default()
    };
    let mut world = World::with(registry, options);
    let mut caller = world.connect();
    caller.call("block", &json!([]), 1);
    world.turn();
    has_started.recv_timeout(PATIENCE).expect("a worker has it");
    caller.call("panics", &json!([]), 2);
    caller.call("panics", &json!([]), 3);
    caller.call("subtract", &json!([2, 1]), 4);
    world.turn();
    assert_eq!(caller.answer(), Some((4, json!(1))));
    assert_eq!(caller.answer(), Some((3, json!(-32003))));
    finish.send(()).unwrap();
    assert_eq!(world.until(|| caller.answer()), (1, json!(true)));
    assert_eq!(world.until(|| caller.answer()), (2, json!(-32603)));
}

#[test]
fn answers_that_nobody_reads_cost_their_caller_and_nobody_else() {
    const LEN: usize = 10_000;
    let mut registry = json_rpc::functions(false);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let text = move || {
        count.fetch_add(1, Ordering::SeqCst);
        "x".repeat(LEN)
    };
    registry.register("text_at_once", [], text.clone());
    registry.register_with("text", [], move |_: &Context| text());
    let mut world = World::new(registry);
    for function in ["text", "text_at_once"] {
        ran.store(0, Ordering::SeqCst);
        let (mut greedy, mut other) = (world.connect(), world.connect());
        greedy.peer.set_room(0);
        for id in 0..2000 {
            greedy.call(function, &json!([]), id);
        }
        for _ in 0..100 {
            world.turn();
        }
        let begun = ran.load(Ordering::SeqCst);
        assert!(
            begun * LEN < 4 << 20,
            "{begun} answers of {LEN} bytes wait for one that reads none"
        );
        assert!(greedy.peer.unread() > 0, "it is not read from either");
        other.call("subtract", &json!([2, 1]), 1);
        world.turn();
        assert_eq!(other.answer(), Some((1, json!(1))));

        let mut answered = 0;
        while answered < 2000 {
            greedy.peer.set_room(300_000);
            world.turn();
            let before = answered;
            while let Some((id, text)) = greedy.answer() {
                assert_eq!(id, answered);
                assert_eq!(text.as_str().map(str::len), Some(LEN));
                answered += 1;
            }
            assert!(answered > before, "{answered} of {function}");
        }
    }
}

#[test]
fn an_answer_larger_than_the_loops_queue_goes_out_in_pieces() {
    const LEN: usize = 5 << 20;
    let mut registry = json_rpc::functions(false);
    registry.register("text", [], || "x".repeat(LEN));
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.peer.set_room(0);
    caller.call("text", &json!([]), 1);
    caller.call("subtract", &json!([2, 1]), 2);
    world.turn();
    let answer = loop {
        caller.peer.set_room(1 << 20);
        world.turn();
        if let Some(answer) = caller.answer() {
            break answer;
        }
        assert!(!caller.peer.is_closed());
    };
    assert_eq!(answer.1.as_str().map(str::len), Some(LEN));
    caller.peer.set_room(1 << 20);
    assert_eq!(world.until(|| caller.answer()), (2, json!(1)));
}

#[test]
fn a_peer_that_ends_gets_the_answers_it_waits_for() {
    let (registry, gate) = gated();
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.call("wait", &json!([]), 1);
    // The last line may come without its end.
    caller
        .peer
        .send(br#"{"jsonrpc":"2.0","method":"subtract","params":[2,1],"id":2}"#);
    caller.peer.finish();
    world.turn();
    assert_eq!(caller.answer(), Some((2, json!(1))));
    assert!(!caller.peer.is_closed());
    gate.open();
    world.turn();
    assert_eq!(caller.answer(), Some((1, json!("through"))));
    assert!(caller.peer.is_closed());
    assert_eq!(world.event_loop.stats().finished, 1);
}

#[test]
fn stopping_lets_running_calls_end_and_takes_no_new_ones() {
    let (registry, gate) = gated();
    let mut world = World::new(registry);
    let (mut busy, idle) = (world.connect(), world.connect());
    busy.call("wait", &json!([]), 1);
    world.turn();
    world.event_loop.stop(Duration::from_secs(5));
    world.turn();
    assert!(idle.peer.is_finished(), "nobody waits there");
    assert!(!busy.peer.is_finished());
    busy.call("subtract", &json!([2, 1]), 2);
    world.turn();
    assert_eq!(busy.answer(), Some((2, json!(-32004))));
    gate.open();
    world.turn();
    assert_eq!(busy.answer(), Some((1, json!("through"))));
    assert!(busy.peer.is_finished());
}

#[test]
fn what_does_not_end_in_the_grace_period_is_cut() {
    let (registry, gate) = gated();
    let mut world = World::new(registry);
    let mut caller = world.connect();
    caller.call("wait", &json!([]), 1);
    world.turn();
    world.event_loop.stop(Duration::from_secs(5));
    world.turn();
    world.sim.advance(Duration::from_secs(6));
    world.turn();
    assert!(caller.peer.is_closed());
    assert_eq!(gate.dropped(), 1);
    let Stats { cut_off, open, .. } = world.event_loop.stats();
    assert_eq!((cut_off, open), (1, 0));
}

#[test]
fn a_line_that_is_too_long_is_told_so_and_ends_the_connection() {
    let mut world = World::new(json_rpc::functions(false));
    let options = Options {
        max_line_len: 1000,
        ..Options::default()
    };
    let mut caller = world.connect_with(event_loop::Options::default(), options);
    caller.call("subtract", &json!([2, 1]), 1);
    caller.peer.send(&[b'x'; 2000]);
    world.turn();
    let received = String::from_utf8(caller.peer.received()).unwrap();
    let (answer, farewell) = received.split_once('\n').unwrap();
    assert_eq!(answer, r#"{"jsonrpc":"2.0","result":1,"id":1}"#);
    assert_eq!(
        farewell,
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse error\",\
         \"data\":\"no end of the frame within the limit of 1000 bytes\"},\"id\":null}\n"
    );
    assert!(caller.peer.is_finished());
    caller.peer.finish();
    world.turn();
    assert_eq!(world.event_loop.stats().failed, 1);
}

#[test]
fn a_line_that_comes_too_slowly_ends_the_connection() {
    let mut world = World::new(json_rpc::functions(false));
    let mut caller = world.connect();
    caller.peer.send(b"{\"jsonrpc\":");
    world.turn();
    world.sim.advance(Duration::from_secs(11));
    world.turn();
    let received = String::from_utf8(caller.peer.received()).unwrap();
    assert!(received.contains("only 11 bytes"), "{received}");
    assert!(caller.peer.is_finished());
}
