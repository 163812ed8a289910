//! Two ends of a native connection in memory, with a clock that is moved by hand.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rpc_core::native::{Body, CallId, Envelope, Peer, Request};
use rpc_core::{
    Arguments, Codec, Context, Dialect, Error, Fault, Job, Options, Registry, ToArguments, Value,
    Work,
};
use serde::de::DeserializeOwned;

pub(crate) struct Ends {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) now: Instant,
    /// Jobs of the server that are not answered.
    pub(crate) jobs: Vec<Job>,
}

pub(crate) fn options() -> Options {
    Options::new(Codec::Postcard)
}

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry.register("repeat", ["text", "times"], |text: String, times: usize| {
        text.repeat(times)
    });
    registry.register("fail", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key").with_data(Value::List(vec![7.into()])))
    });
    registry.register("panic", [], || -> () { panic!("on purpose") });
    registry.register_with("metadata", [], |cx: &Context| {
        cx.metadata()
            .iter()
            .map(|(name, value)| format!("{name}={}", value.escape_ascii()))
            .collect::<Vec<_>>()
    });
    registry.register("slow", ["x"], |x: i64| x).blocking();
    registry
}

impl Ends {
    pub(crate) fn new() -> Self {
        Self::with(options(), options())
    }

    /// Both have said hello.
    pub(crate) fn with(client: Options, server: Options) -> Self {
        Self::of(
            Peer::new(Arc::default(), client),
            Peer::new(Arc::new(registry()), server),
        )
    }

    pub(crate) fn of(client: Peer, server: Peer) -> Self {
        let mut ends = Self {
            client,
            server,
            now: Instant::now(),
            jobs: Vec::new(),
        };
        ends.client.handle_timeout(ends.now).expect("it begins");
        ends.server.handle_timeout(ends.now).expect("it begins");
        ends.exchange();
        assert!(ends.client.is_open() && ends.server.is_open());
        ends
    }

    /// Carries bytes both ways until nothing moves. Quick jobs of the server are run.
    pub(crate) fn exchange(&mut self) {
        loop {
            let asked = std::mem::take(self.client.output());
            let answered = std::mem::take(self.server.output());
            if asked.is_empty() && answered.is_empty() {
                return;
            }
            self.server
                .receive(&asked, self.now)
                .expect("the client keeps to the protocol");
            self.client
                .receive(&answered, self.now)
                .expect("the server keeps to the protocol");
            while let Some(job) = self.server.next_job() {
                match job.work {
                    Work::Quick(work) => self.server.complete(job.id, work(), self.now),
                    _ => self.jobs.push(job),
                }
            }
        }
    }

    pub(crate) fn start(&mut self, method: &str, arguments: impl ToArguments) -> CallId {
        self.client
            .call(&Request::new(method), &arguments, self.now)
            .expect("the call can be sent")
    }

    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        arguments: impl ToArguments,
    ) -> Result<T, Error> {
        let id = self.start(method, arguments);
        self.exchange();
        self.answer(id)
    }

    pub(crate) fn poll(&mut self, id: CallId) -> Poll<Result<Body, Error>> {
        self.client.poll_answer(id, Waker::noop())
    }

    pub(crate) fn answer<T: DeserializeOwned>(&mut self, id: CallId) -> Result<T, Error> {
        match self.poll(id) {
            Poll::Ready(answer) => answer?.decode(),
            Poll::Pending => panic!("no answer yet"),
        }
    }

    pub(crate) fn fault<T: DeserializeOwned + std::fmt::Debug>(
        &mut self,
        method: &str,
        arguments: impl ToArguments,
    ) -> Fault {
        fault(self.call::<T>(method, arguments))
    }

    /// Runs a job of the server that waits.
    pub(crate) fn finish_job(&mut self) {
        let job = self.jobs.remove(0);
        let Work::Blocking(work) = job.work else {
            panic!("{job:?}");
        };
        self.server.complete(job.id, work(), self.now);
        self.exchange();
    }

    /// Moves the clock of both ends, which act where they have to.
    pub(crate) fn pass(&mut self, time: Duration) -> (Result<(), Error>, Result<(), Error>) {
        self.now += time;
        let handle = |peer: &mut Peer| match peer.poll_timeout() {
            Some(at) if at <= self.now => peer.handle_timeout(self.now),
            _ => Ok(()),
        };
        (handle(&mut self.client), handle(&mut self.server))
    }
}

pub(crate) fn fault<T: std::fmt::Debug>(answer: Result<T, Error>) -> Fault {
    match answer {
        Err(Error::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn none() -> Arguments<'static> {
    Arguments::new()
}

/// What a peer has to say, as messages.
pub(crate) fn messages(peer: &mut Peer, look: &mut dyn FnMut(Envelope<'_>)) {
    let output = std::mem::take(peer.output());
    let mut rest = &output[..];
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = behind.split_at(u32::from_be_bytes(*len) as usize);
        look(Envelope::parse(frame).expect("what a peer writes can be read"));
        rest = behind;
    }
    assert!(rest.is_empty());
}

pub(crate) fn written(messages: &[Envelope<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.write(&mut out);
    }
    out
}
