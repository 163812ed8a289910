use std::collections::HashMap;

/// The names of fields and variants that a pickle holds already, by where they are in the program.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Vec<Name>,
    positions: HashMap<(*const u8, usize), usize>,
    /// The one that was looked up last.
    last: usize,
}

#[derive(Debug)]
struct Name {
    text: &'static str,
    id: u32,
    /// Which was looked up after it. Structs come again and again, so it is likely the one that is next, too.
    follower: usize,
}

impl Names {
    #[inline]
    pub(super) fn find(&mut self, text: &'static str) -> Option<u32> {
        let likely = self.known.get(self.last)?.follower;
        if let Some(name) = self.known.get(likely)
            && std::ptr::eq(name.text, text)
        {
            self.last = likely;
            return Some(name.id);
        }
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
    }
}

fn place(text: &'static str) -> (*const u8, usize) {
    (text.as_ptr(), text.len())
}
