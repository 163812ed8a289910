//! Conversations of real Pythons, recorded: key `peekaboo`.

mod support;

use mp_connection::{AuthError, Generation, Handshake, LoginMessage};
use support::login::{frame, hex, legacy, modern, outcome, sent};

/// Python 3.13 on both sides.
const NEW_NEW: [&str; 6] = [
    "0000003b 234348414c4c454e474523 7b7368613235367d f0cd2db5d932884cb33d4509d4bede568f0a113ffe5704032485ddbf71c2cca26b3c9fcad16a650d",
    "00000028 7b7368613235367d 601f867089a8d42eaa7b65cf42c36e62f16ce37a836287b6771d865a857c5860",
    WELCOME,
    "0000003b 234348414c4c454e474523 7b7368613235367d 85fefe498e981207585bfb728e2d0651dc989ef3ed7c56207613b9a5e82fda163f08c8175c6a632d",
    "00000028 7b7368613235367d 0c83e2335fd76014808127a8ea21438dcf4fd34ee75e037e90413e92990e1ecc",
    WELCOME,
];

/// Python 3.11 on both sides.
const OLD_OLD: [&str; 6] = [
    "0000001f 234348414c4c454e474523 795399cd18804c44b678cde8ac265ff364777300",
    "00000010 ade34e0657bb0ee543c9eec258b3e306",
    WELCOME,
    "0000001f 234348414c4c454e474523 e35f8736766b53233899e4c9e5882e5a2e8a4486",
    "00000010 c48140012c65bf295fc401b4a77fce43",
    WELCOME,
];

/// A listener of 3.11, a client of 3.13.
const OLD_NEW: [&str; 6] = [
    "0000001f 234348414c4c454e474523 20a8a14ba1a1b197b6bf9e802946e25153b90792",
    "00000010 ff23081ed5f345f6efce2c9f32465bd5",
    WELCOME,
    "0000003b 234348414c4c454e474523 7b7368613235367d 4757ffac216e06221d7ad7ef71462c10fe49ccc6e5c8d7db8edddc2f6e9c5fad7b86b1b008fd8f82",
    "00000010 3d573199e4bd90b6b2ca41e5ec41ba86",
    WELCOME,
];

/// A listener of 3.13, a client of 3.11.
const NEW_OLD: [&str; 6] = [
    "0000003b 234348414c4c454e474523 7b7368613235367d 8823b8b7b3e44c8fcd91d22bc64d07fa08ec0985d5671fb8c3b5fb9266538339c33f11582ff0962c",
    "00000010 45a35395b3d7e84a2cd5cc97cee004c2",
    WELCOME,
    "0000001f 234348414c4c454e474523 4097a87be48699513e9529cea4e1d88ab3f41d52",
    "00000010 7d3ececc3d133c71ed8ae40b4ae19acc",
    WELCOME,
];

const WELCOME: &str = "00000009 2357454c434f4d4523";

/// The random bytes of a modern challenge.
fn nonce(challenge: &str) -> [u8; 40] {
    let challenge = hex(challenge);
    *challenge.last_chunk().expect("it is longer")
}

/// Plays one side of a conversation, and says what that side comes to. `ours` says which of the messages it must send.
fn play(
    mut handshake: Handshake,
    messages: &[&str],
    ours: [bool; 6],
) -> Result<Generation, AuthError> {
    let (mut said, mut expected) = (Vec::new(), Vec::new());
    for (message, is_ours) in messages.iter().zip(ours) {
        let message = hex(message);
        if is_ours {
            expected.extend_from_slice(&message);
            continue;
        }
        handshake.poll_transmit(&mut said);
        assert_eq!(said, expected);
        assert_eq!(handshake.receive(&message), message.len());
    }
    handshake.poll_transmit(&mut said);
    assert_eq!(said, expected);
    outcome(&mut handshake)
}

const LISTENER: [bool; 6] = [true, false, true, false, true, false];
const CLIENT: [bool; 6] = [false, true, false, true, false, true];

#[test]
fn python_3_13_with_itself() {
    for auth in [modern(), legacy()] {
        let listener = Handshake::listener(&auth, nonce(NEW_NEW[0]));
        assert_eq!(play(listener, &NEW_NEW, LISTENER), Ok(Generation::Modern));
        let client = Handshake::client(&auth, nonce(NEW_NEW[3]));
        assert_eq!(play(client, &NEW_NEW, CLIENT), Ok(Generation::Modern));
    }
}

#[test]
fn a_client_of_python_3_13_with_a_listener_of_3_11() {
    let client = Handshake::client(&legacy(), nonce(OLD_NEW[3]));
    assert_eq!(play(client, &OLD_NEW, CLIENT), Ok(Generation::Legacy));
}

#[test]
fn a_listener_of_python_3_13_with_a_client_of_3_11() {
    let listener = Handshake::listener(&legacy(), nonce(NEW_OLD[0]));
    assert_eq!(play(listener, &NEW_OLD, LISTENER), Ok(Generation::Legacy));
}

/// Each half alone; of 3.11 we have the answers, since nobody needs its challenges.
#[test]
fn halves() {
    let both = [NEW_NEW, OLD_OLD, OLD_NEW, NEW_OLD];
    for half in both.iter().flat_map(|messages| messages.chunks(3)) {
        let challenge = hex(half[0]);
        let is_modern = challenge.len() > 40;
        // Python 3.11 answers a modern challenge with MD5, and we do not.
        if !is_modern || hex(half[1]).len() > 20 {
            let mut answer = Handshake::answer(&legacy());
            answer.receive(&challenge);
            assert_eq!(sent(&mut answer), hex(half[1]));
            answer.receive(&hex(half[2]));
            let expected = match is_modern {
                true => Generation::Modern,
                false => Generation::Legacy,
            };
            assert_eq!(outcome(&mut answer), Ok(expected));
        }
        if is_modern {
            let mut deliver = Handshake::deliver(&legacy(), nonce(half[0]));
            assert_eq!(sent(&mut deliver), challenge);
            deliver.receive(&hex(half[1]));
            assert_eq!(sent(&mut deliver), hex(half[2]));
            let expected = match hex(half[1]).len() {
                20 => Generation::Legacy,
                _ => Generation::Modern,
            };
            assert_eq!(outcome(&mut deliver), Ok(expected));
        }
    }
}

/// What is behind `#CHALLENGE#`, and the answer.
const ANSWERS: [(&[u8], usize, &str); 7] = [
    (b"", 20, "eadb23afc74270ecf5f335cd7487dbb5"),
    (b"{sha256}", 12, "95f63258ecf462ad1f85ccf4f180bb0e"),
    (b"{md5}", 40, "7b6d64357d 7bea223846e5a8587dc661e2145f7cad"),
    (
        b"{sha256}",
        40,
        "7b7368613235367d 8ec9e3af8fbb66dd3547382ea9a6d9d7bfb646bf70fcd84d835aaecd9fd5b1c4",
    ),
    (
        b"{sha384}",
        40,
        "7b7368613338347d 8ec6bc3b141870f91a2b111d3b10f3db8da6f2666369f32cbfc4e169ebd5126c7e62ee4b4bbd802bdc4cef42bfd03309",
    ),
    (
        b"{sha3_256}",
        40,
        "7b736861335f3235367d f287ed72b20d6bdb03be589195d701c1a79ce1917aae2441816b34b127861551",
    ),
    (
        b"{sha3_384}",
        40,
        "7b736861335f3338347d 48a82c72049ff18ede19830eb321c17a9dea831d40c211ec0f196942b18f3bc207eed58e9626c2a3fd656c3309ef87bb",
    ),
];

fn challenge((name, random, _): (&[u8], usize, &str)) -> Vec<u8> {
    frame(&[b"#CHALLENGE#", name, &b"m".repeat(random)].concat())
}

#[test]
fn every_kind_of_challenge_is_answered() {
    for vector in ANSWERS {
        for mut handshake in [
            Handshake::answer(&legacy()),
            Handshake::client(&legacy(), [0; 40]),
        ] {
            handshake.receive(&challenge(vector));
            assert_eq!(sent(&mut handshake), frame(&hex(vector.2)));
        }
    }
}

/// A challenge of 20 bytes is one for MD5, whatever is in it.
#[test]
fn without_legacy_md5_nothing_is_answered_with_it() {
    let expected = LoginMessage::Challenge;
    for (number, vector) in ANSWERS.into_iter().enumerate() {
        let mut handshake = Handshake::client(&modern(), [0; 40]);
        handshake.receive(&challenge(vector));
        match number {
            0..3 => {
                assert_eq!(sent(&mut handshake), b"");
                assert_eq!(
                    outcome(&mut handshake),
                    Err(AuthError::LegacyPeer { expected })
                );
            }
            _ => assert_eq!(sent(&mut handshake), frame(&hex(vector.2))),
        }
    }
}
