//! The time of a login is the caller's: nothing here waits.

mod support;

use std::time::{Duration, Instant};

use mp_connection::{AuthError, Handshake, LoginMessage};
use support::login::{CLIENT, LISTENER, messages, modern, outcome};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn all_messages_share_the_time() {
    let now = Instant::now();
    let mut client = Handshake::client(&modern(), CLIENT);
    assert_eq!(client.poll_timeout(now), Some(now + 5 * SECOND));
    for (number, message) in messages(&modern()).iter().step_by(2).enumerate() {
        let now = now + SECOND * u32::try_from(number).unwrap();
        client.handle_timeout(now);
        client.receive(&message[..6]);
        assert_eq!(client.poll_event(), Ok(None));
        let deadline = now - SECOND * u32::try_from(number).unwrap() + 5 * SECOND;
        assert_eq!(client.poll_timeout(now), Some(deadline));
        client.receive(&message[6..]);
    }
    assert_eq!(client.poll_timeout(now), None);
    client.handle_timeout(now + 60 * SECOND);
    assert!(outcome(&mut client).is_ok());
}

#[test]
fn a_slow_peer_is_cut() {
    let now = Instant::now();
    let auth = modern().with_timeout(2 * SECOND);
    let mut listener = Handshake::listener(&auth, LISTENER);
    listener.handle_timeout(now);
    let answer = &messages(&auth)[1];
    for byte in 0..8 {
        listener.receive(&answer[byte..=byte]);
        listener.handle_timeout(now + 2 * SECOND - Duration::from_nanos(1));
        assert_eq!(listener.poll_event(), Ok(None));
    }
    listener.handle_timeout(now + 2 * SECOND);
    let error = listener.poll_event().unwrap_err();
    let expected = AuthError::TimedOut {
        expected: LoginMessage::Answer,
        allowed: 2 * SECOND,
        received: 8,
    };
    assert_eq!(error, expected);
    assert!(
        error
            .to_string()
            .contains("2s allowed; 8 bytes of the answer"),
        "{error}"
    );
    assert_eq!(listener.receive(&answer[8..]), 0);
    assert_eq!(listener.wanted(), 0);
}

/// The recipe's mistake: a client with a key, a server without. In Python both wait for ever.
#[test]
fn a_silent_peer_may_have_no_key() {
    let now = Instant::now();
    let mut client = Handshake::client(&modern(), CLIENT);
    client.handle_timeout(now);
    client.handle_timeout(now + 5 * SECOND);
    let error = client.poll_event().unwrap_err();
    assert!(error.to_string().contains("it has no key"), "{error}");
}

#[test]
fn a_time_beyond_the_clock_is_for_ever() {
    let now = Instant::now();
    let auth = modern().with_timeout(Duration::MAX);
    let mut client = Handshake::client(&auth, CLIENT);
    assert_eq!(client.poll_timeout(now), None);
    client.handle_timeout(now + 1000 * SECOND);
    assert_eq!(client.poll_event(), Ok(None));
}
