use std::fmt;

use rustls::{ClientConnection, CommonState, ProtocolVersion, ServerConnection};

/// What two ends have agreed on.
#[derive(Clone, Debug)]
pub struct Session {
    version: Version,
    cipher_suite: &'static str,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl Session {
    pub(crate) fn of_server(connection: &ServerConnection) -> Self {
        Self::of(connection)
    }

    pub(crate) fn of_client(connection: &ClientConnection) -> Self {
        Self::of(connection)
    }

    fn of(state: &CommonState) -> Self {
        let suite = state.negotiated_cipher_suite();
        Self {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
                _ => Version::Tls12,
            },
            cipher_suite: suite
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
        }
    }

    /// Returns the version of TLS.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the cipher suite.
    #[must_use]
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite
    }
}

/// As Python spells it: `TLSv1.3`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}
