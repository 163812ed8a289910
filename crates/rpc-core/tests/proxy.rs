//! Typed proxies over the clients.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::thread;

use ends::{client_of, options, peer};
use rpc_core::tokio::{connect, serve};
use rpc_core::{Client, Error, Fault, Kind, Options, Registry, blocking, proxy};
use tokio::io::duplex;

proxy! {
    /// Reckons.
    pub(crate) struct Calculator {
        /// The sum.
        fn add(x: i64, y: i64) -> i64;
        fn div(x: i64, y: i64) -> i64;
        fn longest(of: &[String],) -> Option<String>;
        fn count(texts: BTreeMap<&str, u32>) -> BTreeMap<u32, String>;
        fn nothing();
    }
}

proxy! {
    struct Empty {}
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register("nothing", [], || ());
    registry.register("longest", ["of"], |of: Vec<String>| {
        of.into_iter().max_by_key(String::len)
    });
    registry.register("count", ["texts"], |texts: BTreeMap<String, u32>| {
        let turned = texts.into_iter().map(|(text, count)| (count, text));
        turned.collect::<BTreeMap<u32, String>>()
    });
    registry.register("div", ["x", "y"], |x: i64, y: i64| {
        let zero = || Fault::new("ZeroDivisionError", "division by zero");
        x.checked_div(y).ok_or_else(zero)
    });
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry
}

#[tokio::test(start_paused = true)]
async fn methods_are_calls() {
    let calculator = Calculator::new(client_of(registry()).await.0);
    let (sum, quotient) = (calculator.add(2, 3), calculator.div(7, 2));
    assert_eq!((sum.await.unwrap(), quotient.await.unwrap()), (5, 3));
    let Err(Error::Fault(fault)) = calculator.div(1, 0).await else {
        panic!("1 / 0 has a result");
    };
    assert_eq!(fault.kind, Kind::Application("ZeroDivisionError".into()));
    let texts = ["a".to_owned(), "bcd".to_owned()];
    assert_eq!(
        calculator.longest(&texts).await.unwrap().as_deref(),
        Some("bcd")
    );
    let counted = calculator
        .count(BTreeMap::from([("one", 1), ("two", 2)]))
        .await
        .unwrap();
    assert_eq!(
        counted,
        BTreeMap::from([(1, "one".to_owned()), (2, "two".to_owned())])
    );
    calculator.nothing().await.unwrap();
}

#[test]
fn the_blocking_client_has_the_same_methods() {
    let (near, far) = UnixStream::pair().unwrap();
    let serving = thread::spawn(move || blocking::serve(&far, peer(registry())));
    let calculator = Calculator::new(blocking::Client::new(near, options()).unwrap());
    assert_eq!(calculator.add(2, 3).unwrap(), 5);
    calculator.div(1, 0).unwrap_err();
    calculator.nothing().unwrap();
    drop(calculator);
    serving.join().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn its_fingerprint_is_that_of_a_registry_with_the_same_functions() {
    let fingerprint = Calculator::<Client>::fingerprint();
    assert_eq!(fingerprint, registry().fingerprint());
    assert_eq!(
        Empty::<Client>::fingerprint(),
        Registry::new().fingerprint()
    );

    for (is_extended, expected) in [(false, true), (true, false)] {
        let (near, far) = duplex(4096);
        let mut registry = registry();
        if is_extended {
            registry.register("more", [], || ());
        }
        tokio::spawn(serve(far, peer(registry)));
        let expecting = Options {
            expect: Some(fingerprint),
            ..options()
        };
        assert_eq!(connect(near, expecting).await.is_ok(), expected);
    }
}
