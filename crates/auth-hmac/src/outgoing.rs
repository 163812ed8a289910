/// Sealed bytes that wait for the stream to take them.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    taken: usize,
}

impl Outgoing {
    /// Where to append to, once all is taken.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(crate) fn advance(&mut self, taken: usize) {
        self.taken += taken;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        }
    }
}
