//! The test vectors of the specification, and of the recipe.

mod support;

use auth_hmac::{
    Challenge, ChallengeEvent, ChallengeKey, ChallengeOptions, Handshake, HandshakeOptions, Key,
    Keyring, Session,
};
use support::{INITIATOR_NONCE, RESPONDER_NONCE, converse, hex, outcome, peekaboo, sent, vectors};

fn answer(key: &ChallengeKey, challenge: &[u8]) -> Vec<u8> {
    let mut machine = Challenge::answerer(key, &ChallengeOptions::default());
    assert_eq!(machine.receive(challenge), challenge.len());
    assert_eq!(machine.poll_event(), Ok(Some(ChallengeEvent::Answered)));
    let mut out = Vec::new();
    assert!(machine.poll_transmit(&mut out));
    out
}

#[test]
fn the_recipe() {
    let expected = vectors().remove("peekaboo answers").unwrap();
    let tag = "d15667d3498d972dd854091cf2326382d66578dc52eacb51ac55d473dc318760";
    assert_eq!(expected, hex(tag));
    assert_eq!(answer(&peekaboo(), &[0x6d; 32]), expected);

    let mut asker = Challenge::asker(&peekaboo(), &ChallengeOptions::default(), [0x6d; 32]);
    let mut out = Vec::new();
    assert!(asker.poll_transmit(&mut out));
    assert_eq!(out, [0x6d; 32]);
    assert_eq!(asker.receive(&expected), 32);
    assert_eq!(asker.poll_event(), Ok(Some(ChallengeEvent::Proven)));
}

/// RFC 4231, test cases 2 (a key of four bytes) and 6 (a key longer than a block), whose messages are
/// not 32 bytes, so only as far as any challenge goes: a long key is hashed first.
#[test]
fn a_key_longer_than_a_block_is_its_hash() {
    let long = ChallengeKey::new([0xaa; 131]).unwrap();
    // SHA-256 of 131 times 0xaa.
    let hash = hex("45ad4b37c6e2fc0a2cfcc1b5da524132ec707615c2cae1dbbc43c97aa521db81");
    assert_eq!(
        answer(&long, &[1; 32]),
        answer(&ChallengeKey::new(hash).unwrap(), &[1; 32])
    );
}

#[cfg(feature = "md5")]
#[test]
fn the_recipe_of_old_pythons() {
    let key = ChallengeKey::new_legacy_md5("peekaboo").unwrap();
    let tag = hex("8b6edd04e654f0881a762be1c92662e4");
    assert_eq!(answer(&key, &[0x6d; 32]), tag);
    let mut asker = Challenge::asker(&key, &ChallengeOptions::default(), [0x6d; 32]);
    let read = [&tag[..], b"what follows"].concat();
    assert_eq!(asker.receive(&read), 16);
    assert_eq!(asker.poll_event(), Ok(Some(ChallengeEvent::Proven)));
}

#[test]
fn the_handshake() {
    let vectors = vectors();
    let key = Key::new("2026-11", &vectors["key"]).unwrap();
    let options = HandshakeOptions {
        context: vectors["context"].clone(),
        channel_binding: Some(vectors["channel binding"][..].try_into().unwrap()),
        ..HandshakeOptions::default()
    };
    let mut left = Handshake::initiator(&key, &options, INITIATOR_NONCE);
    let mut right = Handshake::responder(&Keyring::from(key), &options, RESPONDER_NONCE);

    assert_eq!(sent(&mut left), vectors["hello"]);
    right.receive(&vectors["hello"]);
    assert_eq!(sent(&mut right), vectors["challenge"]);
    left.receive(&vectors["challenge"]);
    assert_eq!(sent(&mut left), vectors["proof"]);
    right.receive(&vectors["proof"]);
    assert_eq!(sent(&mut right), vectors["welcome"]);
    left.receive(&vectors["welcome"]);

    let mut left = outcome(&mut left).unwrap();
    let mut right = outcome(&mut right).unwrap();
    for session in [&left, &right] {
        let short: [u8; 16] = session.export(b"file cipher");
        let long: [u8; 42] = session.export(b"file cipher");
        assert_eq!(short[..], vectors["export of 16 bytes"]);
        assert_eq!(long[..], vectors["export of 42 bytes"]);
    }
    assert_eq!(seal(&mut left, b"hello"), vectors["initiator seals hello"]);
    assert_eq!(seal(&mut right, b"hello"), vectors["responder seals hello"]);
    let mut last = Vec::new();
    left.seal_last(b"", &mut last).unwrap();
    assert_eq!(last, vectors["initiator seals nothing, its last"]);
}

fn seal(session: &mut Session, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    session.seal(payload, &mut out).expect("it is short");
    out
}

#[test]
fn a_refusal() {
    let other = Key::new("2026-11", [8; 32]).unwrap();
    let mut left = Handshake::initiator(&other, &HandshakeOptions::default(), INITIATOR_NONCE);
    let mut right = support::responder();
    let hello = sent(&mut left);
    right.receive(&hello);
    left.receive(&sent(&mut right));
    right.receive(&sent(&mut left));
    assert_eq!(sent(&mut right), vectors()["failure"]);
    assert!(converse(&mut left, &mut right).1.is_err());
}

#[test]
fn the_attacks_of_the_specification_are_tests() {
    let page = include_str!("../../../docs/src/auth-hmac.md");
    let (_, attacks) = page.split_once("## Attacks").unwrap();
    let (attacks, _) = attacks.split_once("## Test vectors").unwrap();
    let tests = [
        include_str!("attacks.rs"),
        include_str!("blocking.rs"),
        include_str!("chunking.rs"),
        include_str!("session.rs"),
        include_str!("tamper.rs"),
    ]
    .concat();
    let quoted = attacks.split('`').skip(1).step_by(2);
    // `file.rs: test`, or a further test of that file.
    let names = quoted.map(|quoted| quoted.rsplit(' ').next().unwrap_or(quoted));
    let mut count = 0;
    for name in names.filter(|name| !name.contains(['.', '/'])) {
        assert!(tests.contains(&format!("fn {name}()")), "{name}");
        count += 1;
    }
    assert!(count > 25, "{count} tests are named");
}
