use std::collections::HashMap;

use super::address::AddressHash;

/// The names of fields and variants that a pickle holds already, by where they are in the program.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Vec<Name>,
    positions: HashMap<(*const u8, usize), usize, AddressHash>,
    /// The one that was looked up last.
    last: usize,
    /// The one that is likely to be next: structs come again and again.
    likely: usize,
}

#[derive(Debug)]
struct Name {
    text: &'static str,
    id: u32,
    /// Which was looked up after it when it was looked up before.
    follower: usize,
}

impl Names {
    /// Finds the name if it is the one that was to be expected.
    #[inline]
    pub(super) fn find(&mut self, text: &'static str) -> Option<u32> {
        let name = self.known.get(self.likely)?;
        if !std::ptr::eq(name.text, text) {
            return None;
        }
        self.last = self.likely;
        self.likely = name.follower;
        Some(name.id)
    }

    pub(super) fn search(&mut self, text: &'static str) -> Option<u32> {
        let at = *self.positions.get(&place(text))?;
        self.go_to(at);
        Some(self.known[at].id)
    }

    pub(super) fn add(&mut self, text: &'static str, id: u32) {
        let at = self.known.len();
        self.known.push(Name {
            text,
            id,
            follower: 0,
        });
        self.positions.insert(place(text), at);
        self.go_to(at);
    }

    fn go_to(&mut self, at: usize) {
        self.known[self.last].follower = at;
        self.last = at;
        self.likely = self.known[at].follower;
    }
}

fn place(text: &'static str) -> (*const u8, usize) {
    (text.as_ptr(), text.len())
}
