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
mod options;
mod provider;
mod session;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use rustls;

pub use acceptor::Acceptor;
pub use authorities::Authorities;
pub use certificate::{AlternativeName, Certificate, KeyKind, NameMismatch};
pub use connector::Connector;
pub use error::{Error, Flaw, Plaintext};
pub use identity::Identity;
pub use options::{ClientCertificates, ClientOptions, ServerOptions, Versions};
pub use provider::Provider;
pub use session::{Session, Version};
pub use stream::TlsStream;
