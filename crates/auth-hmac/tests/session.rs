//! Sealed messages and exported keys.

mod support;

use auth_hmac::{Handshake, HandshakeOptions, Opened, Opener, Sealer, Session, SessionError};
use proptest::prelude::*;
use support::{converse, key, keys, sessions};

fn limited(max_message_len: usize) -> (Session, Session) {
    let options = HandshakeOptions {
        max_message_len,
        ..HandshakeOptions::default()
    };
    let mut left = Handshake::initiator(&key(), &options, [1; 32]);
    let mut right = Handshake::responder(&keys(), &options, [2; 32]);
    let (left, right) = converse(&mut left, &mut right);
    (left.expect("same key"), right.expect("same key"))
}

fn sealed(sealer: &mut Sealer, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sealer.seal(payload, &mut out).expect("it is short");
    out
}

/// Three sealed messages, their sealer, and an opener for them.
fn three() -> ([Vec<u8>; 3], Sealer, Opener) {
    let (left, right) = sessions();
    let (mut sealer, _) = left.into_halves();
    let messages = [b"one", b"two", b"six"].map(|payload| sealed(&mut sealer, payload));
    (messages, sealer, right.into_halves().1)
}

fn open(opener: &mut Opener, mut message: &[u8]) -> Result<Vec<u8>, SessionError> {
    let opened = opener.open(&mut message)?;
    let Opened { payload, .. } = opened.expect("the message is whole");
    assert!(message.is_empty());
    Ok(payload.to_vec())
}

#[test]
fn replay() {
    let ([one, two, _], _, mut opener) = three();
    assert_eq!(open(&mut opener, &one).unwrap(), b"one");
    assert_eq!(open(&mut opener, &two).unwrap(), b"two");
    let error = SessionError::OutOfOrder {
        expected: 2,
        found: 1,
    };
    assert_eq!(open(&mut opener, &two), Err(error));
}

#[test]
fn reordering() {
    let ([_, two, _], _, mut opener) = three();
    let error = SessionError::OutOfOrder {
        expected: 0,
        found: 1,
    };
    assert_eq!(open(&mut opener, &two), Err(error));
}

#[test]
fn a_message_left_out() {
    let ([one, _, six], _, mut opener) = three();
    open(&mut opener, &one).unwrap();
    let error = SessionError::OutOfOrder {
        expected: 1,
        found: 2,
    };
    assert_eq!(open(&mut opener, &six), Err(error));
}

#[test]
fn an_error_stays() {
    let ([one, two, _], _, mut opener) = three();
    let error = open(&mut opener, &two).unwrap_err();
    assert_eq!(open(&mut opener, &one), Err(error));
    assert_eq!(opener.receive_eof(&[]), Err(error));
}

#[test]
fn the_other_direction() {
    let (left, right) = sessions();
    let (mut left_sealer, mut left_opener) = left.into_halves();
    let (mut right_sealer, _) = right.into_halves();
    let own = sealed(&mut left_sealer, b"hello");
    let theirs = sealed(&mut right_sealer, b"hello");
    assert_ne!(own, theirs);
    assert_eq!(open(&mut left_opener, &own), Err(SessionError::WrongTag));
}

#[test]
fn another_session() {
    let (left, _) = sessions();
    let (_, right) = limited(1 << 20);
    let message = sealed(&mut left.into_halves().0, b"hello");
    let mut opener = right.into_halves().1;
    assert_eq!(open(&mut opener, &message), Err(SessionError::WrongTag));
}

#[test]
fn truncation_of_the_stream() {
    let ([one, two, six], mut sealer, mut opener) = three();
    for message in [one, two, six] {
        open(&mut opener, &message).unwrap();
    }
    // Everything that came was right, but this is not the end that the peer wanted.
    let error = SessionError::Truncated { received: 0 };
    assert_eq!(opener.receive_eof(&[]), Err(error));

    let ([one, two, six], mut again, mut opener) = three();
    let mut last = Vec::new();
    sealer.seal_last(b"", &mut last).unwrap();
    for message in [one, two, six] {
        open(&mut opener, &message).unwrap();
    }
    let mut input = &last[..];
    let opened = opener.open(&mut input).unwrap().unwrap();
    assert!(opened.is_last && opened.payload.is_empty());
    assert!(opener.has_ended());
    assert_eq!(opener.open(&mut input), Ok(None));
    assert_eq!(opener.receive_eof(input), Ok(()));

    // Behind the end nothing is right, not even what is well sealed.
    let four = sealed(&mut again, b"four");
    assert_eq!(open(&mut opener, &four), Err(SessionError::Ended));
}

#[test]
fn bytes_behind_the_end() {
    let (mut left, mut right) = sessions();
    let mut wire = Vec::new();
    left.seal_last(b"x", &mut wire).unwrap();
    let mut input = &wire[..];
    right.open(&mut input).unwrap().unwrap();
    let error = SessionError::Truncated { received: 1 };
    assert_eq!(right.receive_eof(b"x"), Err(error));
}

#[test]
fn nothing_is_sealed_after_the_last() {
    let (mut left, _) = sessions();
    let mut wire = Vec::new();
    left.seal_last(b"", &mut wire).unwrap();
    let len = wire.len();
    assert_eq!(left.seal(b"", &mut wire), Err(SessionError::Ended));
    assert_eq!(left.seal_last(b"", &mut wire), Err(SessionError::Ended));
    assert_eq!(wire.len(), len);
}

#[test]
fn the_limit_on_both_sides() {
    let (mut left, mut right) = limited(4);
    let mut wire = Vec::new();
    let error = SessionError::TooLong { len: 5, max: 4 };
    assert_eq!(left.seal(b"12345", &mut wire), Err(error));
    assert!(wire.is_empty());
    // The session is as it was.
    left.seal(b"1234", &mut wire).unwrap();
    assert_eq!(
        right.open(&mut &wire[..]).unwrap().unwrap().payload,
        b"1234"
    );
    // An announcement is enough to be refused, before the payload comes.
    let head = [&5_u32.to_be_bytes()[..], &[0; 9]].concat();
    assert_eq!(right.open(&mut &head[..]), Err(error));
    let (_, mut right) = limited(4);
    let head = [&[0xff; 4][..], &[0; 9]].concat();
    let len = u64::from(u32::MAX);
    assert_eq!(
        right.open(&mut &head[..]),
        Err(SessionError::TooLong { len, max: 4 })
    );
}

#[test]
fn exported_keys_differ_by_label_and_length() {
    let (left, right) = sessions();
    assert_eq!(left.export::<32>(b"a"), right.export::<32>(b"a"));
    assert_ne!(left.export::<32>(b"a"), left.export::<32>(b"b"));
    assert_ne!(left.export::<32>(b""), left.export::<32>(b"\0"));
    assert_ne!(left.export::<16>(b"a")[..], left.export::<32>(b"a")[..16]);
    assert_eq!(left.export::<0>(b"a"), []);
    assert_eq!(left.export::<8160>(b"a"), right.export::<8160>(b"a"));
    assert_eq!(left.key_id(), b"2026-11");
    assert_eq!(right.key_id(), b"2026-11");
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
        cut in 1_usize..100,
    ) {
        let (mut left, mut right) = sessions();
        let mut wire = Vec::new();
        for payload in &payloads {
            left.seal(payload, &mut wire).expect("within the limit");
        }
        let mut opened = Vec::new();
        let mut unread = Vec::new();
        for piece in wire.chunks(cut) {
            unread.extend_from_slice(piece);
            let mut input = &unread[..];
            while let Some(message) = right.open(&mut input).expect("it is as sealed") {
                opened.push(message.payload.to_vec());
            }
            let rest = input.len();
            unread.drain(..unread.len() - rest);
        }
        prop_assert_eq!(opened, payloads);
        prop_assert!(unread.is_empty());
    }

    #[test]
    fn anything_else_is_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, mut right) = sessions();
        prop_assert!(!matches!(right.open(&mut &bytes[..]), Ok(Some(_))));
    }
}
