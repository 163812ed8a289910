//! Logins without sockets: both roles, and what Python sends.

use mp_connection::{Auth, AuthError, Generation, Handshake};

pub(crate) const KEY: &str = "peekaboo";
pub(crate) const LISTENER: [u8; 40] = [b'l'; 40];
pub(crate) const CLIENT: [u8; 40] = [b'c'; 40];

pub(crate) fn modern() -> Auth {
    Auth::modern_only(KEY).expect("it is not empty")
}

pub(crate) fn legacy() -> Auth {
    Auth::with_legacy_md5(KEY).expect("it is not empty")
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).expect("hexadecimal is ASCII");
        u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
    });
    pairs.collect()
}

pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("it is short");
    [&len.to_be_bytes(), payload].concat()
}

/// What there is to send.
pub(crate) fn sent(handshake: &mut Handshake) -> Vec<u8> {
    let mut out = Vec::new();
    handshake.poll_transmit(&mut out);
    out
}

/// What it comes to if nothing more arrives.
pub(crate) fn outcome(handshake: &mut Handshake) -> Result<Generation, AuthError> {
    handshake.receive_eof();
    let peer = handshake.poll_event()?;
    Ok(peer.expect("what got an end of stream is done or has failed"))
}

/// The six messages of a login in which nothing goes wrong, in the order in which they are sent.
pub(crate) fn messages(auth: &Auth) -> Vec<Vec<u8>> {
    let mut listener = Handshake::listener(auth, LISTENER);
    let mut client = Handshake::client(auth, CLIENT);
    let challenge = sent(&mut listener);
    client.receive(&challenge);
    let answer = sent(&mut client);
    listener.receive(&answer);
    let welcome = sent(&mut listener);
    client.receive(&welcome);
    let counter_challenge = sent(&mut client);
    listener.receive(&counter_challenge);
    let counter_answer = sent(&mut listener);
    client.receive(&counter_answer);
    let counter_welcome = sent(&mut client);
    vec![
        challenge,
        answer,
        welcome,
        counter_challenge,
        counter_answer,
        counter_welcome,
    ]
}
