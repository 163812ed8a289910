//! Standard input on a loop: a program of one test, since a process has only one standard input.

use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use event_loop::{Context, EventLoop, Options, Outgoing, Socket, StreamHandler};

/// When set, this process is the child that reads.
const CHILD: &str = "EVENT_LOOP_STDIN_CHILD";

/// Prints what it gets, in brackets, and `end` at the end.
struct Printer;

impl StreamHandler for Printer {
    fn received(&mut self, bytes: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {
        println!("[{}]", String::from_utf8_lossy(bytes));
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        println!("end");
        out.close();
    }
}

fn read_as_the_child() {
    let mut event_loop: EventLoop = EventLoop::new().expect("a loop");
    let idle = Options {
        idle_timeout: None,
        ..Options::default()
    };
    event_loop
        .add_stream(Socket::stdin(), idle, Printer)
        .expect("standard input can be watched");
    event_loop.run().expect("the loop runs");
}

fn start(stdin: Stdio) -> Child {
    Command::new(std::env::current_exe().expect("it runs"))
        .args([
            "--exact",
            "standard_input_is_read_as_it_comes",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts again")
}

fn printed_until(child: &mut Child, marker: &str) -> String {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut all = String::new();
    let mut byte = [0];
    while !all.contains(marker) {
        assert_eq!(stdout.read(&mut byte).expect("a pipe"), 1, "so far: {all}");
        all.push(char::from(byte[0]));
    }
    all
}

#[test]
fn standard_input_is_read_as_it_comes() {
    if std::env::var_os(CHILD).is_some() {
        return read_as_the_child();
    }
    // A pipe: each piece arrives when it is written, and the end when it is closed.
    let mut child = start(Stdio::piped());
    let mut input = child.stdin.take().unwrap();
    for piece in ["one", "two"] {
        input.write_all(piece.as_bytes()).unwrap();
        printed_until(&mut child, &format!("[{piece}]\n"));
    }
    drop(input);
    printed_until(&mut child, "end\n");
    assert!(child.wait().unwrap().success());

    // A file: no poller watches it, it is read at once.
    let path = std::env::temp_dir().join(format!("event-loop-stdin-{}", std::process::id()));
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    file.write_all(b"from a file").unwrap();
    file.rewind().unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut child = start(OwnedFd::from(file).into());
    let printed = printed_until(&mut child, "end\n");
    assert!(printed.contains("[from a file]\n"), "{printed}");
    assert!(child.wait().unwrap().success());

    // Nothing at all.
    let mut child = start(Stdio::null());
    printed_until(&mut child, "end\n");
    assert!(child.wait().unwrap().success());
}
