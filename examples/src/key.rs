use std::error::Error;
use std::fmt;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use auth_hmac::blocking::{Untimed, answer, initiate};
use auth_hmac::{ChallengeKey, ChallengeOptions, HandshakeOptions, Key};
use mp_connection::blocking::Connection;
use mp_connection::{Auth, EmptyKey};
use socket2::Socket;
use tls_mixin::Session;

use crate::{Address, HANDSHAKE_TIMEOUT, explain};

/// The key that clients, or both sides, have to know.
#[derive(Clone, Debug, clap::Args)]
pub struct KeyOptions {
    #[command(flatten)]
    secret: Secret,
    /// Have both sides prove that they know the key, which has 16 bytes at least, not the client alone.
    /// What follows travels unprotected either way, unless inside TLS: then the proof is worth nothing
    /// outside that connection
    #[arg(long, requires = "key")]
    mutual: bool,
}

/// The key of Python's `multiprocessing.connection`, which both sides always prove to know.
#[derive(Clone, Debug, clap::Args)]
pub struct AuthOptions {
    #[command(flatten)]
    secret: Secret,
    /// Refuse those that know nothing better than HMAC-MD5: Python up to 3.11
    #[arg(long, requires = "key")]
    modern_only: bool,
}

/// Where the key is.
#[derive(Clone, Debug, clap::Args)]
struct Secret {
    /// The key that a client proves to know; better from a file, for command lines can be seen by others
    #[arg(long, value_name = "TEXT", group = "key")]
    authkey: Option<Text>,
    /// A file with the key; the end of the line behind it does not count
    #[arg(long, value_name = "PATH", group = "key")]
    authkey_file: Option<PathBuf>,
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
        let port = match (is_tls, self.secret.is_given()) {
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
        let Some(secret) = self.secret.read()? else {
            return Ok(None);
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
        if key.is_short() {
            warn_of_short_key();
        }
        Ok(Some(Proof::Challenge(key, ChallengeOptions { timeout })))
    }

    /// The same key for Python's `multiprocessing.connection`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), which also warns of a key that is short.
    pub fn auth(&self, modern_only: bool) -> Result<Option<Auth>, Box<dyn Error>> {
        let secret = self.secret.read()?;
        let auth = secret.map(|secret| auth(&secret, modern_only));
        Ok(auth.transpose()?)
    }
}

impl AuthOptions {
    /// Whether there is a key.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.secret.is_given()
    }

    /// The key, and which proofs of it are taken. Without a key there is no login, as in Python.
    ///
    /// # Errors
    ///
    /// Why the file can't be read, or the key not be used. The key is not in the text.
    pub fn load(&self) -> Result<Option<Auth>, Box<dyn Error>> {
        let Some(secret) = self.secret.read()? else {
            return Ok(None);
        };
        let auth = auth(&secret, self.modern_only)?;
        if secret.len() < 16 {
            warn_of_short_key();
        }
        Ok(Some(auth))
    }

    /// Connects, and logs in if there is a key.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); nobody listens, or the login fails, with the address in front.
    pub fn connect(&self, address: &Address) -> Result<Connection, Box<dyn Error>> {
        let remote = address.into();
        let connected = match self.load()? {
            Some(auth) => Connection::connect(&remote, &auth),
            None => Connection::connect_unauthenticated(&remote).map_err(Into::into),
        };
        Ok(connected.map_err(|error| format!("{address}: {}", explain(&error)))?)
    }
}

impl Secret {
    fn is_given(&self) -> bool {
        self.authkey.is_some() || self.authkey_file.is_some()
    }

    fn read(&self) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
        match (&self.authkey, &self.authkey_file) {
            (Some(Text(text)), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(path)) => {
                let mut secret = std::fs::read(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                for end in [b'\n', b'\r'] {
                    secret.pop_if(|last| *last == end);
                }
                Ok(Some(secret))
            }
            (None, None) => Ok(None),
        }
    }
}

fn auth(secret: &[u8], modern_only: bool) -> Result<Auth, EmptyKey> {
    let auth = if modern_only {
        Auth::modern_only(secret)?
    } else {
        Auth::with_legacy_md5(secret)?
    };
    Ok(auth.with_timeout(HANDSHAKE_TIMEOUT))
}

fn warn_of_short_key() {
    if !socket_server::is_worker() {
        tracing::warn!(
            "WEAK KEY: it has less than 16 bytes; whoever overhears one login can find it by trying"
        );
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
