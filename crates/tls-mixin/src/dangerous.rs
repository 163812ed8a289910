//! What gives up a part of the protection that TLS is for.

use crate::Authorities;

/// Trusts anybody who shows a certificate, whoever made it, for whatever name and time.
///
/// Nobody can listen in without changing packets, but whoever can change them can pretend to be the peer. For
/// looking at a server, such as `tls_describe` does, and for nothing that matters. That the peer has the key
/// of the certificate is still checked.
///
/// A server with [`ClientCertificates::Required`](crate::ClientCertificates::Required) and these lets in
/// every client that has a certificate: for handlers that compare
/// [fingerprints](crate::Certificate::sha256) of their own.
#[must_use]
pub fn unverified() -> Authorities {
    Authorities::anybody()
}
