//! `auth-hmac` beside the same exchange of bytes without any HMAC, and beside Python's standard library.
//!
//! A login is a new TCP connection, the messages of the protocol, one byte by which the server says that it
//! goes on, and the close; one after the other. Client and server are two threads on one core, so that a login
//! takes what both sides cost, and no sleeping core has to be woken, which on a virtual machine costs more than
//! all the rest. The baseline sends and receives as many bytes in as many messages, written by hand. The contenders take turns:
//! each round runs all of them, beginning with another one, and a ratio is one of the same round.
//!
//! What would mislead: most of a login is the connection, and its cost varies by more than what HMAC adds where
//! the machine is not quiet: look at the spread. The other table is of the machines alone, without sockets.
//! Refused logins are in it to show that an unknown id costs what a wrong key costs; it is no proof.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use auth_hmac::blocking::{Untimed, answer, challenge, initiate, respond};
use auth_hmac::{
    Challenge, ChallengeKey, ChallengeOptions, Error, Handshake, HandshakeOptions, Key, KeyError,
    Keyring,
};
use benches::process::{Cores, Server, pin_self};
use benches::report::{Summary, print_table, take_turns};
use hmac::{Hmac, KeyInit, Mac};
use rustix::net::sockopt::set_socket_linger;
use sha2::Sha256;

/// The messages of a protocol: how long each is, and whether the server sends it.
type Script = &'static [(usize, Side)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Host,
    Client,
}

const CHALLENGE: Script = &[(32, Side::Host), (32, Side::Client)];
const HANDSHAKE: Script = &[
    (43, Side::Client),
    (36, Side::Host),
    (36, Side::Client),
    (36, Side::Host),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Only `cargo bench` passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let (rounds, logins, batch) = match has("--test") || !has("--bench") {
        true => (1, 10, Duration::from_micros(100)),
        false => (151, 200, Duration::from_millis(5)),
    };
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    machines(rounds, batch)?;
    let contenders = contenders(cores.load)?;
    over_tcp(rounds, logins, &contenders)
}

/// Somebody to log in at.
struct Contender {
    /// Indented below the one that does the same without HMAC.
    name: &'static str,
    address: SocketAddr,
    login: Box<Play>,
    /// Ends with this.
    _process: Option<Server>,
}

/// One side of a login.
type Play = dyn Fn(&mut TcpStream) -> Result<(), Error> + Send;

fn contenders(core: usize) -> Result<Vec<Contender>, Box<dyn std::error::Error>> {
    let weak = ChallengeKey::new_short("peekaboo")?;
    let key = Key::new("2026-11", [7; 32])?;
    let keys = Keyring::from(key.clone());
    let options = ChallengeOptions::default();
    let mutual = HandshakeOptions::default();

    let (asker, answerer) = (weak.clone(), weak.clone());
    let asks = move |stream: &mut TcpStream| challenge(stream, &asker, &options);
    let answers = move |stream: &mut TcpStream| answer(stream, &answerer, &options);
    let (asker, answerer) = (weak.clone(), weak);
    let asks_untimed =
        move |stream: &mut TcpStream| challenge(&mut Untimed(stream), &asker, &options);
    let answers_untimed =
        move |stream: &mut TcpStream| answer(&mut Untimed(stream), &answerer, &options);
    let responds = {
        let mutual = mutual.clone();
        move |stream: &mut TcpStream| respond(stream, &keys, &mutual).map(drop)
    };
    let initiates = move |stream: &mut TcpStream| initiate(stream, &key, &mutual).map(drop);

    let thread = |name, serve: Box<Play>, login: Box<Play>| {
        Ok::<_, io::Error>(Contender {
            name,
            address: listen(core, serve)?,
            login,
            _process: None,
        })
    };
    let python = |name, key: &str, login: Box<Play>| {
        let process = Server::start(Command::new("python3").args(["-c", PYTHON, key]), core)?;
        Ok::<_, io::Error>(Contender {
            name,
            address: process.address(),
            login,
            _process: Some(process),
        })
    };
    let host = |script| by_hand(script, Side::Host);
    let client = |script| by_hand(script, Side::Client);
    Ok(vec![
        thread("challenge: bytes alone", host(CHALLENGE), client(CHALLENGE))?,
        thread(
            "  auth-hmac, Untimed",
            Box::new(asks_untimed),
            Box::new(answers_untimed),
        )?,
        thread(
            "challenge: bytes, deadline",
            timed(host(CHALLENGE)),
            timed(client(CHALLENGE)),
        )?,
        thread("  auth-hmac", Box::new(asks), Box::new(answers.clone()))?,
        thread(
            "handshake: bytes, deadline",
            timed(host(HANDSHAKE)),
            timed(client(HANDSHAKE)),
        )?,
        thread("  auth-hmac", Box::new(responds), Box::new(initiates))?,
        python("Python's server: bytes alone", "", client(CHALLENGE))?,
        python("  hmac, auth-hmac answers", "peekaboo", Box::new(answers))?,
    ])
}

/// Serves in a thread on this core, one after the other, for as long as the program runs.
fn listen(core: usize, serve: Box<Play>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        pin_self(core).expect("the core was among those allowed");
        for stream in listener.incoming() {
            let mut stream = stream.expect("clients come one by one");
            serve(&mut stream).expect("clients know the key");
            stream.write_all(b"+").expect("the client waits for it");
        }
    });
    Ok(address)
}

/// One side of the messages without their meaning.
fn by_hand(script: Script, side: Side) -> Box<Play> {
    Box::new(move |stream| {
        let mut buffer = [0; 64];
        for &(len, sender) in script {
            match sender == side {
                true => stream.write_all(&buffer[..len])?,
                false => stream.read_exact(&mut buffer[..len])?,
            }
        }
        Ok(())
    })
}

/// The same, giving up on a silent peer, and with the read timeout afterwards as it was before: what the
/// drivers do, too.
fn timed(play: Box<Play>) -> Box<Play> {
    Box::new(move |stream| {
        let before = stream.read_timeout()?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        play(stream)?;
        Ok(stream.set_read_timeout(before)?)
    })
}

/// The server of the recipe, or with an empty key the same bytes without their meaning.
const PYTHON: &str = r#"
import hmac, os, socket, sys
key = sys.argv[1].encode()
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
zeros = bytes(32)
while True:
    client, _ = listener.accept()
    message = os.urandom(32) if key else zeros
    client.sendall(message)
    answer = client.recv(32, socket.MSG_WAITALL)
    if key and not hmac.compare_digest(hmac.new(key, message, "sha256").digest(), answer):
        sys.exit("refused")
    client.sendall(b"+")
    client.close()
"#;

fn over_tcp(
    rounds: usize,
    logins: usize,
    contenders: &[Contender],
) -> Result<(), Box<dyn std::error::Error>> {
    let rates = take_turns(rounds, contenders.len(), |index| {
        let contender = &contenders[index];
        log_in(contender)?;
        let start = Instant::now();
        for _ in 0..logins {
            log_in(contender)?;
        }
        Ok::<_, Error>(logins as f64 / start.elapsed().as_secs_f64() / 1e3)
    })?;
    let mut rows = Vec::new();
    let mut baseline = &rates[0];
    for (contender, own) in contenders.iter().zip(&rates) {
        if !contender.name.starts_with(' ') {
            baseline = own;
        }
        let ratios = own.iter().zip(baseline).map(|(own, base)| own / base);
        let more = own
            .iter()
            .zip(baseline)
            .map(|(own, base)| 1e3 / own - 1e3 / base);
        rows.push([
            contender.name.to_owned(),
            format!("{:.1}", Summary::of(own.iter().copied())),
            format!("{:.3}", Summary::of(ratios)),
            format!("{:.1}", Summary::of(more)),
        ]);
    }
    let head = ["", "1000 logins/s", "ratio to the bytes", "more us/login"];
    print_table("Logins over TCP, one after the other", head, &rows);
    Ok(())
}

fn log_in(contender: &Contender) -> Result<(), Error> {
    let mut stream = TcpStream::connect(contender.address)?;
    (contender.login)(&mut stream)?;
    stream.read_exact(&mut [0])?;
    // Closed by a reset, so that no port has to rest.
    Ok(set_socket_linger(&stream, Some(Duration::ZERO)).map_err(io::Error::from)?)
}

/// Both ends of each protocol in turn, without sockets.
fn machines(rounds: usize, batch: Duration) -> Result<(), KeyError> {
    let weak = ChallengeKey::new_short("peekaboo")?;
    let keys = Keyring::from(Key::new("2026-11", [7; 32])?);
    let right = Key::new("2026-11", [7; 32])?;
    let wrong = Key::new("2026-11", [8; 32])?;
    let unknown = Key::new("2026-10", [7; 32])?;
    type Run<'a> = (&'static str, Box<dyn Fn() -> bool + 'a>);
    let runs: Vec<Run<'_>> = vec![
        ("two HMACs of 32 bytes", Box::new(two_hmacs)),
        ("challenge", Box::new(|| challenge_in_memory(&weak))),
        ("handshake", Box::new(|| handshake_in_memory(&right, &keys))),
        (
            "  refused: wrong key",
            Box::new(|| !handshake_in_memory(&wrong, &keys)),
        ),
        (
            "  refused: unknown id",
            Box::new(|| !handshake_in_memory(&unknown, &keys)),
        ),
    ];
    let times = take_turns(rounds, runs.len(), |index| {
        let mut count = 0;
        let start = Instant::now();
        while start.elapsed() < batch {
            assert!(black_box(runs[index].1()), "it ends as it should");
            count += 1;
        }
        Ok::<_, KeyError>(start.elapsed().as_secs_f64() * 1e6 / f64::from(count))
    })?;
    let rows: Vec<[String; 2]> = runs
        .iter()
        .zip(times)
        .map(|((name, _), times)| [(*name).to_owned(), format!("{:.2}", Summary::of(times))])
        .collect();
    print_table("Both ends, without sockets", ["", "us"], &rows);
    Ok(())
}

/// What a challenge can't do without: the tag at one end and at the other.
fn two_hmacs() -> bool {
    let tags = [(); 2].map(|()| {
        let mac = Hmac::<Sha256>::new_from_slice(black_box(b"peekaboo"));
        let mac = mac.expect("HMAC takes keys of any length");
        mac.chain_update(black_box([7; 32])).finalize()
    });
    tags[0] == tags[1]
}

fn challenge_in_memory(key: &ChallengeKey) -> bool {
    let options = ChallengeOptions::default();
    let mut asks = Challenge::asker(key, &options, black_box([1; 32]));
    let mut answers = Challenge::answerer(key, &options);
    let mut wire = Vec::with_capacity(64);
    asks.poll_transmit(&mut wire);
    answers.receive(&wire);
    wire.clear();
    answers.poll_transmit(&mut wire);
    asks.receive(&wire);
    asks.poll_event().is_ok()
}

fn handshake_in_memory(key: &Key, keys: &Keyring) -> bool {
    let options = HandshakeOptions::default();
    let mut left = Handshake::initiator(key, &options, black_box([1; 32]));
    let mut right = Handshake::responder(keys, &options, black_box([2; 32]));
    let mut wire = Vec::with_capacity(128);
    for _ in 0..2 {
        left.poll_transmit(&mut wire);
        right.receive(&wire);
        wire.clear();
        right.poll_transmit(&mut wire);
        left.receive(&wire);
        wire.clear();
    }
    left.poll_event().is_ok() && right.poll_event().is_ok()
}
