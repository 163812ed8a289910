//! Any dialect, and the client, as tokio tasks.
