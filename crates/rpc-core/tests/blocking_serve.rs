//! The driver for threads, with a dialect of one line for each call: `quick x`, `block x`, `future x`.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rpc_core::blocking::{Pair, Workers, serve};
use rpc_core::{Answer, Dialect, Error, Fault, Job, JobId, Work};

/// What the functions of the dialect need from the test.
#[derive(Clone, Default)]
struct World(Arc<Shared>);

#[derive(Default)]
struct Shared {
    gates: Mutex<HashMap<String, Gate>>,
    changed: Condvar,
    running: AtomicUsize,
    most_running: AtomicUsize,
    dropped: AtomicUsize,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    has_come: bool,
    waker: Option<Waker>,
}

impl World {
    /// Lets the job of this name go on.
    fn open(&self, name: &str) {
        let waker = {
            let mut gates = self.0.gates.lock().expect("no test panics with it");
            let gate = gates.entry(name.to_owned()).or_default();
            gate.is_open = true;
            gate.waker.take()
        };
        self.0.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Blocks until the gate is open.
    fn pass(&self, name: &str) {
        let now = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_running.fetch_max(now, Ordering::SeqCst);
        self.come(name);
        self.until("the gate is opened", |gates| gates[name].is_open);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until a job has come to the gate.
    fn await_coming(&self, name: &str) {
        self.until("a job comes", |gates| {
            gates.get(name).is_some_and(|gate| gate.has_come)
        });
    }

    fn come(&self, name: &str) {
        let mut gates = self.0.gates.lock().expect("no test panics with it");
        gates.entry(name.to_owned()).or_default().has_come = true;
        self.0.changed.notify_all();
    }

    fn until(&self, what: &str, is_so: impl Fn(&HashMap<String, Gate>) -> bool) {
        let gates = self.0.gates.lock().expect("no test panics with it");
        let (_gates, waited) = self
            .0
            .changed
            .wait_timeout_while(gates, PATIENCE, |gates| !is_so(gates))
            .expect("no test panics with it");
        assert!(!waited.timed_out(), "waited in vain: {what}");
    }

    fn poll(&self, name: &str, waker: &Waker) -> Poll<Answer> {
        self.come(name);
        let mut gates = self.0.gates.lock().expect("no test panics with it");
        let gate = gates.get_mut(name).expect("it has come");
        if gate.is_open {
            return Poll::Ready(Ok(name.as_bytes().to_vec()));
        }
        gate.waker = Some(waker.clone());
        Poll::Pending
    }
}

/// Tells when it is dropped.
struct Told(World);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.0.dropped.fetch_add(1, Ordering::SeqCst);
        let _gates = self.0.0.gates.lock().expect("no test panics with it");
        self.0.0.changed.notify_all();
    }
}

struct Lines {
    world: World,
    input: Vec<u8>,
    output: Vec<u8>,
    jobs: VecDeque<Job>,
    cancelled: VecDeque<JobId>,
    running: HashMap<JobId, String>,
    next: u64,
    is_ending: bool,
    deadline: Option<Instant>,
}

impl Lines {
    fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            input: Vec::new(),
            output: Vec::new(),
            jobs: VecDeque::new(),
            cancelled: VecDeque::new(),
            running: HashMap::new(),
            next: 0,
            is_ending: false,
            deadline: None,
        }
    }

    fn line(&mut self, line: &str, now: Instant) -> Result<(), Error> {
        let (verb, name) = line.split_once(' ').unwrap_or((line, ""));
        let name = name.to_owned();
        let (world, result) = (self.world.clone(), name.clone().into_bytes());
        let work = match verb {
            "now" => {
                self.say(&name);
                return Ok(());
            }
            "quick" => Work::Quick(Box::new(move || Ok(result))),
            "block" => {
                let name = name.clone();
                Work::Blocking(Box::new(move || {
                    world.pass(&name);
                    Ok(result)
                }))
            }
            "future" => {
                let (name, told) = (name.clone(), Told(world.clone()));
                Work::Future(Box::pin(std::future::poll_fn(move |cx| {
                    let _ = &told;
                    world.poll(&name, cx.waker())
                })))
            }
            "cancel" => {
                let found = self.running.iter().find(|(_, running)| **running == name);
                let id = *found.expect("the test cancels what runs").0;
                self.running.remove(&id);
                self.cancelled.push_back(id);
                return Ok(());
            }
            "alarm" => {
                self.deadline = Some(now + Duration::from_millis(name.parse().expect("a number")));
                return Ok(());
            }
            "large" => {
                let len: usize = name.parse().expect("a number");
                self.output.resize(self.output.len() + len, b'x');
                self.say("");
                return Ok(());
            }
            other => return Err(Fault::from(format!("no verb: {other}")).into()),
        };
        let id = JobId(self.next);
        self.next += 1;
        self.running.insert(id, name);
        self.jobs.push_back(Job { id, work });
        Ok(())
    }

    fn say(&mut self, what: &str) {
        self.output.extend_from_slice(what.as_bytes());
        self.output.push(b'\n');
    }
}

impl Dialect for Lines {
    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        while let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line[..end]), now)?;
        }
        Ok(())
    }

    fn receive_eof(&mut self, _: Instant) -> Result<(), Error> {
        self.is_ending = true;
        Ok(())
    }

    fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        self.cancelled.pop_front()
    }

    fn complete(&mut self, job: JobId, answer: Answer, _: Instant) {
        if self.running.remove(&job).is_some() {
            match answer {
                Ok(result) => self.say(&String::from_utf8_lossy(&result)),
                Err(fault) => self.say(&fault.to_string()),
            }
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.say("alarm");
        }
        Ok(())
    }

    fn drain(&mut self, _: Instant) {
        self.say("bye");
        self.is_ending = true;
    }

    fn is_finished(&self) -> bool {
        self.is_ending && self.running.is_empty()
    }

    fn in_flight(&self) -> usize {
        self.running.len()
    }

    fn max_queued(&self) -> usize {
        1 << 20
    }
}

/// The client's end, and what serving came to.
struct Talk {
    reader: BufReader<TcpStream>,
    result: Receiver<Result<(), Error>>,
}

impl Talk {
    fn with(serve: impl FnOnce(TcpStream) -> Result<(), Error> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let (stream, _) = listener.accept().expect("connected");
        let (tell, result): (Sender<_>, _) = channel();
        thread::spawn(move || tell.send(serve(stream)));
        Self {
            reader: BufReader::new(client),
            result,
        }
    }

    fn new(world: &World) -> Self {
        let lines = Lines::new(world);
        Self::with(|stream| serve(&stream, lines))
    }

    fn on(workers: &Workers, world: &World) -> Self {
        let (workers, lines) = (workers.clone(), Lines::new(world));
        Self::with(move |stream| workers.serve(&stream, lines))
    }

    fn say(&self, lines: &str) {
        self.reader
            .get_ref()
            .write_all(lines.as_bytes())
            .expect("the server reads");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("an answer in time");
        line.trim_end().to_owned()
    }

    fn finish(&self) {
        let stream = self.reader.get_ref();
        stream.shutdown(Shutdown::Write).expect("connected");
    }

    fn result(&self) -> Result<(), Error> {
        self.result.recv_timeout(PATIENCE).expect("serving ends")
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn answers_come_when_they_are_ready() {
    let world = World::default();
    let mut talk = Talk::new(&world);
    talk.say("block a\nfuture b\nquick c\nnow d\n");
    assert_eq!((talk.hear(), talk.hear()), ("d".into(), "c".into()));
    world.open("b");
    assert_eq!(talk.hear(), "b");
    world.open("a");
    assert_eq!(talk.hear(), "a");
    talk.finish();
    talk.result().unwrap();
}

#[test]
fn what_runs_when_the_peer_has_finished_is_answered() {
    let world = World::default();
    let mut talk = Talk::new(&world);
    talk.say("block a\nfuture b\n");
    talk.finish();
    world.await_coming("b");
    world.open("a");
    world.open("b");
    let mut heard = [talk.hear(), talk.hear()];
    heard.sort();
    assert_eq!(heard, ["a", "b"]);
    talk.result().unwrap();
}

#[test]
fn a_cancelled_future_is_dropped_and_a_cancelled_worker_unheard() {
    let world = World::default();
    let mut talk = Talk::new(&world);
    talk.say("future a\nblock b\nnow begun\n");
    assert_eq!(talk.hear(), "begun");
    world.await_coming("b");
    talk.say("cancel a\ncancel b\n");
    world.until("it is dropped", |_| {
        world.0.dropped.load(Ordering::SeqCst) == 1
    });
    world.open("b");
    talk.say("now still here\n");
    assert_eq!(talk.hear(), "still here");
    talk.finish();
    talk.result().unwrap();
}

#[test]
fn timeouts_are_told_while_the_peer_is_silent() {
    let mut talk = Talk::new(&World::default());
    talk.say("alarm 10\n");
    assert_eq!(talk.hear(), "alarm");
    talk.say("now and then\n");
    assert_eq!(talk.hear(), "and then");
}

#[test]
fn one_pool_serves_many_connections_within_its_bounds() {
    let (world, workers) = (World::default(), Workers::new(2, 3));
    let mut talks: Vec<_> = (0..6).map(|_| Talk::on(&workers, &world)).collect();
    for (number, talk) in talks.iter_mut().enumerate() {
        talk.say(&format!("block gate\nnow {number}\n"));
        let first = talk.hear();
        if number == 5 {
            assert_eq!(
                (first.as_str(), talk.hear().as_str()),
                (
                    "5",
                    "Overloaded: 3 calls wait for one of 2 threads, and more than 3 may not"
                )
            );
        }
    }
    world.until("both threads are at the gate", |_| {
        world.0.running.load(Ordering::SeqCst) == 2
    });
    world.open("gate");
    for talk in &mut talks[..5] {
        assert_eq!(talk.hear(), "gate");
    }
    assert_eq!(world.0.most_running.load(Ordering::SeqCst), 2);
}

#[test]
fn a_drain_ends_idle_connections_at_once_and_the_others_when_they_are_answered() {
    let (world, workers) = (World::default(), Workers::default());
    let mut idle = Talk::on(&workers, &world);
    let mut busy = Talk::on(&workers, &world);
    idle.say("now idle\n");
    assert_eq!(idle.hear(), "idle");
    busy.say("block a\n");
    world.await_coming("a");
    workers.drain();
    assert_eq!(idle.hear(), "bye");
    idle.result().unwrap();
    assert_eq!(busy.hear(), "bye");
    busy.result.try_recv().expect_err("a call still runs");
    world.open("a");
    assert_eq!(busy.hear(), "a");
    busy.result().unwrap();
    let mut late = Talk::on(&workers, &world);
    assert_eq!(late.hear(), "bye");
    late.result().unwrap();
}

#[test]
fn a_drain_reaches_who_reads_from_a_pipe() {
    let (world, workers) = (World::default(), Workers::default());
    let (input, mut to_server) = std::io::pipe().expect("descriptors");
    let (mut from_server, output) = std::io::pipe().expect("descriptors");
    let (tell, result) = channel();
    let (served, lines) = (workers.clone(), Lines::new(&world));
    thread::spawn(move || {
        let pair = Pair::new(input, output);
        tell.send(served.serve(&pair, lines))
    });
    to_server.write_all(b"quick a\n").unwrap();
    let mut heard = [0; 2];
    from_server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"a\n");
    workers.drain();
    let served = result.recv_timeout(PATIENCE).expect("serving ends");
    served.unwrap();
}

#[test]
fn a_peer_that_does_not_read_is_not_listened_to() {
    let world = World::default();
    let mut talk = Talk::new(&world);
    let stream = talk.reader.get_ref();
    stream.set_nonblocking(true).unwrap();
    let one = b"large 65536\n";
    let mut sent = 0_usize;
    // The kernel's buffers fill up in both directions, and nothing else does.
    let full = loop {
        match (&*stream).write(&one.repeat(1000)) {
            Ok(len) => sent += len,
            Err(error) => break error,
        }
        assert!(
            sent < 64 << 20,
            "the server takes {sent} bytes of calls and more"
        );
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    let mut answered = 0;
    while answered < sent / one.len() {
        assert_eq!(talk.hear().len(), 65536);
        answered += 1;
        if answered == 200 {
            break; // it goes on, then
        }
    }
}

#[test]
fn what_can_not_be_understood_ends_the_connection_with_what_was_to_be_said() {
    let mut talk = Talk::new(&World::default());
    talk.say("now first\nnonsense\n");
    assert_eq!(talk.hear(), "first");
    assert_eq!(talk.hear(), "");
    let Err(Error::Fault(fault)) = talk.result() else {
        panic!("no such verb");
    };
    assert_eq!(fault.message, "no verb: nonsense");
}

#[test]
fn a_stream_in_non_blocking_mode_works_too() {
    let (world, (client, server)) = (World::default(), UnixStream::pair().unwrap());
    server.set_nonblocking(true).unwrap();
    let lines = Lines::new(&world);
    let served = thread::spawn(move || serve(&server, lines));
    (&client).write_all(b"large 3000000\nfuture a\n").unwrap();
    world.open("a");
    client.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    (&client).read_to_end(&mut heard).unwrap();
    assert_eq!(heard.len(), 3_000_003);
    served.join().unwrap().unwrap();
}
