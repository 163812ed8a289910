//! Nothing stays open and no memory is kept: not after many passes, nor after any kind of bad message.
//!
//! It has no harness, since it counts what the whole process has open.

mod support;

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fd_passing::handover::{self, Offer, Options};
use fd_passing::python::Acknowledge::{Always, Never};
use fd_passing::{
    Error, MAX_DESCRIPTORS, MessageError, python, receive, receive_all, recipe, send, send_all,
};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Folder, LONG, SHORT, null, pair, wrong};

fn main() {
    if env::args().nth(1).as_deref() == Some("list") {
        return list();
    }
    let tests: [(&str, fn()); 9] = [
        ("ten_thousand_passes", ten_thousand_passes),
        ("memory_is_flat", memory_is_flat),
        ("bad_messages", bad_messages),
        ("unread_messages", unread_messages),
        ("too_little_room", too_little_room),
        ("no_descriptors_left", no_descriptors_left),
        ("handovers", handovers),
        (
            "no_descriptors_for_a_handover",
            no_descriptors_for_a_handover,
        ),
        ("children_get_none", children_get_none),
    ];
    println!("running {} tests", tests.len());
    for (name, test) in tests {
        let before = open();
        test();
        assert_eq!(open(), before, "descriptors after {name}");
        println!("test {name} ... ok");
    }
}

/// How many descriptors the process has open.
fn open() -> usize {
    let entries = fs::read_dir("/proc/self/fd").expect("this is Linux");
    entries.count()
}

fn ten_thousand_passes() {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let file = null();
    let before = open();
    for _ in 0..10_000 {
        pass(&left, &right, file.as_fd());
    }
    assert_eq!(open(), before);
}

/// Each wire once.
fn pass(left: &UnixStream, right: &UnixStream, file: BorrowedFd<'_>) {
    send(left, b"x", &[file]).expect("there is room");
    let received = receive(right, &mut [0]).expect("it was sent");
    assert_eq!(received.expect("not the end").descriptors.len(), 1);
    python::send_handle(left, file, Never, LONG).expect("there is room");
    let received = python::receive_handle(right, Never).expect("it was sent");
    assert!(received.is_some());
    // The answer lies there before it is waited for.
    (&mut &*right).write_all(b"OK").expect("there is room");
    recipe::send(left, file, LONG).expect("it is answered");
    let received = recipe::receive(right).expect("it was sent");
    assert!(received.is_some());
    receive(left, &mut [0; 2]).expect("it was answered");
}

fn memory_is_flat() {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let file = null();
    for _ in 0..1000 {
        pass(&left, &right, file.as_fd());
    }
    let before = resident();
    for _ in 0..100_000 / 3 {
        pass(&left, &right, file.as_fd());
    }
    let after = resident();
    assert!(
        after <= before + 256,
        "{before} kB before, {after} kB after"
    );
}

/// Kilobytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).expect("a number of kB")
}

/// What is sent, with how many descriptors, and what reads it.
fn bad_messages() {
    type Reader = fn(&UnixStream) -> Result<(), Error>;
    let readers: [Reader; 4] = [
        |socket| receive(socket, &mut [0; 4]).map(drop),
        |socket| receive_all(socket, 500, SHORT).map(drop),
        |socket| python::receive_handle(socket, Always).map(drop),
        |socket| recipe::receive(socket).map(drop),
    ];
    let messages: [(&[u8], usize); 12] = [
        (b"text", 0),
        (b"text", 1),
        (b"t", 253),
        (b"\x01", 0),
        (b"\x02", 2),
        (b"\xfd", 253),
        (b"x", 2),
        (b"x", 253),
        (b"fds\x01\0\0\0\x02", 1),
        (b"fds\x01\0\0\x01\0", 253),
        (b"fds\x01\xff\xff\xff\xff", 253),
        (b"fds", 253),
    ];
    let file = null();
    let before = open();
    for reader in readers {
        for (bytes, count) in messages {
            for _ in 0..3 {
                let (left, right) = UnixStream::pair().expect("sockets can be made");
                send(&left, bytes, &vec![file.as_fd(); count]).expect("there is room");
                drop(left);
                // What comes of it is for the other tests. Nothing is kept in any case.
                let _ = reader(&right);
                drop(right);
                assert_eq!(open(), before, "after {bytes:?} with {count}");
            }
        }
    }
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (left, right) = pair(kind);
        let before = open();
        send(&left, b"too long", &[file.as_fd(); 253]).expect("there is room");
        let error = wrong(receive(&right, &mut [0; 4]));
        assert_eq!(error, MessageError::BytesLost { buffer: 4 });
        assert_eq!(open(), before);
    }
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let before = open();
    assert!(send(&left, b"x", &[file.as_fd(); 254]).is_err());
    for _ in 0..10 {
        assert!(python::send_handle(&left, &file, Always, SHORT).is_err());
        assert!(recipe::send(&left, &file, SHORT).is_err());
    }
    while receive(&right, &mut [0; 4]).is_ok_and(|received| received.is_some()) {
        if rustix::io::ioctl_fionread(&right).expect("it is a socket") == 0 {
            break;
        }
    }
    assert_eq!(open(), before);
}

/// The kernel closes what nobody has received when the socket is closed.
fn unread_messages() {
    let (near, far) = UnixStream::pair().expect("sockets can be made");
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    for _ in 0..20 {
        send(&left, b"x", &[&far]).expect("there is room");
    }
    drop(far);
    drop(left);
    drop(right);
    // Nobody has the other end of this one any more.
    assert!(receive(&near, &mut [0]).expect("its end").is_none());
}

/// What this crate does with a message that is cut, and what it relies on: descriptors for which the buffer has
/// room are closed when it is dropped, and the kernel closes the others.
fn too_little_room() {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let file = null();
    let before = open();
    for _ in 0..100 {
        send(&left, b"x", &[file.as_fd(); 10]).expect("there is room");
        {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let received = rustix::net::recvmsg(
                &right,
                &mut [std::io::IoSliceMut::new(&mut byte)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
            .expect("it was sent");
            assert!(received.flags.contains(ReturnFlags::CTRUNC));
            assert!(open() > before);
        }
        assert_eq!(open(), before);
    }
}

/// The only way in which that can happen to this crate: the process may have no more descriptors.
fn no_descriptors_left() {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let file = null();
    let normal = getrlimit(Resource::Nofile);
    let free = null().as_raw_fd();
    for (room, count) in [(0, 1), (3, 10), (100, MAX_DESCRIPTORS)] {
        let before = open();
        send(&left, b"x", &vec![file.as_fd(); count]).expect("there is room");
        let current = Some(u64::try_from(free + room).expect("it is not negative"));
        setrlimit(Resource::Nofile, Rlimit { current, ..normal }).expect("it is less");
        let result = receive(&right, &mut [0]);
        setrlimit(Resource::Nofile, normal).expect("it is the old limit");
        match wrong(result) {
            // Some numbers may be taken.
            MessageError::DescriptorsLost { received } => {
                assert!(received as i32 <= room, "{received} in {room}");
            }
            other => panic!("{other}"),
        }
        assert_eq!(open(), before);
    }
    // The socket is as good as before.
    send(&left, b"x", &[&file]).expect("there is room");
    let received = receive(&right, &mut [0]).expect("it was sent");
    assert_eq!(received.expect("not the end").descriptors.len(), 1);
}

/// Given up, too late, and handed over.
fn handovers() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let sockets = [("null", null())];
    let impatient = Options {
        ready_timeout: SHORT,
        ..Options::default()
    };
    let take = || handover::take(&path).map(|taken| taken.expect("somebody offers"));
    let before = open();
    for _ in 0..20 {
        let offer = Offer::bind_with(&path, impatient).expect("the path is free");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert!(offer.wait(&sockets).is_err());
                assert!(offer.wait(&sockets).is_err());
            });
            drop(take().expect("nothing is wrong"));
            let late = take().expect("nothing is wrong");
            waiting.join().expect("it does not panic");
            assert!(late.ready().is_err());
        });
        drop(offer);
        let offer = Offer::bind(&path).expect("the path is free");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| offer.wait(&sockets));
            take().expect("nothing is wrong").ready().expect("it waits");
            let handed = waiting.join().expect("it does not panic");
            assert!(handed.expect("nothing is wrong").is_some());
        });
    }
    assert_eq!(open(), before);
}

/// Who calls `wait` again and again does not spin meanwhile.
fn no_descriptors_for_a_handover() {
    let folder = Folder::new();
    let offer = Offer::bind(folder.path("socket")).expect("the path is free");
    let sockets = [("null", null())];
    let kind = SocketType::SEQPACKET;
    let client = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .expect("sockets can be made");
    let address = SocketAddrUnix::new(folder.path("socket")).expect("it is short");
    rustix::net::connect(&client, &address).expect("somebody listens");
    let normal = getrlimit(Resource::Nofile);
    let current = Some(u64::try_from(null().as_raw_fd()).expect("it is not negative"));
    setrlimit(Resource::Nofile, Rlimit { current, ..normal }).expect("it is less");
    let began = Instant::now();
    let result = offer.wait(&sockets);
    setrlimit(Resource::Nofile, normal).expect("it is the old limit");
    assert!(began.elapsed() >= Duration::from_millis(100));
    match result {
        Err(handover::Error::Io(error)) => assert_eq!(error.raw_os_error(), Some(24)),
        other => panic!("{other:?}"),
    }
    drop(client);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| offer.wait(&sockets));
        let taken = handover::take(folder.path("socket")).expect("nothing is wrong");
        taken.expect("somebody offers").ready().expect("it waits");
        let handed = waiting.join().expect("it does not panic");
        assert!(handed.expect("nothing is wrong").is_some());
    });
}

/// This program again, in a child: it has what it was given, and nothing that was received.
fn children_get_none() {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let marked = File::open("/dev/zero").expect("there is one");
    send(&left, b"x", &[&marked]).expect("there is room");
    let received = receive(&right, &mut [0]).expect("it was sent");
    send_all(&left, &[&marked; 300], LONG).expect("there is room");
    let many = receive_all(&right, 300, LONG).expect("it was sent");
    python::send_handle(&left, &marked, Never, LONG).expect("there is room");
    let handle = python::receive_handle(&right, Never).expect("it was sent");
    (&mut &right).write_all(b"OK").expect("there is room");
    recipe::send(&left, &marked, LONG).expect("it is answered");
    let one = recipe::receive(&right).expect("it was sent");
    let output = Command::new(env::current_exe().expect("it runs"))
        .arg("list")
        .output()
        .expect("it can be started");
    assert!(output.status.success());
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains("/dev/null"), "{listed}");
    assert!(!listed.contains("/dev/zero"), "{listed}");
    drop((received, many, handle, one));
}

/// What this process has open.
fn list() {
    let _null = null();
    for entry in fs::read_dir("/proc/self/fd").expect("this is Linux") {
        let path = entry.expect("it can be listed").path();
        if let Ok(target) = fs::read_link(path) {
            println!("{}", target.display());
        }
    }
}
