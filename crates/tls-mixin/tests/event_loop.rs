//! A handler inside TLS on the event loop: the handshake, both ends, deadlines, slow readers.

mod certificates;
mod remote;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use certificates::{Authority, Leaf};
use event_loop::sim::Sim;
use event_loop::{Closed, Context, EventLoop, Key, LoopOptions, Options, Outgoing, StreamHandler};
use remote::{Remote, client_config, server_config};
use tls_mixin::event_loop::{client, server};
use tls_mixin::{Acceptor, ClientOptions, Connector, Error, ServerOptions, Session};

type Log = Rc<RefCell<Vec<String>>>;

/// Writes down what happens to it, and echoes.
struct Echo {
    log: Log,
}

impl Echo {
    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }
}

impl StreamHandler<String> for Echo {
    fn opened(&mut self, _: &mut Outgoing, _: &mut Context<'_, String>) {
        self.note("opened");
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_, String>) {
        self.note(format!("received {}", bytes.len()));
        out.write(bytes);
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_, String>) {
        self.note("peer finished");
        out.end();
    }

    fn writable(&mut self, out: &mut Outgoing, _: &mut Context<'_, String>) {
        assert!(!out.is_above_high_water());
        self.note("writable");
    }

    fn timer(&mut self, token: u64, _: &mut Outgoing, _: &mut Context<'_, String>) {
        self.note(format!("timer {token}"));
    }

    fn message(&mut self, message: String, out: &mut Outgoing, cx: &mut Context<'_, String>) {
        self.note(format!("message {message}"));
        match &*message {
            "close me" => cx.close(cx.key()),
            "end" => out.end(),
            "close" => out.close(),
            "timer" => drop(cx.set_timer(Duration::from_secs(1), 0)),
            "much" => {
                while !out.is_above_high_water() {
                    out.write(&[7; 1000]);
                }
            }
            "too much" => out.write(&vec![0; out.limit() + 1]),
            "all there is room for" => {
                let mut pushed = 0;
                while out.try_push(Bytes::from_static(&[9; 1000])).is_ok() {
                    pushed += 1;
                }
                self.note(format!("{pushed} pieces"));
            }
            "panic" => panic!("as asked"),
            _ => {}
        }
    }

    fn stopping(&mut self, out: &mut Outgoing, _: &mut Context<'_, String>) {
        self.note("stopping");
        out.write(b"bye");
        out.close();
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_, String>) {
        self.note(format!("closed: {why}"));
    }
}

/// A loop, and what its handlers have written down.
struct World {
    sim: Sim,
    event_loop: EventLoop<String>,
    log: Log,
    authority: Authority,
    acceptor: Acceptor,
}

impl World {
    fn new() -> Self {
        Self::with(|options| options)
    }

    fn with(change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let sim = Sim::new();
        let event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
        let authority = Authority::new("authority");
        let identity = authority.issue(Leaf::server(&["localhost"])).identity();
        let acceptor = Acceptor::new(change(ServerOptions::new(identity))).expect("an acceptor");
        Self {
            sim,
            event_loop,
            log: Log::default(),
            authority,
            acceptor,
        }
    }

    /// A client that has not said anything yet.
    fn client(&mut self, options: Options) -> (Key, Remote) {
        let (socket, peer) = self.sim.stream();
        let (log, failures) = (Rc::clone(&self.log), Rc::clone(&self.log));
        let handler = server(&self.acceptor, |session: &Session| {
            assert_eq!(session.server_name(), Some("localhost"));
            Echo { log }
        });
        let handler = handler.on_failure(move |why, _| {
            failures.borrow_mut().push(format!("failed: {why}"));
        });
        let added = self.event_loop.add_stream(socket, options, handler);
        let key = added.expect("a stream");
        (key, Remote::client(peer, client_config(&self.authority)))
    }

    /// A client whose handshake is done.
    fn connected(&mut self, options: Options) -> (Key, Remote) {
        let (key, mut remote) = self.client(options);
        self.run(&mut remote);
        assert!(!remote.tls.is_handshaking());
        (key, remote)
    }

    /// Until nobody has anything to say.
    fn run(&mut self, remote: &mut Remote) {
        self.turns();
        while remote.exchange() {
            self.turns();
        }
    }

    /// What follows from an event can take a few turns.
    fn turns(&mut self) {
        for _ in 0..4 {
            let nothing_to_wait_for = Some(Duration::ZERO);
            self.event_loop.turn(nothing_to_wait_for).expect("a turn");
        }
    }

    fn post(&mut self, key: Key, message: &str) {
        let posted = self.event_loop.handle().post(key, message.to_string());
        posted.expect("there is room");
        self.turns();
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.borrow_mut())
    }
}

const CUT_OFF: &str = "closed: cut off: the stream ended before TLS's close_notify";

#[test]
fn it_echoes_and_ends_in_order() {
    let mut world = World::new();
    let (_, mut remote) = world.connected(Options::default());
    assert_eq!(world.take_log(), ["opened"]);
    remote.say(b"hello");
    world.run(&mut remote);
    assert_eq!(remote.heard, b"hello");
    remote.finish();
    world.run(&mut remote);
    assert!(remote.has_ended && remote.peer.is_finished());
    remote.peer.finish();
    world.turns();
    assert_eq!(world.event_loop.stats().finished, 1);
    let expected = ["received 5", "peer finished", "closed: finished"];
    assert_eq!(world.take_log(), expected);
}

#[test]
fn any_split_will_do() {
    let mut world = World::new();
    let (_, mut remote) = world.client(Options::default());
    remote.say(b"hello");
    while remote.heard.len() < 5 {
        let bytes = remote.take_output();
        assert!(!bytes.is_empty(), "it goes on");
        for byte in bytes {
            remote.peer.send(&[byte]);
            world.turns();
        }
        remote.listen().unwrap();
    }
    assert_eq!(remote.heard, b"hello");
}

#[test]
fn what_comes_with_the_last_of_the_handshake_is_not_lost() {
    let mut world = World::new();
    let (_, mut remote) = world.client(Options::default());
    // rustls keeps it, and sends it right behind the last message of the handshake.
    remote.say(b"early bird");
    world.run(&mut remote);
    assert_eq!(remote.heard, b"early bird");
    assert_eq!(world.take_log(), ["opened", "received 10"]);
}

#[test]
fn much_goes_both_ways() {
    let mut world = World::new();
    let (_, mut remote) = world.connected(Options::default());
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
    for part in sent.chunks(30_000) {
        remote.say(part);
        world.run(&mut remote);
    }
    assert!(remote.heard == sent);
}

#[test]
fn a_handshake_has_a_deadline_of_its_own_and_one_of_the_loop() {
    let short = Duration::from_secs(3);
    for (own, of_loop) in [(short, Duration::MAX), (Duration::MAX, short)] {
        let mut world = World::with(|options| ServerOptions {
            handshake_timeout: own,
            max_handshakes: 1,
            ..options
        });
        let options = Options {
            handshake_timeout: of_loop,
            ..Options::default()
        };
        let (_, mut remote) = world.client(options.clone());
        remote.say_part_of_hello();
        world.turns();
        world.sim.advance(short - Duration::from_millis(2));
        world.turns();
        assert!(!remote.peer.is_finished());
        world.sim.advance(Duration::from_millis(2));
        world.turns();
        assert!(remote.peer.is_finished());
        remote.peer.finish();
        world.turns();
        assert_eq!(world.event_loop.stats().timed_out, 1);
        let expected = ["failed: handshake not finished in time"];
        assert_eq!(world.take_log(), expected);

        // Its place is free again, and the deadline is no matter after the handshake.
        let (_, mut remote) = world.connected(options);
        world.sim.advance(2 * short);
        remote.say(b"still here");
        world.run(&mut remote);
        assert_eq!(remote.heard, b"still here");
        assert_eq!(world.take_log(), ["opened", "received 10"]);
    }
}

#[test]
fn there_are_only_so_many_handshakes_at_a_time() {
    let mut world = World::with(|options| ServerOptions {
        max_handshakes: 1,
        ..options
    });
    let (_, mut first) = world.client(Options::default());
    world.turns();
    let (_, mut second) = world.client(Options::default());
    second.exchange();
    world.turns();
    assert!(second.peer.is_finished());
    assert_eq!(second.peer.received(), b"");
    second.peer.finish();
    world.turns();
    let expected = ["failed: 1 TLS handshakes are under way, the limit is 1"];
    assert_eq!(world.take_log(), expected);
    assert_eq!(world.event_loop.stats().failed, 1);

    world.run(&mut first);
    assert!(!first.tls.is_handshaking());
    let (_, mut third) = world.client(Options::default());
    third.peer.fail(ErrorKind::ConnectionReset);
    world.turns();
    let (_, mut fourth) = world.client(Options::default());
    fourth.peer.send(b"this is not TLS");
    world.turns();
    fourth.peer.finish();
    world.turns();
    let (_, fifth) = world.connected(Options::default());
    assert!(!fifth.tls.is_handshaking());
}

#[test]
fn what_is_not_tls_gets_an_alert() {
    let mut world = World::new();
    let (_, mut remote) = world.client(Options::default());
    remote
        .peer
        .send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world.turns();
    let alert = remote.peer.received();
    assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
    assert!(remote.peer.is_finished());
    remote.peer.send(b"what?");
    remote.peer.finish();
    world.turns();
    assert_eq!(world.event_loop.stats().failed, 1);
    let expected = "failed: the peer does not speak TLS; this looks like HTTP without TLS";
    assert_eq!(world.take_log(), [expected]);
}

#[test]
fn a_record_that_was_changed_ends_it() {
    let mut world = World::new();
    let (_, mut remote) = world.connected(Options::default());
    remote.say(b"good");
    let good = remote.take_output();
    remote.say(b"bad");
    let mut bad = remote.take_output();
    *bad.last_mut().unwrap() ^= 1;
    remote.peer.send(&[good, bad].concat());
    world.turns();
    // What came before is answered, then there is an alert.
    assert!(remote.listen().is_err());
    assert_eq!(remote.heard, b"");
    remote.peer.finish();
    world.turns();
    let log = world.take_log();
    assert_eq!(log[..2], ["opened", "received 4"]);
    assert!(log[2].starts_with("closed: TLS: "), "{log:?}");
    assert_eq!(world.event_loop.stats().failed, 1);
}

#[test]
fn an_end_without_close_notify_is_a_failure() {
    let mut world = World::new();
    let (_, mut remote) = world.connected(Options::default());
    remote.say(b"hello");
    remote.exchange();
    remote.peer.finish();
    world.turns();
    assert_eq!(world.take_log(), ["opened", "received 5", CUT_OFF]);
    assert_eq!(world.event_loop.stats().failed, 1);

    let (_, mut remote) = world.client(Options::default());
    remote.exchange();
    remote.peer.finish();
    world.turns();
    assert_eq!(world.take_log(), [CUT_OFF.replace("closed", "failed")]);
}

#[test]
fn the_reason_has_the_error_inside() {
    struct Judge;
    impl StreamHandler<String> for Judge {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, String>) {}
        fn closed(&mut self, why: &Closed, cx: &mut Context<'_, String>) {
            let Closed::Failed(error) = why else {
                panic!("{why}");
            };
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            let inside = error.get_ref().and_then(|error| error.downcast_ref());
            assert!(matches!(inside, Some(Error::CutOff)), "{inside:?}");
            cx.stop(Duration::ZERO);
        }
    }
    let mut world = World::new();
    let (socket, peer) = world.sim.stream();
    let handler = server(&world.acceptor, |_: &Session| Judge);
    let options = Options::default();
    world
        .event_loop
        .add_stream(socket, options, handler)
        .unwrap();
    let mut remote = Remote::client(peer, client_config(&world.authority));
    world.run(&mut remote);
    remote.peer.finish();
    assert_eq!(world.event_loop.run().unwrap().failed, 1);
}

#[test]
fn an_end_is_a_half_close() {
    let mut world = World::new();
    let (key, mut remote) = world.connected(Options::default());
    world.post(key, "end");
    remote.listen().unwrap();
    assert!(remote.has_ended && remote.peer.is_finished());
    remote.say(b"I go on");
    world.run(&mut remote);
    remote.finish();
    world.run(&mut remote);
    remote.peer.finish();
    world.turns();
    let expected = [
        "opened",
        "message end",
        "received 7",
        "peer finished",
        "closed: finished",
    ];
    assert_eq!(world.take_log(), expected);
}

#[test]
fn who_has_heard_the_end_may_go_on_talking() {
    struct Late;
    impl StreamHandler<String> for Late {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, String>) {}
        fn peer_finished(&mut self, _: &mut Outgoing, cx: &mut Context<'_, String>) {
            cx.set_timer(Duration::from_secs(1), 0);
        }
        fn timer(&mut self, _: u64, out: &mut Outgoing, _: &mut Context<'_, String>) {
            out.write(b"at last");
            out.end();
        }
    }
    let mut world = World::new();
    let (socket, peer) = world.sim.stream();
    let handler = server(&world.acceptor, |_: &Session| Late);
    let options = Options::default();
    world
        .event_loop
        .add_stream(socket, options, handler)
        .unwrap();
    let mut remote = Remote::client(peer, client_config(&world.authority));
    world.run(&mut remote);
    remote.finish();
    world.run(&mut remote);
    remote.peer.finish();
    world.turns();
    assert!(!remote.has_ended);
    world.sim.advance(Duration::from_secs(1));
    world.run(&mut remote);
    assert_eq!(remote.heard, b"at last");
    assert!(remote.has_ended);
    assert_eq!(world.event_loop.stats().finished, 1);
}

#[test]
fn a_slow_reader_is_made_to_wait() {
    let mut world = World::new();
    let (_, mut remote) = world.connected(Options::default());
    remote.peer.set_room(0);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 5) as u8).collect();
    for part in sent.chunks(30_000) {
        remote.say(part);
        remote.exchange();
    }
    world.turns();
    let unread = remote.peer.unread();
    // 256 KiB and what came with one read.
    assert!(unread > 2_600_000, "{unread} bytes unread");
    world.turns();
    assert_eq!(remote.peer.unread(), unread);
    assert!(!world.take_log().contains(&"writable".to_string()));

    remote.peer.set_room(100_000);
    world.turns();
    assert_eq!(
        remote.peer.unread(),
        unread,
        "still above the low-water mark"
    );
    while remote.heard.len() < sent.len() {
        remote.peer.set_room(400_000);
        world.turns();
        assert!(remote.exchange(), "it goes on");
    }
    assert!(remote.heard == sent);
    assert!(world.take_log().contains(&"writable".to_string()));
    assert_eq!(world.event_loop.stats().open, 1);
}

#[test]
fn the_queues_inside_and_outside_are_bounded_as_one() {
    let mut world = World::new();
    let (key, mut remote) = world.connected(Options::default());
    remote.peer.set_room(0);
    world.post(key, "all there is room for");
    // 1 MiB.
    let expected = ["opened", "message all there is room for", "1048 pieces"];
    assert_eq!(world.take_log(), expected);
    world.post(key, "all there is room for");
    let log = world.take_log();
    assert_eq!(log[1], "0 pieces", "those outside count");
    remote.peer.set_room(usize::MAX);
    world.run(&mut remote);
    assert!(remote.heard == [9; 1_048_000]);
    assert_eq!(world.take_log(), ["writable"]);

    remote.peer.set_room(0);
    world.post(key, "much");
    world.post(key, "too much");
    world.turns();
    assert!(remote.peer.is_closed());
    assert_eq!(world.event_loop.stats().overflowed, 1);
    let log = world.take_log();
    assert_eq!(log[..2], ["message much", "message too much"]);
    assert!(
        log[2].starts_with("closed: peer reads too slowly, 26"),
        "{log:?}"
    );
    assert!(
        log[2].ends_with(" of at most 1048576 bytes wait"),
        "{log:?}"
    );
}

#[test]
fn small_bounds_hold_too() {
    let mut world = World::new();
    let (key, mut remote) = world.connected(Options {
        max_queue_len: 6000,
        high_water: 2000,
        low_water: 500,
        ..Options::default()
    });
    remote.heard.clear();
    remote.peer.set_room(0);
    world.post(key, "all there is room for");
    assert_eq!(world.take_log()[2], "6 pieces");
    for _ in 0..10 {
        remote.peer.set_room(1000);
        world.run(&mut remote);
    }
    assert_eq!(remote.heard, [9; 6000]);
    assert_eq!(world.take_log(), ["writable"]);
}

#[test]
fn without_room_for_the_records_it_overflows() {
    let mut world = World::new();
    let (key, mut remote) = world.connected(Options {
        max_queue_len: 3000,
        high_water: 3000,
        ..Options::default()
    });
    remote.peer.set_room(0);
    world.post(key, "all there is room for");
    world.turns();
    let log = world.take_log();
    assert_eq!(log[2], "3 pieces");
    assert!(log[3].contains("of at most 3000 bytes wait"), "{log:?}");
    assert!(remote.peer.is_closed());
}

#[test]
fn a_producer_that_is_told_when_leaves_others_their_turn() {
    struct Producer;
    impl StreamHandler<String> for Producer {
        fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, String>) {
            self.writable(out, cx);
        }
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, String>) {}
        fn writable(&mut self, out: &mut Outgoing, _: &mut Context<'_, String>) {
            while !out.is_above_high_water() {
                out.write(&[1; 20_000]);
            }
        }
    }
    let mut world = World::new();
    let (socket, peer) = world.sim.stream();
    let handler = server(&world.acceptor, |_: &Session| Producer);
    let options = Options::default();
    world
        .event_loop
        .add_stream(socket, options, handler)
        .unwrap();
    let mut remote = Remote::client(peer, client_config(&world.authority));
    while remote.tls.is_handshaking() {
        remote.exchange();
        world.turns();
    }
    remote.exchange();
    remote.listen().unwrap();
    let mut before = remote.heard.len();
    for _ in 0..10 {
        world.event_loop.turn(Some(Duration::ZERO)).unwrap();
        remote.listen().unwrap();
        let more = remote.heard.len() - before;
        // A peer that takes everything gets a queue full or two in each turn, for ever.
        assert!((200_000..700_000).contains(&more), "{more} bytes");
        before = remote.heard.len();
    }
}

#[test]
fn a_close_from_outside_sends_everything() {
    for message in ["close me", "close"] {
        let mut world = World::new();
        let (key, mut remote) = world.connected(Options::default());
        remote.peer.set_room(0);
        world.post(key, "all there is room for");
        world.post(key, message);
        remote.say(b"nobody hears that");
        remote.exchange();
        world.turns();
        while !remote.peer.is_finished() {
            remote.peer.set_room(100_000);
            world.turns();
            remote.listen().unwrap();
        }
        assert!(remote.heard == [9; 1_048_000]);
        assert!(remote.has_ended);
        remote.peer.finish();
        world.turns();
        assert_eq!(world.event_loop.stats().finished, 1);
        let log = world.take_log();
        assert_eq!(log.last().unwrap(), "closed: finished");
        assert!(
            !log.iter().any(|line| line.starts_with("received")),
            "{log:?}"
        );
    }
}

#[test]
fn a_peer_that_does_not_take_the_rest_is_not_waited_for() {
    let mut world = World::new();
    let (key, mut remote) = world.connected(Options::default());
    remote.peer.set_room(0);
    world.post(key, "much");
    world.post(key, "close");
    world.sim.advance(Duration::from_secs(2));
    world.turns();
    assert!(remote.peer.is_closed());
    let log = world.take_log();
    let last = log.last().unwrap();
    assert!(
        last.starts_with("closed: peer did not take the rest in time"),
        "{last}"
    );
}

#[test]
fn stopping_is_told_after_the_handshake_if_need_be() {
    let mut world = World::new();
    let (_, mut done) = world.connected(Options::default());
    let (_, mut begun) = world.client(Options::default());
    world.turns();
    world.event_loop.stop(Duration::from_secs(5));
    world.turns();
    done.listen().unwrap();
    assert_eq!(done.heard, b"bye");
    assert!(done.has_ended);
    done.peer.finish();
    assert_eq!(world.take_log(), ["opened", "stopping"]);
    world.run(&mut begun);
    assert_eq!(begun.heard, b"bye");
    assert!(begun.has_ended);
    begun.peer.finish();
    let stats = world.event_loop.run().unwrap();
    assert_eq!((stats.finished, stats.cut_off), (2, 0));
    let mut log = world.take_log();
    log.sort();
    let expected = ["closed: finished", "closed: finished", "opened", "stopping"];
    assert_eq!(log, expected);
}

#[test]
fn timers_and_messages_reach_the_handler_inside() {
    let mut world = World::new();
    let (key, mut remote) = world.client(Options::default());
    world.turns();
    world.post(key, "first");
    world.post(key, "timer");
    assert_eq!(world.take_log(), Vec::<String>::new());
    world.run(&mut remote);
    assert_eq!(
        world.take_log(),
        ["opened", "message first", "message timer"]
    );
    world.sim.advance(Duration::from_secs(1));
    world.turns();
    assert_eq!(world.take_log(), ["timer 0"]);
}

#[test]
fn only_so_many_messages_wait_for_a_handshake() {
    let mut world = World::new();
    let (key, mut remote) = world.client(Options::default());
    world.turns();
    for _ in 0..256 {
        world.post(key, "again");
    }
    assert!(!remote.peer.is_finished());
    world.post(key, "again");
    assert!(remote.peer.is_finished());
    remote.peer.finish();
    world.turns();
    let expected = ["failed: 256 messages came before the TLS handshake was done"];
    assert_eq!(world.take_log(), expected);
}

#[test]
fn a_handler_that_panics_loses_its_connection_alone() {
    let mut world = World::new();
    let (key, first) = world.connected(Options::default());
    let (_, mut second) = world.connected(Options::default());
    world.post(key, "panic");
    world.turns();
    assert!(first.peer.is_closed());
    assert_eq!(world.event_loop.stats().panicked, 1);
    second.say(b"I am still here");
    world.run(&mut second);
    assert_eq!(second.heard, b"I am still here");
}

#[test]
fn a_client_is_one_too() {
    let mut world = World::new();
    let connector = Connector::new(ClientOptions::new(world.authority.authorities())).unwrap();
    let pem = world.authority.issue(Leaf::server(&["localhost"]));
    let stranger = Authority::new("stranger").issue(Leaf::server(&["localhost"]));
    for (pem, is_good) in [(pem, true), (stranger, false)] {
        let (socket, peer) = world.sim.stream();
        let (log, failures) = (Rc::clone(&world.log), Rc::clone(&world.log));
        let handler = client(&connector, "localhost", |session: &Session| {
            assert!(session.peer_certificate().is_some());
            Echo { log }
        })
        .unwrap()
        .on_failure(move |why, _| failures.borrow_mut().push(format!("failed: {why}")));
        let options = Options::default();
        world
            .event_loop
            .add_stream(socket, options, handler)
            .unwrap();
        let mut remote = Remote::server(peer, server_config(&pem));
        remote.say(b"hello");
        if is_good {
            world.run(&mut remote);
            assert_eq!(remote.heard, b"hello");
            assert_eq!(world.take_log(), ["opened", "received 5"]);
        } else {
            world.turns();
            while remote.listen().is_ok() {
                let output = remote.take_output();
                remote.peer.send(&output);
                world.turns();
            }
            remote.peer.finish();
            world.turns();
            let log = world.take_log();
            assert_eq!(log.len(), 1);
            assert!(log[0].contains("UnknownIssuer"), "{log:?}");
        }
    }
    let make = |_: &Session| Echo {
        log: Log::default(),
    };
    let error = client(&connector, "not a name", make).unwrap_err();
    assert!(matches!(error, Error::InvalidName { .. }));
}
