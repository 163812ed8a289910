//! Timers and the loop's own deadlines, on a clock moved by hand.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use event_loop::sim::{Peer, Sim};
use event_loop::{Context, EventLoop, LoopOptions, Options, Outgoing, StreamHandler, TimerKey};

type Log = Rc<RefCell<Vec<u64>>>;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn loop_with(options: Options, handler: impl StreamHandler + 'static) -> (EventLoop, Sim, Peer) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (socket, peer) = sim.stream();
    event_loop
        .add_stream(socket, options, handler)
        .expect("a stream");
    event_loop.turn(None).expect("a turn");
    (event_loop, sim, peer)
}

/// Sets the timers it is told of when it opens, and writes down which fire.
struct Alarms {
    set: Vec<(Duration, u64)>,
    fired: Log,
    last: Option<TimerKey>,
}

impl Alarms {
    fn set(set: impl IntoIterator<Item = (Duration, u64)>, fired: &Log) -> Self {
        Self {
            set: set.into_iter().collect(),
            fired: Rc::clone(fired),
            last: None,
        }
    }
}

impl StreamHandler for Alarms {
    fn opened(&mut self, _: &mut Outgoing, cx: &mut Context<'_>) {
        for &(after, token) in &self.set {
            self.last = Some(cx.set_timer(after, token));
        }
    }

    fn received(&mut self, _: &[u8], _: &mut Outgoing, cx: &mut Context<'_>) {
        let last = self.last.expect("a timer was set");
        self.fired
            .borrow_mut()
            .push(u64::from(cx.cancel_timer(last)));
    }

    fn timer(&mut self, token: u64, _: &mut Outgoing, _: &mut Context<'_>) {
        self.fired.borrow_mut().push(token);
    }
}

fn no_idle() -> Options {
    Options {
        idle_timeout: None,
        ..Options::default()
    }
}

#[test]
fn timers_fire_in_order_and_never_early() {
    let fired = Log::default();
    let set = [(ms(3000), 3), (ms(10), 1), (ms(3_600_000), 4), (ms(11), 2)];
    let alarms = Alarms::set(set, &fired);
    let (mut event_loop, sim, _peer) = loop_with(no_idle(), alarms);
    for (step, expected) in [
        (9, 0),
        (1, 1),
        (1, 2),
        (2988, 2),
        (1, 3),
        (3_596_999, 3),
        (1, 4),
        (86_400_000, 4),
    ] {
        sim.advance(ms(step));
        event_loop.turn(None).unwrap();
        assert_eq!(fired.borrow().len(), expected, "after {step} ms");
    }
    assert_eq!(*fired.borrow(), [1, 2, 3, 4]);
}

#[test]
fn timers_due_together_fire_in_the_order_in_which_they_were_set() {
    let fired = Log::default();
    let alarms = Alarms::set((0..100).map(|token| (ms(5000), token)), &fired);
    let (mut event_loop, sim, _peer) = loop_with(no_idle(), alarms);
    sim.advance(ms(5000));
    event_loop.turn(None).unwrap();
    assert!(fired.borrow().iter().copied().eq(0..100), "{fired:?}");
}

#[test]
fn a_timer_of_a_fraction_of_a_millisecond_is_rounded_up() {
    let fired = Log::default();
    let alarms = Alarms::set([(Duration::from_micros(1500), 1)], &fired);
    let (mut event_loop, sim, _peer) = loop_with(no_idle(), alarms);
    sim.advance(Duration::from_micros(1999));
    event_loop.turn(None).unwrap();
    assert_eq!(fired.borrow().len(), 0);
    sim.advance(Duration::from_micros(1));
    event_loop.turn(None).unwrap();
    assert_eq!(fired.borrow().len(), 1);
}

#[test]
fn a_cancelled_timer_does_not_fire_and_cancelling_twice_says_so() {
    let fired = Log::default();
    let alarms = Alarms::set([(ms(10), 7)], &fired);
    let (mut event_loop, sim, mut peer) = loop_with(no_idle(), alarms);
    for expected in [1, 0] {
        peer.send(b"cancel");
        event_loop.turn(None).unwrap();
        assert_eq!(fired.borrow_mut().pop(), Some(expected));
    }
    sim.advance(ms(100));
    event_loop.turn(None).unwrap();
    assert_eq!(fired.borrow().len(), 0);
}

#[test]
fn the_timers_of_a_closed_stream_are_gone() {
    let fired = Log::default();
    let alarms = Alarms::set([(ms(10), 7)], &fired);
    let (mut event_loop, sim, mut peer) = loop_with(no_idle(), alarms);
    peer.finish();
    event_loop.turn(None).unwrap();
    let (socket, _other) = sim.stream();
    let other = Alarms::set([], &fired);
    event_loop.add_stream(socket, no_idle(), other).unwrap();
    sim.advance(ms(100));
    event_loop.turn(None).unwrap();
    assert_eq!(
        fired.borrow().len(),
        0,
        "the new tenant of the slot must not hear of it"
    );
}

#[test]
fn an_idle_stream_is_closed_and_traffic_keeps_it_open() {
    let echo = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
    let options = Options {
        idle_timeout: Some(ms(100)),
        ..Options::default()
    };
    let (mut event_loop, sim, mut peer) = loop_with(options, echo);
    for _ in 0..10 {
        sim.advance(ms(99));
        peer.send(b"x");
        event_loop.turn(None).unwrap();
        event_loop.turn(None).unwrap();
        assert!(!peer.is_closed());
    }
    sim.advance(ms(99));
    event_loop.turn(None).unwrap();
    assert!(!peer.is_closed());
    sim.advance(ms(1));
    event_loop.turn(None).unwrap();
    assert!(peer.is_closed());
    assert_eq!(event_loop.stats().timed_out, 1);
}

#[test]
fn a_loop_that_is_late_reads_before_it_closes() {
    let echo = |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
    let options = Options {
        idle_timeout: Some(ms(100)),
        ..Options::default()
    };
    let (mut event_loop, sim, mut peer) = loop_with(options, echo);
    peer.send_untold(b"in time");
    sim.advance(ms(500));
    event_loop.turn(None).unwrap();
    assert!(!peer.is_closed());
    assert_eq!(peer.received(), b"in time");
}

#[test]
fn a_handshake_has_its_deadline_however_busy_it_is() {
    struct Login {
        is_done: bool,
    }
    impl StreamHandler for Login {
        fn received(&mut self, bytes: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {
            self.is_done |= bytes == b"password";
        }
        fn handshaking(&self) -> bool {
            !self.is_done
        }
    }
    for (logs_in, is_closed) in [(false, true), (true, false)] {
        let options = Options {
            handshake_timeout: ms(100),
            ..Options::default()
        };
        let (mut event_loop, sim, mut peer) = loop_with(options, Login { is_done: false });
        sim.advance(ms(50));
        peer.send(if logs_in { b"password" } else { b"drip" });
        event_loop.turn(None).unwrap();
        sim.advance(ms(49));
        peer.send(b"drip");
        event_loop.turn(None).unwrap();
        assert!(!peer.is_closed());
        sim.advance(ms(1));
        event_loop.turn(None).unwrap();
        assert_eq!(peer.is_closed(), is_closed);
    }
}
