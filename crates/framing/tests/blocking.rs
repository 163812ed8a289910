//! The driver over `Read` and `Write`.

mod support;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use framing::blocking::{FrameStream, exchange, receive_exactly};
use framing::{Decoder, Encoder, Error, FrameError, FrameQueue, Limits, Pattern, Prefix};
use support::{Frames, cuts, samples};

const U32: Pattern = Pattern::Prefix(Prefix::U32Be);

/// Gives the pieces one by one, each after an interruption, and takes writes.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    interrupt: bool,
    written: Vec<u8>,
}

impl Script {
    fn new(pieces: &[&[u8]]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Self {
            pieces,
            interrupt: true,
            written: Vec::new(),
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if !self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut piece = self.pieces.pop_front().unwrap_or_default();
        let read = piece.len().min(buffer.len());
        buffer[..read].copy_from_slice(&piece[..read]);
        if read < piece.len() {
            self.pieces.push_front(piece.split_off(read));
        }
        Ok(read)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame_error(error: Error) -> FrameError {
    match error {
        Error::Frame(error) => error,
        Error::Io(error) => panic!("{error}"),
    }
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    fn by_slices(stream: &mut FrameStream<Script>) -> Frames {
        let mut frames = Vec::new();
        while let Some(frame) = stream.read_frame().map_err(frame_error)? {
            frames.push(frame.to_vec());
        }
        Ok(frames)
    }
    fn by_bytes(stream: &mut FrameStream<Script>) -> Frames {
        let mut frames = Vec::new();
        while let Some(frame) = stream.read_bytes().map_err(frame_error)? {
            frames.push(frame.to_vec());
        }
        Ok(frames)
    }
    for sample in samples() {
        for cut in cuts(&sample.wire) {
            for read in [by_slices, by_bytes] {
                // An empty read is the end of the stream.
                let cut: Vec<&[u8]> = cut
                    .iter()
                    .copied()
                    .filter(|piece| !piece.is_empty())
                    .collect();
                let mut stream = FrameStream::new(Script::new(&cut), sample.pattern.clone());
                assert_eq!(
                    read(&mut stream),
                    sample.frames,
                    "{:?} {cut:?}",
                    sample.pattern
                );
            }
        }
    }
}

#[test]
fn a_conversation_over_tcp() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || {
        let mut stream = FrameStream::new(listener.accept()?.0, U32);
        while let Some(frame) = stream.read_bytes()? {
            stream.send(frame)?;
            stream.flush()?;
        }
        Ok::<(), Error>(())
    });
    let mut stream = FrameStream::new(TcpStream::connect(address)?, U32);
    for len in [0, 1, 100, 100_000] {
        let payload = vec![7; len];
        stream.write_frame(&payload)?;
        assert_eq!(stream.read_frame()?, Some(&payload[..]));
    }
    stream.shutdown()?;
    assert_eq!(stream.read_frame()?, None);
    server.join().expect("no panic")
}

#[test]
fn a_half_close_conversation() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept()?;
            let mut question = Vec::new();
            stream.read_to_end(&mut question)?;
            question.reverse();
            stream.write_all(&question)?;
        }
        Ok::<(), io::Error>(())
    });
    let question: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let answer = exchange(&mut TcpStream::connect(address)?, &question, 100_000)?;
    assert!(answer.iter().rev().eq(&question));
    let error = exchange(&mut TcpStream::connect(address)?, b"12345", 4).unwrap_err();
    assert_eq!(
        frame_error(error),
        FrameError::Undelimited {
            limit: 4,
            looks_like: None
        }
    );
    Ok(server.join().expect("no panic")?)
}

#[test]
fn exactly_so_many_bytes_and_none_behind() {
    let mut stream = Script::new(&[b"Hi ", b"there, server"]);
    assert_eq!(receive_exactly(&mut stream, 10).unwrap(), b"Hi there, ");
    let error = receive_exactly(&mut &b"Hi th"[..], 16).unwrap_err();
    let text = "was expecting 16 bytes but only received 5 before the stream closed";
    assert_eq!(error.to_string(), text);
    assert_eq!(receive_exactly(&mut &b"Hi th"[..], 0).unwrap(), b"");
}

#[test]
fn a_silent_peer_is_given_up_with_the_help_of_a_read_timeout() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_millis(10)))?;
    let limits = Limits {
        grace: Duration::from_millis(50),
        ..Limits::default()
    };
    let queue = FrameQueue::new(Encoder::new(U32));
    let mut stream = FrameStream::from_parts(stream, Decoder::with_limits(U32, limits), queue);
    // Between frames the timeout is the socket's, and it can be tried again.
    for _ in 0..2 {
        let Err(Error::Io(error)) = stream.read_frame() else {
            panic!("nothing was sent")
        };
        assert!(matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
    }
    peer.write_all(b"\0\0\0\x02a")?;
    let error = loop {
        match stream.read_frame() {
            Err(Error::Frame(error)) => break error,
            // The bytes may take a moment.
            Err(Error::Io(_)) => {}
            Ok(frame) => panic!("{frame:?}"),
        }
    };
    assert!(
        matches!(error, FrameError::TooSlow { received: 5, .. }),
        "{error}"
    );
    Ok(())
}

/// Gives some bytes, and then that a deadline of its own is over.
struct Expired {
    start: &'static [u8],
    reads: usize,
}

impl Read for Expired {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        match self.start.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "open for 60 s")),
            read => Ok(read),
        }
    }
}

impl Write for Expired {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_whose_own_deadline_is_over_is_not_asked_again() {
    let start = b"\0\0\0\x05he";
    let mut stream = FrameStream::new(Expired { start, reads: 0 }, U32);
    let Err(Error::Io(error)) = stream.read_frame() else {
        panic!("three bytes are missing")
    };
    assert_eq!(error.to_string(), "open for 60 s");
    assert_eq!(stream.stream_mut().reads, 2);
}

#[test]
fn queued_frames_leave_in_order_and_the_unread_tail_is_handed_over() -> Result<(), Error> {
    let script = Script::new(&[b"\0\0\0\x01xtail"]);
    let mut stream = FrameStream::new(script, U32);
    stream.send(Bytes::from_static(b"first"))?;
    stream.send(Bytes::from_static(b"second"))?;
    stream.write_frame(b"third")?;
    assert_eq!(stream.read_frame()?, Some(&b"x"[..]));
    let (script, tail) = stream.into_parts();
    assert_eq!(tail, &b"tail"[..]);
    assert_eq!(
        script.written,
        b"\0\0\0\x05first\0\0\0\x06second\0\0\0\x05third"
    );
    Ok(())
}

#[test]
fn limits_hold_both_ways() {
    let limits = Limits {
        max_frame_len: 3,
        ..Limits::default()
    };
    let mut stream = FrameStream::with_limits(Script::new(&[b"\0\0\0\x04four"]), U32, limits);
    let Err(Error::Frame(FrameError::TooLong { limit: 3, .. })) = stream.write_frame(b"four")
    else {
        panic!("a frame of 4 bytes went out");
    };
    stream.write_frame(b"two").unwrap();
    let Err(Error::Frame(FrameError::TooLong { limit: 3, .. })) = stream.read_frame() else {
        panic!("a frame of 4 bytes came in");
    };
}
