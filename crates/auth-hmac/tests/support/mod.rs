//! Keys, whole conversations and the test vectors of the specification.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;

use auth_hmac::{AuthError, ChallengeKey, Handshake, HandshakeOptions, Key, Keyring, Session};

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const INITIATOR_NONCE: [u8; 32] = [b'i'; 32];
pub(crate) const RESPONDER_NONCE: [u8; 32] = [b'r'; 32];

pub(crate) fn key() -> Key {
    Key::new("2026-11", SECRET).expect("32 bytes are enough")
}

pub(crate) fn keys() -> Keyring {
    Keyring::from(key())
}

pub(crate) fn peekaboo() -> ChallengeKey {
    ChallengeKey::new_short("peekaboo").expect("it is not empty")
}

pub(crate) fn initiator() -> Handshake {
    Handshake::initiator(&key(), &HandshakeOptions::default(), INITIATOR_NONCE)
}

pub(crate) fn responder() -> Handshake {
    Handshake::responder(&keys(), &HandshakeOptions::default(), RESPONDER_NONCE)
}

/// What there is to send.
pub(crate) fn sent(machine: &mut Handshake) -> Vec<u8> {
    let mut out = Vec::new();
    machine.poll_transmit(&mut out);
    out
}

/// The four messages of a conversation in which nothing goes wrong.
pub(crate) fn messages() -> [Vec<u8>; 4] {
    let (mut left, mut right) = (initiator(), responder());
    let hello = sent(&mut left);
    right.receive(&hello);
    let challenge = sent(&mut right);
    left.receive(&challenge);
    let proof = sent(&mut left);
    right.receive(&proof);
    [hello, challenge, proof, sent(&mut right)]
}

/// What both ends come to when everything that one sends arrives at the other.
pub(crate) fn converse(
    left: &mut Handshake,
    right: &mut Handshake,
) -> (Result<Session, AuthError>, Result<Session, AuthError>) {
    loop {
        let there = sent(left);
        right.receive(&there);
        let back = sent(right);
        left.receive(&back);
        if there.is_empty() && back.is_empty() {
            break;
        }
    }
    (outcome(left), outcome(right))
}

/// What a machine comes to if nothing more arrives.
pub(crate) fn outcome(machine: &mut Handshake) -> Result<Session, AuthError> {
    machine.receive_eof();
    let session = machine.poll_event()?;
    Ok(session.expect("a machine that got an end of stream is done or has failed"))
}

/// Both ends of a session.
pub(crate) fn sessions() -> (Session, Session) {
    let (left, right) = converse(&mut initiator(), &mut responder());
    (left.expect("same key"), right.expect("same key"))
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = str::from_utf8(pair).expect("hexadecimal is ASCII");
            u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
        })
        .collect()
}

/// The lines `name = hexadecimal` of the specification.
pub(crate) fn vectors() -> HashMap<&'static str, Vec<u8>> {
    let page = include_str!("../../../../docs/src/auth-hmac.md");
    let (_, page) = page.split_once("## Test vectors").expect("it has them");
    let lines = page.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(name, value)| (name, hex(value))).collect()
}
