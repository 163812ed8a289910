//! The messages arrive cut anywhere, and what comes behind them is left alone.

mod support;

use mp_connection::{Generation, Handshake};
use support::login::{CLIENT, LISTENER, legacy, messages, modern, outcome, sent};

/// Both roles, and all that each receives.
fn roles() -> [(Handshake, Vec<u8>); 2] {
    let auth = modern();
    let received = |role: usize| {
        let messages = messages(&auth);
        let theirs = messages.into_iter().skip(role).step_by(2);
        theirs.flatten().collect()
    };
    [
        (Handshake::client(&auth, CLIENT), received(0)),
        (Handshake::listener(&auth, LISTENER), received(1)),
    ]
}

#[test]
fn messages_arrive_in_two_pieces() {
    let [(_, client), (_, listener)] = roles();
    for (role, len) in [client.len(), listener.len()].into_iter().enumerate() {
        for cut in 0..=len {
            let (mut handshake, bytes) = roles().into_iter().nth(role).expect("there are two");
            let (first, second) = bytes.split_at(cut);
            assert_eq!(handshake.receive(first), cut);
            assert_eq!(handshake.receive(second), len - cut);
            assert_eq!(outcome(&mut handshake), Ok(Generation::Modern));
        }
    }
}

#[test]
fn messages_arrive_byte_by_byte() {
    for (mut handshake, bytes) in roles() {
        for byte in bytes {
            assert_eq!(handshake.poll_event(), Ok(None));
            assert!(handshake.wanted() > 0);
            assert_eq!(handshake.receive(&[byte]), 1);
        }
        assert_eq!(handshake.wanted(), 0);
        assert_eq!(handshake.poll_event(), Ok(Some(Generation::Modern)));
        assert_eq!(handshake.poll_event(), Ok(None));
    }
}

#[test]
fn what_comes_behind_is_left_to_the_caller() {
    for (mut handshake, mut bytes) in roles() {
        let len = bytes.len();
        bytes.extend_from_slice(b"\0\0\0\x05hello");
        assert_eq!(handshake.receive(&bytes), len);
        assert_eq!(handshake.receive(&bytes), 0);
        assert_eq!(outcome(&mut handshake), Ok(Generation::Modern));
    }
}

/// Who reads what is wanted reads whole messages in two steps, and never further.
#[test]
fn what_is_wanted_ends_with_the_message() {
    for (mut handshake, bytes) in roles() {
        let mut rest = &bytes[..];
        let mut reads = 0;
        while handshake.wanted() > 0 {
            let (next, later) = rest.split_at(handshake.wanted());
            assert_eq!(handshake.receive(next), next.len());
            rest = later;
            reads += 1;
        }
        assert_eq!((rest.len(), reads), (0, 6));
        assert_eq!(outcome(&mut handshake), Ok(Generation::Modern));
    }
}

#[test]
fn an_end_anywhere_says_how_far_it_came() {
    for (role, len) in [(0, 4 + 59 + 4 + 9 + 4 + 40), (1, 4 + 40 + 4 + 59 + 4 + 9)] {
        for cut in 0..len {
            let (mut handshake, bytes) = roles().into_iter().nth(role).expect("there are two");
            assert_eq!(bytes.len(), len);
            handshake.receive(&bytes[..cut]);
            let error = outcome(&mut handshake).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("closed the stream"), "{text}");
            sent(&mut handshake);
        }
    }
    let mut listener = Handshake::listener(&legacy(), LISTENER);
    listener.receive(b"\0\0\0\x28{sha");
    let text = outcome(&mut listener).unwrap_err().to_string();
    assert!(text.contains("8 bytes into the answer"), "{text}");
}
