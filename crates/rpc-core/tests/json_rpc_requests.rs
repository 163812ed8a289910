//! What is a request and what is not, what comes back for it, and what hostile lines do: nothing.

mod json_rpc;

use std::time::{Duration, Instant};

use json_rpc::{answers, ask, drive, peer};
use proptest::prelude::*;
use rpc_core::json_rpc::Options;
use rpc_core::{Dialect, Error};
use serde_json::{Value, json};

/// The one answer to one line.
fn answer(line: &str) -> Value {
    let mut answers = ask(&mut peer(Options::default()), line);
    assert_eq!(answers.len(), 1, "{answers:?} to {line}");
    answers.remove(0)
}

fn code(line: &str) -> i64 {
    answer(line)["error"]["code"].as_i64().expect("an error")
}

fn call(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":1}}"#)
}

/// What is wrong with the arguments.
fn complaint(method: &str, params: &str) -> String {
    let answer = answer(&call(method, params));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(answer["error"]["message"], "Invalid params");
    answer["error"]["data"].as_str().expect("text").to_owned()
}

#[test]
fn an_id_comes_back_as_it_was_spelled() {
    let long = "9".repeat(100_000);
    let ids = [
        "0",
        "-7",
        "1.50",
        "1e3",
        "-0.0E+10",
        "18446744073709551616",
        r#""a""#,
        r#""\u00e9\n\"é\ud83d""#,
        r#""""#,
        "null",
        &long,
    ];
    for id in ids {
        let line = format!(r#"{{"id" : {id} ,"jsonrpc":"2.0","method":"sum","params":[1,2,3]}}"#);
        let mut peer = peer(Options::default());
        peer.receive(format!("{line}\n").as_bytes(), Instant::now())
            .unwrap();
        let expected = format!("{{\"jsonrpc\":\"2.0\",\"result\":6,\"id\":{id}}}\n");
        assert_eq!(String::from_utf8_lossy(peer.output()), expected);
    }
    for id in ["true", "{}", "[1]", "false"] {
        let line = format!(r#"{{"jsonrpc":"2.0","method":"sum","params":[1,2,3],"id":{id}}}"#);
        let answer = answer(&line);
        assert_eq!(answer["error"]["code"], -32600);
        assert_eq!(answer["id"], Value::Null);
    }
}

#[test]
fn a_request_that_is_invalid_gets_its_id_back() {
    let lines = [
        r#"{"method":"sum","id":5}"#,
        r#"{"jsonrpc":"1.0","method":"sum","id":5}"#,
        r#"{"jsonrpc":2.0,"method":"sum","id":5}"#,
        r#"{"jsonrpc":"2.0","id":5}"#,
        r#"{"jsonrpc":"2.0","method":null,"id":5}"#,
        r#"{"jsonrpc":"2.0","method":"\ud800","id":5}"#,
        r#"{"jsonrpc":"2.0","method":"sum","params":null,"id":5}"#,
        r#"{"jsonrpc":"2.0","method":"sum","params":6,"id":5}"#,
        r#"{"jsonrpc":"2.0","method":"sum","params":"[1]","id":5}"#,
        r#"{"jsonrpc":"2.0","method":"sum","method":"sum","id":5}"#,
        r#"{"jsonrpc":"2.0","result":1,"id":5}"#,
    ];
    for line in lines {
        let answer = answer(line);
        assert_eq!(answer["error"]["code"], -32600, "{line}");
        assert_eq!(answer["error"]["message"], "Invalid Request");
        assert_eq!(answer["id"], 5, "{line}");
    }
    for line in [
        "1",
        "\"text\"",
        "null",
        "true",
        "{}",
        "1e999",
        r#"{"\ud800":1}"#,
    ] {
        let answer = answer(line);
        assert_eq!(answer["error"]["code"], -32600, "{line}");
        assert_eq!(answer["id"], Value::Null);
    }
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    let lines = [
        "{",
        "{}}",
        "[1",
        "nul",
        "\u{feff}{}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"id\":1} x",
        "{'jsonrpc':'2.0'}",
        "{\"a\":1,}",
        "[1,]",
        "01",
        "+1",
        "\"\\x\"",
        "GET / HTTP/1.1",
        "\0",
    ];
    for line in lines {
        assert_eq!(code(line), -32700, "{line}");
    }
    let mut peer = peer(Options::default());
    let bytes = b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\",\"id\":1}\n";
    peer.receive(bytes, Instant::now()).unwrap();
    assert_eq!(answers(&mut peer)[0]["error"]["code"], -32700);
}

#[test]
fn members_may_be_spelled_and_ordered_as_one_likes() {
    let lines = [
        r#"{"params":[1,2,3],"id":1,"method":"sum","jsonrpc":"2.0"}"#,
        r#" { "jsonrpc" : "2.0" , "method" : "sum" , "params" : [ 1 , 2 , 3 ] , "id" : 1 } "#,
        r#"{"jsonrpc":"2.0","method":"sum","params":[1,2,3],"id":1,"more":[{"jsonrpc":"1.0"}],"more":2}"#,
        r#"{"\u006asonrpc":"\u0032.0","m\u0065thod":"\u0073um","params":[1,2,3],"id":1}"#,
        "\t{\"jsonrpc\":\"2.0\",\r\"method\":\"sum\",\"params\":[1,2,3],\"id\":1}\r",
    ];
    for line in lines {
        assert_eq!(
            answer(line),
            json!({"jsonrpc": "2.0", "result": 6, "id": 1}),
            "{line}"
        );
    }
}

#[test]
fn arguments_are_an_array_an_object_or_nothing() {
    for (method, params, result) in [
        ("sum", r#"{"c" : 3, "a":1 , "b": 2}"#, json!(6)),
        ("sum", r#"{"\u0061":1,"b":2,"c":3}"#, json!(6)),
        ("get_data", "[]", json!(["hello", 5])),
        ("get_data", "{}", json!(["hello", 5])),
        ("get_data", " [ ] ", json!(["hello", 5])),
        ("optional", "[1]", json!([1, null])),
        ("optional", r#"{"x":1}"#, json!([1, null])),
        ("optional", "[1,null]", json!([1, null])),
        ("optional", "[1,2]", json!([1, 2])),
        ("echo", r#"["a\"],[{}\\"]"#, json!("a\"],[{}\\")),
        (
            "echo",
            r#"[ {"a" : [1, {"b":[]}], "c":"}"} ]"#,
            json!({"a": [1, {"b": []}], "c": "}"}),
        ),
        ("echo", r#"{"value":[[],{},""]}"#, json!([[], {}, ""])),
        ("echo", "[-1.5e3]", json!(-1500.0)),
        ("echo", "[\"\u{1f600} \u{e9}\"]", json!("\u{1f600} \u{e9}")),
    ] {
        assert_eq!(answer(&call(method, params))["result"], result, "{params}");
    }
    let absent = r#"{"jsonrpc":"2.0","method":"get_data","id":1}"#;
    assert_eq!(answer(absent)["result"], json!(["hello", 5]));
}

#[test]
fn wrong_arguments_are_told_apart() {
    for (params, text) in [
        (
            "[1,2,3]",
            "subtract() takes 2 arguments, and more were given",
        ),
        ("[1]", "subtract() needs a value for 'subtrahend'"),
        ("{}", "subtract() needs a value for 'minuend'"),
        (
            r#"{"minuend":1,"other":2}"#,
            "subtract() has no parameter 'other'",
        ),
        (
            r#"{"minuend":1,"minuend":2,"subtrahend":3}"#,
            "subtract() got two values for 'minuend'",
        ),
        (
            r#"[1,"x"]"#,
            r#"subtract() argument 'subtrahend': invalid type: string "x", expected i64"#,
        ),
        (
            "[1.5,2]",
            "subtract() argument 'minuend': invalid type: floating point `1.5`, expected i64",
        ),
    ] {
        assert_eq!(complaint("subtract", params), text);
    }
    let big = complaint("subtract", &format!("[1,{}]", "9".repeat(100_000)));
    assert!(
        big.starts_with("subtract() argument 'subtrahend': "),
        "{big}"
    );
    let text = complaint("subtract", &format!("[1,\"{}\"]", "é".repeat(100_000)));
    assert!(text.len() < 600, "{} bytes of complaint", text.len());
    complaint("subtract", "[1e999999999,1]");
    complaint("echo", r#"["\ud800"]"#);
}

#[test]
fn depth_and_elements_are_limited_with_numbers() {
    let deep = |levels: usize| format!("[{}1{}]", "[".repeat(levels), "]".repeat(levels));
    assert!(answer(&call("echo", &deep(60)))["result"].is_array());
    assert!(complaint("echo", &deep(65)).contains("64 levels"));
    assert!(complaint("echo", &deep(1_000_000)).contains("64 levels"));
    let mut unclosed = peer(Options::default());
    assert_eq!(
        ask(&mut unclosed, &"[".repeat(1_000_000))[0]["error"]["code"],
        -32700
    );

    let mut peer = peer(Options {
        max_elements: 10,
        ..Options::default()
    });
    let answer = &ask(&mut peer, &call("echo", "[[1,2,3,4,5,6,7,8,9,10,11]]"))[0];
    let data = answer["error"]["data"].as_str().expect("text");
    assert!(data.contains("more than 10 elements"), "{data}");
    // Where nobody reads them, they cost nothing.
    let ignored = format!(
        r#"{{"jsonrpc":"2.0","method":"no","params":{},"id":1}}"#,
        deep(70)
    );
    assert_eq!(ask(&mut peer, &ignored)[0]["error"]["code"], -32601);
}

#[test]
fn four_failures_are_four_errors() {
    assert_eq!(
        answer(&call("nothing", "[]"))["error"],
        json!({"code": -32601, "message": "Method not found"})
    );
    assert_eq!(code(&call("subtract", "[]")), -32602);
    assert_eq!(
        answer(&call("fails", "[]"))["error"],
        json!({
            "code": -32000,
            "message": "no such key: 'left'",
            "data": {"kind": "KeyError", "data": "left"},
        })
    );
    let panicked = answer(&call("panics", "[]"));
    assert_eq!(panicked["error"]["code"], -32603);
    assert_eq!(panicked["error"]["message"], "Internal error");
    for name in ["rpc.discover", "rpc."] {
        assert_eq!(code(&call(name, "[]")), -32601);
    }
}

#[test]
fn a_notification_gets_no_answer_whatever_becomes_of_it() {
    let mut peer = peer(Options::default());
    for method in [
        "sum", "nothing", "panics", "fails", "later", "dialect", "rpc.x",
    ] {
        for params in ["[]", "[1]", "[1,2,3]", r#"{"no":1}"#] {
            let line = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
            assert_eq!(ask(&mut peer, &line), Vec::<Value>::new(), "{line}");
            assert_eq!(
                ask(&mut peer, &format!("[{line},{line}]")),
                Vec::<Value>::new()
            );
        }
    }
    assert_eq!(peer.in_flight(), 0);
}

#[test]
fn introspection_is_there_too() {
    let names = answer(&call("system.listMethods", "[]"));
    let names: Vec<&str> = names["result"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(names.contains(&"subtract") && names.contains(&"system.methodHelp"));
    assert_eq!(
        answer(&call("system.methodSignature", r#"["subtract"]"#))["result"],
        "subtract(minuend, subtrahend)"
    );
}

#[test]
fn blank_lines_are_ignored_and_line_ends_may_vary() {
    let mut peer = peer(Options::default());
    let line = call("sum", "[1,2,3]");
    let input = format!("\n\r\n \t\r\n\r\r\n{line}\r\n\n{line}");
    for byte in input.as_bytes() {
        peer.receive(&[*byte], Instant::now()).unwrap();
    }
    assert_eq!(answers(&mut peer).len(), 1);
    peer.receive_eof(Instant::now()).unwrap();
    assert_eq!(answers(&mut peer).len(), 1, "the last line needs no end");
    assert!(peer.is_finished());
}

#[test]
fn the_size_of_a_batch_is_limited() {
    let entry = r#"{"jsonrpc":"2.0","method":"sum","params":[1,2,3],"id":1}"#;
    let batch = |count: usize| format!("[{}]", vec![entry; count].join(","));
    assert_eq!(answer(&batch(1000)).as_array().map(Vec::len), Some(1000));
    let refused = answer(&batch(1001));
    assert_eq!(
        refused,
        json!({
            "jsonrpc": "2.0",
            "error": {
                "code": -32600,
                "message": "Invalid Request",
                "data": "a batch of 1001 entries, the limit is 1000",
            },
            "id": null,
        })
    );
    let ones = format!("[{}1]", "1,".repeat(1_000_000));
    let answer = answer(&ones);
    assert_eq!(
        answer["error"]["data"],
        "a batch of 1000001 entries, the limit is 1000"
    );
}

#[test]
fn answers_are_limited_alone_and_in_batches() {
    let options = Options {
        max_answer_len: 1000,
        ..Options::default()
    };
    let mut peer = peer(options);
    let zeros = |count: usize, id: usize| {
        format!(r#"{{"jsonrpc":"2.0","method":"zeros","params":[{count}],"id":{id}}}"#)
    };
    let fits = &ask(&mut peer, &zeros(400, 1))[0];
    assert_eq!(fits["result"].as_array().map(Vec::len), Some(400));
    let too_large = &ask(&mut peer, &zeros(600, 1))[0]["error"];
    assert_eq!(too_large["code"], -32005);
    assert_eq!(
        too_large["message"],
        "a result of 1201 bytes where an answer has room for 1000"
    );

    let batch = format!("[{},{},{}]", zeros(300, 1), zeros(300, 2), zeros(10, 3));
    let answers = ask(&mut peer, &batch);
    let batch = answers[0].as_array().expect("a batch");
    assert!(batch[0]["result"].is_array());
    assert_eq!(batch[1]["error"]["code"], -32005);
    assert!(batch[2]["result"].is_array());

    let huge = r#"{"jsonrpc":"2.0","method":"zeros","params":[600],"id":1}"#;
    let many = format!("[{}]", vec![huge; 1000].join(","));
    peer.receive(format!("{many}\n").as_bytes(), Instant::now())
        .unwrap();
    assert!(peer.output().len() < 200_000, "{}", peer.output().len());
}

#[test]
fn a_line_that_is_too_long_or_too_slow_ends_the_conversation() {
    let mut long = peer(Options {
        max_line_len: 100,
        ..Options::default()
    });
    let now = Instant::now();
    let refused = long.receive(&[b' '; 200], now);
    assert!(matches!(refused, Err(Error::Frame(_))), "{refused:?}");
    let again = long.receive(b"\n", now);
    assert!(matches!(again, Err(Error::Frame(_))), "{again:?}");
    let farewells = answers(&mut long);
    assert_eq!(farewells.len(), 1);
    let farewell = &farewells[0]["error"];
    assert_eq!(farewell["code"], -32700);
    assert!(
        farewell["data"]
            .as_str()
            .expect("text")
            .contains("100 bytes")
    );

    let mut slow = peer(Options::default());
    slow.receive(b"{\"jsonrpc", now).unwrap();
    assert_eq!(
        slow.poll_timeout(),
        now.checked_add(Duration::from_millis(10_008))
    );
    slow.handle_timeout(now + Duration::from_secs(10)).unwrap();
    let refused = slow.handle_timeout(now + Duration::from_secs(11));
    assert!(matches!(refused, Err(Error::Frame(_))), "{refused:?}");
    assert_eq!(answers(&mut slow)[0]["error"]["code"], -32700);
}

#[test]
fn json_with_line_ends_that_a_function_passes_on_stays_one_line() {
    use serde_json::value::RawValue;
    let mut registry = rpc_core::Registry::new();
    registry.register("raw", [], || -> Result<Box<RawValue>, rpc_core::Fault> {
        RawValue::from_string("{\n\"a\":\r\n[1]}".to_owned())
            .map_err(|error| error.to_string().into())
    });
    let mut peer = rpc_core::json_rpc::Peer::new(registry.into(), Options::default());
    let answers = ask(&mut peer, r#"{"jsonrpc":"2.0","method":"raw","id":1}"#);
    assert_eq!(
        answers,
        [json!({"jsonrpc": "2.0", "result": {"a": [1]}, "id": 1})]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever arrives: no panic, and answers that are JSON, line by line, however the bytes are cut.
    #[test]
    fn nothing_that_arrives_does_harm(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(r#"{"jsonrpc":"2.0","method":"sum","params":[1,2,3],"id":1}"#.as_bytes().to_vec()),
                Just(br#"{"jsonrpc":"2.0","method":"#.to_vec()),
                Just(br#""params":{"a":[1,"]"#.to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\r\n[".to_vec()),
                Just(b"]\n".to_vec()),
                Just(b",".to_vec()),
                prop::collection::vec(any::<u8>(), 0..20),
            ],
            0..20,
        ),
        cut in 1_usize..40,
    ) {
        let input = pieces.concat();
        let mut whole = peer(Options::default());
        let mut cut_up = peer(Options::default());
        whole.receive(&input, Instant::now()).expect("no line is too long");
        for piece in input.chunks(cut) {
            cut_up.receive(piece, Instant::now()).expect("no line is too long");
        }
        for peer in [&mut whole, &mut cut_up] {
            peer.receive_eof(Instant::now()).expect("a last line may lack its end");
            drive(peer);
            prop_assert!(peer.is_finished());
        }
        prop_assert_eq!(answers(&mut whole), answers(&mut cut_up));
    }
}
