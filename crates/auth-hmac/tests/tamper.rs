//! Every bit of every message changed, and every message cut or prolonged: always refused.

mod support;

use auth_hmac::{AuthError, Challenge, ChallengeOptions, Handshake, SessionError};
use support::{initiator, messages, outcome, peekaboo, responder, sent, sessions};

/// Every variant of the bytes with one bit changed.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    })
}

/// Passes messages on, but the one at `place` as `message`, and returns whether each end believes the other.
fn with(place: usize, message: &[u8]) -> [Result<(), AuthError>; 2] {
    let mut ends: [Handshake; 2] = [initiator(), responder()];
    for turn in 0..4 {
        let wire = sent(&mut ends[turn % 2]);
        ends[(turn + 1) % 2].receive(if turn == place { message } else { &wire });
    }
    ends.map(|mut end| outcome(&mut end).map(drop))
}

#[test]
fn nothing_changed_is_accepted() {
    for (place, message) in messages().iter().enumerate() {
        assert_eq!(with(place, message), [Ok(()), Ok(())]);
    }
}

#[test]
fn every_bit_of_every_message() {
    for (place, message) in messages().iter().enumerate() {
        for changed in flipped(message) {
            let [left, right] = with(place, &changed);
            assert!(left.is_err(), "message {place}: {changed:02x?}");
            // The responder has seen a right proof before the last message, which is its own.
            assert_eq!(
                right.is_err(),
                place != 3,
                "message {place}: {changed:02x?}"
            );
        }
    }
}

#[test]
fn every_message_cut_or_prolonged() {
    for (place, message) in messages().iter().enumerate() {
        for len in (0..message.len()).chain(message.len() + 1..257) {
            let mut other = message.clone();
            other.resize(len, 0);
            // Also with a head that says so.
            let mut announced = other.clone();
            if let Some(length) = announced.get_mut(2..4) {
                length.copy_from_slice(&(len as u16 - 4).to_be_bytes());
            }
            for other in [other, announced] {
                let [left, right] = with(place, &other);
                if len > message.len() && other[2..4] == message[2..4] {
                    // What is behind a message belongs to the next one, or to whoever comes after.
                    let is_last_of_its_side = place >= 2;
                    assert_eq!(left.is_err() || right.is_err(), !is_last_of_its_side);
                } else {
                    assert!(left.is_err(), "message {place}, {len} bytes");
                    assert_eq!(right.is_err(), place != 3, "message {place}, {len} bytes");
                }
            }
        }
    }
}

#[test]
fn every_announced_length() {
    let messages = messages();
    for (place, message) in messages.iter().enumerate() {
        for announced in (0..300).chain([0x1000, 0x7fff, 0x8000, 0xff20, 0xffff]) {
            let head = [&message[..2], &u16::to_be_bytes(announced)].concat();
            let mut end = match place % 2 {
                0 => responder(),
                _ => initiator(),
            };
            if place >= 2 {
                end.receive(&messages[place - 2]);
            }
            end.receive(&head);
            let is_right = match place {
                0 => (32..=96).contains(&announced),
                _ => announced == 32,
            };
            match end.poll_event() {
                Ok(None) => assert!(is_right),
                Err(AuthError::WrongLength {
                    announced: found, ..
                }) => {
                    assert!(!is_right && found == usize::from(announced));
                }
                other => panic!("message {place}, {announced} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn every_bit_of_the_answer_to_a_challenge() {
    let options = ChallengeOptions::default();
    let mut answer = Vec::new();
    let mut machine = Challenge::answerer(&peekaboo(), &options);
    machine.receive(&[0x6d; 32]);
    machine.poll_transmit(&mut answer);
    for changed in flipped(&answer) {
        let mut machine = Challenge::asker(&peekaboo(), &options, [0x6d; 32]);
        assert_eq!(machine.receive(&changed), 32);
        assert_eq!(machine.poll_event(), Err(AuthError::WrongTag));
        assert_eq!(machine.poll_event(), Err(AuthError::WrongTag), "it repeats");
        assert_eq!(machine.receive(&answer), 0, "there is one try");
    }
    // The right answer to another challenge.
    for nonce in flipped(&[0x6d; 32]) {
        let nonce = nonce[..].try_into().unwrap();
        let mut machine = Challenge::asker(&peekaboo(), &options, nonce);
        machine.receive(&answer);
        assert_eq!(machine.poll_event(), Err(AuthError::WrongTag));
    }
}

#[test]
fn every_bit_of_a_sealed_message() {
    let (mut left, _) = sessions();
    let mut wire = Vec::new();
    left.seal(b"hello", &mut wire).unwrap();
    for changed in flipped(&wire) {
        let (_, mut right) = sessions();
        let mut input = &changed[..];
        match right.open(&mut input) {
            // A longer payload is waited for, within the limit.
            Ok(None) => assert!(changed[..4] > wire[..4] && changed[..4] <= b"\0\x10\0\0"[..]),
            Ok(Some(opened)) => panic!("{opened:?}"),
            Err(SessionError::TooLong { len, max }) => {
                assert!(len > max as u64 && max == 1 << 20);
            }
            Err(SessionError::UnknownKind { found }) => assert_eq!(found, changed[4]),
            Err(error) => assert_eq!(error, SessionError::WrongTag),
        }
    }
}
