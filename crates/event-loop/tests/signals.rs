//! Signals as events of the loop.

use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use event_loop::{Context, EventLoop, Options, Outgoing};
use signal_hook::consts::{SIGKILL, SIGUSR1, SIGUSR2};

#[test]
fn a_signal_calls_its_handler_on_the_loop() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let (one, two) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count = Rc::clone(&one);
    event_loop
        .on_signal(SIGUSR1, move |_| count.set(count.get() + 1))
        .unwrap();
    let count = Rc::clone(&two);
    event_loop
        .on_signal(SIGUSR2, move |cx| {
            count.set(count.get() + 1);
            cx.stop(Duration::ZERO);
        })
        .unwrap();
    // Something that keeps the loop running: signals alone do not.
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let ignore = |_: &[u8], _: &mut Outgoing, _: &mut Context<'_>| {};
    event_loop
        .add_stream(ours, Options::default(), ignore)
        .unwrap();

    for expected in 1..=3 {
        signal_hook::low_level::raise(SIGUSR1).unwrap();
        while one.get() < expected {
            event_loop.turn(Some(Duration::from_secs(20))).unwrap();
        }
    }
    signal_hook::low_level::raise(SIGUSR2).unwrap();
    let stats = event_loop.run().unwrap();
    assert_eq!((one.get(), two.get(), stats.cut_off), (3, 1, 1));
}

#[test]
fn a_signal_that_cannot_be_handled_is_refused() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    assert!(event_loop.on_signal(SIGKILL, |_| {}).is_err());
}

#[test]
fn signals_alone_keep_no_loop_running() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    event_loop.on_signal(SIGUSR1, |_| {}).unwrap();
    assert_eq!(event_loop.run().unwrap().accepted, 0);
}
