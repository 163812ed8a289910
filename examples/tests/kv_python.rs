//! What a KV server does for those who speak Python's `multiprocessing.connection`.

mod kv_support;
mod mp_support;
mod support;

use std::ffi::OsStr;

use kv_support::{Json, client, text};
use mp_support::{KEY, LEGACY, is_legacy, run, start};
use rpc_core::{Codec, Value};
use rustix::process::Signal;
use serde_json::json;
use support::{Folder, Program, pythons};

/// A server that speaks all three: native, JSON-RPC, Python, in this order.
fn server(options: &[&str]) -> Program {
    let addresses = ["--listen", "--jsonrpc", "--python"];
    let addresses = addresses.map(|option| [option, "127.0.0.1:0"]).concat();
    Program::start("kv_server", &[&addresses[..], options].concat())
}

fn python_address(server: &Program) -> String {
    server.nth_address(2).to_string()
}

fn json(server: &Program) -> Json {
    let stream = std::net::TcpStream::connect(server.nth_address(1));
    Json::new(stream.expect("the server listens"))
}

/// Runs lines of Python with `kv`, the proxy of our script.
fn session(python: &OsStr, address: &str, key: &str, program: &str) -> support::Ended {
    let start = r#"
import importlib.util, sys
spec = importlib.util.spec_from_file_location("kv_mp", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(module)
host, port = sys.argv[2].rsplit(":", 1)
kv = module.KV(host, int(port), sys.argv[3].encode() or None)
"#;
    let script = support::script("kv_mp.py");
    let script = script.to_str().expect("the path is text");
    run(
        python,
        &format!("{start}{program}"),
        &[script, address, key],
    )
}

#[test]
fn a_python_session_with_the_standard_library_alone() {
    for python in pythons() {
        let server = server(&["--memory"]);
        let ended = start(&python, "kv_mp.py", &[&python_address(&server)]).wait();
        assert_eq!(ended.stdout, SESSION, "{python:?}: {ended:?}");
        assert_eq!(json(&server).call("get", json!(["foo"])), Ok(json!("baz")));
    }
}

const SESSION: &str = "\
['brief', 'foo', 'spam']
(1, b'\\x00', {2}, {3: None}, 1267650600228229401496703205376) bar {'x': 2, 'y': 3.5}
False
True baz
True None
KeyError: \"no such key: 'spam'\"
";

#[test]
fn what_one_dialect_sets_the_others_read() {
    let tagged = |name: &str, inside: Value| Value::tagged(name, inside);
    let list = |items: &[Value]| Value::List(items.to_vec());
    let big = "18446744073709551616";
    let values = [
        ("None", Value::Null, json!(null)),
        ("True", Value::Bool(true), json!(true)),
        (
            "-9223372036854775808",
            Value::Int(i64::MIN),
            json!(i64::MIN),
        ),
        ("2 ** 64", tagged("int", text(big)), json!({"$int": big})),
        ("2.5", Value::Float(2.5), json!(2.5)),
        (
            "float('inf')",
            Value::Float(f64::INFINITY),
            json!({"$float": "inf"}),
        ),
        ("'w\\xf6rld \\0'", text("wörld \0"), json!("wörld \0")),
        (
            "b'\\0\\xff'",
            Value::Bytes(vec![0, 255]),
            json!({"$bytes": "AP8="}),
        ),
        (
            "[1, [2]]",
            list(&[1.into(), list(&[2.into()])]),
            json!([1, [2]]),
        ),
        (
            "(1, ())",
            tagged("tuple", list(&[1.into(), tagged("tuple", list(&[]))])),
            json!({"$tuple": [1, {"$tuple": []}]}),
        ),
        (
            "{1}",
            tagged("set", list(&[1.into()])),
            json!({"$set": [1]}),
        ),
        (
            "frozenset({'a'})",
            tagged("frozenset", list(&[text("a")])),
            json!({"$frozenset": ["a"]}),
        ),
        (
            "{'b': 1, 'a': None}",
            Value::Map(vec![(text("b"), 1.into()), (text("a"), Value::Null)]),
            json!({"b": 1, "a": null}),
        ),
        (
            "{1: (2,)}",
            Value::Map(vec![(1.into(), tagged("tuple", list(&[2.into()])))]),
            json!({"$map": [[1, {"$tuple": [2]}]]}),
        ),
        (
            "{'$set': [1]}",
            Value::Map(vec![(text("$set"), list(&[1.into()]))]),
            json!({"$map": [["$set", [1]]]}),
        ),
    ];
    for python in pythons() {
        let server = server(&["--memory"]);
        let native = client(server.nth_address(0), Codec::Postcard).expect("the server listens");
        let mut json = json(&server);
        let mut program = String::new();
        for (n, (literal, value, as_json)) in values.iter().enumerate() {
            native
                .call::<()>("set", (format!("n{n}"), value, None::<f64>))
                .unwrap();
            json.call("set", json!([format!("j{n}"), as_json])).unwrap();
            program.push_str(&format!(
                "value = {literal}\n\
                 for key in 'n{n}', 'j{n}':\n    \
                     found = kv.get(key)\n    \
                     assert type(found) is type(value) and repr(found) == repr(value), (key, found, value)\n\
                 kv.set('p{n}', value)\n\
                 assert repr(kv.get('p{n}')) == repr(value)\n"
            ));
        }
        program.push_str("print(kv.count())\n");
        let ended = session(&python, &python_address(&server), "", &program);
        assert_eq!(ended.stdout, format!("{}\n", 3 * values.len()), "{ended:?}");
        for (n, (literal, value, as_json)) in values.iter().enumerate() {
            let found: Value = native.call("get", (format!("p{n}"),)).unwrap();
            assert_eq!(found, *value, "{literal}");
            let found = json.call("get", json!([format!("p{n}")]));
            assert_eq!(found.as_ref(), Ok(as_json), "{literal}");
        }
    }
}

#[test]
fn exceptions_and_keyword_arguments() {
    let server = server(&["--memory"]);
    let program = r#"
kv.set(value=1, key="a", ttl=60)
print(kv.compare_and_set("a", new=2, expected=1), kv.get(key="a"))
print(kv.items(), kv.keys(prefix="b"), kv.statistics()["keys"])
for wrong in (
    lambda: kv.get("b"), lambda: kv.nosuch(), lambda: kv.get(), lambda: kv.get("a", "b"), lambda: kv.get(name="a"),
    lambda: kv.expire("a", -1), lambda: kv.backup("a"), lambda: kv.set("a", IndexError("a value")), lambda: kv.get("a"),
):
    try:
        print("returned", wrong())
    except Exception as error:
        print(type(error).__name__)
"#;
    let ended = session("python3".as_ref(), &python_address(&server), "", program);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "True 2",
            "[('a', 2)] [] 1",
            "KeyError",
            "KeyError",
            "TypeError",
            "TypeError",
            "TypeError",
            "ValueError",
            "PermissionError",
            // Who gets it raises it: to a client an exception is one, whether it was raised or returned.
            "returned None",
            "IndexError",
        ],
        "{ended:?}"
    );
}

#[test]
fn the_key_is_the_one_of_all_dialects() {
    let server = server(&["--memory", "--authkey", KEY]);
    let address = python_address(&server);
    for python in pythons() {
        let ended = session(&python, &address, KEY, "print(kv.set('a', 1), kv.get('a'))");
        assert_eq!(ended.stdout, "None 1\n", "{python:?}: {ended:?}");
        let ended = session(&python, &address, "wrong", "print(kv.get('a'))");
        assert!(
            ended.stderr.contains("digest sent was rejected"),
            "{ended:?}"
        );
        assert_eq!(ended.stdout, "", "{ended:?}");
    }
    for _ in 0..2 {
        let ended = run("python3".as_ref(), LEGACY, &[&address, KEY]);
        assert!(ended.stdout.contains("WELCOME"), "{ended:?}");
    }
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("HMAC-MD5").count(), 1, "{ended:?}");
    assert_eq!(ended.stderr.matches("WEAK KEY").count(), 1, "{ended:?}");
}

#[test]
fn modern_only_refuses_md5_and_tells_the_operator_why() {
    let server = server(&["--memory", "--authkey", KEY, "--modern-only"]);
    let address = python_address(&server);
    let ended = run("python3".as_ref(), LEGACY, &[&address, KEY]);
    assert_eq!(ended.stdout, "b'#FAILURE#' b'the end'\n", "{ended:?}");
    let log = server.stderr.wait_for("Python up to 3.11");
    assert!(log.contains("--modern-only"), "{log}");
    for python in pythons() {
        let ended = session(&python, &address, KEY, "print(kv.exists('a'))");
        let heard = if is_legacy(&python) { "" } else { "False\n" };
        assert_eq!(ended.stdout, heard, "{python:?}: {ended:?}");
    }
}

#[test]
fn what_python_has_set_is_there_after_a_restart() {
    let folder = Folder::new("kv-python");
    let data = folder.path("data");
    let value = "{(1, 2): {b'x'}, 'big': 2 ** 100}";
    let before = server(&["--data", &data]);
    let program = format!("kv.set('a', {value})");
    let ended = session("python3".as_ref(), &python_address(&before), "", &program);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    before.signal(Signal::KILL);
    before.wait();
    let after = server(&["--data", &data]);
    let program = format!("print(kv.get('a') == {value})");
    let ended = session("python3".as_ref(), &python_address(&after), "", &program);
    assert_eq!(ended.stdout, "True\n", "{ended:?}");
}

#[test]
fn python_alone_can_be_served() {
    let arguments = ["--no-native", "--python", "127.0.0.1:0", "--memory"];
    let server = Program::start("kv_server", &arguments);
    let address = server.address().to_string();
    let ended = session("python3".as_ref(), &address, "", "print(kv.keys())");
    assert_eq!(ended.stdout, "[]\n", "{ended:?}");
    for options in [&["--no-native"][..], &["--modern-only"]] {
        let ended = Program::start("kv_server", &[&["--memory"], options].concat()).wait();
        assert_eq!(ended.status.code(), Some(2), "{options:?}: {ended:?}");
    }
}
