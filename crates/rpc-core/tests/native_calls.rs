//! Calls of the native protocol and what they come to.
#![cfg(all(feature = "postcard", feature = "bincode", feature = "json"))]

mod native_ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Wake, Waker};

use native_ends::{Ends, fault, messages, none, options, registry};
use rpc_core::native::{Envelope, Peer, Request};
use rpc_core::{
    ArgumentSink, Arguments, Codec, Dialect, EncodeError, Error, Kind, Options, Registry,
    ToArguments, Value, Work,
};

#[test]
fn four_failures_are_four_faults_and_the_connection_goes_on() {
    let mut ends = Ends::new();
    let unknown = ends.fault::<()>("nothing", none());
    assert_eq!(
        unknown.to_string(),
        "UnknownFunction: no such function: 'nothing'"
    );
    let few = ends.fault::<i64>("add", (1,));
    assert_eq!(
        few.to_string(),
        "WrongArguments: add() needs a value for 'y'"
    );
    let many = ends.fault::<i64>("add", (1, 2, 3));
    assert_eq!(
        many.to_string(),
        "WrongArguments: add() takes 2 arguments, and more were given"
    );
    let text = ends.fault::<i64>("add", (1, "two"));
    assert_eq!(text.kind, Kind::WrongArguments);
    let texts = ends.fault::<i64>("add", ("a", "b"));
    assert_eq!(
        texts.to_string(),
        "WrongArguments: add(): 2 bytes are left behind the last argument: the caller's types are others"
    );
    let failed = ends.fault::<()>("fail", none());
    assert_eq!(failed.kind, Kind::Application("KeyError".into()));
    assert_eq!(failed.message, "no such key");
    assert_eq!(failed.data, Some(Value::List(vec![7.into()])));
    assert_eq!(ends.fault::<()>("panic", none()).kind, Kind::Panicked);
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn arguments_come_by_place_and_by_name_in_every_codec() {
    for codec in Codec::ALL {
        let options = Options::new(*codec);
        let mut ends = Ends::with(options.clone(), options);
        assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
        let mixed = Arguments::new().positional(&2).keyword("y", &3);
        assert_eq!(ends.call::<i64>("add", mixed).unwrap(), 5);
        let turned = Arguments::new().keyword("y", &3).keyword("x", &2);
        assert_eq!(ends.call::<i64>("add", turned).unwrap(), 5);
        assert_eq!(
            ends.call::<String>("repeat", ("ab", 3_usize)).unwrap(),
            "ababab"
        );
        assert_eq!(
            ends.fault::<()>("fail", none()).data,
            Some(Value::List(vec![7.into()]))
        );
    }
}

#[test]
fn metadata_and_names_go_with_a_call() {
    let mut ends = Ends::new();
    let metadata = [
        ("user".to_owned(), b"anna".to_vec()),
        ("raw".to_owned(), vec![0, 255]),
    ];
    let request = Request {
        metadata: &metadata,
        ..Request::new("metadata")
    };
    let id = ends.client.call(&request, &none(), ends.now).unwrap();
    ends.exchange();
    assert_eq!(
        ends.answer::<Vec<String>>(id).unwrap(),
        ["user=anna", "raw=\\x00\\xff"]
    );

    let request = Request {
        metadata: &metadata,
        ..Request::new("add")
    };
    let arguments = Arguments::new().keyword("x", &2).keyword("y", &3);
    let id = ends.client.call(&request, &arguments, ends.now).unwrap();
    ends.exchange();
    assert_eq!(ends.answer::<i64>(id).unwrap(), 5);
}

#[test]
fn answers_come_in_any_order() {
    let mut ends = Ends::new();
    let slow: Vec<_> = (0..3).map(|x| ends.start("slow", (x,))).collect();
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
    assert_eq!(ends.server.in_flight(), 3);
    ends.jobs.reverse();
    for x in [2, 1, 0] {
        assert!(ends.poll(slow[x]).is_pending());
        ends.finish_job();
        assert_eq!(ends.answer::<i64>(slow[x]).unwrap(), x as i64);
    }
    assert_eq!(ends.server.in_flight(), 0);
}

#[test]
fn a_waiting_caller_is_woken_once_and_only_by_its_own_answer() {
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let mut ends = Ends::new();
    let (one, two) = (ends.start("slow", (1,)), ends.start("slow", (2,)));
    let count = Arc::new(Count(AtomicU32::new(0)));
    let waker = Waker::from(count.clone());
    assert!(ends.client.poll_answer(one, &waker).is_pending());
    ends.exchange();
    ends.jobs.reverse();
    ends.finish_job();
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    ends.finish_job();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(ends.answer::<i64>(one).unwrap(), 1);
    assert_eq!(ends.answer::<i64>(two).unwrap(), 2);
}

#[test]
fn one_way_calls_run_and_are_never_answered() {
    let calls = Arc::new(AtomicU32::new(0));
    let mut registry = Registry::new();
    let counted = calls.clone();
    registry.register("count", [], move || counted.fetch_add(1, Ordering::Relaxed));
    registry.register("panic", [], || -> () { panic!("on purpose") });
    let counted = calls.clone();
    registry
        .register("later", [], move || counted.fetch_add(1, Ordering::Relaxed))
        .blocking();
    let mut ends = Ends::of(
        Peer::new(Arc::default(), options()),
        Peer::new(Arc::new(registry), options()),
    );
    for method in ["count", "panic", "nothing", "count", "later"] {
        ends.client
            .notify(&Request::new(method), &(), ends.now)
            .unwrap();
    }
    ends.exchange();
    assert_eq!(
        (calls.load(Ordering::Relaxed), ends.server.in_flight()),
        (2, 1)
    );
    ends.finish_job();
    assert_eq!(
        (calls.load(Ordering::Relaxed), ends.server.in_flight()),
        (3, 0)
    );
    assert!(ends.server.output().is_empty());
}

#[test]
fn both_ends_call_each_other_with_the_same_ids() {
    let server = Peer::new(Arc::new(registry()), options());
    let mut ends = Ends::of(Peer::new(Arc::new(registry()), options()), server);
    let forth = ends.start("slow", (1,));
    let back = ends
        .server
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap();
    ends.exchange();
    assert_eq!(forth, back);
    let Poll::Ready(answer) = ends.server.poll_answer(back, Waker::noop()) else {
        panic!("no answer yet");
    };
    assert_eq!(answer.unwrap().decode::<i64>().unwrap(), 5);
    ends.finish_job();
    assert_eq!(ends.answer::<i64>(forth).unwrap(), 1);
}

#[test]
fn what_is_too_large_is_said_with_numbers() {
    let small = Options {
        max_frame_len: 2000,
        ..options()
    };
    let mut ends = Ends::with(small.clone(), small);
    let error = ends
        .client
        .call(&Request::new("repeat"), &("x".repeat(3000), 1), ends.now);
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the call has 3025 bytes, the peer takes 2000"
    );
    assert!(error.is_safe_to_repeat());
    let fault = ends.fault::<String>("repeat", ("x", 3000_usize));
    assert_eq!(
        fault.to_string(),
        "TooLarge: the answer has 3010 bytes, the caller takes 2000"
    );
    // Ten bytes of the message are not the text: head and length.
    let fits = ends.call::<String>("repeat", ("x", 1990_usize)).unwrap();
    assert_eq!(fits.len(), 1990);
    assert_eq!(
        ends.fault::<String>("repeat", ("x", 1991_usize)).kind,
        Kind::TooLarge
    );
}

#[test]
fn a_fault_that_is_too_large_keeps_its_kind() {
    let mut registry = Registry::new();
    registry.register(
        "long",
        ["len"],
        |len: usize| -> Result<(), rpc_core::Fault> {
            Err(rpc_core::Fault::new("LongError", "é".repeat(len))
                .with_data("x".repeat(len).as_str()))
        },
    );
    let small = Options {
        max_frame_len: 1024,
        ..options()
    };
    let mut ends = Ends::of(
        Peer::new(Arc::default(), small),
        Peer::new(Arc::new(registry), options()),
    );
    let whole = ends.fault::<()>("long", (100_usize,));
    assert_eq!((whole.message.len(), whole.data.is_some()), (200, true));
    let no_data = ends.fault::<()>("long", (400_usize,));
    assert_eq!((no_data.message.len(), no_data.data), (800, None));
    let cut = ends.fault::<()>("long", (4000_usize,));
    assert_eq!((cut.message.len(), cut.data), (512, None));
    assert_eq!(cut.kind, Kind::Application("LongError".into()));
}

#[test]
fn what_cant_be_sent_is_said_and_leaves_nothing_behind() {
    struct Refuses;
    impl ToArguments for Refuses {
        fn write(&self, sink: &mut dyn ArgumentSink) -> Result<(), EncodeError> {
            sink.value(None, &1)?;
            Err(EncodeError("on purpose".into()))
        }
    }
    let mut ends = Ends::new();
    let mut refused = |request: Request<'_>, arguments: &dyn ToArguments| {
        let error = ends.client.call(&request, arguments, ends.now).unwrap_err();
        assert!(ends.client.output().is_empty());
        assert!(error.is_safe_to_repeat(), "{error}");
        error.to_string()
    };
    assert_eq!(
        refused(Request::new("add"), &Refuses),
        "an argument can't be encoded: on purpose"
    );
    assert_eq!(
        refused(Request::new(&"x".repeat(256)), &()),
        "bytes in the name of the call: 256, the limit is 255"
    );
    let metadata = [("x".to_owned(), vec![0; 4096])];
    assert_eq!(
        refused(
            Request {
                metadata: &metadata,
                ..Request::new("add")
            },
            &()
        ),
        "bytes of metadata of the call: 4100, the limit is 4096"
    );
    let metadata = [("x".repeat(256), vec![])];
    assert_eq!(
        refused(
            Request {
                metadata: &metadata,
                ..Request::new("add")
            },
            &()
        ),
        "bytes in a name of the metadata of the call: 256, the limit is 255"
    );
    let many = vec![0; 256];
    let many = many
        .iter()
        .fold(Arguments::new(), |arguments, x| arguments.positional(x));
    assert_eq!(
        refused(Request::new("add"), &many),
        "an argument can't be encoded: more than 255 arguments"
    );
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn the_limit_of_calls_in_flight_is_announced_and_kept_on_both_sides() {
    let few = Options {
        max_in_flight: 3,
        ..options()
    };
    let mut ends = Ends::with(options(), few.clone());
    let ids: Vec<_> = (0..3).map(|x| ends.start("slow", (x,))).collect();
    ends.exchange();
    let error = ends
        .client
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 calls are in flight, the peer takes no more"
    );
    assert!(error.is_safe_to_repeat());
    ends.finish_job();
    assert_eq!(ends.answer::<i64>(ids[0]).unwrap(), 0);
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);

    // A client that doesn't keep to it: what was meant for another server.
    let mut other = Ends::with(options(), options());
    let mut more: Vec<_> = (0..3).map(|x| other.start("slow", (x,))).collect();
    more.push(other.start("slow", (4,)));
    let bytes = std::mem::take(other.client.output());
    let mut ends = Ends::with(options(), few);
    ends.server.receive(&bytes, ends.now).unwrap();
    let mut refused = Vec::new();
    messages(&mut ends.server, &mut |message| match message {
        Envelope::Fault(fault) => refused.push((fault.id, fault.message.to_owned())),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        refused,
        [(4, "3 calls are running, no more are taken".to_owned())]
    );
    assert_eq!(ends.server.in_flight(), 3);
}

#[test]
fn a_result_that_cant_be_encoded_is_a_fault() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    let mut registry = Registry::new();
    registry.register("refuse", [], || Ok::<_, String>(Refuses));
    let mut ends = Ends::of(
        Peer::new(Arc::default(), options()),
        Peer::new(Arc::new(registry), options()),
    );
    assert_eq!(ends.fault::<()>("refuse", none()).kind, Kind::Unencodable);
}

#[test]
fn an_answer_of_another_type_is_an_error_of_that_call() {
    let mut ends = Ends::new();
    let error = ends.call::<String>("add", (2, 3)).unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn forgotten_calls_are_cancelled_and_leave_no_trace() {
    let few = Options {
        max_in_flight: 4,
        ..options()
    };
    let mut ends = Ends::with(options(), few);
    for _ in 0..100 {
        let id = ends.start("slow", (1,));
        ends.exchange();
        let job = ends.jobs.pop().expect("it runs");
        ends.client.forget(id);
        ends.client.forget(id);
        ends.exchange();
        assert_eq!(ends.server.next_cancelled(), Some(job.id));
        assert_eq!(ends.server.in_flight(), 0);
        let Work::Blocking(work) = job.work else {
            panic!("{job:?}");
        };
        ends.server.complete(job.id, work(), ends.now);
        assert!(ends.server.output().is_empty(), "a late answer is dropped");
    }
    // The cancel may cross with the answer, and a job that has not begun is not begun.
    let id = ends.start("add", (2, 3));
    ends.exchange();
    ends.client.forget(id);
    let id = ends.start("slow", (1,));
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes, ends.now).unwrap();
    ends.client.forget(id);
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes, ends.now).unwrap();
    assert!(ends.server.next_job().is_none());
    assert_eq!(ends.server.next_cancelled(), None);
    ends.exchange();
    let ids: Vec<_> = (0..4).map(|x| ends.start("slow", (x,))).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_function_sees_that_its_caller_has_gone() {
    let mut registry = Registry::new();
    let (tell, seen) = std::sync::mpsc::channel();
    registry.register_async("wait", [], move |cx: rpc_core::Context| {
        tell.send(cx.clone()).expect("the test listens");
        std::future::pending::<()>()
    });
    let mut ends = Ends::of(
        Peer::new(Arc::default(), options()),
        Peer::new(Arc::new(registry), options()),
    );
    let id = ends.start("wait", none());
    ends.exchange();
    let Work::Future(mut future) = ends.jobs.remove(0).work else {
        panic!("an async function is a future");
    };
    let mut task = std::task::Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut task).is_pending());
    let cx = seen.try_recv().unwrap();
    assert!(!cx.is_cancelled());
    ends.client.forget(id);
    ends.exchange();
    assert!(cx.is_cancelled());
}

#[test]
fn answers_stop_at_the_queue_s_limit_and_go_on_when_there_is_room() {
    let short = Options {
        max_queued: 1000,
        ..options()
    };
    let mut ends = Ends::with(options(), short);
    let ids: Vec<_> = (0..10)
        .map(|_| ends.start("repeat", ("x", 400_usize)))
        .collect();
    let calls = std::mem::take(ends.client.output());
    ends.server.receive(&calls, ends.now).unwrap();
    let mut rounds = 0;
    loop {
        let answers = std::mem::take(ends.server.output());
        assert!(answers.len() < 1000 + 450, "{}", answers.len());
        if answers.is_empty() {
            break;
        }
        ends.client.receive(&answers, ends.now).unwrap();
        ends.server.receive(&[], ends.now).unwrap();
        rounds += 1;
    }
    assert_eq!(rounds, 4);
    for id in ids {
        assert_eq!(ends.answer::<String>(id).unwrap().len(), 400);
    }
}

#[test]
fn one_way_calls_stop_at_the_queue_s_limit() {
    let short = Options {
        max_queued: 1000,
        ..options()
    };
    let mut ends = Ends::with(short, options());
    let mut sent = 0;
    let error = loop {
        match ends.client.notify(&Request::new("add"), &(2, 3), ends.now) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(
        (sent, error.to_string().as_str()),
        (40, "1000 bytes wait to be sent, the limit is 1000")
    );
    assert!(error.is_safe_to_repeat());
    ends.exchange();
    ends.client
        .notify(&Request::new("add"), &(2, 3), ends.now)
        .unwrap();
}

#[test]
fn faults_from_a_job_arrive_as_they_were_given() {
    let mut registry = Registry::new();
    registry
        .register("fail", [], || -> Result<(), String> {
            Err("on purpose".into())
        })
        .blocking();
    let mut ends = Ends::of(
        Peer::new(Arc::default(), options()),
        Peer::new(Arc::new(registry), options()),
    );
    let id = ends.start("fail", none());
    ends.exchange();
    ends.finish_job();
    assert_eq!(
        fault(ends.answer::<()>(id)).to_string(),
        "Error: on purpose"
    );
}
