//! Keys, their ids, and changing them.

mod support;

use auth_hmac::{AuthError, ChallengeKey, Handshake, HandshakeOptions, Key, KeyError, Keyring};
use support::{INITIATOR_NONCE, RESPONDER_NONCE, converse};

fn meet(key: &Key, keys: &Keyring) -> Result<(), AuthError> {
    let options = HandshakeOptions::default();
    let mut left = Handshake::initiator(key, &options, INITIATOR_NONCE);
    let mut right = Handshake::responder(keys, &options, RESPONDER_NONCE);
    let (left, right) = converse(&mut left, &mut right);
    assert_eq!(left.is_ok(), right.is_ok());
    right.map(|session| assert_eq!(session.key_id(), key.id()))
}

#[test]
fn rotation() {
    let old = Key::new("2026-10", [6; 32]).unwrap();
    let new = Key::new("2026-11", [7; 32]).unwrap();
    let mut keys = Keyring::from(old.clone());
    assert!(meet(&new, &keys).is_err());
    assert!(!keys.insert(new.clone()));
    assert_eq!(meet(&old, &keys), Ok(()));
    assert_eq!(meet(&new, &keys), Ok(()));
    assert!(keys.remove("2026-10"));
    assert!(!keys.remove("2026-10"));
    let id = b"2026-10"[..].into();
    assert_eq!(meet(&old, &keys), Err(AuthError::UnknownKey { id }));
    assert_eq!(meet(&new, &keys), Ok(()));
    // Another secret under the same id takes the place of the first.
    let newer = Key::new("2026-11", [8; 32]).unwrap();
    assert!(keys.insert(newer.clone()));
    assert_eq!(meet(&new, &keys), Err(AuthError::WrongTag));
    assert_eq!(meet(&newer, &keys), Ok(()));
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_handshake_keeps_the_keys_of_its_beginning() {
    let key = Key::new("", [7; 32]).unwrap();
    let mut keys = Keyring::from(key.clone());
    let options = HandshakeOptions::default();
    let mut right = Handshake::responder(&keys, &options, RESPONDER_NONCE);
    keys.remove("");
    assert!(keys.is_empty());
    let mut left = Handshake::initiator(&key, &options, INITIATOR_NONCE);
    assert!(converse(&mut left, &mut right).1.is_ok());
    assert!(meet(&key, &keys).is_err());
}

#[test]
fn short_keys_are_refused() {
    for len in 0..16 {
        let error = KeyError::TooShort { len, min: 16 };
        assert_eq!(Key::new("", vec![1; len]).unwrap_err(), error);
        assert_eq!(ChallengeKey::new(vec![1; len]).unwrap_err(), error);
    }
    assert!(Key::new("", [1; 16]).is_ok());
    assert!(!ChallengeKey::new([1; 16]).unwrap().is_short());
    let text = Key::new("", "peekaboo").unwrap_err().to_string();
    assert_eq!(text, "the key has 8 bytes, it must have at least 16");
}

#[test]
fn the_challenge_takes_short_keys_by_name_but_no_empty_ones() {
    let error = KeyError::TooShort { len: 0, min: 1 };
    assert_eq!(ChallengeKey::new_short("").unwrap_err(), error);
    assert!(ChallengeKey::new_short("p").unwrap().is_short());
    assert!(ChallengeKey::new_short([1; 15]).unwrap().is_short());
    assert!(!ChallengeKey::new_short([1; 16]).unwrap().is_short());
    #[cfg(feature = "md5")]
    assert_eq!(ChallengeKey::new_legacy_md5("").unwrap_err(), error);
}

#[test]
fn ids_of_any_length_up_to_64() {
    for len in 0..=64 {
        let key = Key::new(vec![0xff; len], [7; 32]).unwrap();
        assert_eq!(key.id(), vec![0xff; len]);
        assert_eq!(meet(&key, &Keyring::from(key.clone())), Ok(()));
    }
    let error = KeyError::IdTooLong { len: 65, max: 64 };
    assert_eq!(Key::new([0; 65], [7; 32]).unwrap_err(), error);
}

#[test]
fn secrets_are_not_printed() {
    let key = Key::new("2026\n", "a secret of enough bytes").unwrap();
    assert_eq!(format!("{key:?}"), "Key(\"2026\\n\", ..)");
    let keys = Keyring::from_iter([key.clone()]);
    assert_eq!(format!("{keys:?}"), "{\"2026\\\\n\"}");
    let challenge = ChallengeKey::new_short("peekaboo").unwrap();
    assert_eq!(format!("{challenge:?}"), "ChallengeKey(..)");
    let options = HandshakeOptions::default();
    let mut left = Handshake::initiator(&key, &options, INITIATOR_NONCE);
    let mut right = Handshake::responder(&keys, &options, RESPONDER_NONCE);
    let beginning = format!("{left:?}");
    assert_eq!(
        beginning,
        "Handshake { state: \"AwaitChallenge\", received: 0, .. }"
    );
    let session = converse(&mut left, &mut right).0.unwrap();
    let printed = format!("{session:?}");
    assert!(printed.contains("exporter: Secret(..)") && printed.contains("key: MacKey(..)"));
}
