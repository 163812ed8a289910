//! Accepting: pauses when descriptors run out, limits, refusals, newcomers that went away.

use std::time::Duration;

use bytes::Bytes;
use event_loop::sim::{Dialer, Peer, Sim};
use event_loop::{Context, EventLoop, LoopOptions, Options, Outgoing};

const EMFILE: i32 = 24;
const ECONNABORTED: i32 = 103;

fn echo(bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
    out.write(bytes);
}

fn listening(options: Options) -> (EventLoop, Sim, Dialer) {
    let sim = Sim::new();
    let mut event_loop = EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (listener, dialer) = sim.listener();
    event_loop
        .listen(listener, options, |_| echo)
        .expect("a listener");
    (event_loop, sim, dialer)
}

fn turn(event_loop: &mut EventLoop) {
    event_loop
        .turn(None)
        .expect("a scripted turn does not fail");
}

#[test]
fn an_accepted_connection_is_served() {
    let (mut event_loop, _sim, dialer) = listening(Options::default());
    let mut peer = dialer.dial();
    peer.send(b"hello");
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!(peer.received(), b"hello");
    assert_eq!(event_loop.stats().accepted, 1);
}

#[test]
fn a_peer_without_a_handler_is_turned_away() {
    let sim = Sim::new();
    let mut event_loop = EventLoop::<()>::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (listener, dialer) = sim.listener();
    let mut is_wanted = false;
    let accept = move |_| {
        is_wanted = !is_wanted;
        is_wanted.then_some(echo)
    };
    event_loop
        .listen(listener, Options::default(), accept)
        .expect("a listener");
    let mut peers = [dialer.dial(), dialer.dial()];
    for peer in &mut peers {
        peer.send(b"hello");
    }
    for _ in 0..3 {
        turn(&mut event_loop);
    }
    let [wanted, unwanted] = &mut peers;
    assert_eq!(wanted.received(), b"hello");
    assert!(!wanted.is_finished());
    assert_eq!(unwanted.received(), b"");
    assert!(unwanted.is_finished());
}

#[test]
fn out_of_descriptors_it_rests_twice_as_long_each_time_up_to_a_second() {
    let (mut event_loop, sim, dialer) = listening(Options::default());
    for _ in 0..9 {
        dialer.fail(EMFILE);
    }
    let mut peer = dialer.dial();
    peer.send(b"at last");
    turn(&mut event_loop);
    for (pauses, millis) in (1..).zip([10, 20, 40, 80, 160, 320, 640, 1000, 1000]) {
        assert_eq!(event_loop.stats().accept_pauses, pauses);
        sim.advance(Duration::from_millis(millis - 1));
        turn(&mut event_loop);
        assert_eq!(
            event_loop.stats().accept_pauses,
            pauses,
            "not before {millis} ms"
        );
        sim.advance(Duration::from_millis(1));
        turn(&mut event_loop);
    }
    turn(&mut event_loop);
    assert_eq!(peer.received(), b"at last");

    // One success, and the next shortage begins with a short rest again.
    dialer.fail(EMFILE);
    let mut peer = dialer.dial();
    peer.send(b"soon");
    turn(&mut event_loop);
    sim.advance(Duration::from_millis(10));
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!(peer.received(), b"soon");
}

#[test]
fn an_error_that_stays_does_not_make_it_spin() {
    const EINVAL: i32 = 22;
    let (mut event_loop, sim, dialer) = listening(Options::default());
    for _ in 0..100 {
        dialer.fail(EINVAL);
    }
    for _ in 0..50 {
        turn(&mut event_loop);
    }
    assert_eq!(
        (event_loop.stats().accept_pauses, dialer.waiting()),
        (1, 99)
    );
    sim.advance(Duration::from_millis(10));
    turn(&mut event_loop);
    assert_eq!(event_loop.stats().accept_pauses, 2);
}

#[test]
fn a_resting_listener_does_not_spin_and_others_are_served() {
    let (mut event_loop, _sim, dialer) = listening(Options::default());
    let mut early = dialer.dial();
    turn(&mut event_loop);
    dialer.fail(EMFILE);
    let _late = dialer.dial();
    for _ in 0..100 {
        early.send(b"x");
        turn(&mut event_loop);
        assert_eq!(early.received(), b"x");
    }
    assert_eq!((event_loop.stats().accept_pauses, dialer.waiting()), (1, 1));
}

#[test]
fn newcomers_that_went_away_cost_no_rest() {
    let (mut event_loop, _sim, dialer) = listening(Options::default());
    for _ in 0..5 {
        dialer.fail(ECONNABORTED);
    }
    let mut peer = dialer.dial();
    peer.send(b"hello");
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!(peer.received(), b"hello");
    assert_eq!(event_loop.stats().accept_pauses, 0);
}

#[test]
fn a_full_listener_lets_newcomers_wait_until_a_place_is_free() {
    let options = Options {
        max_connections: 2,
        ..Options::default()
    };
    let (mut event_loop, _sim, dialer) = listening(options);
    let mut peers: Vec<Peer> = (0..4).map(|_| dialer.dial()).collect();
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!((dialer.waiting(), event_loop.stats().open), (2, 2));
    for waiting in [1, 0] {
        peers.remove(0).finish();
        turn(&mut event_loop);
        turn(&mut event_loop);
        assert_eq!((dialer.waiting(), event_loop.stats().open), (waiting, 2));
    }
    assert_eq!(event_loop.stats().refused, 0);
}

#[test]
fn a_full_listener_with_a_refusal_says_why() {
    let options = Options {
        max_connections: 1,
        refusal: Bytes::from_static(b"1 of 1 places is taken\n"),
        ..Options::default()
    };
    let (mut event_loop, sim, dialer) = listening(options);
    let mut first = dialer.dial();
    let mut second = dialer.dial();
    second.send(b"let me in");
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!(second.received(), b"1 of 1 places is taken\n");
    assert!(second.is_finished());
    sim.advance(Duration::from_secs(2));
    turn(&mut event_loop);
    assert!(
        second.is_closed(),
        "one that is refused does not linger for ever"
    );
    assert_eq!(
        (event_loop.stats().refused, event_loop.stats().open),
        (1, 1)
    );

    first.finish();
    turn(&mut event_loop);
    let mut third = dialer.dial();
    third.send(b"hello");
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert_eq!(third.received(), b"hello");
}

#[test]
fn a_crowd_of_refused_ones_costs_a_bounded_number_of_descriptors() {
    let options = Options {
        max_connections: 0,
        refusal: Bytes::from_static(b"closed today\n"),
        ..Options::default()
    };
    let (mut event_loop, _sim, dialer) = listening(options);
    let peers: Vec<Peer> = (0..200).map(|_| dialer.dial()).collect();
    while dialer.waiting() > 0 {
        turn(&mut event_loop);
    }
    assert_eq!(event_loop.stats().refused, 200);
    let kept = peers.iter().filter(|peer| !peer.is_closed()).count();
    assert_eq!(kept, 64, "the others were closed without a word");
}

#[test]
fn a_panic_in_accept_costs_that_connection_only() {
    let sim = Sim::new();
    let mut event_loop: EventLoop =
        EventLoop::simulated(&sim, LoopOptions::default()).expect("a loop");
    let (listener, dialer) = sim.listener();
    let mut count = 0;
    let accept = move |_| {
        count += 1;
        assert_ne!(count, 1, "as the test wants it");
        echo
    };
    event_loop
        .listen(listener, Options::default(), accept)
        .unwrap();
    let first = dialer.dial();
    let mut second = dialer.dial();
    second.send(b"hello");
    turn(&mut event_loop);
    turn(&mut event_loop);
    assert!(first.is_closed());
    assert_eq!(second.received(), b"hello");
    assert_eq!(event_loop.stats().panicked, 1);
}

#[test]
fn a_rush_of_newcomers_does_not_hold_up_those_who_are_in() {
    let (mut event_loop, _sim, dialer) = listening(Options::default());
    let mut early = dialer.dial();
    turn(&mut event_loop);
    let _rush: Vec<Peer> = (0..1000).map(|_| dialer.dial()).collect();
    let mut turns = 0;
    while dialer.waiting() > 0 {
        early.send(b"x");
        turn(&mut event_loop);
        assert_eq!(early.received(), b"x");
        turns += 1;
    }
    assert!(turns >= 60, "1000 newcomers were taken in {turns} turns");
}
