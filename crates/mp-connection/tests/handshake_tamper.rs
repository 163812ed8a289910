//! Wrong keys, changed and foreign messages: each is refused, and the error says what the operator can do.

mod support;

use framing::FrameError;
use mp_connection::{Auth, AuthError, EmptyKey, Generation, Handshake, LoginMessage};
use support::login::{CLIENT, KEY, LISTENER, frame, legacy, messages, modern, outcome, sent};

const FAILURE: &[u8] = b"\0\0\0\x09#FAILURE#";

/// What a listener says to an answer, and what it comes to.
fn answered(auth: &Auth, answer: &[u8]) -> (Vec<u8>, AuthError) {
    let mut listener = Handshake::listener(auth, LISTENER);
    sent(&mut listener);
    listener.receive(answer);
    let said = sent(&mut listener);
    (said, outcome(&mut listener).expect_err("it is refused"))
}

fn challenged(auth: &Auth, challenge: &[u8]) -> AuthError {
    let mut client = Handshake::client(auth, CLIENT);
    client.receive(challenge);
    assert_eq!(sent(&mut client), b"", "nothing is said to {challenge:?}");
    outcome(&mut client).expect_err("it is refused")
}

#[test]
fn another_key_is_refused_by_both() {
    let other = Auth::modern_only("peekboo").unwrap();
    let mut listener = Handshake::listener(&modern(), LISTENER);
    let mut client = Handshake::client(&other, CLIENT);
    client.receive(&sent(&mut listener));
    listener.receive(&sent(&mut client));
    let verdict = sent(&mut listener);
    assert_eq!(verdict, FAILURE);
    client.receive(&verdict);
    assert_eq!(outcome(&mut listener), Err(AuthError::WrongKey));
    assert_eq!(outcome(&mut client), Err(AuthError::Refused));
    assert_eq!(sent(&mut client), b"");
}

#[test]
fn keys_have_bytes() {
    assert_eq!(Auth::modern_only("").unwrap_err(), EmptyKey);
    assert_eq!(Auth::with_legacy_md5([]).unwrap_err(), EmptyKey);
    assert!(Auth::modern_only([0]).is_ok());
    for len in [1, 63, 64, 65, 127, 128, 129, 1000] {
        let auth = Auth::modern_only(vec![7; len]).unwrap();
        assert_eq!(messages(&auth)[5], frame(b"#WELCOME#"));
    }
}

/// Every bit of every message counts, those of the peer's random bytes excepted: whoever changes them gets an answer to
/// them, and that is wrong for the other side.
#[test]
fn no_bit_can_be_changed() {
    for auth in [modern(), legacy()] {
        let messages = messages(&auth);
        for (number, message) in messages.iter().enumerate() {
            for bit in 0..message.len() * 8 {
                let mut message = message.clone();
                message[bit / 8] ^= 1 << (bit % 8);
                let handshake = match number % 2 {
                    0 => Handshake::client(&auth, CLIENT),
                    _ => Handshake::listener(&auth, LISTENER),
                };
                check(handshake, number, &messages, &message);
            }
        }
    }
}

fn check(mut handshake: Handshake, number: usize, messages: &[Vec<u8>], changed: &[u8]) {
    for earlier in (0..number).filter(|earlier| earlier % 2 == number % 2) {
        handshake.receive(&messages[earlier]);
    }
    sent(&mut handshake);
    handshake.receive(changed);
    let said = sent(&mut handshake);
    if let Some(answer) = messages.get(number + 1) {
        assert_ne!(&said, answer, "message {number}, changed to {changed:?}");
    }
    let outcome = outcome(&mut handshake);
    assert!(
        outcome.is_err(),
        "message {number}, changed to {changed:?}: {outcome:?}"
    );
}

#[test]
fn a_tag_is_complete_and_nothing_else() {
    let answer = messages(&modern()).swap_remove(1);
    let payload = &answer[4..];
    for len in (0..=256).filter(|len| *len != payload.len()) {
        let mut other = payload.to_vec();
        other.resize(len, 0);
        let (said, error) = answered(&legacy(), &frame(&other));
        assert_eq!(said, FAILURE);
        let expected = LoginMessage::Answer;
        match (len, error) {
            (16, AuthError::WrongKey) => {}
            (_, AuthError::Unexpected { expected: e, found }) if e == expected => {
                assert_eq!(found[..], other);
            }
            (_, other) => panic!("{other:?} for {len} bytes"),
        }
    }
}

/// Python takes answers by any of its functions; nobody sends them unless asked to.
#[test]
fn an_answer_is_by_the_function_that_was_asked_for() {
    let expected = LoginMessage::Answer;
    for (name, len) in [
        ("sha384", 48),
        ("sha3_256", 32),
        ("sha3_384", 48),
        ("sha1", 20),
    ] {
        let answer = [format!("{{{name}}}").as_bytes(), &vec![7; len]].concat();
        let (said, error) = answered(&legacy(), &frame(&answer));
        assert_eq!(said, FAILURE);
        let found = answer.into();
        assert_eq!(error, AuthError::Unexpected { expected, found });
    }
}

/// The tags are right: the policy alone refuses them.
#[test]
fn old_pythons_are_refused_if_they_are_to_be() {
    let challenge = [b"{sha256}".as_slice(), &LISTENER].concat();
    let tag = md5(&challenge);
    for answer in [tag.clone(), [b"{md5}".as_slice(), &tag].concat()] {
        let mut listener = Handshake::listener(&legacy(), LISTENER);
        sent(&mut listener);
        listener.receive(&frame(&answer));
        assert_eq!(sent(&mut listener), frame(b"#WELCOME#"));

        let (said, error) = answered(&modern(), &frame(&answer));
        assert_eq!(said, FAILURE);
        let expected = LoginMessage::Answer;
        assert_eq!(error, AuthError::LegacyPeer { expected });
        let text = error.to_string();
        assert!(
            text.contains("3.11") && text.contains("Auth::with_legacy_md5"),
            "{text}"
        );
    }
    let challenge = frame(&[b"#CHALLENGE#".as_slice(), &[7; 20]].concat());
    let error = challenged(&modern(), &challenge);
    let text = error.to_string();
    assert!(
        text.contains("3.11") && text.contains("Auth::with_legacy_md5"),
        "{text}"
    );
}

/// What Python up to 3.11 answers to any challenge.
fn md5(message: &[u8]) -> Vec<u8> {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<md5::Md5>::new_from_slice(KEY.as_bytes()).expect("any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A peer that plays our own messages back to us learns nothing and gets nowhere.
#[test]
fn what_a_listener_says_is_no_answer_to_it() {
    let mut listener = Handshake::listener(&legacy(), LISTENER);
    let challenge = sent(&mut listener);
    listener.receive(&challenge);
    assert_eq!(sent(&mut listener), FAILURE);
    let error = outcome(&mut listener).unwrap_err();
    assert!(
        error.to_string().contains("both ends are listeners"),
        "{error}"
    );
    // And it says nothing more.
    assert_eq!(listener.receive(&challenge), 0);
    assert_eq!(sent(&mut listener), b"");
}

/// A listener proves itself second: whoever has not answered gets no answer.
#[test]
fn a_listener_answers_nobody_who_has_not() {
    let asked = frame(&[b"#CHALLENGE#{sha256}".as_slice(), &[7; 40]].concat());
    let (said, _) = answered(&legacy(), &asked);
    assert_eq!(said, FAILURE);
}

#[test]
fn a_peer_without_a_key_is_told_apart() {
    let pickle = b"\x80\x04\x95\x06\0\0\0\0\0\0\0\x8c\x02hi\x94.";
    let (said, error) = answered(&legacy(), &frame(pickle));
    assert_eq!(said, FAILURE);
    let text = error.to_string();
    assert!(
        text.contains("17 bytes") && text.contains("it has no key"),
        "{text}"
    );
    let text = challenged(&legacy(), &frame(pickle)).to_string();
    assert!(
        text.contains("17 bytes") && text.contains("it has no key"),
        "{text}"
    );
}

#[test]
fn other_protocols_are_recognised() {
    let http = b"GET / HTTP/1.1\r\n\r\n";
    let tls = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    for (bytes, name) in [(&http[..], "HTTP"), (tls, "TLS")] {
        let (said, error) = answered(&legacy(), bytes);
        // Whoever speaks something else is told nothing.
        assert_eq!(said, b"");
        assert!(error.to_string().contains(name), "{error}");
        let error = challenged(&legacy(), bytes);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn lengths_have_limits() {
    let too_long = |error| match error {
        AuthError::Frame(FrameError::TooLong {
            declared, limit, ..
        }) => (declared, limit),
        other => panic!("{other:?}"),
    };
    let (said, error) = answered(&legacy(), &257_u32.to_be_bytes());
    assert_eq!(said, b"");
    assert_eq!(too_long(error), (257, 256));
    let extended = [[0xff; 4].as_slice(), &(1_u64 << 40).to_be_bytes()].concat();
    assert_eq!(too_long(challenged(&legacy(), &extended)), (1 << 40, 256));
    for length in [-2, i32::MIN] {
        let error = challenged(&legacy(), &length.to_be_bytes());
        assert_eq!(
            error,
            AuthError::Frame(FrameError::NegativeLength { length })
        );
    }
}

/// Python takes the long form of a header for short messages, too.
#[test]
fn the_long_form_of_a_header_is_read() {
    let mut client = Handshake::client(&modern(), CLIENT);
    for (number, message) in messages(&modern()).iter().enumerate() {
        if number % 2 == 0 {
            let len = (message.len() - 4) as u64;
            let message = [&[0xff; 4], &len.to_be_bytes()[..], &message[4..]].concat();
            assert_eq!(client.receive(&message), message.len());
        }
    }
    assert_eq!(outcome(&mut client), Ok(Generation::Modern));
}

#[test]
fn challenges_have_at_least_20_bytes() {
    for random in 0..60 {
        let challenge = frame(&[b"#CHALLENGE#".as_slice(), &vec![7; random]].concat());
        if random == 20 {
            continue;
        }
        let error = challenged(&legacy(), &challenge);
        let AuthError::Unexpected { expected, found } = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            (expected, found.len()),
            (LoginMessage::Challenge, 11 + random)
        );
    }
    for name in [
        "{sha1}",
        "{sha512}",
        "{SHA256}",
        "{}",
        "{",
        "sha256}",
        "{sha256 }",
        "{blake2b}",
    ] {
        let challenge = frame(&[b"#CHALLENGE#", name.as_bytes(), &[7; 40]].concat());
        let error = challenged(&legacy(), &challenge);
        assert!(
            matches!(error, AuthError::Unexpected { .. }),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn only_a_welcome_is_one() {
    let messages = messages(&modern());
    for verdict in [
        &b"#WELCOME"[..],
        b"#WELCOME#\0",
        b"",
        b"#welcome#",
        b"\x80\x04N.",
    ] {
        let mut client = Handshake::client(&modern(), CLIENT);
        client.receive(&messages[0]);
        sent(&mut client);
        client.receive(&frame(verdict));
        assert_eq!(sent(&mut client), b"");
        let expected = LoginMessage::Welcome;
        let found = verdict.into();
        assert_eq!(
            outcome(&mut client),
            Err(AuthError::Unexpected { expected, found })
        );
    }
}

#[test]
fn errors_repeat_and_nothing_more_is_taken() {
    let mut listener = Handshake::listener(&modern(), LISTENER);
    sent(&mut listener);
    listener.receive(&frame(b"no"));
    let error = listener.poll_event().unwrap_err();
    assert_eq!(listener.receive(&messages(&modern())[1]), 0);
    assert_eq!(listener.wanted(), 0);
    listener.receive_eof();
    assert_eq!(listener.poll_event().unwrap_err(), error);
    assert_eq!(sent(&mut listener), FAILURE);
}
