//! What a KV server does, by the native dialect.

mod kv_support;
mod support;

use std::sync::Barrier;
use std::thread;

use examples::KvStatistics;
use kv_support::{Server, kind, text};
use rpc_core::blocking::Client;
use rpc_core::{Codec, Error, Kind, Value};
use serde_json::json;

#[test]
fn every_function_by_the_native_dialect() {
    for codec in [Codec::Postcard, Codec::Bincode, Codec::Json] {
        let server = Server::start(&["--memory", "--codec", codec.name()]);
        let client = server.native_by(codec);
        let set =
            |key: &str, value: Value, ttl: Option<f64>| client.call::<()>("set", (key, value, ttl));
        let missing = client.call::<Value>("get", ("left",)).unwrap_err();
        assert_eq!(kind(&missing), "KeyError");
        assert!(
            missing.to_string().contains("no such key: 'left'"),
            "{missing}"
        );
        set("left", text("a"), None).unwrap();
        set("right", Value::Int(2), Some(60.0)).unwrap();
        assert_eq!(client.call::<Value>("get", ("left",)).unwrap(), text("a"));
        assert!(client.call::<bool>("exists", ("left",)).unwrap());
        assert!(!client.call::<bool>("exists", ("middle",)).unwrap());
        let keys = |prefix: Option<&str>, after: Option<&str>, limit: Option<u64>| {
            client
                .call::<Vec<String>>("keys", (prefix, after, limit))
                .unwrap()
        };
        assert_eq!(keys(None, None, None), ["left", "right"]);
        assert_eq!(keys(Some("r"), None, None), ["right"]);
        assert_eq!(keys(None, Some("left"), Some(1)), ["right"]);
        assert_eq!(keys(None, None, Some(1)), ["left"]);
        let items = (Some("l"), None::<&str>, None::<u64>);
        let items: Vec<(String, Value)> = client.call("items", items).unwrap();
        assert_eq!(items, [("left".to_owned(), text("a"))]);
        assert_eq!(client.call::<u64>("count", (None::<&str>,)).unwrap(), 2);
        assert_eq!(client.call::<u64>("count", (Some("le"),)).unwrap(), 1);

        let ttl = |key: &str| client.call::<Option<f64>>("ttl", (key,));
        assert_eq!(ttl("left").unwrap(), None);
        let left = ttl("right").unwrap().expect("it has a time to live");
        assert!((50.0..=60.0).contains(&left), "{left}");
        client.call::<()>("expire", ("left", 600.0)).unwrap();
        assert!(ttl("left").unwrap().is_some_and(|left| left > 500.0));
        client.call::<()>("persist", ("left",)).unwrap();
        assert_eq!(ttl("left").unwrap(), None);
        assert_eq!(kind(&ttl("middle").unwrap_err()), "KeyError");
        for (function, error) in [
            (
                "expire",
                client.call::<()>("expire", ("middle", 1.0)).unwrap_err(),
            ),
            (
                "persist",
                client.call::<()>("persist", ("middle",)).unwrap_err(),
            ),
            (
                "delete",
                client.call::<()>("delete", ("middle",)).unwrap_err(),
            ),
        ] {
            assert_eq!(kind(&error), "KeyError", "{function}");
        }

        let swap = |key: &str, expected: Option<Value>, new: Option<Value>| {
            let arguments = (key, expected, new, None::<f64>);
            client.call::<bool>("compare_and_set", arguments).unwrap()
        };
        assert!(swap("swapped", None, Some(Value::Int(1))));
        assert!(!swap("swapped", None, Some(Value::Int(2))));
        assert!(!swap("swapped", Some(Value::Int(2)), Some(Value::Int(3))));
        assert!(swap("swapped", Some(Value::Int(1)), Some(Value::Int(3))));
        assert!(swap("swapped", Some(Value::Int(3)), None));
        assert!(!client.call::<bool>("exists", ("swapped",)).unwrap());

        client.call::<()>("delete", ("left",)).unwrap();
        let now: KvStatistics = client.call("statistics", ()).unwrap();
        assert_eq!((now.keys, now.is_stopped), (1, false));
        assert!(now.writes >= 9 && now.commits >= 5, "{now:?}");

        let listed: Vec<String> = client.call("system.listMethods", ()).unwrap();
        for name in &listed {
            let help: String = client.call("system.methodHelp", (name,)).unwrap();
            assert!(help.ends_with('.'), "{name}: {help}");
        }
        let signature: String = client.call("system.methodSignature", ("set",)).unwrap();
        assert_eq!(signature, "set(key, value, ttl)");
    }
}

#[test]
fn what_one_dialect_sets_the_other_reads() {
    let server = Server::in_memory();
    let (client, mut kv) = (server.native(), server.json());
    let list = |values: &[Value]| Value::List(values.to_vec());
    let map = |entries: &[(Value, Value)]| Value::Map(entries.to_vec());
    let nested = (0..30).fold(Value::Null, |inner, _| list(&[inner]));
    let nested_json = (0..30).fold(json!(null), |inner, _| json!([inner]));
    let big = "123456789012345678901234567890";
    let values = [
        (Value::Null, json!(null)),
        (Value::Bool(true), json!(true)),
        (Value::Int(0), json!(0)),
        (Value::Int(i64::MIN), json!(i64::MIN)),
        (Value::Int(i64::MAX), json!(i64::MAX)),
        (Value::Float(2.5), json!(2.5)),
        (Value::Float(1.0), json!(1.0)),
        (Value::Float(5e-324), json!(5e-324)),
        (Value::Float(f64::INFINITY), json!({"$float": "inf"})),
        (text(""), json!("")),
        (text("wörld 🦀\n\0"), json!("wörld 🦀\n\0")),
        (Value::Bytes(vec![0, 255, 10]), json!({"$bytes": "AP8K"})),
        (list(&[]), json!([])),
        (map(&[]), json!({})),
        (
            map(&[
                (text("b"), Value::Int(1)),
                (text("a"), list(&[Value::Null])),
            ]),
            json!({"b": 1, "a": [null]}),
        ),
        (
            map(&[(Value::Int(1), text("one"))]),
            json!({"$map": [[1, "one"]]}),
        ),
        (
            map(&[(text("$bytes"), text("not bytes"))]),
            json!({"$map": [["$bytes", "not bytes"]]}),
        ),
        (nested, nested_json),
        (
            Value::Tagged("int".into(), Box::new(text(big))),
            json!({"$int": big}),
        ),
    ];
    for (value, spelled) in values {
        client
            .call::<()>("set", ("native", &value, None::<f64>))
            .unwrap();
        assert_eq!(
            kv.call("get", json!(["native"])).as_ref(),
            Ok(&spelled),
            "{value:?}"
        );
        kv.call("set", json!(["json", spelled])).unwrap();
        assert_eq!(
            client.call::<Value>("get", ("json",)).unwrap(),
            value,
            "{spelled}"
        );
        assert_eq!(kv.call("get", json!(["json"])), Ok(spelled));
    }
}

#[test]
fn keys_are_text_of_bounded_length() {
    let server = Server::in_memory();
    let (client, mut kv) = (server.native(), server.json());
    let longest = "ä".repeat(512);
    for key in ["ключ", "a b\tc\n", "🦀", "\0", &longest] {
        assert_eq!(kv.call("set", json!([key, 1])), Ok(json!(null)), "{key}");
        assert_eq!(client.call::<Value>("get", (key,)).unwrap(), Value::Int(1));
    }
    let too_long = format!("{longest}a");
    for key in ["", &too_long] {
        let set = kv.call("set", json!([key, 1]));
        assert_eq!(set, Err("ValueError".into()), "{key}");
        let set = client.call::<()>("set", (key, 1, None::<f64>));
        assert!(set.is_err(), "{key}");
    }
    let number = kv.call("get", json!([7])).unwrap_err();
    assert!(number.contains("-32602"), "{number}");
}

#[test]
fn what_is_wrong_with_a_call_is_told_and_harms_nobody() {
    let server = Server::in_memory();
    let (client, mut kv) = (server.native(), server.json());
    for ttl in [json!(0), json!(-1), json!(1e300)] {
        let set = json!({"key": "a", "value": 1, "ttl": ttl});
        assert_eq!(kv.call("set", set), Err("ValueError".into()), "{ttl}");
        let expire = kv.call("expire", json!(["a", ttl]));
        assert_eq!(expire, Err("ValueError".into()), "{ttl}");
    }
    let big = "x".repeat(4 << 20);
    let error = client
        .call::<()>("set", ("big", &text(&big), None::<f64>))
        .unwrap_err();
    assert_eq!(kind(&error), "ValueError");
    assert!(error.to_string().contains("4194304"), "{error}");
    let unknown = client.call::<()>("flushall", ()).unwrap_err();
    assert!(
        matches!(&unknown, Error::Fault(fault) if fault.kind == Kind::UnknownFunction),
        "{unknown:?}"
    );
    let missing = client.call::<()>("set", ("a",)).unwrap_err();
    assert!(
        matches!(&missing, Error::Fault(fault) if fault.kind == Kind::WrongArguments),
        "{missing:?}"
    );
    assert_eq!(client.call::<u64>("count", (None::<&str>,)).unwrap(), 0);
}

#[test]
fn ten_thousand_keys_page_by_page() {
    const COUNT: usize = 10_000;
    let server = Server::in_memory();
    let (client, mut kv) = (server.native(), server.json());
    let name = |n: usize| format!("{n:05}{}", "x".repeat(120));
    for thousand in 0..COUNT / 1000 {
        let calls = (0..1000).map(|n| {
            let params = json!([name(thousand * 1000 + n), n]);
            json!({"jsonrpc": "2.0", "id": n, "method": "set", "params": params})
        });
        let answers = kv.exchange(&calls.collect());
        let answers = answers.as_array().expect("a batch of answers");
        assert_eq!(answers.len(), 1000);
        assert!(answers.iter().all(|answer| answer.get("result").is_some()));
    }
    assert_eq!(
        client.call::<u64>("count", (None::<&str>,)).unwrap(),
        COUNT as u64
    );
    // All of them are more than an answer holds: that is said rather than leaving some out.
    assert_eq!(kv.call("keys", json!([])), Err("ValueError".into()));

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = kv
            .call("keys", json!({"after": after, "limit": 999}))
            .unwrap();
        let page: Vec<String> = serde_json::from_value(page).expect("a list of texts");
        assert!(page.len() <= 999);
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.clone());
        found.extend(page);
    }
    assert!(
        found
            .iter()
            .eq((0..COUNT).map(name).collect::<Vec<_>>().iter())
    );

    // A page that is cut by its length is no end either.
    let (mut found, mut after) = (0, None);
    loop {
        let page = (None::<&str>, after.as_ref(), Some(u64::MAX));
        let page: Vec<(String, i64)> = client.call("items", page).map(integers).unwrap();
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(last.clone());
        for (key, value) in page {
            assert_eq!((key, value), (name(found), (found % 1000) as i64));
            found += 1;
        }
    }
    assert_eq!(found, COUNT);
}

fn integers(items: Vec<(String, Value)>) -> Vec<(String, i64)> {
    let integer = |(key, value)| match value {
        Value::Int(n) => (key, n),
        other => panic!("not a number: {other:?}"),
    };
    items.into_iter().map(integer).collect()
}

#[test]
fn of_eight_that_race_one_wins_each_time() {
    const CLIENTS: i64 = 8;
    const ROUNDS: usize = 50;
    const INCREMENTS: i64 = 25;
    let server = Server::in_memory();
    let start = Barrier::new(CLIENTS as usize);
    let race = |me: i64, client: Client| {
        start.wait();
        let swap = |key: &str, expected: Option<i64>, new: i64| {
            let (expected, new) = (expected.map(Value::Int), Some(Value::Int(new)));
            let arguments = (key, expected, new, None::<f64>);
            client
                .call::<bool>("compare_and_set", arguments)
                .expect("an answer")
        };
        let mut won = Vec::new();
        for round in 0..ROUNDS {
            won.push(swap(&format!("round {round}"), None, me));
        }
        for _ in 0..INCREMENTS {
            loop {
                let before = match client.call("get", ("counter",)) {
                    Ok(Value::Int(n)) => Some(n),
                    _ => None,
                };
                if swap("counter", before, before.unwrap_or(0) + 1) {
                    break;
                }
            }
        }
        won
    };
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.native()).collect();
    let won: Vec<Vec<bool>> = thread::scope(|scope| {
        let race = &race;
        let racing = (0..)
            .zip(clients)
            .map(|(me, client)| scope.spawn(move || race(me, client)));
        let racing: Vec<_> = racing.collect();
        racing
            .into_iter()
            .map(|racer| racer.join().expect("it ran"))
            .collect()
    });
    let client = server.native();
    for round in 0..ROUNDS {
        let winners: Vec<_> = (0..won.len()).filter(|&me| won[me][round]).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let value: Value = client.call("get", (format!("round {round}"),)).unwrap();
        assert_eq!(value, Value::Int(winners[0] as i64));
    }
    let counted: Value = client.call("get", ("counter",)).unwrap();
    assert_eq!(counted, Value::Int(CLIENTS * INCREMENTS));
}
