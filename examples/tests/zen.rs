//! The zen server, the same under every strategy, and asked by Python.

mod support;

use std::io::{Read, Write};
use std::process::Command;

use rustix::process::Signal;
use support::strategies::{at_once, connect, exchange, read_to_end};
use support::{DEADLINE, Program};

fn start(strategy: &str) -> Program {
    support::strategies::start("zen_server", strategy, &[])
}

const UNKNOWN: &str = "Error: unknown aphorism.";

#[test]
fn answers_one_question_after_the_other() {
    at_once(|strategy| {
        let server = start(strategy);
        let mut stream = connect(&server);
        for (question, answer) in [
            ("Beautiful is better than?", "Ugly."),
            ("Explicit is better than?", "Implicit."),
            ("Simple is better than?", "Complex."),
            ("Complex is better than?", UNKNOWN),
            ("?", UNKNOWN),
        ] {
            stream.write_all(question.as_bytes()).unwrap();
            let mut answered = vec![0; answer.len()];
            stream.read_exact(&mut answered).unwrap();
            assert_eq!(answered, answer.as_bytes(), "{question}");
        }
    });
}

#[test]
fn questions_may_be_joined_and_split_anywhere() {
    const QUESTIONS: &[u8] = b"Simple is better than?Explicit is better than?\nwhat?";
    const ANSWERS: &str = "Complex.Implicit.Error: unknown aphorism.";
    at_once(|strategy| {
        let server = start(strategy);
        assert_eq!(exchange(&connect(&server), QUESTIONS), ANSWERS.as_bytes());
        let mut stream = connect(&server);
        for byte in QUESTIONS {
            stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(exchange(&stream, b""), ANSWERS.as_bytes());
    });
}

#[test]
fn a_flood_of_questions_is_answered_to_the_last() {
    at_once(|strategy| {
        let server = start(strategy);
        let stream = connect(&server);
        let answered = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = &stream;
                stream.write_all(&[b'?'; 70_000]).expect("it takes all");
                stream
                    .shutdown(std::net::Shutdown::Write)
                    .expect("still connected");
            });
            read_to_end(&stream)
        });
        assert_eq!(answered.len(), 70_000 * UNKNOWN.len());
    });
}

#[test]
fn half_a_question_is_reported() {
    at_once(|strategy| {
        let server = start(strategy);
        let mut stream = connect(&server);
        let address = stream.local_addr().unwrap();
        stream
            .write_all(b"Simple is better than?Simple is \x1b[31mbet")
            .unwrap();
        assert_eq!(exchange(&stream, b""), b"Complex.");
        let report = format!("{address} sent \"Simple is \\x1b[31mbet\" but then closed");
        server.stderr.wait_for(&report);
        // A long one is cut, and the end of the line behind a question is nothing.
        exchange(&connect(&server), &[b'x'; 100]);
        let report = format!("sent \"{}\" and 40 bytes more but then", "x".repeat(60));
        server.stderr.wait_for(&report);
        exchange(&connect(&server), b"what?\r\n");
        server.signal(Signal::TERM);
        let ended = server.wait();
        let reports = ended.stderr.matches("but then closed").count();
        assert_eq!(reports, 2, "{ended:?}");
    });
}

#[test]
fn a_question_without_end_closes_the_connection() {
    at_once(|strategy| {
        let server = start(strategy);
        let mut stream = connect(&server);
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        // It may be closed before all of it is written.
        let _ = stream.write_all(&[b'x'; 100_000]);
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        server.stderr.wait_for("1024");
        assert_eq!(exchange(&connect(&server), b"?"), UNKNOWN.as_bytes());
    });
}

#[test]
fn sigterm_ends_it_with_a_summary() {
    at_once(|strategy| {
        let server = start(strategy);
        let mut stream = connect(&server);
        stream.write_all(b"what?Simple is better").unwrap();
        // Now it is accepted for certain.
        stream.read_exact(&mut [0; UNKNOWN.len()]).unwrap();
        server.signal(Signal::TERM);
        server.stderr.wait_for("stopping");
        assert_eq!(exchange(&stream, b" than?"), b"Complex.");
        drop(stream);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let summary = "1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    });
}

#[test]
fn answers_python() {
    at_once(|strategy| {
        let server = start(strategy);
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/python/zen_client.py");
        let address = server.address().to_string();
        let questions = ["Beautiful is better than?", "Is it?"];
        let mut python = Command::new("python3");
        let asked = Program::start_command(python.args([client, &address]).args(questions)).wait();
        assert!(asked.status.success(), "{asked:?}");
        let said = "Beautiful is better than? Ugly.\nIs it? Error: unknown aphorism.\n";
        assert_eq!(asked.stdout, said);
    });
}
