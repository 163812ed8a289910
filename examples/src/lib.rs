//! The command-line plumbing that the programs share.
