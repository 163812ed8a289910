//! The socket file: who makes it, who replaces it, who removes it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use fd_passing::handover::{Error, Offer, take};

use crate::support::Folder;
use crate::{address, packet_socket};

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("")).expect("it is there");
    entries
        .map(|entry| {
            let name = entry.expect("it can be listed").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect()
}

#[test]
fn it_is_for_this_user_alone_and_removed_at_the_end() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let offer = Offer::bind(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // Nothing beside it is left.
    assert_eq!(names(&folder), ["socket"]);
    drop(offer);
    assert!(names(&folder).is_empty());
}

#[test]
fn a_living_one_is_not_replaced() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let _offer = Offer::bind(&path).unwrap();
    match Offer::bind(&path) {
        Err(Error::InUse(found)) => assert_eq!(found, path),
        other => panic!("{other:?}"),
    }
    let other = folder.path("other");
    let _listener = UnixListener::bind(&other).unwrap();
    assert!(matches!(Offer::bind(&other), Err(Error::InUse(_))));
    let file = folder.path("file");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(Offer::bind(&file), Err(Error::InUse(_))));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(names(&folder).len(), 3);
}

#[test]
fn what_a_dead_process_has_left_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let dead = packet_socket();
    rustix::net::bind(&dead, &address(&path)).unwrap();
    rustix::net::listen(&dead, 1).unwrap();
    drop(dead);
    assert!(take(&path).unwrap().is_none());
    // And one that died halfway through.
    let beside = folder.path(&format!("socket.{}", std::process::id()));
    rustix::net::bind(packet_socket(), &address(&beside)).unwrap();
    let offer = Offer::bind(&path).unwrap();
    assert_eq!(names(&folder), ["socket"]);
    drop(offer);
}

#[test]
fn an_offer_removes_no_socket_but_its_own() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let first = Offer::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = Offer::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[test]
fn a_path_has_a_length() {
    let folder = Folder::new();
    let path = folder.path(&"p".repeat(110));
    for error in [Offer::bind(&path).unwrap_err(), take(&path).unwrap_err()] {
        match error {
            Error::PathTooLong { len, max } => assert!(len > max, "{len} {max}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let path = folder.path("no/socket");
    assert!(matches!(Offer::bind(&path), Err(Error::Io(_))));
    assert!(take(&path).unwrap().is_none());
}
