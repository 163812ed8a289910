//! Every message cut at every byte, and byte by byte: the outcome is the same, and not a byte more is taken.

mod support;

use auth_hmac::{AuthError, Challenge, ChallengeEvent, ChallengeOptions, Opened, SessionError};
use support::{initiator, messages, outcome, peekaboo, responder, sent, sessions};

/// Gives the bytes in two parts, for every place to cut (the first part may be empty), and in single bytes.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let halves = (0..bytes.len()).map(|at| <[&[u8]; 2]>::from(bytes.split_at(at)).to_vec());
    halves.chain([bytes.chunks(1).collect()])
}

#[test]
fn both_ends_of_the_handshake() {
    let [hello, challenge, proof, welcome] = messages();
    for hello in cuts(&hello) {
        for proof in cuts(&proof) {
            let mut machine = responder();
            for piece in &hello {
                assert!(machine.poll_event().unwrap().is_none());
                assert_eq!(machine.receive(piece), piece.len());
            }
            assert_eq!(sent(&mut machine), challenge);
            for piece in &proof {
                assert!(machine.poll_event().unwrap().is_none());
                assert_eq!(machine.receive(piece), piece.len());
            }
            assert_eq!(sent(&mut machine), welcome);
            outcome(&mut machine).unwrap();
        }
    }
    for challenge in cuts(&challenge) {
        for welcome in cuts(&welcome) {
            let mut machine = initiator();
            assert_eq!(sent(&mut machine), messages()[0]);
            for piece in challenge.iter().chain(&welcome) {
                assert!(machine.poll_event().unwrap().is_none());
                assert_eq!(machine.receive(piece), piece.len());
            }
            assert_eq!(sent(&mut machine), proof);
            outcome(&mut machine).unwrap();
        }
    }
}

#[test]
fn what_follows_the_handshake_is_left_unread() {
    let [hello, challenge, proof, welcome] = messages();
    for follows in 0..100 {
        let follows = vec![0xa3; follows];
        let mut right = responder();
        right.receive(&hello);
        let read = [&proof[..], &follows].concat();
        assert_eq!(right.receive(&read), proof.len());
        assert_eq!(right.receive(&follows), 0);
        outcome(&mut right).unwrap();

        let mut left = initiator();
        left.receive(&challenge);
        let read = [&welcome[..], &follows].concat();
        assert_eq!(left.receive(&read), welcome.len());
        outcome(&mut left).unwrap();
    }
}

#[test]
fn wanted_never_reaches_behind_the_handshake() {
    let [hello, _, proof, _] = messages();
    let mut machine = responder();
    let wire = [&hello[..], &proof, b"what follows"].concat();
    let mut at = 0;
    let mut reads = 0;
    while machine.wanted() > 0 {
        at += machine.receive(&wire[at..at + machine.wanted()]);
        reads += 1;
    }
    assert_eq!(&wire[at..], b"what follows");
    assert_eq!(
        reads, 3,
        "two for the hello, whose length is open, one for the proof"
    );
    outcome(&mut machine).unwrap();
}

#[test]
fn every_end_of_the_stream_within_the_handshake() {
    let [hello, challenge, proof, welcome] = messages();
    let incoming = [hello, proof].concat();
    for end in 0..incoming.len() {
        let mut machine = responder();
        machine.receive(&incoming[..end]);
        let error = outcome(&mut machine).unwrap_err();
        assert!(
            matches!(error, AuthError::Truncated { expected, received } if received < expected)
        );
        assert_eq!(outcome(&mut machine).unwrap_err(), error, "it repeats");
    }
    let incoming = [challenge, welcome].concat();
    for end in 0..incoming.len() {
        let mut machine = initiator();
        machine.receive(&incoming[..end]);
        let error = outcome(&mut machine).unwrap_err();
        assert!(
            matches!(error, AuthError::Truncated { expected: 36, received } if received == end % 36)
        );
    }
}

#[test]
fn both_ends_of_the_challenge() {
    let options = ChallengeOptions::default();
    let mut answer = Vec::new();
    for challenge in cuts(&[0x6d; 32]) {
        let mut machine = Challenge::answerer(&peekaboo(), &options);
        for piece in &challenge {
            assert!(!machine.poll_transmit(&mut answer));
            assert_eq!(machine.receive(piece), piece.len());
        }
        assert_eq!(machine.receive(b"what follows"), 0);
        assert_eq!(machine.poll_event(), Ok(Some(ChallengeEvent::Answered)));
        assert_eq!(machine.poll_event(), Ok(None), "it is told once");
        answer.clear();
        assert!(machine.poll_transmit(&mut answer));
    }
    for answer in cuts(&answer) {
        let mut machine = Challenge::asker(&peekaboo(), &options, [0x6d; 32]);
        for piece in &answer {
            assert_eq!(machine.poll_event(), Ok(None));
            assert_eq!(machine.receive(piece), piece.len());
        }
        assert_eq!(machine.receive(b"what follows"), 0);
        assert_eq!(machine.wanted(), 0);
        assert_eq!(machine.poll_event(), Ok(Some(ChallengeEvent::Proven)));
    }
    let read = [&answer[..], b"what follows"].concat();
    let mut machine = Challenge::asker(&peekaboo(), &options, [0x6d; 32]);
    assert_eq!(machine.receive(&read), 32);
    assert_eq!(machine.poll_event(), Ok(Some(ChallengeEvent::Proven)));
}

#[test]
fn every_end_of_the_stream_within_the_challenge() {
    let options = ChallengeOptions::default();
    for received in 0..32 {
        for mut machine in [
            Challenge::asker(&peekaboo(), &options, [0x6d; 32]),
            Challenge::answerer(&peekaboo(), &options),
        ] {
            machine.receive(&vec![0; received]);
            machine.receive_eof();
            let error = AuthError::Truncated {
                expected: 32,
                received,
            };
            assert_eq!(machine.poll_event(), Err(error.clone()));
            assert_eq!(machine.poll_event(), Err(error), "it repeats");
        }
    }
}

#[test]
fn sealed_messages() {
    let (mut left, right) = sessions();
    let mut wire = Vec::new();
    left.seal(b"hello", &mut wire).unwrap();
    left.seal(b"", &mut wire).unwrap();
    left.seal_last(b"world", &mut wire).unwrap();
    assert_eq!(wire.len(), 3 * 45 + 10);
    let (_, mut opener) = right.into_halves();
    let mut opened = Vec::new();
    let mut start = 0;
    for end in 0..=wire.len() {
        let mut input = &wire[start..end];
        while let Some(message) = opener.open(&mut input).unwrap() {
            opened.push((message.payload.to_vec(), message.is_last, end));
        }
        start = end - input.len();
    }
    assert_eq!(
        opened,
        [
            (b"hello".to_vec(), false, 50),
            (Vec::new(), false, 95),
            (b"world".to_vec(), true, 145)
        ]
    );
    assert_eq!(opener.receive_eof(&[]), Ok(()));
}

#[test]
fn every_end_of_the_stream_within_sealed_messages() {
    let mut wire = Vec::new();
    let (mut left, _) = sessions();
    left.seal(b"hello", &mut wire).unwrap();
    left.seal_last(b"world", &mut wire).unwrap();
    for end in 0..wire.len() {
        let (_, mut right) = sessions();
        let mut input = &wire[..end];
        let mut opened = 0;
        while let Some(Opened { is_last, .. }) = right.open(&mut input).unwrap() {
            assert!(!is_last);
            opened += 1;
        }
        assert_eq!(opened, end / 50);
        let error = SessionError::Truncated { received: end % 50 };
        assert_eq!(right.receive_eof(input), Err(error));
        assert_eq!(right.open(&mut input), Err(error), "it repeats");
    }
}
