//! The attacks that the specification lists, each by its name there.

mod support;

use auth_hmac::{
    AuthError, Challenge, ChallengeKey, ChallengeOptions, Handshake, HandshakeOptions, Key, Keyring,
};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use support::{
    INITIATOR_NONCE, RESPONDER_NONCE, SECRET, converse, initiator, key, keys, messages, outcome,
    peekaboo, responder, sent, sessions,
};

fn context(context: &str) -> HandshakeOptions {
    HandshakeOptions {
        context: context.into(),
        ..HandshakeOptions::default()
    }
}

fn binding(byte: u8) -> HandshakeOptions {
    HandshakeOptions {
        channel_binding: Some([byte; 32]),
        ..HandshakeOptions::default()
    }
}

fn with_kind(kind: u8, message: &[u8]) -> Vec<u8> {
    [&[kind], &message[1..]].concat()
}

#[test]
fn reflection() {
    let [hello, challenge, proof, _] = messages();
    // An end gets back what it sent, as it was and made to look like what it waits for.
    let mut left = initiator();
    left.receive(&hello);
    let error = AuthError::UnexpectedMessage {
        expected: 0xa2,
        found: 0xa1,
    };
    assert_eq!(outcome(&mut left).unwrap_err(), error);

    let mut left = initiator();
    left.receive(&[&[0xa2, 1, 0, 32], &hello[4..36]].concat());
    let own_proof = sent(&mut left).split_off(hello.len());
    assert_ne!(
        own_proof, proof,
        "its nonce took the place of the responder's"
    );
    left.receive(&with_kind(0xa4, &own_proof));
    assert_eq!(outcome(&mut left).unwrap_err(), AuthError::WrongTag);

    let mut left = initiator();
    left.receive(&challenge);
    left.receive(&with_kind(0xa4, &proof));
    assert_eq!(outcome(&mut left).unwrap_err(), AuthError::WrongTag);

    let mut right = responder();
    right.receive(&hello);
    right.receive(&with_kind(0xa3, &challenge));
    assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);
}

#[test]
fn a_program_that_is_led_to_itself() {
    // With one key and one context for both roles nobody can tell.
    let (left, right) = converse(&mut initiator(), &mut responder());
    assert!(left.is_ok() && right.is_ok());
    // A context that says who calls whom can.
    let mut calls = Handshake::initiator(&key(), &context("alice calls bob"), INITIATOR_NONCE);
    let mut called = Handshake::responder(&keys(), &context("bob calls alice"), RESPONDER_NONCE);
    let (left, right) = converse(&mut calls, &mut called);
    assert_eq!(left.unwrap_err(), AuthError::Refused);
    assert_eq!(right.unwrap_err(), AuthError::WrongTag);
}

#[test]
fn relay_between_two_tls_connections() {
    // Somebody sits in between, with a TLS connection to each end, and passes every byte on.
    let mut left = Handshake::initiator(&key(), &binding(1), INITIATOR_NONCE);
    let mut right = Handshake::responder(&keys(), &binding(2), RESPONDER_NONCE);
    let (left, right) = converse(&mut left, &mut right);
    assert_eq!(left.unwrap_err(), AuthError::Refused);
    assert_eq!(right.unwrap_err(), AuthError::WrongTag);
    // The same connection at both ends.
    let mut left = Handshake::initiator(&key(), &binding(1), INITIATOR_NONCE);
    let mut right = Handshake::responder(&keys(), &binding(1), RESPONDER_NONCE);
    let (left, right) = converse(&mut left, &mut right);
    assert!(left.is_ok() && right.is_ok());
}

#[test]
fn relay_to_an_end_without_tls() {
    for (left, right) in [
        (binding(1), HandshakeOptions::default()),
        (HandshakeOptions::default(), binding(1)),
        // Not even if the context is what the binding would have been.
        (
            binding(1),
            HandshakeOptions {
                context: vec![1; 32],
                ..HandshakeOptions::default()
            },
        ),
    ] {
        let mut left = Handshake::initiator(&key(), &left, INITIATOR_NONCE);
        let mut right = Handshake::responder(&keys(), &right, RESPONDER_NONCE);
        let (left, right) = converse(&mut left, &mut right);
        assert_eq!(left.unwrap_err(), AuthError::Refused);
        assert_eq!(right.unwrap_err(), AuthError::WrongTag);
    }
}

#[test]
fn replay_of_either_end() {
    let [hello, challenge, proof, welcome] = messages();
    let options = HandshakeOptions::default();
    let mut right = Handshake::responder(&keys(), &options, [1; 32]);
    right.receive(&hello);
    right.receive(&proof);
    assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);

    let mut left = Handshake::initiator(&key(), &options, [1; 32]);
    left.receive(&challenge);
    left.receive(&welcome);
    assert_eq!(outcome(&mut left).unwrap_err(), AuthError::WrongTag);
}

#[test]
fn replay_of_an_answer_to_a_challenge() {
    let options = ChallengeOptions::default();
    let mut machine = Challenge::answerer(&peekaboo(), &options);
    machine.receive(&[1; 32]);
    let mut answer = Vec::new();
    machine.poll_transmit(&mut answer);
    for received in [&answer[..], &[2; 32], &[0; 32]] {
        let mut machine = Challenge::asker(&peekaboo(), &options, [2; 32]);
        machine.receive(received);
        assert_eq!(machine.poll_event(), Err(AuthError::WrongTag));
    }
}

#[test]
fn downgrade_of_the_version() {
    let [hello, challenge, proof, welcome] = messages();
    let old = |message: &[u8]| [&message[..1], &[0], &message[2..]].concat();
    let error = AuthError::OtherVersion { ours: 1, theirs: 0 };
    let mut right = responder();
    right.receive(&old(&hello));
    assert_eq!(outcome(&mut right).unwrap_err(), error);
    let mut right = responder();
    right.receive(&hello);
    right.receive(&old(&proof));
    assert_eq!(outcome(&mut right).unwrap_err(), error);
    let mut left = initiator();
    left.receive(&old(&challenge));
    assert_eq!(outcome(&mut left).unwrap_err(), error);
    let mut left = initiator();
    left.receive(&challenge);
    left.receive(&old(&welcome));
    assert_eq!(outcome(&mut left).unwrap_err(), error);
}

#[test]
fn downgrade_to_another_key() {
    // Both ends have both keys under both ids, and somebody changes the id on the way.
    let mut keys = keys();
    keys.insert(Key::new("2026-10", SECRET).unwrap());
    let options = HandshakeOptions::default();
    let mut right = Handshake::responder(&keys, &options, RESPONDER_NONCE);
    let mut left = initiator();
    let mut hello = sent(&mut left);
    hello.truncate(36);
    hello.extend_from_slice(b"2026-10");
    right.receive(&hello);
    left.receive(&sent(&mut right));
    right.receive(&sent(&mut left));
    assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);
}

#[cfg(feature = "md5")]
#[test]
fn downgrade_of_the_digest() {
    let options = ChallengeOptions::default();
    let old = ChallengeKey::new_legacy_md5("peekaboo").unwrap();
    let mut machine = Challenge::answerer(&old, &options);
    machine.receive(&[1; 32]);
    let mut answer = Vec::new();
    machine.poll_transmit(&mut answer);
    assert_eq!(answer.len(), 16);
    // Alone it is not enough, with anything behind it it is wrong.
    let mut machine = Challenge::asker(&peekaboo(), &options, [1; 32]);
    machine.receive(&answer);
    assert_eq!(machine.poll_event(), Ok(None));
    machine.receive(&[0; 16]);
    assert_eq!(machine.poll_event(), Err(AuthError::WrongTag));
}

#[test]
fn mixing_two_flows() {
    let options = HandshakeOptions::default();
    // Two handshakes under one key at the same time; somebody crosses what they send, from one message on.
    // (From the first on, it would only be the network that takes each to the other's responder.)
    for crossed_from in 1..4 {
        let mut ends = [
            [initiator(), responder()],
            [
                Handshake::initiator(&key(), &options, [1; 32]),
                Handshake::responder(&keys(), &options, [2; 32]),
            ],
        ];
        for turn in 0..4 {
            let wires = [0, 1].map(|flow: usize| sent(&mut ends[flow][turn % 2]));
            for (flow, wire) in wires.iter().enumerate() {
                let to = flow ^ usize::from(turn >= crossed_from);
                ends[to][(turn + 1) % 2].receive(wire);
            }
        }
        let outcomes = ends.map(|flow| flow.map(|mut end| outcome(&mut end).map(drop)));
        for [left, right] in outcomes {
            assert!(left.is_err());
            // Before the last message both responders have seen a right proof.
            assert_eq!(right.is_ok(), crossed_from == 3);
        }
    }
}

#[test]
fn a_key_oracle_in_the_responder() {
    // Before the proof a responder says the same whatever its keys are, and after a wrong one too.
    let named = |id: &str, secret: u8| Key::new(id, [secret; 32]).unwrap();
    let rings = [
        Keyring::new(),
        keys(),
        Keyring::from(named("2026-11", 1)),
        Keyring::from(named("other", 7)),
    ];
    let mut said = rings.map(|keys| {
        let options = HandshakeOptions::default();
        let mut right = Handshake::responder(&keys, &options, RESPONDER_NONCE);
        right.receive(&messages()[0]);
        let challenge = sent(&mut right);
        right.receive(&[&[0xa3, 1, 0, 32], &[0; 32][..]].concat());
        assert!(outcome(&mut right).is_err());
        (challenge, sent(&mut right))
    });
    said.sort();
    assert_eq!(said.first(), said.last());
    assert_eq!(said[0].1, [0xaf, 1, 0, 0]);
}

#[test]
fn an_unknown_key_is_named_at_home_only() {
    let other = Key::new("stranger", SECRET).unwrap();
    let mut left = Handshake::initiator(&other, &HandshakeOptions::default(), INITIATOR_NONCE);
    let (left, right) = converse(&mut left, &mut responder());
    assert_eq!(left.unwrap_err(), AuthError::Refused);
    let id = b"stranger"[..].into();
    assert_eq!(right.unwrap_err(), AuthError::UnknownKey { id });
}

#[test]
fn the_stand_in_for_unknown_keys_opens_nothing() {
    let hello = [&[0xa1, 1, 0, 40], &[1; 32][..], b"stranger"].concat();
    let mut right = responder();
    right.receive(&hello);
    let challenge = sent(&mut right);
    // The proof that is right for it, from the specification.
    let mut transcript = Sha256::new();
    let protocol = b"netblocks auth-hmac handshake 1";
    for field in [&protocol[..], &hello, &challenge, b"", b""] {
        transcript.update((field.len() as u64).to_be_bytes());
        transcript.update(field);
    }
    let root = Hkdf::<Sha256>::from_prk(&[0; 32]).unwrap();
    let label = b"initiator proof";
    let mut proof = [0; 32];
    let info = [
        &(label.len() as u64).to_be_bytes()[..],
        label,
        &transcript.finalize(),
    ];
    root.expand_multi_info(&info, &mut proof).unwrap();
    right.receive(&[&[0xa3, 1, 0, 32], &proof[..]].concat());
    let id = b"stranger"[..].into();
    assert_eq!(
        outcome(&mut right).unwrap_err(),
        AuthError::UnknownKey { id }
    );
    assert_eq!(sent(&mut right), [0xaf, 1, 0, 0]);
}

#[test]
fn a_key_oracle_in_the_challenge() {
    // Whoever answers challenges computes HMAC-SHA256 of any 32 bytes under the secret. With the same
    // secret in the handshake, that is of no use there.
    let oracle = |message: &[u8]| {
        let key = ChallengeKey::new(SECRET).unwrap();
        let mut machine = Challenge::answerer(&key, &ChallengeOptions::default());
        machine.receive(message);
        let mut answer = Vec::new();
        machine.poll_transmit(&mut answer);
        answer
    };
    let [hello, challenge, proof, _] = messages();
    let mut transcript = Sha256::new();
    for field in [
        &b"netblocks auth-hmac handshake 1"[..],
        &hello,
        &challenge,
        b"",
        b"",
    ] {
        transcript.update((field.len() as u64).to_be_bytes());
        transcript.update(field);
    }
    let transcript = transcript.finalize();
    for message in [
        &transcript[..],
        &hello[4..36],
        &challenge[4..],
        &Sha256::digest(&hello),
    ] {
        let mut right = responder();
        right.receive(&hello);
        right.receive(&[&proof[..4], &oracle(message)].concat());
        assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);
    }
}

#[test]
fn data_before_success() {
    let [hello, _, proof, _] = messages();
    // What is sent along with a proof is not even looked at: not before the proof, and not after it.
    let mut right = responder();
    right.receive(&hello);
    let data = b"delete everything";
    let read = [&proof[..], data].concat();
    assert_eq!(right.receive(&read), proof.len());
    let mut wrong = read.clone();
    wrong[35] ^= 1;
    let mut right = responder();
    right.receive(&hello);
    assert_eq!(right.receive(&wrong), proof.len());
    assert_eq!(right.receive(data), 0);
    assert!(outcome(&mut right).is_err());
    // A proof in advance, without the challenge.
    let mut right = responder();
    right.receive(&[&hello[..], &proof[..4], &[0; 32]].concat());
    assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);
}

#[test]
fn a_wrong_proof_cannot_be_repeated() {
    let [hello, _, proof, _] = messages();
    let mut wrong = proof.clone();
    wrong[35] ^= 1;
    let mut right = responder();
    right.receive(&hello);
    right.receive(&wrong);
    assert_eq!(right.receive(&proof), 0);
    assert_eq!(right.receive(&hello), 0);
    assert_eq!(outcome(&mut right).unwrap_err(), AuthError::WrongTag);
}

#[test]
fn session_keys_of_other_handshakes() {
    let (left, _) = sessions();
    let other_nonce = |left: u8, right: u8, options: &HandshakeOptions| {
        let mut left = Handshake::initiator(&key(), options, [left; 32]);
        let mut right = Handshake::responder(&keys(), options, [right; 32]);
        converse(&mut left, &mut right).0.unwrap()
    };
    let default = HandshakeOptions::default();
    let exported = [
        left,
        other_nonce(b'i', 2, &default),
        other_nonce(1, b'r', &default),
        other_nonce(b'i', b'r', &context("x")),
        other_nonce(b'i', b'r', &binding(0)),
    ]
    .map(|session| session.export::<32>(b"label"));
    for (place, key) in exported.iter().enumerate() {
        assert!(!exported[..place].contains(key));
    }
}
