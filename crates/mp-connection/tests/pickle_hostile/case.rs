//! What a hostile pickle is called, what it is made of, and what has to become of it.

use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Large ones are made one at a time.
    pub(crate) make: Arc<dyn Fn() -> Vec<u8>>,
    pub(crate) expect: Expect,
}

#[derive(Clone)]
pub(crate) enum Expect {
    /// An error whose `Debug` begins so.
    Fails(&'static str),
    /// A value that Python would show so.
    Reads(&'static str),
    /// Only the cost counts.
    Whatever,
}

pub(crate) fn fails(name: &str, pickle: impl AsRef<[u8]>, start: &'static str) -> Case {
    case(name, pickle.as_ref(), Expect::Fails(start))
}

pub(crate) fn reads(name: &str, pickle: impl AsRef<[u8]>, text: &'static str) -> Case {
    case(name, pickle.as_ref(), Expect::Reads(text))
}

pub(crate) fn case(name: &str, pickle: &[u8], expect: Expect) -> Case {
    let pickle = pickle.to_vec();
    made(name, expect, move || pickle.clone())
}

pub(crate) fn made(name: &str, expect: Expect, make: impl Fn() -> Vec<u8> + 'static) -> Case {
    Case {
        name: name.to_owned(),
        make: Arc::new(make),
        expect,
    }
}

pub(crate) fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// `SHORT_BINUNICODE` or `BINUNICODE`.
pub(crate) fn text(text: &str) -> Vec<u8> {
    match u8::try_from(text.len()) {
        Ok(len) => cat(&[b"\x8c", &[len], text.as_bytes()]),
        Err(_) => cat(&[
            b"X",
            &u32::try_from(text.len())
                .expect("it is short")
                .to_le_bytes(),
            text.as_bytes(),
        ]),
    }
}

/// `STACK_GLOBAL` with its two texts.
pub(crate) fn global(module: &str, name: &str) -> Vec<u8> {
    cat(&[&text(module), &text(name), b"\x93"])
}

/// Without optimisation a byte takes a hundred times as long.
pub(crate) const LARGE: usize = if cfg!(debug_assertions) {
    2 << 20
} else {
    64 << 20
};
