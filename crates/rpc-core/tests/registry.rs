//! What a registry does with a call, whichever dialect brought it.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rpc_core::{
    Answer, ArgumentSource, Call, Context, Encode, EncodeError, Fault, Invoked, Kind, ReadValue,
    Registry, Slot, Work,
};
use serde_json::{Value, json};

/// Arguments that arrived, as JSON values.
struct Given {
    arguments: std::vec::IntoIter<(Option<&'static str>, Value)>,
    value: Value,
}

impl Given {
    fn new(arguments: impl IntoIterator<Item = (Option<&'static str>, Value)>) -> Self {
        Self {
            arguments: arguments.into_iter().collect::<Vec<_>>().into_iter(),
            value: Value::Null,
        }
    }

    fn positional(values: impl IntoIterator<Item = Value>) -> Self {
        Self::new(values.into_iter().map(|value| (None, value)))
    }
}

impl ArgumentSource for Given {
    fn next(&mut self) -> Result<Option<Slot<'_>>, Fault> {
        let Some((name, value)) = self.arguments.next() else {
            return Ok(None);
        };
        self.value = value;
        Ok(Some(name.map_or(Slot::Positional, Slot::Keyword)))
    }

    fn value(&mut self, read: &mut ReadValue<'_>) -> Result<(), Fault> {
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(
            self.value.take(),
        ))
        .map_err(|error| Fault::wrong_arguments(error.to_string()))
    }
}

struct Json;

impl Encode for Json {
    fn encode(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        out.extend(b"part of ");
        serde_json::to_writer(out, value).map_err(|error| EncodeError(error.to_string()))
    }
}

fn calculator() -> Registry {
    let mut registry = Registry::new();
    registry
        .register("add", ["x", "y"], |x: i64, y: i64| x + y)
        .doc("The sum of two numbers.");
    registry.register("div", ["x", "y"], |x: i64, y: i64| {
        x.checked_div(y)
            .ok_or_else(|| Fault::new("ZeroDivisionError", "division by zero").with_data("y"))
    });
    registry.register(
        "greet",
        ["name", "greeting"],
        |name: String, greeting: Option<String>| {
            format!("{}, {name}", greeting.as_deref().unwrap_or("hello"))
        },
    );
    registry.register("fail", [], || -> () { panic!("as a test wants it") });
    registry.register("unspeakable", [], || {
        std::collections::HashMap::from([(vec![1], 2)])
    });
    registry
}

fn context(registry: Registry, state: Option<u32>) -> Context {
    Context::new(
        Arc::new(registry),
        "test",
        state.map(|state| Arc::new(state) as _),
    )
}

/// The answer of a call, and whether it was left to the driver.
fn call(connection: &Context, name: &str, mut given: Given) -> (Answer, &'static str) {
    let mut out = b"before ".to_vec();
    let call = Call {
        name,
        ..Call::default()
    };
    match connection
        .registry()
        .invoke(call, &mut given, &Json, connection, &mut out)
    {
        Invoked::Done(Ok(())) => (Ok(out.split_off(7)), "at once"),
        Invoked::Done(Err(fault)) => {
            assert_eq!(out, b"before ", "a fault leaves nothing behind");
            (Err(fault), "at once")
        }
        Invoked::Later(Work::Quick(run), _) => (run(), "quick"),
        Invoked::Later(Work::Blocking(run), _) => (run(), "blocking"),
        Invoked::Later(Work::Future(mut future), _) => {
            match future
                .as_mut()
                .poll(&mut std::task::Context::from_waker(Waker::noop()))
            {
                Poll::Ready(answer) => (answer, "future"),
                Poll::Pending => panic!("these futures are ready at once"),
            }
        }
    }
}

fn kind(answer: Answer) -> (Kind, String) {
    let fault = answer.expect_err("a fault");
    (fault.kind, fault.message)
}

#[test]
fn arguments_come_by_place_and_by_name() {
    let connection = context(calculator(), None);
    let sum = |given| call(&connection, "add", given).0;
    assert_eq!(
        sum(Given::positional([json!(2), json!(3)])).unwrap(),
        b"part of 5"
    );
    assert_eq!(
        sum(Given::new([(None, json!(2)), (Some("y"), json!(3))])).unwrap(),
        b"part of 5"
    );
    assert_eq!(
        sum(Given::new([(Some("y"), json!(2)), (Some("x"), json!(4))])).unwrap(),
        b"part of 6"
    );
    let (difference, _) = call(
        &connection,
        "div",
        Given::new([(Some("y"), json!(2)), (Some("x"), json!(4))]),
    );
    assert_eq!(difference.unwrap(), b"part of 2");
}

#[test]
fn an_option_may_be_left_out() {
    let connection = context(calculator(), None);
    let (short, _) = call(&connection, "greet", Given::positional([json!("you")]));
    assert_eq!(short.unwrap(), b"part of \"hello, you\"");
    let (long, _) = call(
        &connection,
        "greet",
        Given::new([
            (Some("greeting"), json!("hi")),
            (Some("name"), json!("you")),
        ]),
    );
    assert_eq!(long.unwrap(), b"part of \"hi, you\"");
}

#[test]
fn wrong_arguments_are_told_by_function_and_parameter() {
    let connection = context(calculator(), None);
    let cases = [
        (Given::positional([json!(1)]), "add() needs a value for 'y'"),
        (
            Given::positional([json!(1), json!(2), json!(3)]),
            "add() takes 2 arguments, and more were given",
        ),
        (
            Given::new([(None, json!(1)), (Some("x"), json!(2))]),
            "add() got two values for 'x'",
        ),
        (
            Given::new([(Some("z"), json!(2))]),
            "add() has no parameter 'z'",
        ),
        (
            Given::positional([json!(1), json!("two")]),
            "add() argument 'y': invalid type: string \"two\", expected i64",
        ),
    ];
    for (given, message) in cases {
        assert_eq!(
            kind(call(&connection, "add", given).0),
            (Kind::WrongArguments, message.to_owned())
        );
    }
}

#[test]
fn four_failures_are_four_answers() {
    let connection = context(calculator(), None);
    let faults = [
        call(&connection, "sub", Given::positional([])).0,
        call(&connection, "add", Given::positional([])).0,
        call(&connection, "div", Given::positional([json!(1), json!(0)])).0,
        call(&connection, "fail", Given::positional([])).0,
        call(&connection, "unspeakable", Given::positional([])).0,
    ];
    let faults = faults.map(|answer| answer.expect_err("a fault"));
    assert_eq!(faults[0], Fault::unknown_function("sub"));
    assert_eq!(faults[1].kind, Kind::WrongArguments);
    assert_eq!(
        faults[2],
        Fault::new("ZeroDivisionError", "division by zero").with_data("y")
    );
    assert_eq!(faults[3], Fault::panicked());
    assert_eq!(faults[4].kind, Kind::Unencodable);
}

#[test]
fn long_names_are_not_repeated_in_full() {
    let connection = context(calculator(), None);
    let name = "é".repeat(10_000);
    let (_, message) = kind(call(&connection, &name, Given::positional([])).0);
    assert!(message.len() < 200, "{} bytes", message.len());
}

#[test]
fn functions_that_see_their_context_or_take_long_are_left_to_the_driver() {
    let mut registry = calculator();
    registry.register_with("state", ["add"], |cx: &Context, add: u32| {
        cx.state::<u32>().map(|state| state + add)
    });
    registry.register("slow", ["x"], |x: u8| x).blocking();
    registry.register_async("later", ["x"], |cx: Context, x: u8| async move {
        if x == 0 {
            Err(Fault::from(cx.dialect()))
        } else {
            Ok(x)
        }
    });
    registry.register_async("fall", [], |_: Context| async {
        panic!("as a test wants it") as u8
    });
    let connection = context(registry, Some(40));
    let one = || Given::positional([json!(2)]);
    assert_eq!(
        call(&connection, "state", one()),
        (Ok(b"part of 42".to_vec()), "quick")
    );
    assert_eq!(
        call(&connection, "slow", one()),
        (Ok(b"part of 2".to_vec()), "blocking")
    );
    assert_eq!(
        call(&connection, "later", one()),
        (Ok(b"part of 2".to_vec()), "future")
    );
    assert_eq!(
        call(&connection, "later", Given::positional([json!(0)])),
        (Err(Fault::from("test")), "future")
    );
    assert_eq!(
        call(&connection, "fall", Given::positional([])),
        (Err(Fault::panicked()), "future")
    );
    let (wrong, when) = call(&connection, "slow", Given::positional([json!("x")]));
    assert_eq!(
        (wrong.unwrap_err().kind, when),
        (Kind::WrongArguments, "at once")
    );
}

#[test]
fn a_context_tells_the_deadline_the_metadata_and_whether_anybody_waits() {
    let now = Instant::now();
    let mut registry = Registry::new();
    registry.register_with("look", [], move |cx: &Context| {
        (
            cx.remaining(now).map(|left| left.as_secs()),
            cx.metadata().to_vec(),
            cx.is_cancelled(),
        )
    });
    let connection = context(registry, None);
    let call = Call {
        name: "look",
        deadline: Some(now + Duration::from_secs(7)),
        metadata: vec![("trace".into(), b"1".to_vec())],
    };
    let mut out = Vec::new();
    let invoked = connection.registry().invoke(
        call,
        &mut Given::positional([]),
        &Json,
        &connection,
        &mut out,
    );
    let Invoked::Later(Work::Quick(run), context) = invoked else {
        panic!("{invoked:?}")
    };
    context.cancel();
    assert_eq!(run().unwrap(), br#"part of [7,[["trace",[49]]],true]"#);
    assert!(
        !connection.is_cancelled(),
        "the call was cancelled, not the connection"
    );
}

#[test]
fn introspection_lists_and_describes() {
    let mut registry = calculator();
    let before = registry.fingerprint();
    registry.introspection();
    assert_eq!(registry.fingerprint(), before);
    assert_eq!(registry.list()[..2], ["add", "div"]);
    assert_eq!(registry.signature("add").as_deref(), Some("add(x, y)"));
    assert_eq!(registry.help("add"), Some("The sum of two numbers."));
    assert_eq!(registry.help("sub"), None);
    let connection = context(registry, None);
    let help = |name: &str| {
        call(
            &connection,
            "system.methodHelp",
            Given::positional([json!(name)]),
        )
        .0
    };
    assert_eq!(
        help("add").unwrap(),
        br#"part of "The sum of two numbers.""#
    );
    assert_eq!(help("sub").unwrap_err(), Fault::unknown_function("sub"));
    let (listed, _) = call(&connection, "system.listMethods", Given::positional([]));
    assert!(
        listed
            .unwrap()
            .starts_with(br#"part of ["add","div","fail","greet""#)
    );
    let (signature, _) = call(
        &connection,
        "system.methodSignature",
        Given::positional([json!("div")]),
    );
    assert_eq!(signature.unwrap(), br#"part of "div(x, y)""#);
}

#[test]
fn the_fingerprint_is_the_documented_hash_and_knows_parameters() {
    let with = |name: &str, parameter: &str| {
        let mut registry = Registry::new();
        registry.register(name, [parameter], |x: u8| x);
        registry.register("a", [], || ());
        registry.fingerprint()
    };
    // FNV-1a 64 of "a()\nb(x)\n", by its published definition.
    let expected = b"a()\nb(x)\n"
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    assert_eq!(with("b", "x"), expected);
    assert_ne!(with("b", "y"), expected);
    assert_ne!(with("c", "x"), expected);
    assert_eq!(Registry::new().fingerprint(), 0xcbf2_9ce4_8422_2325);
}

#[test]
#[should_panic(expected = "a function is already called 'add'")]
fn a_name_is_registered_once() {
    calculator().register("add", [], || ());
}

#[test]
#[should_panic(expected = "add2() has two parameters called 'x'")]
fn parameters_have_names_of_their_own() {
    calculator().register("add2", ["x", "x"], |x: u8, y: u8| x + y);
}
