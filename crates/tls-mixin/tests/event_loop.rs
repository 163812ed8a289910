//! A handler inside TLS on the event loop: the handshake, both ends, stopping, messages.

mod certificates;
mod remote;
mod world;

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use certificates::{Authority, Leaf};
use event_loop::{Closed, Context, Options, Outgoing, StreamHandler};
use remote::{Remote, client_config, server_config};
use tls_mixin::event_loop::{client, server};
use tls_mixin::{ClientOptions, Connector, Error, ServerOptions, Session};
use world::{CUT_OFF, Echo, Log, World};

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
