//! A simulated loop with handlers inside TLS, and clients that rustls speaks for.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use event_loop::sim::Sim;
use event_loop::{Closed, Context, EventLoop, Key, LoopOptions, Options, Outgoing, StreamHandler};
use tls_mixin::event_loop::server;
use tls_mixin::{Acceptor, ServerOptions, Session};

use crate::certificates::{Authority, Leaf};
use crate::remote::{Remote, client_config};

pub(crate) type Log = Rc<RefCell<Vec<String>>>;

/// Writes down what happens to it, and echoes.
pub(crate) struct Echo {
    pub(crate) log: Log,
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
            "fail" => out.close_because(Closed::Failed(std::io::Error::other("on purpose"))),
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
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) event_loop: EventLoop<String>,
    pub(crate) log: Log,
    pub(crate) authority: Authority,
    pub(crate) acceptor: Acceptor,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|options| options)
    }

    pub(crate) fn with(change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
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
    pub(crate) fn client(&mut self, options: Options) -> (Key, Remote) {
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
    pub(crate) fn connected(&mut self, options: Options) -> (Key, Remote) {
        let (key, mut remote) = self.client(options);
        self.run(&mut remote);
        assert!(!remote.tls.is_handshaking());
        (key, remote)
    }

    /// Until nobody has anything to say.
    pub(crate) fn run(&mut self, remote: &mut Remote) {
        self.turns();
        while remote.exchange() {
            self.turns();
        }
    }

    /// What follows from an event can take a few turns.
    pub(crate) fn turns(&mut self) {
        for _ in 0..4 {
            let nothing_to_wait_for = Some(Duration::ZERO);
            self.event_loop.turn(nothing_to_wait_for).expect("a turn");
        }
    }

    pub(crate) fn post(&mut self, key: Key, message: &str) {
        let posted = self.event_loop.handle().post(key, message.to_string());
        posted.expect("there is room");
        self.turns();
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.borrow_mut())
    }
}

pub(crate) const CUT_OFF: &str = "closed: cut off: the stream ended before TLS's close_notify";
