use serde::de::DeserializeOwned;

use super::client::Client;
use super::pending::Pending;
use crate::{Error, ToArguments};

/// Calls that are sent together, with one write.
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
/// At most as many calls as the other end [takes](crate::Options::max_in_flight) can be in flight. What is dropped is
/// sent too, and a call that is waited for takes those before it along.
#[derive(Debug)]
pub struct Batch<'a> {
    client: &'a Client,
    queued: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self { client, queued: 0 }
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
        let pending = self.client.queue(function, &arguments)?;
        self.queued = pending.queued;
        Ok(pending)
    }

    /// Sends them. Blocks until the stream has taken them.
    pub fn send(self) {}
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.client.line.flush(self.queued, None);
    }
}
