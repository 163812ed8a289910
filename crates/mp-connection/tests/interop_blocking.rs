//! The blocking driver and Python, in both roles, over all kinds of sockets.

mod peer;

use std::path::Path;

use peer::driver::Blocking;
use peer::{Kind, pythons, scenes, within_minutes};

#[test]
fn everything() {
    scenes::everywhere(scenes::everything::<Blocking>);
}

#[test]
fn our_values() {
    scenes::everywhere(scenes::our_values::<Blocking>);
}

#[test]
fn a_hundred_megabytes() {
    scenes::in_both_roles(scenes::a_hundred_megabytes::<Blocking>);
}

#[test]
fn our_frames() {
    scenes::in_both_roles(scenes::our_frames::<Blocking>);
}

#[test]
fn raised() {
    scenes::in_both_roles(scenes::raised::<Blocking>);
}

#[test]
fn python_s_limits() {
    scenes::in_both_roles(scenes::python_s_limits::<Blocking>);
}

#[test]
fn our_maximum() {
    scenes::in_both_roles(scenes::our_maximum::<Blocking>);
}

#[test]
fn what_can_be_gone_on_after() {
    scenes::in_both_roles(scenes::what_can_be_gone_on_after::<Blocking>);
}

#[test]
fn endings() {
    scenes::in_both_roles(scenes::endings::<Blocking>);
}

#[test]
fn python_waits_for_several() {
    everybody(scenes::python_waits::<Blocking>);
}

#[test]
fn we_wait_for_several() {
    everybody(scenes::we_wait::<Blocking>);
}

#[test]
fn a_crowd_of_clients() {
    everybody(|python| {
        scenes::a_crowd::<Blocking>(python, Kind::Tcp);
        scenes::a_crowd::<Blocking>(python, Kind::Abstract);
    });
}

fn everybody(play: fn(&Path)) {
    within_minutes(move || pythons().iter().for_each(|python| play(python)));
}
