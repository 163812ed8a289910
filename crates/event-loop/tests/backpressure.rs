//! A slow reader is a policy: water marks, overflow, refusal.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use event_loop::sim::{Peer, Sim};
use event_loop::{Context, EventLoop, LoopOptions, Options, Outgoing, QueueFull, StreamHandler};

fn loop_with(options: Options, handler: impl StreamHandler + 'static) -> (EventLoop, Peer) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (socket, peer) = sim.stream();
    event_loop
        .add_stream(socket, options, handler)
        .expect("a stream");
    (event_loop, peer)
}

#[derive(Default)]
struct Echo {
    relieved: Rc<Cell<usize>>,
}

impl StreamHandler for Echo {
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(bytes);
    }

    fn writable(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {
        self.relieved.set(self.relieved.get() + 1);
    }
}

fn small() -> Options {
    Options {
        max_queue_len: 300,
        high_water: 100,
        low_water: 40,
        ..Options::default()
    }
}

#[test]
fn nothing_is_read_from_a_peer_that_does_not_read() {
    let relieved = Rc::new(Cell::new(0));
    let (mut event_loop, mut peer) = loop_with(
        small(),
        Echo {
            relieved: Rc::clone(&relieved),
        },
    );
    peer.set_room(0);
    peer.send(&[1; 101]);
    event_loop.turn(None).unwrap();
    peer.send(&[2; 50]);
    event_loop.turn(None).unwrap();
    assert_eq!(
        peer.unread(),
        50,
        "above the high-water mark nothing is read"
    );

    peer.set_room(60);
    event_loop.turn(None).unwrap();
    assert_eq!((peer.unread(), relieved.get()), (50, 0), "41 still wait");
    peer.set_room(1);
    event_loop.turn(None).unwrap();
    assert_eq!(relieved.get(), 1, "40 are few enough");
    event_loop.turn(None).unwrap();
    assert_eq!(peer.unread(), 0);
    peer.set_room(1000);
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received().len(), 151);
}

#[test]
fn a_handler_that_queues_past_the_limit_loses_its_connection() {
    let flood = |_: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
        out.write(&[0; 200]);
        out.push(Bytes::from(vec![0; 101]));
        assert!(out.is_overflowed());
        assert_eq!(out.len(), 200);
    };
    let (mut event_loop, mut peer) = loop_with(small(), flood);
    peer.set_room(0);
    peer.send(b"x");
    event_loop.turn(None).unwrap();
    assert!(peer.is_closed());
    assert_eq!(event_loop.stats().overflowed, 1);
}

#[test]
fn a_refused_push_tells_the_numbers_and_costs_nothing() {
    let mut out = Outgoing::new(10);
    out.write(b"12345");
    let refused = out.try_push(Bytes::from_static(b"123456"));
    assert_eq!(
        refused,
        Err(QueueFull {
            refused: 6,
            queued: 5,
            limit: 10
        })
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "6 bytes do not fit into a queue that holds 5 of 10 bytes"
    );
    assert!(!out.is_overflowed());
    assert_eq!(out.try_push(Bytes::from_static(b"67890")), Ok(()));
    assert_eq!(out.len(), 10);
}

#[test]
fn a_queue_that_is_never_empty_does_not_grow() {
    let mut out = Outgoing::new(1 << 20);
    out.write(&[7; 100]);
    for round in 0..100_000_u32 {
        out.write(&round.to_be_bytes());
        out.advance(4);
        assert_eq!(out.len(), 100);
    }
    let mut slices = [std::io::IoSlice::new(&[])];
    assert_eq!(out.chunks(&mut slices), 1);
    assert_eq!(slices[0][96..], 99_999_u32.to_be_bytes());
}

#[test]
fn a_firehose_gets_its_budget_and_others_theirs() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let sink = |_: &[u8], _: &mut Outgoing, _: &mut Context<'_>| {};
    let options = Options {
        read_budget: 1000,
        ..Options::default()
    };
    let (one, mut firehose) = sim.stream();
    let (two, mut modest) = sim.stream();
    event_loop.add_stream(one, options.clone(), sink).unwrap();
    event_loop.add_stream(two, options, sink).unwrap();
    firehose.send(&vec![0; 10_000]);
    modest.send(&[0; 10]);
    for turn in 1..=10 {
        event_loop.turn(None).unwrap();
        assert_eq!(firehose.unread(), 10_000 - 1000 * turn);
        assert_eq!(modest.unread(), 0);
    }
}

#[test]
fn reading_pauses_when_the_handler_says_so() {
    struct Pauser;
    impl StreamHandler for Pauser {
        fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_>) {
            out.write(bytes);
            cx.pause_reading();
            cx.set_timer(std::time::Duration::ZERO, 1);
        }
        fn timer(&mut self, _: u64, _: &mut Outgoing, cx: &mut Context<'_>) {
            cx.resume_reading();
        }
    }
    let options = Options {
        read_budget: 4,
        ..Options::default()
    };
    let (mut event_loop, mut peer) = loop_with(options, Pauser);
    peer.send(b"abcdefgh");
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"abcd");
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"efgh");
}

#[test]
fn a_side_that_reads_when_full_is_not_made_to_wait() {
    let relieved = Rc::new(Cell::new(0));
    let options = Options {
        reads_when_full: true,
        ..small()
    };
    let echo = Echo {
        relieved: Rc::clone(&relieved),
    };
    let (mut event_loop, mut peer) = loop_with(options, echo);
    peer.set_room(0);
    for _ in 0..2 {
        peer.send(&[1; 101]);
        event_loop.turn(None).unwrap();
        assert_eq!(peer.unread(), 0);
    }
    peer.set_room(1000);
    event_loop.turn(None).unwrap();
    assert_eq!((peer.received().len(), relieved.get()), (202, 1));
}

#[test]
fn a_queue_that_was_high_and_went_out_at_once_is_told_too() {
    let relieved = Rc::new(Cell::new(0));
    let echo = Echo {
        relieved: Rc::clone(&relieved),
    };
    let (mut event_loop, mut peer) = loop_with(small(), echo);
    peer.send(&[1; 101]);
    event_loop.turn(None).unwrap();
    assert_eq!((peer.received().len(), relieved.get()), (101, 1));
}

#[test]
fn messages_of_one_turn_that_the_socket_takes_do_not_fill_the_queue() {
    struct Member;
    impl StreamHandler<Bytes> for Member {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, Bytes>) {}
        fn message(&mut self, bytes: Bytes, out: &mut Outgoing, _: &mut Context<'_, Bytes>) {
            out.push(bytes);
        }
    }
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (socket, mut peer) = sim.stream();
    let key = event_loop.add_stream(socket, small(), Member).unwrap();
    for _ in 0..10 {
        event_loop.post(key, Bytes::from_static(&[7; 99])).unwrap();
    }
    event_loop.turn(None).unwrap();
    assert_eq!(
        peer.received().len(),
        990,
        "three times what the queue may hold"
    );
    assert_eq!(event_loop.stats().overflowed, 0);
}
