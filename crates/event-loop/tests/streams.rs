//! Opening, receiving, sending, half-closing, lingering and closing, on a scripted loop.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use event_loop::sim::{Peer, Sim};
use event_loop::{Closed, Context, EventLoop, LoopOptions, Options, Outgoing, StreamHandler};

type Log = Rc<RefCell<Vec<String>>>;

/// Echoes, and writes down every call it gets.
struct Recorder {
    log: Log,
    ends_with_peer: bool,
}

impl Recorder {
    fn note(&self, text: impl Into<String>) {
        self.log.borrow_mut().push(text.into());
    }
}

impl StreamHandler for Recorder {
    fn opened(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {
        self.note("opened");
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        self.note(format!("received {}", String::from_utf8_lossy(bytes)));
        out.write(bytes);
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        self.note("peer finished");
        if self.ends_with_peer {
            out.end();
        }
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_>) {
        self.note(format!("closed: {why}"));
    }
}

fn recorded(ends_with_peer: bool) -> (EventLoop, Sim, Peer, Log) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (socket, peer) = sim.stream();
    let log = Log::default();
    let handler = Recorder {
        log: Rc::clone(&log),
        ends_with_peer,
    };
    event_loop
        .add_stream(socket, Options::default(), handler)
        .expect("a stream");
    (event_loop, sim, peer, log)
}

fn with_handler(options: Options, handler: impl StreamHandler + 'static) -> (EventLoop, Sim, Peer) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (socket, peer) = sim.stream();
    event_loop
        .add_stream(socket, options, handler)
        .expect("a stream");
    (event_loop, sim, peer)
}

#[test]
fn calls_come_in_the_order_of_the_conversation() {
    let (mut event_loop, _sim, mut peer, log) = recorded(true);
    peer.send(b"one");
    event_loop.turn(None).unwrap();
    peer.send(b"two");
    peer.finish();
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"onetwo");
    assert!(peer.is_closed());
    let expected = [
        "opened",
        "received one",
        "received two",
        "peer finished",
        "closed: finished",
    ];
    assert_eq!(*log.borrow(), expected);
    assert_eq!(event_loop.stats().finished, 1);
}

#[test]
fn a_half_close_still_delivers_everything_the_other_way() {
    let (mut event_loop, _sim, mut peer, _log) = recorded(true);
    peer.set_room(2);
    peer.send(b"question");
    peer.finish();
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"qu");
    assert!(!peer.is_finished(), "there is still something to send");
    while !peer.is_closed() {
        peer.set_room(1);
        event_loop.turn(None).unwrap();
        peer.set_room(0);
        assert!(peer.received().len() <= 1);
    }
    assert_eq!(event_loop.stats().finished, 1);
}

#[test]
fn a_side_that_ends_first_still_receives() {
    struct Asker(Log);
    impl StreamHandler for Asker {
        fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
            out.push(Bytes::from_static(b"question"));
            out.end();
        }
        fn received(&mut self, bytes: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {
            self.0
                .borrow_mut()
                .push(String::from_utf8_lossy(bytes).into_owned());
        }
    }
    let log = Log::default();
    let (mut event_loop, _sim, mut peer) = with_handler(Options::default(), Asker(Rc::clone(&log)));
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"question");
    assert!(peer.is_finished() && !peer.is_closed());
    peer.send(b"answer");
    peer.finish();
    event_loop.turn(None).unwrap();
    assert_eq!(*log.borrow(), ["answer"]);
    assert!(peer.is_closed());
}

#[test]
fn a_handler_may_go_on_after_the_peer_has_finished() {
    let (mut event_loop, _sim, mut peer, log) = recorded(false);
    peer.send(b"x");
    peer.finish();
    event_loop.turn(None).unwrap();
    event_loop.turn(None).unwrap();
    assert!(!peer.is_finished() && !peer.is_closed());
    assert_eq!(
        log.borrow().last().map(String::as_str),
        Some("peer finished")
    );
}

#[test]
fn closing_sends_the_rest_then_waits_for_the_peer_and_throws_away_what_it_sends() {
    let closer = |_: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
        out.write(b"goodbye");
        out.close();
        out.write(b"too late");
    };
    let (mut event_loop, _sim, mut peer) = with_handler(Options::default(), closer);
    peer.set_room(3);
    peer.send(b"hello");
    event_loop.turn(None).unwrap();
    assert!(!peer.is_finished());
    peer.set_room(100);
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"goodbye");
    assert!(
        peer.is_finished() && !peer.is_closed(),
        "the peer may still be sending"
    );
    peer.send(b"ignored");
    event_loop.turn(None).unwrap();
    assert_eq!(peer.unread(), 0);
    peer.finish();
    event_loop.turn(None).unwrap();
    assert!(peer.is_closed());
    assert_eq!(peer.received(), b"");
    assert_eq!(event_loop.stats().finished, 1);
}

#[test]
fn a_closing_connection_does_not_wait_for_ever() {
    let closer = |_: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
        out.write(b"goodbye");
        out.close();
    };
    for room in [3, 100] {
        let (mut event_loop, sim, mut peer) = with_handler(Options::default(), closer);
        peer.set_room(room);
        peer.send(b"hello");
        event_loop.turn(None).unwrap();
        sim.advance(Duration::from_millis(1999));
        event_loop.turn(None).unwrap();
        assert!(!peer.is_closed());
        sim.advance(Duration::from_millis(1));
        event_loop.turn(None).unwrap();
        assert!(peer.is_closed());
        let stats = event_loop.stats();
        assert_eq!(
            (stats.timed_out, stats.finished),
            if room == 3 { (1, 0) } else { (0, 1) }
        );
    }
}

#[test]
fn an_error_of_the_socket_ends_the_stream_only() {
    let (mut event_loop, sim, mut peer, log) = recorded(true);
    let (other, mut healthy) = sim.stream();
    let echo = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
    event_loop
        .add_stream(other, Options::default(), echo)
        .unwrap();
    event_loop.turn(None).unwrap();
    peer.fail(ErrorKind::ConnectionReset);
    healthy.send(b"still here");
    event_loop.turn(None).unwrap();
    assert_eq!(*log.borrow(), ["opened", "closed: connection reset"]);
    assert_eq!(healthy.received(), b"still here");
    assert_eq!((event_loop.stats().failed, event_loop.stats().open), (1, 1));
}

#[test]
fn a_panic_ends_its_own_stream_only_and_its_peer_is_closed() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let picky = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
        assert_ne!(bytes, b"bad", "as the test wants it");
        out.write(bytes);
    };
    let (one, mut bad) = sim.stream();
    let (two, mut good) = sim.stream();
    event_loop
        .add_stream(one, Options::default(), picky)
        .unwrap();
    event_loop
        .add_stream(two, Options::default(), picky)
        .unwrap();
    bad.send(b"bad");
    good.send(b"good");
    event_loop.turn(None).unwrap();
    assert!(bad.is_closed());
    assert_eq!(good.received(), b"good");
    assert_eq!(
        (event_loop.stats().panicked, event_loop.stats().open),
        (1, 1)
    );
}

#[test]
fn a_panic_in_closed_or_in_drop_is_survived() {
    struct Bomb;
    impl StreamHandler for Bomb {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {}
        fn closed(&mut self, _: &Closed, _: &mut Context<'_>) {
            panic!("as the test wants it");
        }
    }
    let (mut event_loop, _sim, mut peer) = with_handler(Options::default(), Bomb);
    event_loop.turn(None).unwrap();
    peer.finish();
    event_loop.turn(None).unwrap();
    assert!(peer.is_closed());
    assert_eq!(event_loop.stats().open, 0);
}

#[test]
fn order_is_kept_between_copied_and_shared_bytes() {
    let handler = |_: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
        for n in 0..200_u8 {
            if n % 3 == 0 {
                out.push(Bytes::copy_from_slice(&[n; 3]));
            } else {
                out.write(&[n]);
            }
        }
    };
    let (mut event_loop, _sim, mut peer) = with_handler(Options::default(), handler);
    peer.set_room(1);
    peer.send(b"go");
    let mut got = Vec::new();
    for room in 1..60 {
        event_loop.turn(None).unwrap();
        got.extend(peer.received());
        peer.set_room(0);
        peer.set_room(room % 7 + 1);
    }
    peer.set_room(0);
    peer.set_room(1000);
    event_loop.turn(None).unwrap();
    got.extend(peer.received());
    let expected: Vec<u8> = (0..200_u8)
        .flat_map(|n| vec![n; if n % 3 == 0 { 3 } else { 1 }])
        .collect();
    assert_eq!(got, expected);
}
