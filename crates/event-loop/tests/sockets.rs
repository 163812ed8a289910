//! Real sockets, in real time: waits for events, never for time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event_loop::{
    Closed, Context, Datagrams, EventLoop, Handle, Options, Outgoing, Peer, Stats, StreamHandler,
    bind_shared,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn echo(bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
    out.write(bytes);
}

/// A loop on a thread of its own, stopped and awaited at the end of the test.
struct Running {
    handle: Handle,
    thread: Option<JoinHandle<Stats>>,
}

impl Running {
    fn start(set_up: impl FnOnce(&mut EventLoop) + Send + 'static) -> Self {
        let (give, take) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut event_loop = EventLoop::new().expect("a loop");
            set_up(&mut event_loop);
            give.send(event_loop.handle()).expect("it is awaited");
            event_loop.run().expect("the loop runs")
        });
        let handle = take.recv_timeout(PATIENCE).expect("the loop starts");
        Self {
            handle,
            thread: Some(thread),
        }
    }

    fn stop(mut self) -> Stats {
        self.handle.stop(PATIENCE);
        self.thread
            .take()
            .expect("it runs")
            .join()
            .expect("the loop ends")
    }
}

fn loopback() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

fn everything(mut stream: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    stream
        .read_to_end(&mut all)
        .expect("the other side ends in order");
    all
}

#[test]
fn tcp_echo_with_a_half_close_delivers_every_byte() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let running = Running::start(move |event_loop| {
        event_loop
            .listen(listener, Options::default(), |_| echo)
            .expect("a listener");
    });
    // More than all buffers hold, so that the server is full and must stop reading meanwhile.
    let sent: Vec<u8> = (0..8 << 20_u32)
        .map(|n: u32| (n * 31).to_le_bytes()[1])
        .collect();
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&copy).expect("the server takes it");
        writer.shutdown(Shutdown::Write).expect("still open");
    });
    assert!(everything(&mut stream) == sent, "the echo differs");
    writing.join().unwrap();
    let stats = running.stop();
    assert_eq!((stats.accepted, stats.finished, stats.open), (1, 1, 0));
}

#[test]
fn unix_echo_tells_the_kind_of_peer() {
    let directory = std::env::temp_dir().join(format!("event-loop-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("echo.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let running = Running::start(move |event_loop| {
        let accept = |peer: Peer| {
            assert_eq!(peer, Peer::Unix);
            echo
        };
        event_loop
            .listen(listener, Options::default(), accept)
            .expect("a listener");
    });
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"over a path").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(everything(&mut stream), b"over a path");
    running.stop();
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn udp_echo_answers_each_datagram_even_the_empty_one() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let running = Running::start(move |event_loop| {
        let echo = |payload: &[u8], from: SocketAddr, out: &mut Datagrams, _: &mut Context<'_>| {
            out.send_to(payload, from).expect("there is room");
        };
        event_loop.add_datagrams(socket, echo).expect("a socket");
    });
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = vec![0; 70_000];
    for len in [0, 1, 8192, 65_507] {
        let payload = vec![7; len];
        client.send_to(&payload, address).unwrap();
        let (got, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..got], from), (&payload[..], address));
    }
    // A client that is gone before its answer comes disturbs nobody.
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    gone.send_to(b"bye", address).unwrap();
    drop(gone);
    client.send_to(b"still there?", address).unwrap();
    let (got, _) = client.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..got], b"still there?");
    running.stop();
}

/// Asks one question when it is connected, and tells the test what became of it.
struct Asker {
    tell: mpsc::Sender<String>,
}

impl StreamHandler for Asker {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(b"question");
        out.end();
    }

    fn received(&mut self, bytes: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.tell.send(text).expect("the test waits");
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_>) {
        let text = match why {
            Closed::Failed(error) => format!("{:?}", error.kind()),
            other => other.to_string(),
        };
        self.tell.send(text).expect("the test waits");
    }
}

#[test]
fn connecting_tells_of_success_and_of_failure() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let nobody = loopback();
    let refused = nobody.local_addr().unwrap();
    drop(nobody);
    let (tell, told) = mpsc::channel();
    let (tell_refused, told_refused) = mpsc::channel();
    let running = Running::start(move |event_loop| {
        event_loop
            .listen(listener, Options::default(), |_| echo)
            .expect("a listener");
        event_loop
            .connect(address, Options::default(), Asker { tell })
            .expect("a socket");
        let asker = Asker { tell: tell_refused };
        event_loop
            .connect(refused, Options::default(), asker)
            .expect("a socket");
    });
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "question");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "finished");
    assert_eq!(
        told_refused.recv_timeout(PATIENCE).unwrap(),
        format!("{:?}", ErrorKind::ConnectionRefused)
    );
    running.stop();
}

#[test]
fn messages_wait_for_a_connection_that_is_being_made() {
    struct Speaker {
        tell: mpsc::Sender<Vec<u8>>,
    }
    impl StreamHandler<u8> for Speaker {
        fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_, u8>) {
            out.write(b"hello ");
        }
        fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_, u8>) {
            self.tell.send(bytes.to_vec()).expect("the test waits");
            out.close();
        }
        fn message(&mut self, byte: u8, out: &mut Outgoing, _: &mut Context<'_, u8>) {
            out.write(&[byte]);
        }
    }
    let listener = loopback();
    let (tell, told) = mpsc::channel();
    let mut event_loop: EventLoop<u8> = EventLoop::new().unwrap();
    let address = listener.local_addr().unwrap();
    let key = event_loop
        .connect(address, Options::default(), Speaker { tell })
        .unwrap();
    for byte in *b"world" {
        event_loop.post(key, byte).unwrap();
    }
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut greeting = [0; 11];
        stream.read_exact(&mut greeting).expect("a greeting");
        stream.write_all(&greeting).expect("the client is there");
    });
    event_loop.run().unwrap();
    server.join().unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>().concat(), b"hello world");
}

#[test]
fn an_abrupt_reset_ends_one_connection_only() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    let running = Running::start(move |event_loop| {
        let accept = move |_| Asker { tell: tell.clone() };
        event_loop
            .listen(listener, Options::default(), accept)
            .expect("a listener");
    });
    let resetting = connect(address);
    let socket = socket2::Socket::from(resetting);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    assert_eq!(
        told.recv_timeout(PATIENCE).unwrap(),
        format!("{:?}", ErrorKind::ConnectionReset)
    );
    let mut healthy = connect(address);
    healthy.write_all(b"fine").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "fine");
    healthy.shutdown(Shutdown::Write).unwrap();
    assert_eq!(everything(&mut healthy), b"question");
    let stats = running.stop();
    assert_eq!((stats.failed, stats.finished), (1, 1));
}

#[test]
fn several_loops_share_one_port() {
    let first = bind_shared((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = first.local_addr().unwrap();
    let mut listeners = vec![first];
    for _ in 0..3 {
        listeners.push(bind_shared(address).unwrap());
    }
    let loops: Vec<Running> = listeners
        .into_iter()
        .map(|listener| {
            Running::start(move |event_loop| {
                event_loop
                    .listen(listener, Options::default(), |_| echo)
                    .expect("a listener");
            })
        })
        .collect();
    for round in 0..200_u32 {
        let mut stream = connect(address);
        stream.write_all(&round.to_be_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(everything(&mut stream), round.to_be_bytes());
    }
    let accepted: Vec<u64> = loops
        .into_iter()
        .map(|running| running.stop().accepted)
        .collect();
    assert_eq!(accepted.iter().sum::<u64>(), 200);
    assert!(
        accepted.iter().filter(|&&count| count > 0).count() > 1,
        "the kernel spreads connections: {accepted:?}"
    );
}

#[test]
fn messages_from_many_threads_arrive_in_each_ones_order() {
    struct Collector {
        tell: mpsc::Sender<(u32, u32)>,
    }
    impl StreamHandler<(u32, u32)> for Collector {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, (u32, u32)>) {}
        fn message(
            &mut self,
            message: (u32, u32),
            _: &mut Outgoing,
            _: &mut Context<'_, (u32, u32)>,
        ) {
            self.tell.send(message).expect("the test waits");
        }
    }
    let (tell, told) = mpsc::channel();
    let (give, take) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut event_loop: EventLoop<(u32, u32)> = EventLoop::new().expect("a loop");
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let key = event_loop
            .add_stream(ours, Options::default(), Collector { tell })
            .expect("a stream");
        give.send((event_loop.handle(), key))
            .expect("it is awaited");
        event_loop.run().expect("the loop runs")
    });
    let (handle, key) = take.recv_timeout(PATIENCE).unwrap();
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                for n in 0..1000 {
                    handle.post(key, (sender, n)).expect("there is room");
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    for _ in 0..4000 {
        let (sender, n) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(n, next[sender as usize]);
        next[sender as usize] += 1;
    }
    for sender in senders {
        sender.join().unwrap();
    }
    handle.stop(Duration::ZERO);
    thread.join().unwrap();
}

#[test]
fn ten_thousand_connections_leave_no_descriptor_behind() {
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    event_loop
        .listen(listener, Options::default(), |_| echo)
        .unwrap();
    // Descriptors are given lowest first: were any lost, the next one would lie higher.
    let probe = || UnixStream::pair().map(|(one, _)| std::os::fd::AsRawFd::as_raw_fd(&one));
    let before = probe().unwrap();
    let begun = Instant::now();
    for round in 1..=10_000 {
        let stream = TcpStream::connect(address).unwrap();
        if round % 2 == 0 {
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
        drop(stream);
        if round % 100 == 0 {
            while event_loop.stats().accepted < round || event_loop.stats().open > 0 {
                event_loop.turn(Some(PATIENCE)).unwrap();
                assert!(begun.elapsed() < 5 * PATIENCE, "{:?}", event_loop.stats());
            }
        }
    }
    // Other tests of this process may hold some of their own at the moment.
    assert!(probe().unwrap() < before + 1000);
}
