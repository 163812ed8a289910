use std::io;

/// Returns 32 bytes from the system's source of random bytes, for one challenge or one handshake.
///
/// # Errors
///
/// If the system has none, which Linux never says once it has started.
pub fn fresh_nonce() -> io::Result<[u8; 32]> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}
