//! Adds TLS to any stream, listener or handler, either side.
#![forbid(unsafe_code)]

mod acceptor;
mod authorities;
mod certificate;
mod connector;
pub mod dangerous;
mod error;
#[cfg(feature = "event-loop")]
pub mod event_loop;
mod handshake;
mod identity;
mod machine;
mod options;
mod pem;
mod plaintext;
mod provider;
mod reload;
mod session;
mod shake;
mod sni;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;
mod verify;

pub use rustls;

pub use acceptor::Acceptor;
pub use authorities::Authorities;
pub use certificate::{AlternativeName, Certificate, KeyKind, NameMismatch};
pub use connector::Connector;
pub use error::{Error, Flaw};
pub use identity::Identity;
pub use options::{ClientCertificates, ClientOptions, ServerOptions, Versions};
pub use plaintext::Plaintext;
pub use provider::Provider;
pub use session::{Session, Version};
pub use stream::{Duplex, TlsStream};
