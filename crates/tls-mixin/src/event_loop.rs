//! TLS on the event loop (feature `event-loop`).
