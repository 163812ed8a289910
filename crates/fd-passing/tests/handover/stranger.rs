//! Processes of another user. Only root can make one; otherwise there is nothing to try.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use fd_passing::handover::{Error, Offer, take};
use rustix::process::geteuid;

use crate::support::{Folder, null};

/// Becomes nobody; then what the argument says.
const NOBODY: &str = r"
import os, socket, sys
path = sys.argv[2]
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.setgid(65534)
os.setuid(65534)
if sys.argv[1] == 'connect':
    s.connect(path)
    print(s.recv(100).hex())
else:
    s.bind(path)
    s.listen()
    print('listens', flush=True)
    c, _ = s.accept()
    print(c.recv(100).hex())
";

fn nobody(role: &str, folder: &Folder) -> Child {
    Command::new("python3")
        .args(["-c", NOBODY, role])
        .arg(folder.path("socket"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed")
}

/// A folder that nobody may write into too.
fn folder() -> Folder {
    let folder = Folder::new();
    fs::set_permissions(folder.path(""), Permissions::from_mode(0o777)).expect("it is ours");
    folder
}

#[test]
fn one_that_wants_the_sockets() {
    if !geteuid().is_root() {
        return;
    }
    let folder = folder();
    let path = folder.path("socket");
    let offer = Offer::bind(&path).unwrap();
    // The mode alone keeps it out.
    let output = nobody("connect", &folder).wait_with_output().unwrap();
    assert!(!output.status.success());

    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let stranger = nobody("connect", &folder);
    match offer.wait(&[("null", null())]) {
        Err(Error::Stranger(peer)) => assert_eq!(peer.uid, 65534),
        other => panic!("{other:?}"),
    }
    let output = stranger.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"68616e64016e03\n");
}

#[test]
fn one_that_offers_sockets() {
    if !geteuid().is_root() {
        return;
    }
    let folder = folder();
    let mut stranger = nobody("listen", &folder);
    let mut line = [0; 8];
    let output = stranger.stdout.as_mut().expect("it is a pipe");
    output.read_exact(&mut line).unwrap();
    match take(folder.path("socket")) {
        Err(Error::Stranger(peer)) => assert_eq!(peer.uid, 65534),
        other => panic!("{other:?}"),
    }
    // It is told that it is a stranger, and nothing else.
    let output = stranger.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"68616e64016e03\n");
}
