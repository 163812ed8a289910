//! What must hold whatever a peer sends. The fuzz targets run it on what the fuzzer makes up, and the tests
//! on the stored corpus.
//!
//! An input is three bytes of settings and a stream: which end it is sent to, and two lengths by which the
//! stream is cut in turn. Keys and nonces are fixed, so there is one stream that is right.
#![allow(dead_code, reason = "each fuzz target uses one function")]

use auth_hmac::{
    AuthError, Challenge, ChallengeEvent, ChallengeKey, ChallengeOptions, Handshake,
    HandshakeOptions, Key, Keyring, Session, SessionError,
};

pub(crate) fn challenge(input: &[u8]) {
    let Some((end, stream, pieces)) = split(input) else {
        return;
    };
    let key = ChallengeKey::new_short("peekaboo").expect("it is not empty");
    let options = ChallengeOptions::default();
    let machine = || match end % 2 {
        0 => Challenge::asker(&key, &options, [0x6d; 32]),
        _ => Challenge::answerer(&key, &options),
    };
    let run = |pieces: &[&[u8]]| {
        let mut machine = machine();
        let mut taken = 0;
        for piece in pieces {
            taken += machine.receive(piece);
        }
        machine.receive_eof();
        let outcome = machine.poll_event();
        let mut sent = Vec::new();
        machine.poll_transmit(&mut sent);
        assert_eq!(taken, stream.len().min(32));
        assert_eq!(machine.wanted(), 0);
        (outcome, sent)
    };
    let (outcome, sent) = run(&[stream]);
    assert_eq!(run(&pieces), (outcome.clone(), sent.clone()));
    let mut answers = Challenge::answerer(&key, &options);
    answers.receive(&[0x6d; 32]);
    let mut right = Vec::new();
    answers.poll_transmit(&mut right);
    let expected = match end % 2 {
        _ if stream.len() < 32 => Err(AuthError::Truncated {
            expected: 32,
            received: stream.len(),
        }),
        0 if stream.starts_with(&right) => Ok(Some(ChallengeEvent::Proven)),
        0 => Err(AuthError::WrongTag),
        _ => Ok(Some(ChallengeEvent::Answered)),
    };
    assert_eq!(outcome, expected);
    // Whoever asks says nothing but the challenge, whoever answers nothing before it is there.
    let sent_len = 32 * usize::from(end % 2 == 0 || stream.len() >= 32);
    assert_eq!(sent.len(), sent_len);
}

pub(crate) fn handshake(input: &[u8]) {
    let Some((end, stream, pieces)) = split(input) else {
        return;
    };
    let (mut left, mut right) = ends();
    let wires = meet(&mut left, &mut right);
    // From one side on, all that comes before is right.
    let beginning = match end / 2 % 2 {
        0 => Vec::new(),
        _ => wires[usize::from(end % 2)][0].clone(),
    };
    let run = |pieces: &[&[u8]]| {
        let (left, right) = ends();
        let mut machine = [right, left].into_iter().nth(usize::from(end % 2));
        let machine = machine.as_mut().expect("there are two ends");
        let mut sent = Vec::new();
        let mut taken = machine.receive(&beginning);
        for piece in pieces {
            let before = machine.wanted();
            let part = machine.receive(piece);
            assert!(part == piece.len() || machine.wanted() == 0 || before == 0);
            taken += part;
            machine.poll_transmit(&mut sent);
        }
        machine.poll_transmit(&mut sent);
        machine.receive_eof();
        let session = machine.poll_event();
        (session.map(|session| (key(session), taken)), sent)
    };
    let (outcome, sent) = run(&[stream]);
    assert_eq!(run(&pieces), (outcome.clone(), sent.clone()));
    assert!(sent.len() <= 256);
    let whole = [&beginning[..], stream].concat();
    let right = wires[usize::from(end % 2)].concat();
    assert_eq!(outcome.is_ok(), whole.starts_with(&right));
    if let Ok((_, taken)) = outcome {
        assert_eq!(taken, right.len());
    }
}

pub(crate) fn session(input: &[u8]) {
    let Some((_, stream, pieces)) = split(input) else {
        return;
    };
    let payloads = [&b"hello"[..], b"", b"world", b"end"];
    let (mut sealer, _) = session_pair();
    let mut right = Vec::new();
    for payload in &payloads[..3] {
        sealer.seal(payload, &mut right).expect("it is short");
    }
    let sealed = sealer.seal_last(payloads[3], &mut right);
    sealed.expect("it is short");

    let run = |pieces: &[&[u8]]| {
        let (_, mut session) = session_pair();
        let mut unread = Vec::new();
        let mut opened = Vec::new();
        for piece in pieces {
            unread.extend_from_slice(piece);
            let mut input = &unread[..];
            loop {
                match session.open(&mut input) {
                    Ok(Some(message)) => opened.push(message.payload.to_vec()),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(session.open(&mut input), Err(error), "errors repeat");
                        return (opened, Err(error));
                    }
                }
            }
            assert!(input.len() < 64 + 45, "there is no reason to keep more");
            let rest = input.len();
            unread.drain(..unread.len() - rest);
        }
        (opened, session.receive_eof(&unread))
    };
    let (opened, end) = run(&[stream]);
    assert_eq!(run(&pieces), (opened.clone(), end));
    assert!(
        opened
            .iter()
            .zip(payloads)
            .all(|(opened, sealed)| opened == sealed)
    );
    assert!(opened.len() <= payloads.len());
    assert_eq!(end.is_ok(), stream == right);
    if right.starts_with(stream) && stream != right {
        assert!(matches!(end, Err(SessionError::Truncated { .. })));
    }
}

type Split<'a> = (u8, &'a [u8], Vec<&'a [u8]>);

fn split(input: &[u8]) -> Option<Split<'_>> {
    let (&[end, first, second], stream) = input.split_first_chunk()?;
    let mut pieces = Vec::new();
    let mut rest = stream;
    for size in [first, second].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(size).max(1)));
        pieces.push(piece);
        rest = behind;
    }
    Some((end, stream, pieces))
}

fn ends() -> (Handshake, Handshake) {
    let key = Key::new("2026-11", [7; 32]).expect("32 bytes are enough");
    let options = HandshakeOptions {
        max_message_len: 64,
        ..HandshakeOptions::default()
    };
    (
        Handshake::initiator(&key, &options, [b'i'; 32]),
        Handshake::responder(&Keyring::from(key), &options, [b'r'; 32]),
    )
}

/// Lets both ends prove themselves, and returns what each sent: the initiator first.
fn meet(left: &mut Handshake, right: &mut Handshake) -> [[Vec<u8>; 2]; 2] {
    let mut wires = <[[Vec<u8>; 2]; 2]>::default();
    let [there, back] = &mut wires;
    for (there, back) in there.iter_mut().zip(back) {
        left.poll_transmit(there);
        right.receive(there);
        right.poll_transmit(back);
        left.receive(back);
    }
    wires
}

fn session_pair() -> (Session, Session) {
    let (mut left, mut right) = ends();
    meet(&mut left, &mut right);
    let [left, right] = [left, right].map(|mut end| {
        let session = end.poll_event().expect("the keys are the same");
        session.expect("all messages went through")
    });
    (left, right)
}

fn key(session: Option<Session>) -> Option<[u8; 32]> {
    session.map(|session| session.export(b""))
}
