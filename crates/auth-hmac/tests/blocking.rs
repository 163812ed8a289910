//! The drivers over `Read` and `Write`, on real sockets.

mod support;

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use auth_hmac::blocking::{SealedStream, Untimed, answer, challenge, initiate, respond};
use auth_hmac::{
    AuthError, ChallengeKey, ChallengeOptions, Error, HandshakeOptions, Key, Keyring, SessionError,
};
use support::{key, keys, messages, peekaboo};

/// For what must happen, and would hang a test if it did not.
const LONG: Duration = Duration::from_secs(20);

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let left = TcpStream::connect(address).expect("somebody listens");
    let (right, _) = listener.accept().expect("somebody has connected");
    left.set_read_timeout(Some(LONG)).expect("not zero");
    (left, right)
}

fn auth(error: Error) -> AuthError {
    match error {
        Error::Auth(error) => error,
        other => panic!("{other}"),
    }
}

fn within(timeout: Duration) -> HandshakeOptions {
    HandshakeOptions {
        timeout,
        ..HandshakeOptions::default()
    }
}

#[test]
fn a_challenge_and_what_follows_the_answer() {
    let (mut left, mut right) = pair();
    let server = thread::spawn(move || {
        challenge(&mut right, &peekaboo(), &ChallengeOptions::default())?;
        let mut follows = String::new();
        right.read_to_string(&mut follows)?;
        Ok::<_, Error>(follows)
    });
    // By hand, to have the answer and what follows it in one segment.
    let mut nonce = [0; 32];
    left.read_exact(&mut nonce).unwrap();
    let mut machine = auth_hmac::Challenge::answerer(&peekaboo(), &ChallengeOptions::default());
    machine.receive(&nonce);
    let mut out = Vec::new();
    machine.poll_transmit(&mut out);
    out.extend_from_slice(b"hello");
    left.write_all(&out).unwrap();
    left.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.join().expect("no panic").unwrap(), "hello");
}

#[test]
fn both_ends_of_a_challenge() {
    let (mut left, mut right) = pair();
    let server = thread::spawn(move || {
        challenge(&mut right, &peekaboo(), &ChallengeOptions::default())?;
        Ok::<_, Error>(right.write_all(b"welcome")?)
    });
    answer(&mut left, &peekaboo(), &ChallengeOptions::default()).unwrap();
    let mut follows = String::new();
    left.read_to_string(&mut follows).unwrap();
    assert_eq!(follows, "welcome");
    server.join().expect("no panic").unwrap();
}

#[test]
fn a_wrong_answer_closes_the_stream_in_silence() {
    let (mut left, mut right) = pair();
    let server =
        thread::spawn(move || challenge(&mut right, &peekaboo(), &ChallengeOptions::default()));
    let other = ChallengeKey::new_short("peekboo").unwrap();
    answer(&mut left, &other, &ChallengeOptions::default()).unwrap();
    assert_eq!(left.read(&mut [0]).unwrap(), 0);
    let error = server.join().expect("no panic").unwrap_err();
    assert_eq!(auth(error), AuthError::WrongTag);
}

#[test]
fn a_handshake_and_sealed_messages() {
    let (mut left, mut right) = pair();
    let server = thread::spawn(move || {
        let session = respond(&mut right, &keys(), &HandshakeOptions::default())?;
        assert_eq!(session.key_id(), b"2026-11");
        let mut stream = SealedStream::new(right, session);
        while let Some(message) = stream.read_message()? {
            let message = message.to_vec();
            stream.write_message(&message)?;
        }
        stream.finish()
    });
    let session = initiate(&mut left, &key(), &HandshakeOptions::default()).unwrap();
    let mut stream = SealedStream::new(left, session);
    for len in [0, 1, 100, 8192, 100_000, 1 << 20] {
        let message = vec![7; len];
        stream.write_message(&message).unwrap();
        assert_eq!(stream.read_message().unwrap(), Some(&message[..]));
    }
    let Err(Error::Session(error)) = stream.write_message(&vec![0; (1 << 20) + 1]) else {
        panic!("the limit is a mebibyte");
    };
    let max = 1 << 20;
    assert_eq!(
        error,
        SessionError::TooLong {
            len: max + 1,
            max: max as usize
        }
    );
    stream.finish().unwrap();
    stream.finish().unwrap();
    assert_eq!(stream.read_message().unwrap(), None);
    assert_eq!(stream.read_message().unwrap(), None);
    let Err(Error::Session(SessionError::Ended)) = stream.write_message(b"x") else {
        panic!("nothing follows the last message");
    };
    server.join().expect("no panic").unwrap();
}

#[test]
fn sealed_messages_that_are_cut() {
    let (mut left, mut right) = pair();
    let client = thread::spawn(move || {
        let session = initiate(&mut left, &key(), &HandshakeOptions::default())?;
        SealedStream::new(left, session).write_message(b"hello")
    });
    let session = respond(&mut right, &keys(), &HandshakeOptions::default()).unwrap();
    client.join().expect("no panic").unwrap();
    let mut stream = SealedStream::new(right, session);
    assert_eq!(stream.read_message().unwrap(), Some(&b"hello"[..]));
    for _ in 0..2 {
        let Err(Error::Session(error)) = stream.read_message() else {
            panic!("nobody said that this is the end");
        };
        assert_eq!(error, SessionError::Truncated { received: 0 });
    }
}

#[test]
fn each_end_refuses_another_key() {
    let (mut left, mut right) = pair();
    let server = thread::spawn(move || {
        let keys = Keyring::from(Key::new("2026-11", [8; 32])?);
        let refused = respond(&mut right, &keys, &HandshakeOptions::default());
        assert_eq!(auth(refused.unwrap_err()), AuthError::WrongTag);
        Ok::<_, auth_hmac::KeyError>(())
    });
    let refused = initiate(&mut left, &key(), &HandshakeOptions::default());
    assert_eq!(auth(refused.unwrap_err()), AuthError::Refused);
    server.join().expect("no panic").unwrap();

    // A responder that does not know the key, and claims that the proof was right.
    let (mut left, mut right) = pair();
    let impostor = thread::spawn(move || {
        let [hello, challenge, _, welcome] = messages();
        right.read_exact(&mut vec![0; hello.len()])?;
        right.write_all(&challenge)?;
        right.read_exact(&mut [0; 36])?;
        right.write_all(&welcome)?;
        assert_eq!(right.read(&mut [0])?, 0, "it is not told anything");
        Ok::<_, io::Error>(())
    });
    let refused = initiate(&mut left, &key(), &HandshakeOptions::default());
    assert_eq!(auth(refused.unwrap_err()), AuthError::WrongTag);
    drop(left);
    impostor.join().expect("no panic").unwrap();
}

#[test]
fn over_shared_and_local_streams() {
    let (left, right) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || respond(&mut &right, &keys(), &within(LONG)).map(drop));
    let session = initiate(&mut &left, &key(), &within(LONG)).unwrap();
    assert_eq!(session.key_id(), b"2026-11");
    server.join().expect("no panic").unwrap();

    let (mut left, mut right) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || respond(&mut right, &keys(), &within(LONG)).map(drop));
    initiate(&mut left, &key(), &within(LONG)).unwrap();
    server.join().expect("no panic").unwrap();
}

#[test]
fn the_read_timeout_is_left_as_it_was() {
    // None, shorter than the deadline, longer.
    for before in [None, Some(LONG / 2), Some(LONG * 2)] {
        let (left, right) = pair();
        left.set_read_timeout(before).unwrap();
        right.set_read_timeout(before).unwrap();
        let client = thread::spawn(move || {
            initiate(&mut &left, &key(), &within(LONG))?;
            Ok::<_, Error>(left.read_timeout()?)
        });
        respond(&mut &right, &keys(), &within(LONG)).unwrap();
        assert_eq!(right.read_timeout().unwrap(), before);
        assert_eq!(client.join().expect("no panic").unwrap(), before);
    }
}

#[test]
fn a_silent_peer_is_cut_at_the_deadline() {
    let timeout = Duration::from_millis(50);
    let (peer, mut stream) = pair();
    let begin = Instant::now();
    let options = ChallengeOptions { timeout };
    let error = auth(challenge(&mut stream, &peekaboo(), &options).unwrap_err());
    let late = AuthError::TimedOut {
        allowed: timeout,
        received: 0,
    };
    assert_eq!(error, late);
    assert!(begin.elapsed() >= timeout && begin.elapsed() < LONG);
    // A shorter read timeout of the caller's is not the end.
    stream.set_read_timeout(Some(timeout / 10)).unwrap();
    let begin = Instant::now();
    let error = auth(challenge(&mut stream, &peekaboo(), &options).unwrap_err());
    assert_eq!(error, late);
    assert!(begin.elapsed() >= timeout);
    // A longer one does not put off the end.
    stream.set_read_timeout(Some(LONG)).unwrap();
    let begin = Instant::now();
    let error = auth(challenge(&mut stream, &peekaboo(), &options).unwrap_err());
    assert_eq!(error, late);
    assert!(begin.elapsed() < LONG / 2);
    stream.set_read_timeout(None).unwrap();
    // Half a hello, and then nothing.
    (&peer).write_all(&messages()[0][..20]).unwrap();
    let error = auth(respond(&mut stream, &keys(), &within(timeout)).unwrap_err());
    let late = AuthError::TimedOut {
        allowed: timeout,
        received: 20,
    };
    assert_eq!(error, late);
}

/// Gives a byte of a hello whenever it is read, and not before five milliseconds have passed.
struct Dripping(Receiver<()>, std::vec::IntoIter<u8>);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waited = self.0.recv_timeout(Duration::from_millis(5));
        assert!(waited.is_err(), "nobody sends on this channel");
        buffer[0] = self.1.next().unwrap_or(0);
        Ok(1)
    }
}

impl Write for Dripping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_dripping_peer_is_cut_even_without_read_timeouts() {
    let (_keep, receiver): (Sender<()>, _) = channel();
    let [hello, ..] = messages();
    let mut stream = Untimed(Dripping(receiver, hello.into_iter()));
    let options = within(Duration::from_millis(40));
    let error = auth(respond(&mut stream, &keys(), &options).unwrap_err());
    assert!(
        matches!(
            error,
            AuthError::TimedOut {
                received: 1..=8,
                ..
            }
        ),
        "{error}"
    );
}

/// Reads what is there, with an interruption or a timeout of its own before every byte.
struct Stuttering(Vec<io::Result<u8>>);

impl Read for Stuttering {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.pop() {
            Some(byte) => {
                buffer[0] = byte?;
                Ok(1)
            }
            None => Ok(0),
        }
    }
}

impl Write for Stuttering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn interrupted_reads_go_on_and_others_end_it() {
    let kinds = [
        ErrorKind::Interrupted,
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
    ];
    let passing = |place: usize| [Err(kinds[place % 3].into()), Ok(0x6d)];
    let reads = (0..32).flat_map(passing).rev().collect();
    let mut stream = Untimed(Stuttering(reads));
    answer(&mut stream, &peekaboo(), &ChallengeOptions::default()).unwrap();

    let mut stream = Untimed(Stuttering(vec![
        Err(ErrorKind::ConnectionReset.into()),
        Ok(1),
    ]));
    match answer(&mut stream, &peekaboo(), &ChallengeOptions::default()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    let error = answer(
        &mut Untimed(Stuttering(vec![Ok(1)])),
        &peekaboo(),
        &ChallengeOptions::default(),
    );
    let short = AuthError::Truncated {
        expected: 32,
        received: 1,
    };
    assert_eq!(auth(error.unwrap_err()), short);
}

#[test]
fn a_hundred_silent_clients_keep_nobody_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = within(Duration::from_millis(500));
    let server = thread::spawn(move || {
        let handlers: Vec<_> = (0..120)
            .map(|_| {
                let (mut stream, _) = listener.accept().expect("somebody connects");
                let options = options.clone();
                thread::spawn(move || respond(&mut stream, &keys(), &options).is_ok())
            })
            .collect();
        let outcomes = handlers.into_iter().map(|handler| handler.join());
        outcomes.filter(|ok| matches!(ok, Ok(true))).count()
    });
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(address).expect("somebody listens"))
        .collect();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).unwrap();
        initiate(&mut stream, &key(), &within(LONG)).unwrap();
    }
    for mut stream in silent {
        stream.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed by the server");
    }
    assert_eq!(server.join().expect("no panic"), 20);
}

#[test]
fn five_hundred_fresh_nonces_all_differ() {
    let mut seen = HashSet::new();
    for _ in 0..500 {
        let (mut peer, mut stream) = UnixStream::pair().unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(challenge(&mut stream, &peekaboo(), &ChallengeOptions::default()).is_err());
        let mut nonce = [0; 32];
        peer.read_exact(&mut nonce).unwrap();
        assert!(seen.insert(nonce.to_vec()));

        assert!(initiate(&mut stream, &key(), &HandshakeOptions::default()).is_err());
        let mut hello = [0; 43];
        peer.read_exact(&mut hello).unwrap();
        assert!(seen.insert(hello[4..36].to_vec()));

        let (mut peer, mut stream) = UnixStream::pair().unwrap();
        peer.write_all(&hello).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(respond(&mut stream, &keys(), &HandshakeOptions::default()).is_err());
        let mut challenge = [0; 36];
        peer.read_exact(&mut challenge).unwrap();
        assert!(seen.insert(challenge[4..].to_vec()));
    }
    assert_eq!(seen.len(), 1500);
}
