//! The tokio driver and Python, in both roles, over all kinds of sockets.

mod peer;

use std::path::Path;

use peer::driver::on_tokio::Tokio;
use peer::{Kind, pythons, scenes, within_minutes};

#[test]
fn everything() {
    scenes::everywhere(scenes::everything::<Tokio>);
}

#[test]
fn our_values() {
    scenes::everywhere(scenes::our_values::<Tokio>);
}

#[test]
fn a_hundred_megabytes() {
    scenes::in_both_roles(scenes::a_hundred_megabytes::<Tokio>);
}

#[test]
fn our_frames() {
    scenes::in_both_roles(scenes::our_frames::<Tokio>);
}

#[test]
fn raised() {
    scenes::in_both_roles(scenes::raised::<Tokio>);
}

#[test]
fn python_s_limits() {
    scenes::in_both_roles(scenes::python_s_limits::<Tokio>);
}

#[test]
fn our_maximum() {
    scenes::in_both_roles(scenes::our_maximum::<Tokio>);
}

#[test]
fn what_can_be_gone_on_after() {
    scenes::in_both_roles(scenes::what_can_be_gone_on_after::<Tokio>);
}

#[test]
fn endings() {
    scenes::in_both_roles(scenes::endings::<Tokio>);
}

#[test]
fn python_waits_for_several() {
    everybody(scenes::python_waits::<Tokio>);
}

#[test]
fn we_wait_for_several() {
    everybody(scenes::we_wait::<Tokio>);
}

#[test]
fn a_crowd_of_clients() {
    everybody(|python| {
        scenes::a_crowd::<Tokio>(python, Kind::Tcp);
        scenes::a_crowd::<Tokio>(python, Kind::Abstract);
    });
}

fn everybody(play: fn(&Path)) {
    within_minutes(move || pythons().iter().for_each(|python| play(python)));
}
