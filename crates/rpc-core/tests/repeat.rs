//! Which errors promise that a call was not run: no more than those.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::{Error, Fault, Kind, Reason};
use serde::de::Error as _;

#[test]
fn only_kinds_that_come_before_the_function_are_safe_to_repeat() {
    for (kind, is_safe) in [
        (Kind::UnknownFunction, true),
        (Kind::WrongArguments, true),
        (Kind::Overloaded, true),
        (Kind::ShuttingDown, true),
        (Kind::Application("KeyError".to_owned()), false),
        (Kind::Panicked, false),
        (Kind::Unencodable, false),
        (Kind::DeadlineExceeded, false),
        (Kind::Cancelled, false),
        (Kind::TooLarge, false),
    ] {
        assert_eq!(kind.is_safe_to_repeat(), is_safe, "{kind:?}");
        let error = Error::from(Fault::of(kind, ""));
        assert_eq!(error.is_safe_to_repeat(), is_safe, "{error:?}");
    }
}

#[test]
fn only_errors_of_calls_that_were_not_run_are_safe_to_repeat() {
    let (after, limit) = (Duration::from_secs(1), 1);
    let lost = |not_run| Error::Lost {
        cause: Some(Arc::new(Error::Closing)),
        not_run,
    };
    let what = "bytes in the name";
    for (error, is_safe) in [
        (lost(true), true),
        (Error::Closing, true),
        (Error::NotOpen, true),
        (Error::TooManyCalls { limit }, true),
        (Error::TooLarge { len: 2, limit }, true),
        (Error::QueueFull { queued: 2, limit }, true),
        (
            Error::TooLong {
                what,
                len: 2,
                limit,
            },
            true,
        ),
        (lost(false), false),
        (Error::Timeout { after }, false),
        (Error::Silent { after }, false),
        (rpc_core::DecodeError::custom("no number").into(), false),
        (Error::Refused(Reason::Shutdown), false),
        (std::io::Error::other("reset").into(), false),
    ] {
        assert_eq!(error.is_safe_to_repeat(), is_safe, "{error:?}");
    }
}
