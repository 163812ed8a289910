//! Python as the caller, with nothing but its standard library, under every driver.

mod rpc_ends;

use std::time::Duration;

use mp_connection::rpc::Options;
use rpc_ends::{DRIVERS, Driver, KEY, Server, pythons, registry, run};

fn check(driver: Driver, options: &Options, checks: &[&str]) {
    let server = Server::new(driver, registry(), options);
    let port = server.address.port().to_string();
    for python in pythons() {
        let arguments = [&[&*port, KEY], checks].concat();
        run(&python, "rpc_proxy.py", &arguments);
    }
}

#[test]
fn functions_are_called_as_if_python_had_them() {
    for driver in DRIVERS {
        check(driver, &Options::default(), &["calls", "results", "slow"]);
    }
}

#[test]
fn values_of_every_type_come_back_as_they_were() {
    check(Driver::EventLoop, &Options::default(), &["values"]);
}

#[test]
fn failures_are_raised_as_exceptions() {
    let options = Options {
        call_timeout: Some(Duration::from_millis(50)),
        ..Options::default()
    };
    for driver in DRIVERS {
        check(driver, &options, &["exceptions"]);
    }
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    for driver in DRIVERS {
        check(driver, &Options::default(), &["pipelined"]);
    }
}

#[test]
fn what_is_no_request_is_answered_and_what_is_too_long_is_the_end() {
    for driver in DRIVERS {
        check(driver, &Options::default(), &["malformed", "end"]);
    }
}

#[test]
fn another_key_calls_nothing() {
    for driver in DRIVERS {
        check(driver, &Options::default(), &["refused", "calls"]);
    }
}
