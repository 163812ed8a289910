//! Descriptors on the same stream as messages, to and from `multiprocessing.reduction`.
#![cfg(all(feature = "fd-passing", unix))]

mod peer;

use std::io::{PipeWriter, Read as _, Write as _};
use std::path::Path;

use fd_passing::python::Acknowledge;

#[cfg(feature = "tokio")]
use peer::driver::on_tokio::{RUNTIME, Tokio};
use peer::driver::{Blocking, Talk};
use peer::{Kind, Role, meet, pythons, within_minutes};

/// What both drivers can do beside.
trait Hands: Talk {
    fn send_handle(&self, descriptor: &PipeWriter, acknowledge: Acknowledge);
    fn recv_handle(&self, acknowledge: Acknowledge) -> PipeWriter;
}

impl Hands for Blocking {
    fn send_handle(&self, descriptor: &PipeWriter, acknowledge: Acknowledge) {
        self.send_handle(descriptor, acknowledge)
            .expect("Python takes it");
    }

    fn recv_handle(&self, acknowledge: Acknowledge) -> PipeWriter {
        let received = self.recv_handle(acknowledge).expect("Python sends one");
        received.expect("not the end").into()
    }
}

#[cfg(feature = "tokio")]
impl Hands for Tokio {
    fn send_handle(&self, descriptor: &PipeWriter, acknowledge: Acknowledge) {
        let sent = RUNTIME.block_on(self.0.send_handle(descriptor, acknowledge));
        sent.expect("Python takes it");
    }

    fn recv_handle(&self, acknowledge: Acknowledge) -> PipeWriter {
        let received = RUNTIME.block_on(self.0.recv_handle(acknowledge));
        received
            .expect("Python sends one")
            .expect("not the end")
            .into()
    }
}

/// Objects and descriptors take turns, both ways, acknowledged if the Python is one that does that.
fn handles<C: Hands>() {
    within_minutes(|| {
        for python in pythons() {
            for (role, kind) in [(Role::Listener, Kind::Unix), (Role::Client, Kind::Abstract)] {
                take_turns::<C>(&python, role, kind);
            }
        }
    });
}

fn take_turns<C: Hands>(python: &Path, role: Role, kind: Kind) {
    const TURNS: u32 = 20;
    let (mut python, connection) = meet::<C>(python, role, kind, &["handles", "20"]);
    let acknowledge = match python.acknowledges() {
        true => Acknowledge::Always,
        false => Acknowledge::Never,
    };
    for turn in 0..TURNS {
        let message: (String, u32) = connection.hear();
        assert_eq!(message, ("mine".to_owned(), turn));
        let mut writer = connection.recv_handle(acknowledge);
        writer.write_all(b"written").expect("Python reads it");
        drop(writer);
        connection.say(&("yours", turn));
        let (mut reader, writer) = std::io::pipe().expect("descriptors are left");
        connection.send_handle(&writer, acknowledge);
        drop(writer);
        let mut text = String::new();
        (reader.read_to_string(&mut text)).expect("a pipe can be read");
        assert_eq!(text, "seen");
    }
    drop(connection);
    python.says("error EOFError: ");
    python.done();
}

#[test]
fn handles_between_objects() {
    handles::<Blocking>();
}

#[cfg(feature = "tokio")]
#[test]
fn handles_between_objects_on_tokio() {
    handles::<Tokio>();
}
