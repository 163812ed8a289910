/// The local time as C's `ctime` and Python's `time.ctime()` write it: `Sat Nov 21 02:29:12 2026`.
#[must_use]
pub fn ctime() -> String {
    let now = jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y");
    now.to_string()
}

/// Whether this has the form of a [`ctime`]: no request for the time then, but another server's answer.
#[must_use]
pub fn is_ctime(payload: &[u8]) -> bool {
    let is_separator = |&place: &usize| matches!(payload[place], b' ' | b':');
    payload.len() == 24 && [3, 7, 10, 13, 16, 19].iter().all(is_separator)
}
