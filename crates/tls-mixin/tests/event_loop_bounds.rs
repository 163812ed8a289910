//! A handler inside TLS on the event loop: slow readers, and how much is kept for them.

mod certificates;
mod remote;
mod world;

use std::time::Duration;

use event_loop::{Context, Options, Outgoing, StreamHandler};
use remote::{Remote, client_config};
use tls_mixin::Session;
use tls_mixin::event_loop::server;
use world::World;

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
    for (message, why) in [
        ("close me", "closed: finished"),
        ("close", "closed: finished"),
        ("fail", "closed: on purpose"),
    ] {
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
        let stats = world.event_loop.stats();
        let is_failed = u64::from(message == "fail");
        assert_eq!((stats.finished, stats.failed), (1 - is_failed, is_failed));
        let log = world.take_log();
        assert_eq!(log.last().unwrap(), why);
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
