//! Slow work on other threads: its outcome arrives on the loop, a panic included.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::Duration;

use event_loop::{
    Context, DatagramHandler, Datagrams, EventLoop, LoopOptions, OffloadError, Panicked,
};

const PATIENCE: Duration = Duration::from_secs(20);

enum Outcome {
    Answer(u64, std::net::SocketAddr),
    Panicked(Panicked, std::net::SocketAddr),
}

/// Waits for the gate to open when it is asked to, panics when it is asked to, else answers at once.
struct Worker {
    gate: Option<mpsc::Receiver<()>>,
}

impl DatagramHandler<Outcome> for Worker {
    fn received(
        &mut self,
        payload: &[u8],
        from: std::net::SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, Outcome>,
    ) {
        let payload = payload.to_vec();
        let gate = (payload == b"slow").then(|| self.gate.take()).flatten();
        let work = move || {
            if let Some(gate) = gate {
                gate.recv_timeout(PATIENCE).expect("the gate opens");
            }
            assert_ne!(payload, b"panic", "as the test wants it");
            payload.len() as u64
        };
        let done = move |outcome| match outcome {
            Ok(answer) => Outcome::Answer(answer, from),
            Err(panicked) => Outcome::Panicked(panicked, from),
        };
        if let Err(OffloadError::Full { limit }) = cx.offload(work, done) {
            let text = format!("{limit} wait");
            out.send_to(text.as_bytes(), from).expect("there is room");
        }
    }

    fn message(&mut self, outcome: Outcome, out: &mut Datagrams, _: &mut Context<'_, Outcome>) {
        let (text, to) = match outcome {
            Outcome::Answer(answer, to) => (answer.to_string(), to),
            Outcome::Panicked(panicked, to) => (panicked.message, to),
        };
        out.send_to(text.as_bytes(), to).expect("there is room");
    }
}

struct Server {
    client: UdpSocket,
    gate: mpsc::Sender<()>,
    handle: event_loop::Handle<Outcome>,
    thread: std::thread::JoinHandle<()>,
}

impl Server {
    fn start(offload_threads: usize, offload_queue: usize) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        client
            .connect(socket.local_addr().expect("it is bound"))
            .expect("a loopback address");
        client.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let (gate, gate_end) = mpsc::channel();
        let (give_handle, take_handle) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let options = LoopOptions {
                offload_threads,
                offload_queue,
                ..LoopOptions::default()
            };
            let mut event_loop = EventLoop::with_options(options).expect("a loop");
            let worker = Worker {
                gate: Some(gate_end),
            };
            event_loop.add_datagrams(socket, worker).expect("a socket");
            give_handle
                .send(event_loop.handle())
                .expect("it is awaited");
            event_loop.run().expect("the loop runs");
        });
        let handle = take_handle.recv_timeout(PATIENCE).expect("the loop starts");
        Self {
            client,
            gate,
            handle,
            thread,
        }
    }

    fn ask(&self, question: &str) {
        self.client.send(question.as_bytes()).expect("it is sent");
    }

    fn answer(&self) -> String {
        let mut buffer = [0; 100];
        let len = self.client.recv(&mut buffer).expect("an answer in time");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    fn stop(self) {
        self.handle.stop(PATIENCE);
        self.thread.join().expect("the loop ends");
    }
}

#[test]
fn slow_work_delays_nobody_and_its_result_arrives() {
    let server = Server::start(2, 10);
    server.ask("slow");
    for _ in 0..10 {
        server.ask("quick!");
        assert_eq!(server.answer(), "6");
    }
    server.gate.send(()).unwrap();
    assert_eq!(server.answer(), "4");
    server.stop();
}

#[test]
fn a_panic_is_a_result_and_the_thread_lives_on() {
    let server = Server::start(1, 10);
    for _ in 0..3 {
        server.ask("panic");
        assert!(server.answer().contains("as the test wants it"));
        server.ask("fine");
        assert_eq!(server.answer(), "4");
    }
    server.stop();
}

#[test]
fn work_beyond_the_queue_is_refused_with_its_limit() {
    let server = Server::start(1, 2);
    server.ask("slow");
    server.ask("1");
    // Whether the first is waiting or at work by now, at most three can be in.
    server.ask("22");
    server.ask("333");
    server.ask("4444");
    assert_eq!(server.answer(), "2 wait");
    server.gate.send(()).unwrap();
    let mut answers: Vec<String> = Vec::new();
    while answers.len() < 4 {
        answers.push(server.answer());
    }
    assert!(answers.contains(&"4".to_owned()) && answers.contains(&"1".to_owned()));
    server.stop();
}

#[test]
fn a_loop_that_stops_waits_for_offloaded_work() {
    let server = Server::start(1, 2);
    server.ask("slow");
    server.ask("22");
    server.handle.stop(PATIENCE);
    server.gate.send(()).unwrap();
    assert_eq!(server.answer(), "4");
    assert_eq!(server.answer(), "2");
    server.stop();
}

#[test]
fn work_that_ends_after_the_grace_period_disturbs_nobody() {
    let (open_gate, gate) = mpsc::channel();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop
        .add_datagrams(socket, Worker { gate: Some(gate) })
        .unwrap();
    client.send(b"slow").unwrap();
    event_loop.turn(Some(PATIENCE)).unwrap();
    event_loop.stop(Duration::ZERO);
    event_loop.run().unwrap();
    open_gate.send(()).unwrap();
    client.set_nonblocking(true).unwrap();
    let begun = std::time::Instant::now();
    while client.recv(&mut [0; 10]).is_err() {
        assert!(begun.elapsed() < PATIENCE);
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
}
