//! Reading lines, writing answers.

mod support;

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::Duration;

use socket_server::{Connection, HandlerResult, Limits, Server};
use support::{client, each, receive, rest};

/// The recipes' handler for lines.
fn echo_lines(connection: &mut Connection) -> HandlerResult {
    let (mut lines, mut out) = connection.lines();
    while let Some(line) = lines.next_line()? {
        out.write_all(line)?;
    }
    Ok(())
}

#[test]
fn each_line_with_its_end_and_the_last_without() {
    each(|strategy| {
        let (sender, lines) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(move |connection| {
                let (mut lines, mut out) = connection.lines();
                while let Some(line) = lines.next_line()? {
                    sender.send(line.to_vec())?;
                    out.write_all(line)?;
                }
                Ok(())
            })
            .unwrap();
        let mut client = client(&running);
        client.write_all(b"one\ntwo\r\n\nthr").unwrap();
        for expected in ["one\n", "two\r\n", "\n"] {
            assert_eq!(receive(&lines), expected.as_bytes());
        }
        client.write_all(b"ee").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(receive(&lines), b"three");
        assert_eq!(rest(&mut client), b"one\ntwo\r\n\nthree");
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}

#[test]
fn one_byte_at_a_time() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo_lines)
            .unwrap();
        let mut client = client(&running);
        client.set_nodelay(true).unwrap();
        for byte in b"slow\nbut steady" {
            client.write_all(&[*byte]).unwrap();
        }
        let mut line = [0; 5];
        client.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"slow\n");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), b"but steady");
    });
}

#[test]
fn a_line_that_is_too_long_ends_it() {
    each(|strategy| {
        let (sender, told) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(Limits {
                max_line_len: 5,
                ..Limits::default()
            })
            .on_error(move |_, failure| sender.send(failure.to_string()).expect("the test listens"))
            .serve(echo_lines)
            .unwrap();
        let mut client = client(&running);
        client.write_all(b"1234\n123456789\n").unwrap();
        assert_eq!(rest(&mut client), b"1234\n");
        assert_eq!(receive(&told), "a line of more than 5 bytes, the limit");
        assert_eq!(running.shutdown(Duration::MAX).failed, 1);
    });
}

#[test]
fn bytes_may_follow_the_lines() {
    let running = Server::tcp("127.0.0.1:0")
        .serve(|connection| {
            let (mut lines, mut out) = connection.lines();
            let len: usize = str::from_utf8(lines.next_line()?.unwrap_or(b"0"))?
                .trim()
                .parse()?;
            let mut body = vec![0; len];
            lines.read_exact(&mut body)?;
            out.write_all(&body)?;
            assert_eq!(lines.lines().next().transpose()?.as_deref(), Some("tail"));
            Ok(())
        })
        .unwrap();
    let mut client = client(&running);
    client.write_all(b"6\nab\ncd\ntail\n").unwrap();
    assert_eq!(rest(&mut client), b"ab\ncd\n");
    assert_eq!(running.shutdown(Duration::MAX).finished, 1);
}
