#![cfg(feature = "postcard")]
//! Two ends of the native protocol, in memory, with a clock that is moved by hand.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use rpc_core::native::{Peer, Request};
use rpc_core::{Arguments, Codec, Dialect, Error, Fault, Kind, Options, Registry};

fn registry() -> Arc<Registry> {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry.register("fail", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key"))
    });
    registry.register("panic", [], || -> () { panic!("on purpose") });
    Arc::new(registry)
}

fn answer(client: &mut Peer, id: rpc_core::native::CallId) -> Result<i64, Error> {
    match client.poll_answer(id, Waker::noop()) {
        Poll::Ready(answer) => answer?.decode(),
        Poll::Pending => panic!("no answer yet"),
    }
}

#[test]
fn four_failures_are_four_faults_and_the_connection_goes_on() {
    let now = Instant::now();
    let mut server = Peer::new(registry(), Options::new(Codec::Postcard));
    let mut client = Peer::new(Arc::default(), Options::new(Codec::Postcard));
    server
        .receive(&std::mem::take(client.output()), now)
        .unwrap();
    client
        .receive(&std::mem::take(server.output()), now)
        .unwrap();
    let mut call = |name, arguments: &Arguments<'_>| {
        let id = client
            .call(&Request::new(name), arguments, now)
            .expect("it can be sent");
        server
            .receive(&std::mem::take(client.output()), now)
            .expect("the call is well-formed");
        client
            .receive(&std::mem::take(server.output()), now)
            .expect("the answer is well-formed");
        answer(&mut client, id)
    };
    let kind = |result| match result {
        Err(Error::Fault(fault)) => fault.kind,
        other => panic!("{other:?}"),
    };
    let none = Arguments::new();
    assert_eq!(kind(call("nothing", &none)), Kind::UnknownFunction);
    assert_eq!(kind(call("add", &none)), Kind::WrongArguments);
    assert_eq!(
        kind(call("fail", &none)),
        Kind::Application("KeyError".into())
    );
    assert_eq!(kind(call("panic", &none)), Kind::Panicked);
    let mixed = Arguments::new().positional(&2).keyword("y", &3);
    assert_eq!(call("add", &mixed).unwrap(), 5);
}
