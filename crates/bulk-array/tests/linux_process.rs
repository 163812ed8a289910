//! What concerns the whole process: the signal for a peer that has gone, and how much memory may be lent.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bulk_array::linux::{Delivery, SendError, send_file, send_slice_zerocopy};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use signal_hook::consts::SIGPIPE;

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("somebody connects");
    (near, far)
}

#[test]
fn a_peer_that_goes_away_is_an_error_and_no_signal() {
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGPIPE, Arc::clone(&signalled)).unwrap();
    let program = std::env::current_exe().unwrap();
    let file = File::open(&program).unwrap();
    let len = file.metadata().unwrap().len();
    let values = vec![7_u8; 32 << 20];
    let sends: [&(dyn Fn(&TcpStream) -> SendError + Sync); 2] = [
        &|near| send_file(near, &file, 0, len).unwrap_err(),
        &|near| send_slice_zerocopy(near, &values).unwrap_err(),
    ];
    for send in sends {
        // It goes in the midst of it, with what was not read in its socket.
        let (near, mut far) = tcp_pair();
        let error = thread::scope(|scope| {
            let sending = scope.spawn(|| send(&near));
            far.read_exact(&mut [0; 1000]).unwrap();
            drop(far);
            sending.join().unwrap()
        });
        let kind = error.io_error().kind();
        let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(gone.contains(&kind), "{error}");
        assert!(error.sent() >= 1000, "{error}");
        // It has gone before.
        let error = send(&near);
        assert_eq!(
            error.io_error().kind(),
            io::ErrorKind::BrokenPipe,
            "{error}"
        );
        assert_eq!(error.sent(), 0);
    }
    let (near, far) = UnixStream::pair().unwrap();
    drop(far);
    let error = send_file(&near, &file, 0, len).unwrap_err();
    assert_eq!(
        error.io_error().kind(),
        io::ErrorKind::BrokenPipe,
        "{error}"
    );
    assert!(!signalled.load(Ordering::Relaxed));
    // The thread takes such signals as before.
    signal_hook::low_level::raise(SIGPIPE).unwrap();
    assert!(signalled.load(Ordering::Relaxed));
}

#[test]
fn memory_that_may_not_be_lent_is_copied() {
    let values: Vec<u64> = (0..1 << 20).collect();
    let (near, mut far) = tcp_pair();
    let sending = thread::spawn({
        let values = values.clone();
        move || {
            // The thread has no right to more than the limit.
            let mut rights = capabilities(None).unwrap();
            rights.effective = CapabilitySet::empty();
            set_capabilities(None, rights).unwrap();
            let nothing = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            setrlimit(Resource::Memlock, nothing).unwrap();
            send_slice_zerocopy(&near, &values)
        }
    });
    let mut arrived = Vec::new();
    far.read_to_end(&mut arrived).unwrap();
    assert_eq!(sending.join().unwrap().unwrap(), Delivery::Copied);
    assert!(arrived == bytemuck::cast_slice::<_, u8>(&values));
}
