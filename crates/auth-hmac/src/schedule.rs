//! From the key and what was said to tags and session keys. The specification is docs/src/auth-hmac.md.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use crate::secret::{MacKey, Secret};

/// Told apart from every other use that a key may have, and from other versions of this one.
const PROTOCOL: &[u8] = b"netblocks auth-hmac handshake 1";

/// What both ends derive from the secret, whatever its length: its only use.
pub(crate) fn root(secret: &[u8]) -> Secret<32> {
    Secret::new(Hkdf::<Sha256>::extract(Some(PROTOCOL), secret).0.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

impl Role {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// A key together with everything that both ends must agree on.
#[derive(Clone)]
pub(crate) struct Schedule {
    root: Hkdf<Sha256>,
    transcript: [u8; 32],
}

impl Schedule {
    /// The messages are whole, with their heads.
    pub(crate) fn new(
        root: &Secret<32>,
        hello: &[u8],
        challenge: &[u8],
        context: &[u8],
        channel_binding: &[u8],
    ) -> Self {
        let mut hash = Sha256::new();
        for field in [PROTOCOL, hello, challenge, context, channel_binding] {
            hash.update(length(field.len()));
            hash.update(field);
        }
        Self {
            root: prepared(root),
            transcript: hash.finalize().into(),
        }
    }

    /// By which one role proves that it knows the key.
    pub(crate) fn proof(&self, role: Role) -> Secret<32> {
        self.derive(match role {
            Role::Initiator => b"initiator proof",
            Role::Responder => b"responder proof",
        })
    }

    /// With which one role seals what it sends.
    pub(crate) fn seal(&self, role: Role) -> MacKey {
        let key = self.derive(match role {
            Role::Initiator => b"initiator seal",
            Role::Responder => b"responder seal",
        });
        MacKey::new(key.bytes())
    }

    /// From which exported keys come.
    pub(crate) fn exporter(&self) -> Secret<32> {
        self.derive(b"exporter")
    }

    fn derive(&self, label: &[u8]) -> Secret<32> {
        Secret::filled(|out| expand(&self.root, label, &self.transcript, out))
    }
}

/// A key that a session exports; the length takes part, so a shorter one is not the start of a longer.
pub(crate) fn export(exporter: &Secret<32>, label: &[u8], out: &mut [u8]) {
    expand(&prepared(exporter), label, &length(out.len()), out);
}

fn prepared(secret: &Secret<32>) -> Hkdf<Sha256> {
    Hkdf::from_prk(secret.bytes()).expect("32 bytes are a whole hash")
}

fn expand(secret: &Hkdf<Sha256>, label: &[u8], rest: &[u8], out: &mut [u8]) {
    secret
        .expand_multi_info(&[&length(label.len()), label, rest], out)
        .expect("callers ask for at most 255 hashes");
}

/// What stands before every field of variable length, so that none can run into the next.
fn length(len: usize) -> [u8; 8] {
    (len as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the specification that never leave this crate.
    #[test]
    fn the_specification() {
        let page = include_str!("../../../docs/src/auth-hmac.md");
        let (_, page) = page.split_once("## Test vectors").expect("it has them");
        let value = |name: &str| {
            let mut lines = page.lines().filter_map(|line| line.split_once(" = "));
            let line = lines.find(|line| line.0 == name);
            line.expect("the page has such a line").1
        };
        let bytes = |name: &str| -> Vec<u8> {
            let digits = value(name).as_bytes().chunks(2).map(|pair| {
                let pair = str::from_utf8(pair).expect("digits are ASCII");
                u8::from_str_radix(pair, 16)
            });
            digits
                .collect::<Result<_, _>>()
                .expect("digits come in pairs")
        };
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let root = root(&bytes("key"));
        assert_eq!(hex(root.bytes()), value("root"));
        let schedule = Schedule::new(
            &root,
            &bytes("hello"),
            &bytes("challenge"),
            &bytes("context"),
            &bytes("channel binding"),
        );
        assert_eq!(hex(&schedule.transcript), value("transcript"));
        assert_eq!(hex(schedule.exporter().bytes()), value("exporter"));
        for role in ["initiator", "responder"] {
            let label = format!("{role} seal");
            let seal = schedule.derive(label.as_bytes());
            assert_eq!(hex(seal.bytes()), value(&label));
        }
    }
}
