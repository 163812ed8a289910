//! What the errors say.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use auth_hmac::{AuthError, Error, SessionError};

#[test]
fn of_the_protocols() {
    let texts = [
        (
            AuthError::WrongTag,
            "the peer's tag is wrong: it has another key, context or channel binding",
        ),
        (
            AuthError::UnknownKey {
                id: b"2026\n"[..].into(),
            },
            "the peer named the key \"2026\\n\", which is not known",
        ),
        (
            AuthError::Refused,
            "the peer refused us: it has another key, context or channel binding",
        ),
        (
            AuthError::UnexpectedMessage {
                expected: 0xa1,
                found: b'G',
            },
            "expected a message that begins with 0xa1, got 0x47; this looks like text, such as an HTTP request",
        ),
        (
            AuthError::UnexpectedMessage {
                expected: 0xa1,
                found: 0x16,
            },
            "expected a message that begins with 0xa1, got 0x16; this looks like a TLS handshake",
        ),
        (
            AuthError::UnexpectedMessage {
                expected: 0xa1,
                found: 0xa2,
            },
            "expected a message that begins with 0xa1, got 0xa2",
        ),
        (
            AuthError::OtherVersion { ours: 1, theirs: 2 },
            "the peer speaks version 2 of the handshake, we speak 1",
        ),
        (
            AuthError::WrongLength {
                announced: 65535,
                min: 32,
                max: 96,
            },
            "the peer announced a message of 65535 bytes, the limits are 32 and 96",
        ),
        (
            AuthError::Truncated {
                expected: 36,
                received: 5,
            },
            "was expecting 36 bytes but only received 5 before the stream closed",
        ),
        (
            AuthError::TimedOut {
                allowed: Duration::from_secs(5),
                received: 3,
            },
            "the peer did not finish in the 5s allowed; 3 bytes of its message came",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
        assert_eq!(Error::from(error).to_string(), text);
    }
}

#[test]
fn of_sealed_messages() {
    let texts = [
        (
            SessionError::TooLong { len: 5, max: 4 },
            "a sealed message of 5 bytes, the limit is 4",
        ),
        (SessionError::WrongTag, "a sealed message has a wrong tag"),
        (
            SessionError::OutOfOrder {
                expected: 2,
                found: 1,
            },
            "sealed message 1 came when 2 was due",
        ),
        (
            SessionError::UnknownKind { found: 7 },
            "a sealed message of kind 7, there are 0 and 1",
        ),
        (
            SessionError::Truncated { received: 9 },
            "the stream closed without a last message, 9 bytes into the next",
        ),
        (SessionError::Ended, "a sealed message after the last one"),
        (
            SessionError::Exhausted,
            "no more numbers for sealed messages",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
        assert_eq!(Error::from(error).to_string(), text);
    }
}

#[test]
fn have_sources() {
    let io = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert!(io.source().unwrap().is::<io::Error>());
    let auth = Error::from(AuthError::WrongTag);
    assert!(auth.source().unwrap().is::<AuthError>());
    let session = Error::from(SessionError::WrongTag);
    assert!(session.source().unwrap().is::<SessionError>());
}
