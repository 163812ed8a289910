//! The deadline, with a clock that the test moves.

mod support;

use std::time::{Duration, Instant};

use auth_hmac::{AuthError, Challenge, ChallengeOptions, Handshake, HandshakeOptions};
use support::{
    INITIATOR_NONCE, RESPONDER_NONCE, initiator, key, keys, messages, outcome, peekaboo, responder,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn five_seconds_from_the_first_look_at_the_clock() {
    let begin = Instant::now();
    for mut machine in [initiator(), responder()] {
        assert_eq!(machine.poll_timeout(begin), Some(begin + 5 * SECOND));
        let later = begin + 3 * SECOND;
        assert_eq!(machine.poll_timeout(later), Some(begin + 5 * SECOND));
        machine.handle_timeout(begin + 5 * SECOND - Duration::from_nanos(1));
        assert!(machine.poll_event().unwrap().is_none());
        machine.handle_timeout(begin + 5 * SECOND);
        let error = AuthError::TimedOut {
            allowed: 5 * SECOND,
            received: 0,
        };
        assert_eq!(machine.poll_event().unwrap_err(), error);
        assert_eq!(outcome(&mut machine).unwrap_err(), error, "it repeats");
        assert_eq!(machine.poll_timeout(begin), None);
        assert_eq!(machine.wanted(), 0);
    }
}

#[test]
fn it_is_for_all_messages_together_however_they_drip() {
    let begin = Instant::now();
    let [hello, _, proof, _] = messages();
    let mut machine = responder();
    machine.handle_timeout(begin);
    let mut now = begin;
    for byte in [hello, proof].concat() {
        now += SECOND / 10;
        machine.receive(&[byte]);
        machine.handle_timeout(now);
    }
    let error = AuthError::TimedOut {
        allowed: 5 * SECOND,
        received: 50 - 43,
    };
    assert_eq!(outcome(&mut machine).unwrap_err(), error);
}

#[test]
fn it_is_over_with_the_handshake() {
    let begin = Instant::now();
    let [hello, _, proof, _] = messages();
    let mut machine = responder();
    machine.handle_timeout(begin);
    machine.receive(&hello);
    machine.receive(&proof);
    assert_eq!(machine.poll_timeout(begin), None);
    machine.handle_timeout(begin + 100 * SECOND);
    assert!(outcome(&mut machine).is_ok());
}

#[test]
fn a_challenge_has_one_too() {
    let begin = Instant::now();
    let options = ChallengeOptions { timeout: SECOND };
    for mut machine in [
        Challenge::asker(&peekaboo(), &options, [1; 32]),
        Challenge::answerer(&peekaboo(), &options),
    ] {
        assert_eq!(machine.poll_timeout(begin), Some(begin + SECOND));
        machine.receive(&[1; 31]);
        machine.handle_timeout(begin + SECOND);
        let error = AuthError::TimedOut {
            allowed: SECOND,
            received: 31,
        };
        assert_eq!(machine.poll_event(), Err(error));
        assert_eq!(machine.receive(&[1]), 0);
    }
    assert_eq!(ChallengeOptions::default().timeout, 5 * SECOND);
}

#[test]
fn a_time_beyond_the_clock_is_none() {
    let options = HandshakeOptions {
        timeout: Duration::MAX,
        ..HandshakeOptions::default()
    };
    for mut machine in [
        Handshake::initiator(&key(), &options, INITIATOR_NONCE),
        Handshake::responder(&keys(), &options, RESPONDER_NONCE),
    ] {
        let now = Instant::now();
        assert_eq!(machine.poll_timeout(now), None);
        machine.handle_timeout(now + 1_000_000 * SECOND);
        assert!(machine.poll_event().unwrap().is_none());
    }
}
