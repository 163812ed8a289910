//! Both generations of Python as they were recorded, through both drivers, with no Python at hand.

mod peer;

use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use hmac::SimpleHmac;
use md5::Md5;
use mp_connection::{Address, Auth, Generation};
use sha2::Sha256;

use peer::driver::{Blocking, Listen, Talk};
use peer::{KEY, LONG, auth, within_minutes};

/// The other end's challenge, without its frame and `#CHALLENGE#`, and the answer to it.
struct Recorded {
    challenge: &'static str,
    answer: &'static str,
    generation: Generation,
}

/// With 3.13 and 3.11 at either end.
const LISTENERS: [Recorded; 3] = [
    Recorded {
        challenge: "7b7368613235367d f0cd2db5d932884cb33d4509d4bede568f0a113ffe5704032485ddbf71c2cca26b3c9fcad16a650d",
        answer: "7b7368613235367d 601f867089a8d42eaa7b65cf42c36e62f16ce37a836287b6771d865a857c5860",
        generation: Generation::Modern,
    },
    Recorded {
        challenge: "795399cd18804c44b678cde8ac265ff364777300",
        answer: "ade34e0657bb0ee543c9eec258b3e306",
        generation: Generation::Legacy,
    },
    Recorded {
        challenge: "20a8a14ba1a1b197b6bf9e802946e25153b90792",
        answer: "ff23081ed5f345f6efce2c9f32465bd5",
        generation: Generation::Legacy,
    },
];

const CLIENTS: [Recorded; 3] = [
    Recorded {
        challenge: "7b7368613235367d 85fefe498e981207585bfb728e2d0651dc989ef3ed7c56207613b9a5e82fda163f08c8175c6a632d",
        answer: "7b7368613235367d 0c83e2335fd76014808127a8ea21438dcf4fd34ee75e037e90413e92990e1ecc",
        generation: Generation::Modern,
    },
    Recorded {
        challenge: "e35f8736766b53233899e4c9e5882e5a2e8a4486",
        answer: "c48140012c65bf295fc401b4a77fce43",
        generation: Generation::Legacy,
    },
    Recorded {
        challenge: "4097a87be48699513e9529cea4e1d88ab3f41d52",
        answer: "7d3ececc3d133c71ed8ae40b4ae19acc",
        generation: Generation::Legacy,
    },
];

/// `'hi'`, as 3.8 to 3.13 send it.
const HI: &str = "00000011 80049506000000000000008c026869942e";

fn listeners<C: Talk>() {
    for recorded in &LISTENERS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = Address::Tcp(listener.local_addr().expect("it is bound"));
        let client = thread::spawn(move || C::connect(&address, &auth()));
        let mut peer = Scripted::new(listener.accept().expect("it logs in").0);
        peer.challenge(recorded);
        peer.answer(recorded.generation);
        peer.greet(outcome(client), recorded.generation);
    }
}

fn clients<C: Talk>() {
    for recorded in &CLIENTS {
        let (mut listener, mut peer) = scripted_client::<C>(&auth());
        let accepted = thread::spawn(move || listener.accept());
        peer.answer(recorded.generation);
        peer.challenge(recorded);
        peer.greet(outcome(accepted), recorded.generation);
    }
}

/// Python up to 3.11 under `modern_only`, in both roles: the error says what would help.
fn refused<C: Talk>() {
    let modern_only = Auth::modern_only(KEY)
        .expect("not empty")
        .with_timeout(LONG);
    let (mut listener, mut peer) = scripted_client::<C>(&modern_only);
    let accepted = thread::spawn(move || listener.accept());
    let challenge = peer.read();
    let message = challenge.strip_prefix(b"#CHALLENGE#").expect("a challenge");
    peer.write(&mac::<SimpleHmac<Md5>>(message));
    let error = accepted
        .join()
        .expect("no panic")
        .expect_err("it must fail")
        .to_string();
    assert!(
        error.contains("3.11") && error.contains("with_legacy_md5"),
        "{error}"
    );
    assert_eq!(peer.read(), b"#FAILURE#");
    peer.ends();

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = Address::Tcp(listener.local_addr().expect("it is bound"));
    let client = thread::spawn(move || C::connect(&address, &modern_only));
    let mut peer = Scripted::new(listener.accept().expect("it logs in").0);
    peer.write(&[b"#CHALLENGE#", &hex(LISTENERS[1].challenge)[..]].concat());
    let error = client
        .join()
        .expect("no panic")
        .expect_err("it must fail")
        .to_string();
    assert!(
        error.contains("3.11") && error.contains("with_legacy_md5"),
        "{error}"
    );
    peer.ends();
}

fn scripted_client<C: Talk>(auth: &Auth) -> (C::Listener, Scripted) {
    let listener =
        C::Listener::bind(&Address::from(([127, 0, 0, 1], 0)), auth).expect("a port is free");
    let Address::Tcp(address) = listener.address() else {
        panic!("{listener:?}");
    };
    let stream = TcpStream::connect(address).expect("it listens");
    (listener, Scripted::new(stream))
}

fn outcome<C, E: Display>(login: JoinHandle<Result<C, E>>) -> C {
    let outcome = login.join().expect("no panic");
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// The other end, at the level of frames.
struct Scripted(TcpStream);

impl Scripted {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LONG)).expect("not zero");
        Self(stream)
    }

    fn read(&mut self) -> Vec<u8> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len).expect("a frame comes");
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut frame).expect("it is complete");
        frame
    }

    fn write(&mut self, payload: &[u8]) {
        let len = u32::try_from(payload.len()).expect("it is short");
        let frame = [&len.to_be_bytes()[..], payload].concat();
        self.0.write_all(&frame).expect("we are there");
    }

    /// Its half: we must answer as it was recorded.
    fn challenge(&mut self, recorded: &Recorded) {
        self.write(&[b"#CHALLENGE#", &hex(recorded.challenge)[..]].concat());
        assert_eq!(self.read(), hex(recorded.answer));
        self.write(b"#WELCOME#");
    }

    /// Our half: it answers as its generation does.
    fn answer(&mut self, generation: Generation) {
        let challenge = self.read();
        let message = challenge.strip_prefix(b"#CHALLENGE#").expect("a challenge");
        assert!(message.starts_with(b"{sha256}"));
        assert_eq!(message.len(), 48);
        match generation {
            Generation::Modern => {
                self.write(&[b"{sha256}", &mac::<SimpleHmac<Sha256>>(message)[..]].concat());
            }
            Generation::Legacy => self.write(&mac::<SimpleHmac<Md5>>(message)),
        }
        assert_eq!(self.read(), b"#WELCOME#");
    }

    /// An object there and back, then the end.
    fn greet<C: Talk>(mut self, connection: C, generation: Generation) {
        assert_eq!(connection.generation(), Some(generation));
        self.0.write_all(&hex(HI)).expect("we are there");
        assert_eq!(connection.hear::<String>(), "hi");
        connection.say_bytes(b"hello");
        assert_eq!(self.read(), b"hello");
        drop(connection);
        self.ends();
    }

    fn ends(mut self) {
        assert_eq!(self.0.read(&mut [0]).expect("a good end"), 0);
    }
}

fn mac<M: hmac::Mac + hmac::KeyInit>(message: &[u8]) -> Vec<u8> {
    let mut mac = <M as hmac::KeyInit>::new_from_slice(KEY.as_bytes()).expect("keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|char| char.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

#[test]
fn recorded_listeners() {
    within_minutes(listeners::<Blocking>);
}

#[test]
fn recorded_clients() {
    within_minutes(clients::<Blocking>);
}

#[test]
fn recorded_and_refused() {
    within_minutes(refused::<Blocking>);
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::{clients, listeners, refused, within_minutes};
    use crate::peer::driver::on_tokio::Tokio;

    #[test]
    fn recorded_listeners() {
        within_minutes(listeners::<Tokio>);
    }

    #[test]
    fn recorded_clients() {
        within_minutes(clients::<Tokio>);
    }

    #[test]
    fn recorded_and_refused() {
        within_minutes(refused::<Tokio>);
    }
}
