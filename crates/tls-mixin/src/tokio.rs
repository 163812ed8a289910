//! TLS over tokio (feature `tokio`).
