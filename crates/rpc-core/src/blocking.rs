//! Threads: a client whose callers take turns at reading, and a server for one connection.
