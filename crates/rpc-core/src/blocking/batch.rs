use serde::de::DeserializeOwned;

use super::client::{Beginning, Client};
use super::pending::Pending;
use crate::{Error, ToArguments};

/// Calls that are sent together, with one write or, when they are many, one for every 8 KiB.
///
/// ```
/// # use rpc_core::{Error, blocking::Client};
/// fn sums(client: &Client) -> Result<i64, Error> {
///     let mut batch = client.batch();
///     let left = batch.call::<i64>("add", (1, 2))?;
///     let right = batch.call::<i64>("add", (3, 4))?;
///     batch.send();
///     Ok(left.wait()? + right.wait()?)
/// }
/// ```
///
/// Their timeouts count from the first call that such a write takes along. At most as many calls as the other end [takes](crate::Options::max_in_flight) can be in flight. What is dropped is
/// sent too, and a call that is waited for takes those before it along.
#[derive(Debug)]
pub struct Batch<'a> {
    client: &'a Client,
    /// Of all calls that have not been sent.
    beginning: Option<Beginning>,
    queued: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            beginning: None,
            queued: 0,
        }
    }

    /// Adds a call.
    ///
    /// # Errors
    /// If it can't be made; see [`Client::start`]. The batch goes on.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<Pending<R>, Error> {
        let beginning = *self.beginning.get_or_insert_with(|| self.client.begin());
        let pending = self.client.queue(function, &arguments, beginning)?;
        self.queued = pending.queued;
        if self.queued >= MUCH {
            self.flush();
        }
        Ok(pending)
    }

    /// Sends them. Blocks until the stream has taken them.
    pub fn send(self) {}

    fn flush(&mut self) {
        self.client.line.flush(self.queued, None);
        self.beginning = None;
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// So many bytes are sent at once: the other end has something to do meanwhile.
const MUCH: usize = 8 << 10;
