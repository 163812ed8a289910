//! A Python client that knows the key, and means harm.

mod peer;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use framing::FrameError;
use mp_connection::Error;

use peer::driver::{Blocking, Listen, Talk};
use peer::{Folder, KEY, Kind, LONG, Python, auth, pythons, within_minutes};

/// By how much the process may grow: the messages, of at most 8 MB each, included.
const MAX_GROWTH: u64 = 64 << 20;

/// What is data all the same.
const HARMLESS: [&str; 4] = ["same-hash", "same-key-often", "long-long", "digits-float"];

/// One test at a time, as they look at the memory of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// Nothing of it runs, grows or takes long, every answer is an error, and others are served meanwhile.
fn hostile<C: Talk>(python: &Path) {
    let folder = Folder::new();
    let canary = folder.path("canary");
    let canary_text = canary
        .to_str()
        .expect("nothing strange in the folder's name");
    let mut listener = C::Listener::bind(&Kind::Tcp.address(&folder), &auth()).expect("it is free");
    let address = listener.address();
    let mut attacker = Python::connect(python, &address, KEY, &["hostile", canary_text]);
    let attacked = listener.accept().expect("it logs in");
    forget_peak();
    let before = peak();
    let serving = thread::spawn(move || {
        loop {
            let answer = match attacked.recv_value() {
                Ok(Some(_)) => "data".to_owned(),
                Ok(None) => break,
                Err(Error::Pickle(error)) => error.to_string(),
                Err(other) => panic!("{other}"),
            };
            let growth = peak().saturating_sub(before);
            attacked.say(&format!("{growth} {answer}"));
        }
    });
    attacker.connected();
    let mut count = 0;
    loop {
        let line = attacker.line();
        if line == "done" {
            break;
        }
        let words: Vec<_> = line.splitn(5, ' ').collect();
        let ["hostile", name, seconds, growth, answer] = words[..] else {
            panic!("{line}");
        };
        count += 1;
        eprintln!("{line}");
        assert_eq!(answer == "data", HARMLESS.contains(&name), "{line}");
        let took = Duration::from_secs_f64(seconds.parse().expect("a number"));
        assert!(took < Duration::from_secs(2), "{line}");
        let growth: u64 = growth.parse().expect("a number");
        assert!(growth <= MAX_GROWTH, "{line}");
        if count % 40 == 0 {
            let mut good = Python::connect(python, &address, KEY, &["hello"]);
            let connection = listener.accept().expect("it logs in");
            good.connected();
            let hello: String = connection.hear();
            connection.say(&hello);
            good.done();
        }
    }
    serving.join().expect("it only answers");
    assert!(count > 120, "{count}");
    assert!(!canary.exists(), "code was run");
}

/// Large announcements cost nothing until their bytes come.
fn announcements<C: Talk>(python: &Path) {
    let folder = Folder::new();
    let mut listener = C::Listener::bind(&Kind::Tcp.address(&folder), &auth()).expect("it is free");
    forget_peak();
    let before = peak();
    let announced: Vec<_> = (0..10)
        .map(|_| {
            let scene = ["raw", "03ffffff0102030405", "open"];
            let python = Python::connect(python, &listener.address(), KEY, &scene);
            (python, listener.accept().expect("it logs in"))
        })
        .collect();
    for (_, connection) in &announced {
        assert!(connection.has_come(LONG));
    }
    let (readers, done): (Vec<_>, Vec<_>) = announced
        .into_iter()
        .map(|(python, connection)| (thread::spawn(move || connection.recv_bytes()), python))
        .unzip();
    // Each has ten more bytes than the header when it is ended.
    drop(done);
    for reader in readers {
        let error = reader.join().expect("no panic").expect_err("it must fail");
        assert!(
            matches!(error, Error::Frame(FrameError::Truncated { .. })),
            "{error:?}"
        );
    }
    let growth = peak().saturating_sub(before);
    assert!(growth <= MAX_GROWTH / 4, "{growth} bytes more for 50");
}

fn everybody(play: fn(&Path)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    within_minutes(move || pythons().iter().for_each(|python| play(python)));
}

/// Lets the peak begin anew.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("it is our own process");
}

/// The most memory that this process has had since, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is one");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes
        .and_then(|text| text.parse().ok())
        .expect("a number");
    kilobytes * 1024
}

#[test]
fn hostile_pickles() {
    everybody(hostile::<Blocking>);
}

#[test]
fn large_announcements() {
    everybody(announcements::<Blocking>);
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::{announcements, everybody, hostile};
    use crate::peer::driver::on_tokio::Tokio;

    #[test]
    fn hostile_pickles() {
        everybody(hostile::<Tokio>);
    }

    #[test]
    fn large_announcements() {
        everybody(announcements::<Tokio>);
    }
}
