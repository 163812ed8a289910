//! Messages between handlers, groups, keys of former tenants, and handlers that close each other.

use std::cell::RefCell;
use std::rc::Rc;

use event_loop::sim::{Peer, Sim};
use event_loop::{
    Closed, Context, EventLoop, Key, LoopOptions, Options, Outgoing, PostError, StreamHandler,
};

type Log = Rc<RefCell<Vec<String>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Say(u8),
    Post(Key, u8),
    Publish(u8),
    Leave,
    Close(Key),
    Abort(Key),
    PingPong(Key),
}

const ROOM: u64 = 1;

/// Does what it is told by messages, in the room with all others.
struct Member {
    name: char,
    log: Log,
}

impl StreamHandler<Order> for Member {
    fn opened(&mut self, _: &mut Outgoing, cx: &mut Context<'_, Order>) {
        cx.join(ROOM);
    }

    fn received(&mut self, bytes: &[u8], _: &mut Outgoing, cx: &mut Context<'_, Order>) {
        for &byte in bytes {
            cx.publish(ROOM, Order::Say(byte))
                .expect("there is room for a message");
        }
        self.log.borrow_mut().push(format!("{} spoke", self.name));
    }

    fn message(&mut self, order: Order, out: &mut Outgoing, cx: &mut Context<'_, Order>) {
        match order {
            Order::Say(byte) => out.write(&[byte]),
            Order::Post(to, byte) => {
                let result = cx.post(to, Order::Say(byte));
                self.log
                    .borrow_mut()
                    .push(format!("{} posted: {}", self.name, result.is_ok()));
            }
            Order::Publish(byte) => cx.publish(ROOM, Order::Say(byte)).expect("there is room"),
            Order::Leave => cx.leave(ROOM),
            Order::Close(key) => cx.close(key),
            Order::Abort(key) => cx.abort(key),
            Order::PingPong(to) => {
                out.write(b"!");
                cx.post(to, Order::PingPong(cx.key()))
                    .expect("the other is there");
            }
        }
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_, Order>) {
        self.log
            .borrow_mut()
            .push(format!("{} closed: {why}", self.name));
    }
}

struct Stage {
    event_loop: EventLoop<Order>,
    sim: Sim,
    log: Log,
}

impl Stage {
    fn new() -> Self {
        let sim = Sim::new();
        let event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
        Self {
            event_loop,
            sim,
            log: Log::default(),
        }
    }

    fn enter(&mut self, name: char) -> (Key, Peer) {
        let (socket, peer) = self.sim.stream();
        let member = Member {
            name,
            log: Rc::clone(&self.log),
        };
        let key = self
            .event_loop
            .add_stream(socket, Options::default(), member);
        self.turn();
        (key.expect("a simulated stream can be watched"), peer)
    }

    fn tell(&mut self, key: Key, order: Order) {
        self.event_loop.post(key, order).expect("there is room");
    }

    fn turn(&mut self) {
        self.event_loop
            .turn(None)
            .expect("a scripted turn does not fail");
    }
}

#[test]
fn a_published_message_reaches_all_others_in_order() {
    let mut stage = Stage::new();
    let (_, mut a) = stage.enter('a');
    let (_, mut b) = stage.enter('b');
    let (_, mut c) = stage.enter('c');
    a.send(b"123");
    b.send(b"45");
    stage.turn();
    assert_eq!(
        (a.received(), b.received(), c.received()),
        (b"45".into(), b"123".into(), b"12345".into())
    );
}

/// Hands on what it gets to another, which makes it hold back while too much waits.
struct Relay {
    other: Option<Key>,
}

enum Word {
    Meet(Key),
    Data(Vec<u8>),
    HoldBack,
    GoOn,
}

impl Relay {
    fn tell(&self, word: Word, cx: &mut Context<'_, Word>) {
        let other = self.other.expect("they have met");
        assert!(cx.post(other, word).is_ok());
    }
}

impl StreamHandler<Word> for Relay {
    fn received(&mut self, bytes: &[u8], _: &mut Outgoing, cx: &mut Context<'_, Word>) {
        self.tell(Word::Data(bytes.to_vec()), cx);
    }

    fn message(&mut self, word: Word, out: &mut Outgoing, cx: &mut Context<'_, Word>) {
        match word {
            Word::Meet(other) => self.other = Some(other),
            Word::Data(bytes) => {
                out.write(&bytes);
                if out.is_above_high_water() {
                    self.tell(Word::HoldBack, cx);
                }
            }
            Word::HoldBack => cx.pause_reading(),
            Word::GoOn => cx.resume_reading(),
        }
    }

    fn writable(&mut self, _: &mut Outgoing, cx: &mut Context<'_, Word>) {
        self.tell(Word::GoOn, cx);
    }
}

#[test]
fn what_is_posted_arrives_before_more_is_read() {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (left, mut sender) = sim.stream();
    let (right, mut receiver) = sim.stream();
    let mut add = |socket, other| {
        event_loop
            .add_stream(socket, Options::default(), Relay { other })
            .unwrap()
    };
    let left = add(left, None);
    let right = add(right, Some(left));
    assert!(event_loop.post(left, Word::Meet(right)).is_ok());
    event_loop.turn(None).unwrap();

    // Ten times what a queue may hold, to a receiver that reads a little now and then.
    let sent: Vec<u8> = (0..10_u32 << 20).map(|n| (n % 251) as u8).collect();
    sender.send(&sent);
    let mut received = Vec::new();
    receiver.set_room(0);
    while received.len() < sent.len() {
        for _ in 0..20 {
            event_loop.turn(None).unwrap();
        }
        receiver.set_room(700_000);
        event_loop.turn(None).unwrap();
        received.extend(receiver.received());
        assert_eq!(event_loop.stats().overflowed, 0);
        receiver.set_room(0);
    }
    assert!(received == sent, "what came is not what was sent");
}

#[test]
fn who_has_left_or_gone_hears_nothing() {
    let mut stage = Stage::new();
    let (a_key, mut a) = stage.enter('a');
    let (_, mut b) = stage.enter('b');
    let (_, mut c) = stage.enter('c');
    stage.tell(a_key, Order::Leave);
    stage.turn();
    b.finish();
    stage.turn();
    c.send(b"x");
    stage.turn();
    assert_eq!((a.received(), b.received()), (vec![], vec![]));
    stage.tell(a_key, Order::Publish(b'y'));
    stage.turn();
    assert_eq!(c.received(), b"y", "who has left may still speak");
}

#[test]
fn no_handler_is_called_while_another_runs() {
    struct Nested(Rc<RefCell<usize>>);
    impl StreamHandler<()> for Nested {
        fn opened(&mut self, _: &mut Outgoing, cx: &mut Context<'_>) {
            cx.join(ROOM);
        }
        fn received(&mut self, _: &[u8], _: &mut Outgoing, cx: &mut Context<'_>) {
            let _running = self.0.try_borrow_mut().expect("nobody else runs");
            cx.publish(ROOM, ()).expect("there is room");
            cx.post(cx.key(), ()).expect("there is room");
            cx.close(cx.key());
        }
        fn message(&mut self, (): (), _: &mut Outgoing, cx: &mut Context<'_>) {
            *self.0.try_borrow_mut().expect("nobody else runs") += 1;
            cx.abort(cx.key());
        }
    }
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let count = Rc::default();
    let mut peers = Vec::new();
    for _ in 0..3 {
        let (socket, peer) = sim.stream();
        event_loop
            .add_stream(socket, Options::default(), Nested(Rc::clone(&count)))
            .unwrap();
        peers.push(peer);
    }
    event_loop.turn(None).unwrap();
    peers[0].send(b"go");
    event_loop.turn(None).unwrap();
    assert_eq!(*count.borrow(), 3, "two others and itself");
}

#[test]
fn a_message_to_a_former_tenant_reaches_nobody() {
    let mut stage = Stage::new();
    let (a_key, mut a) = stage.enter('a');
    a.finish();
    stage.turn();
    let (b_key, mut b) = stage.enter('b');
    assert_ne!(a_key, b_key);
    stage.tell(a_key, Order::Say(b'!'));
    stage.tell(b_key, Order::Post(a_key, b'?'));
    stage.turn();
    assert_eq!(b.received(), b"");
    assert_eq!(
        stage.log.borrow().last().map(String::as_str),
        Some("b posted: false")
    );
}

#[test]
fn a_late_event_for_a_former_tenant_touches_nobody() {
    let mut stage = Stage::new();
    let (a_key, mut a) = stage.enter('a');
    a.finish();
    stage.turn();
    let (_, b) = stage.enter('b');
    let before = b.calls();
    stage.sim.tell_ready(a_key);
    stage.turn();
    assert_eq!(b.calls(), before, "the slot's new tenant was not even read");
}

#[test]
fn a_handler_closes_its_neighbour_whose_event_is_already_there() {
    for is_cut in [false, true] {
        let mut stage = Stage::new();
        let (a_key, mut a) = stage.enter('a');
        let (b_key, mut b) = stage.enter('b');
        stage.log.borrow_mut().clear();
        a.send(b"");
        b.send(b"x");
        stage.tell(
            a_key,
            if is_cut {
                Order::Abort(b_key)
            } else {
                Order::Close(b_key)
            },
        );
        stage.turn();
        b.finish();
        stage.turn();
        assert!(b.is_closed() && !a.is_closed());
        assert_eq!(a.received(), b"", "b's last words came too late");
        let closed = if is_cut {
            "b closed: cut off"
        } else {
            "b closed: finished"
        };
        assert_eq!(*stage.log.borrow(), [closed]);
    }
}

#[test]
fn a_member_closed_in_a_delivery_does_not_disturb_the_others() {
    let mut stage = Stage::new();
    let (a_key, _a) = stage.enter('a');
    let others: Vec<(Key, Peer)> = ('b'..='k').map(|name| stage.enter(name)).collect();
    stage.tell(a_key, Order::Abort(others[3].0));
    stage.tell(others[5].0, Order::Leave);
    stage.tell(a_key, Order::Publish(b'x'));
    stage.turn();
    for (place, (_, mut peer)) in others.into_iter().enumerate() {
        let expected: &[u8] = if place == 3 || place == 5 { b"" } else { b"x" };
        assert_eq!(peer.received(), expected, "member {place}");
    }
}

#[test]
fn members_may_leave_and_join_again_while_a_message_goes_round() {
    struct Restless;
    impl StreamHandler<u8> for Restless {
        fn opened(&mut self, _: &mut Outgoing, cx: &mut Context<'_, u8>) {
            cx.join(ROOM);
        }
        fn received(&mut self, bytes: &[u8], _: &mut Outgoing, cx: &mut Context<'_, u8>) {
            cx.publish(ROOM, bytes[0]).expect("there is room");
        }
        fn message(&mut self, byte: u8, out: &mut Outgoing, cx: &mut Context<'_, u8>) {
            out.write(&[byte]);
            cx.leave(ROOM);
            for group in 0..10 {
                cx.join(100 + group);
                cx.leave(100 + group);
            }
            cx.join(ROOM);
        }
    }
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let mut peers = Vec::new();
    for _ in 0..9 {
        let (socket, peer) = sim.stream();
        event_loop
            .add_stream(socket, Options::default(), Restless)
            .unwrap();
        peers.push(peer);
    }
    event_loop.turn(None).unwrap();
    for round in 0..20 {
        peers[0].send(&[round]);
        event_loop.turn(None).unwrap();
        for peer in &mut peers[1..] {
            assert_eq!(peer.received(), [round], "once, in round {round}");
        }
    }
}

#[test]
fn two_that_answer_each_other_for_ever_hold_up_nobody() {
    let mut stage = Stage::new();
    let (a_key, _a) = stage.enter('a');
    let (b_key, _b) = stage.enter('b');
    let (_, mut c) = stage.enter('c');
    stage.tell(a_key, Order::PingPong(b_key));
    for _ in 0..10 {
        c.send(b"x");
        stage.turn();
        assert_eq!(c.unread(), 0);
    }
}

#[test]
fn a_full_message_queue_gives_the_message_back() {
    let sim = Sim::new();
    let options = LoopOptions {
        message_queue: 2,
        ..LoopOptions::default()
    };
    let mut event_loop: EventLoop<u8> = EventLoop::simulated(&sim, options).unwrap();
    let (socket, mut peer) = sim.stream();
    let flood = |_: &[u8], out: &mut Outgoing, cx: &mut Context<'_, u8>| {
        for n in 0..4 {
            match cx.post(cx.key(), n) {
                Ok(()) => out.write(b"."),
                Err(PostError::Full { message, limit: 2 }) => out.write(&[b'0' + message]),
                Err(other) => panic!("{other}"),
            }
        }
    };
    let key = event_loop
        .add_stream(socket, Options::default(), flood)
        .unwrap();
    peer.send(b"go");
    event_loop.turn(None).unwrap();
    assert_eq!(peer.received(), b"..23");

    let handle = event_loop.handle();
    assert_eq!(handle.post(key, 1), Ok(()));
    assert_eq!(handle.post(key, 2), Ok(()));
    assert_eq!(
        handle.post(key, 3),
        Err(PostError::Full {
            message: 3,
            limit: 2
        })
    );
    drop(event_loop);
    assert_eq!(handle.post(key, 4), Err(PostError::Gone(4)));
}

#[test]
fn a_wake_up_gets_through_when_the_queue_is_full() {
    struct Heard(Rc<RefCell<Vec<u8>>>);
    impl StreamHandler<u8> for Heard {
        fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, u8>) {}

        fn message(&mut self, message: u8, _: &mut Outgoing, _: &mut Context<'_, u8>) {
            self.0.borrow_mut().push(message);
        }
    }
    let sim = Sim::new();
    let options = LoopOptions {
        message_queue: 1,
        ..LoopOptions::default()
    };
    let mut event_loop: EventLoop<u8> = EventLoop::simulated(&sim, options).unwrap();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let (socket, _peer) = sim.stream();
    let key = event_loop
        .add_stream(socket, Options::default(), Heard(Rc::clone(&heard)))
        .unwrap();
    event_loop.turn(None).unwrap();
    let handle = event_loop.handle();
    handle.post(key, 1).unwrap();
    assert_eq!(
        handle.post(key, 2),
        Err(PostError::Full {
            message: 2,
            limit: 1
        })
    );
    handle.post_beyond_limit(key, 3).unwrap();
    event_loop.turn(None).unwrap();
    assert_eq!(*heard.borrow(), [1, 3]);

    drop(event_loop);
    assert_eq!(handle.post_beyond_limit(key, 4), Err(PostError::Gone(4)));
}
