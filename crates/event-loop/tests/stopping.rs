//! Stopping: a word to each handler, a grace period, and then the end.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use event_loop::sim::Sim;
use event_loop::{Closed, Context, EventLoop, LoopOptions, Options, Outgoing, StreamHandler};

const GRACE: Duration = Duration::from_secs(5);

/// Says goodbye, and closes only when the peer says so.
struct Polite(Rc<RefCell<Vec<String>>>);

impl StreamHandler for Polite {
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_>) {
        match bytes {
            b"bye" => out.close(),
            b"stop" => cx.stop(GRACE),
            _ => out.write(bytes),
        }
    }

    fn stopping(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(b"closing down");
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_>) {
        self.0.borrow_mut().push(why.to_string());
    }
}

#[test]
fn handlers_may_finish_within_the_grace_period_and_are_cut_after_it() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let log = Rc::default();
    let (listener, dialer) = sim.listener();
    let shared = Rc::clone(&log);
    event_loop
        .listen(listener, Options::default(), move |_| {
            Polite(Rc::clone(&shared))
        })
        .unwrap();
    let mut quick = dialer.dial();
    let mut slow = dialer.dial();
    event_loop.turn(None).unwrap();
    event_loop.turn(None).unwrap();

    quick.send(b"stop");
    event_loop.turn(None).unwrap();
    assert_eq!(quick.received(), b"closing down");
    assert_eq!(slow.received(), b"closing down");
    let _nobody = dialer.dial();
    event_loop.turn(None).unwrap();
    assert_eq!(event_loop.stats().accepted, 2, "the listener is closed");

    quick.send(b"bye");
    quick.finish();
    slow.send(b"still talking");
    event_loop.turn(None).unwrap();
    assert!(quick.is_closed());
    assert_eq!(slow.received(), b"still talking");

    sim.advance(GRACE);
    let stats = event_loop.run().unwrap();
    assert!(slow.is_closed());
    assert_eq!((stats.finished, stats.cut_off, stats.open), (1, 1, 0));
    let expected = ["finished", "cut off at the end of the grace period"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn by_default_a_stream_is_closed_once_its_queue_is_sent() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (socket, mut peer) = sim.stream();
    let echo = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
    event_loop
        .add_stream(socket, Options::default(), echo)
        .unwrap();
    peer.set_room(4);
    peer.send(b"answer");
    event_loop.turn(None).unwrap();
    event_loop.stop(GRACE);
    event_loop.turn(None).unwrap();
    assert!(!peer.is_finished());
    peer.set_room(0);
    peer.set_room(100);
    peer.finish();
    let stats = event_loop.run().unwrap();
    assert_eq!(peer.received(), b"answer");
    assert_eq!((stats.finished, stats.cut_off), (1, 0));
}

#[test]
fn a_second_stop_can_only_shorten_the_grace() {
    for (second, total) in [(Duration::from_secs(1), 1), (Duration::from_secs(60), 5)] {
        let sim = Sim::new();
        let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
        let (socket, peer) = sim.stream();
        event_loop
            .add_stream(socket, Options::default(), Polite(Rc::default()))
            .unwrap();
        event_loop.stop(GRACE);
        event_loop.turn(None).unwrap();
        event_loop.handle().stop(second);
        event_loop.turn(None).unwrap();
        sim.advance(Duration::from_secs(total) - Duration::from_millis(1));
        event_loop.turn(None).unwrap();
        assert!(!peer.is_closed());
        sim.advance(Duration::from_millis(1));
        event_loop.turn(None).unwrap();
        assert!(peer.is_closed());
    }
}

#[test]
fn a_loop_that_watches_nothing_is_over() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (socket, mut peer) = sim.stream();
    let echo = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
    event_loop
        .add_stream(socket, Options::default(), echo)
        .unwrap();
    peer.send(b"last words");
    peer.finish();
    assert_eq!(event_loop.run().unwrap().finished, 1);
    assert_eq!(peer.received(), b"last words");
}

#[test]
fn a_stop_without_end_waits_for_the_streams() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (socket, mut peer) = sim.stream();
    event_loop
        .add_stream(socket, Options::default(), Polite(Rc::default()))
        .unwrap();
    event_loop.stop(Duration::MAX);
    event_loop.turn(None).unwrap();
    assert!(!peer.is_closed());
    peer.finish();
    assert_eq!(event_loop.run().unwrap().finished, 1);
}

/// Puts another in its place when it is closed.
struct Reborn;

impl StreamHandler for Reborn {
    fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {}

    fn closed(&mut self, _: &Closed, cx: &mut Context<'_>) {
        let (ours, _) = UnixStream::pair().expect("a pair");
        cx.add_stream(ours, Options::default(), Self)
            .expect("a stream");
    }
}

#[test]
fn who_comes_back_for_ever_does_not_outlive_the_grace_period() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    event_loop
        .add_stream(ours, Options::default(), Reborn)
        .unwrap();
    event_loop.stop(Duration::from_millis(1));
    let stats = event_loop.run().unwrap();
    assert!(stats.cut_off >= 1);
}
