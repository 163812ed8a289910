//! What gives up the protection that TLS is for.
