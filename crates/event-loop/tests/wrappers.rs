//! What a handler needs that wraps another one: shared bounds, its own reasons, notice of a close.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use event_loop::sim::{Peer, Sim};
use event_loop::{
    Closed, Context, EventLoop, LoopOptions, Options, Outgoing, QueueFull, StreamHandler,
};

type Log = Rc<RefCell<Vec<String>>>;

fn begin(options: Options, handler: impl StreamHandler + 'static) -> (EventLoop, Sim, Peer) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (socket, peer) = sim.stream();
    event_loop
        .add_stream(socket, options, handler)
        .expect("a stream");
    (event_loop, sim, peer)
}

/// Ends for a reason of its own when it gets anything.
struct Picky {
    reason: fn() -> Closed,
    log: Log,
}

impl StreamHandler for Picky {
    fn received(&mut self, _: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(b"no");
        out.close_because((self.reason)());
        out.close_because(Closed::Idle);
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_>) {
        self.log.borrow_mut().push(why.to_string());
    }
}

fn picky(reason: fn() -> Closed) -> (EventLoop, Sim, Peer, Log) {
    let log = Log::default();
    let handler = Picky {
        reason,
        log: Rc::clone(&log),
    };
    let (event_loop, sim, mut peer) = begin(Options::default(), handler);
    peer.send(b"?");
    (event_loop, sim, peer, log)
}

#[test]
fn two_queues_hold_no_more_than_one() {
    let mut outer = Outgoing::new(10);
    let mut inner = Outgoing::new(0);
    outer.write(b"1234");
    inner.share_bounds(&outer);
    inner.write(b"567");
    assert!(!inner.is_above_high_water() && !inner.is_overflowed());
    assert_eq!(
        inner.try_push(Bytes::from_static(b"8901")),
        Err(QueueFull {
            refused: 4,
            queued: 7,
            limit: 10
        })
    );
    outer.advance(4);
    inner.share_bounds(&outer);
    assert_eq!(inner.try_push(Bytes::from_static(b"8901")), Ok(()));
    outer.write(b"12345");
    inner.share_bounds(&outer);
    assert!(inner.is_above_high_water());
    inner.write(b"x");
    assert!(inner.is_overflowed());
    assert_eq!((inner.len(), inner.limit()), (7, 10));
}

#[test]
fn a_reason_is_told_after_all_is_sent() {
    let (mut event_loop, _, mut peer, log) =
        picky(|| Closed::Failed(io::Error::new(ErrorKind::InvalidData, "not what I speak")));
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"no");
    assert!(peer.is_finished() && !peer.is_closed());
    peer.finish();
    let stats = event_loop.run().unwrap();
    assert_eq!((stats.failed, stats.finished), (1, 0));
    assert_eq!(*log.borrow(), ["not what I speak"]);
}

#[test]
fn a_peer_that_does_not_listen_changes_no_reason() {
    let (mut event_loop, sim, mut peer, log) = picky(|| Closed::Handshake);
    peer.set_room(0);
    event_loop.turn(None).unwrap();
    sim.advance(Duration::from_secs(2));
    let stats = event_loop.run().unwrap();
    assert_eq!((stats.timed_out, stats.open), (1, 0));
    assert_eq!(*log.borrow(), ["handshake not finished in time"]);
}

#[test]
fn for_an_overflow_nothing_more_is_sent() {
    let (mut event_loop, _, mut peer, log) = picky(|| Closed::Overflowed {
        queued: 6,
        limit: 5,
    });
    event_loop.turn(None).unwrap();
    assert!(peer.is_closed());
    assert_eq!(peer.received(), b"");
    assert_eq!(event_loop.stats().overflowed, 1);
    let told = "peer reads too slowly, 6 of at most 5 bytes wait";
    assert_eq!(*log.borrow(), [told]);
}

/// Holds back what it got until it is asked to close.
#[derive(Default)]
struct Holder {
    held: Vec<u8>,
}

impl StreamHandler for Holder {
    fn received(&mut self, bytes: &[u8], _: &mut Outgoing, cx: &mut Context<'_>) {
        self.held.extend_from_slice(bytes);
        cx.close(cx.key());
    }

    fn closing(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(&self.held);
        out.close();
    }
}

#[test]
fn who_holds_bytes_back_learns_of_a_close() {
    for handler in [None, Some(Holder::default())] {
        let expected: &[u8] = if handler.is_some() { b"held" } else { b"" };
        let (mut event_loop, _, mut peer) = begin(Options::default(), handler);
        peer.send(b"held");
        event_loop.turn(None).unwrap();
        peer.finish();
        assert_eq!(event_loop.run().unwrap().finished, 1);
        assert_eq!(peer.received(), expected);
    }
}
