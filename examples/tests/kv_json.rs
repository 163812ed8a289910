//! What a KV server does for those who speak JSON-RPC.

mod kv_support;
mod support;

use kv_support::{Server, python, wait_until};
use rustix::process::Signal;
use serde_json::json;
use support::Folder;

#[test]
fn every_function_by_json_rpc() {
    let server = Server::in_memory();
    let mut kv = server.json();
    assert_eq!(kv.call("set", json!(["left", "a"])), Ok(json!(null)));
    let named = json!({"ttl": 60, "value": 2, "key": "right"});
    assert_eq!(kv.call("set", named), Ok(json!(null)));
    assert_eq!(kv.call("get", json!({"key": "left"})), Ok(json!("a")));
    assert_eq!(kv.call("get", json!(["middle"])), Err("KeyError".into()));
    assert_eq!(kv.call("exists", json!(["left"])), Ok(json!(true)));
    assert_eq!(kv.call("keys", json!([])), Ok(json!(["left", "right"])));
    let page = json!({"after": "left", "limit": 5});
    assert_eq!(kv.call("keys", page.clone()), Ok(json!(["right"])));
    assert_eq!(kv.call("items", page), Ok(json!([["right", 2]])));
    assert_eq!(kv.call("count", json!({"prefix": "r"})), Ok(json!(1)));
    assert_eq!(kv.call("ttl", json!(["left"])), Ok(json!(null)));
    assert_eq!(kv.call("expire", json!(["left", 90])), Ok(json!(null)));
    let left = kv.call("ttl", json!(["left"])).unwrap();
    assert!(
        left.as_f64()
            .is_some_and(|left| (80.0..=90.0).contains(&left)),
        "{left}"
    );
    assert_eq!(kv.call("persist", json!(["left"])), Ok(json!(null)));
    let swap = |expected, new| json!(["swapped", expected, new]);
    let (null, one) = (json!(null), json!({"a": [1]}));
    assert_eq!(
        kv.call("compare_and_set", swap(&null, &one)),
        Ok(json!(true))
    );
    assert_eq!(
        kv.call("compare_and_set", swap(&null, &one)),
        Ok(json!(false))
    );
    assert_eq!(
        kv.call("compare_and_set", swap(&one, &null)),
        Ok(json!(true))
    );
    assert_eq!(kv.call("exists", json!(["swapped"])), Ok(json!(false)));
    assert_eq!(kv.call("delete", json!(["left"])), Ok(json!(null)));
    assert_eq!(kv.call("delete", json!(["left"])), Err("KeyError".into()));
    assert_eq!(kv.call("statistics", json!([])).unwrap()["keys"], json!(1));
    let help = kv.call("system.methodHelp", json!(["get"]));
    assert_eq!(
        help,
        Ok(json!("The value of a key; KeyError if there is none."))
    );
}

#[test]
fn a_python_session_with_the_standard_library_alone() {
    let server = Server::in_memory();
    let ended = python(&[&server.json_address().to_string()]);
    assert_eq!(ended.stdout, kv_support::SESSION, "{ended:?}");
    assert_eq!(server.json().call("get", json!(["foo"])), Ok(json!("baz")));
}

#[test]
fn a_time_to_live_goes_on_over_a_restart() {
    let folder = Folder::new("ttl");
    let server = Server::over(&folder);
    let mut kv = server.json();
    kv.call("set", json!(["brief", 1, 0.5])).unwrap();
    kv.call("set", json!(["long", 1, 600])).unwrap();
    kv.call("set", json!(["for ever", 1])).unwrap();
    server.stop();
    let server = Server::over(&folder);
    let mut kv = server.json();
    let left = kv.call("ttl", json!(["long"])).unwrap();
    assert!(
        left.as_f64()
            .is_some_and(|left| (500.0..600.0).contains(&left)),
        "{left}"
    );
    assert_eq!(kv.call("ttl", json!(["for ever"])), Ok(json!(null)));
    wait_until("brief is gone", || {
        kv.call("exists", json!(["brief"])) == Ok(json!(false))
    });
    server.program.signal(Signal::KILL);
    server.program.wait();
    let server = Server::over(&folder);
    let mut kv = server.json();
    assert_eq!(kv.call("keys", json!([])), Ok(json!(["for ever", "long"])));
}
