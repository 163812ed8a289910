use std::error::Error;
use std::fmt;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use auth_hmac::blocking::{Untimed, answer, initiate};
use auth_hmac::{ChallengeKey, ChallengeOptions, HandshakeOptions, Key};
use socket2::Socket;
use tls_mixin::Session;

use crate::{Address, HANDSHAKE_TIMEOUT};

/// The key that clients, or both sides, have to know.
#[derive(Clone, Debug, clap::Args)]
pub struct KeyOptions {
    /// The key that a client proves to know; better from a file, for command lines can be seen by others
    #[arg(long, value_name = "TEXT", group = "key")]
    authkey: Option<Text>,
    /// A file with the key; the end of the line behind it does not count
    #[arg(long, value_name = "PATH", group = "key")]
    authkey_file: Option<PathBuf>,
    /// Have both sides prove that they know the key, which has 16 bytes at least, not the client alone.
    /// What follows travels unprotected either way, unless inside TLS: then the proof is worth nothing
    /// outside that connection
    #[arg(long, requires = "key")]
    mutual: bool,
}

/// How a client proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It answers a challenge.
    Challenge(ChallengeKey, ChallengeOptions),
    /// It and the server prove themselves to each other.
    Mutual(Key, HandshakeOptions),
}

impl Proof {
    /// The same proof, worth nothing outside this TLS connection. A challenge can't be bound to one:
    /// the recipe's clients know nothing of it.
    #[must_use]
    pub fn within(&self, session: &Session) -> Self {
        let mut proof = self.clone();
        if let Self::Mutual(_, options) = &mut proof {
            options.channel_binding = Some(session.channel_binding());
        }
        proof
    }

    /// Proves to a server that we know the key, and has it prove the same where that is asked for. `socket` is
    /// what is below `stream`, or the same.
    ///
    /// # Errors
    ///
    /// The server does not know the key, or is not convinced that we do, or the stream fails.
    pub fn show(&self, stream: impl Read + Write, socket: &Socket) -> Result<(), auth_hmac::Error> {
        // How often the driver looks at the clock.
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut stream = Untimed(stream);
        match self {
            Self::Challenge(key, options) => answer(&mut stream, key, options)?,
            Self::Mutual(key, options) => initiate(&mut stream, key, options).map(drop)?,
        }
        Ok(socket.set_read_timeout(None)?)
    }
}

impl KeyOptions {
    /// The address of the recipes' echo server: that with a key has a port of its own, and so has that
    /// with TLS.
    #[must_use]
    pub fn default_address(&self, is_tls: bool) -> Address {
        let has_key = self.authkey.is_some() || self.authkey_file.is_some();
        let port = match (is_tls, has_key) {
            (true, _) => 17899,
            (false, true) => 18000,
            (false, false) => 20000,
        };
        Address::Tcp((Ipv4Addr::LOCALHOST, port).into())
    }

    /// How a client proves itself, if it has to. A proof by both sides is worth nothing for another `service`.
    ///
    /// # Errors
    ///
    /// Why the file can't be read, or the key not be used. The key is not in the text.
    pub fn load(&self, service: &str) -> Result<Option<Proof>, Box<dyn Error>> {
        let secret = match (&self.authkey, &self.authkey_file) {
            (Some(Text(text)), _) => text.clone().into_bytes(),
            (None, Some(path)) => {
                let mut secret = std::fs::read(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                for end in [b'\n', b'\r'] {
                    secret.pop_if(|last| *last == end);
                }
                secret
            }
            (None, None) => return Ok(None),
        };
        // For the client. A server cuts logins itself, and sooner.
        let timeout = 2 * HANDSHAKE_TIMEOUT;
        if self.mutual {
            let options = HandshakeOptions {
                timeout,
                context: service.as_bytes().into(),
                ..HandshakeOptions::default()
            };
            return Ok(Some(Proof::Mutual(Key::new("", secret)?, options)));
        }
        let key = ChallengeKey::new_short(secret)?;
        if key.is_short() && !socket_server::is_worker() {
            tracing::warn!(
                "WEAK KEY: it has less than 16 bytes; whoever overhears one login can find it by trying"
            );
        }
        Ok(Some(Proof::Challenge(key, ChallengeOptions { timeout })))
    }
}

/// A text that is not printed.
#[derive(Clone)]
struct Text(String);

impl FromStr for Text {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}
