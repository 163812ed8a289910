//! A small dialect for tests of the drivers: each line is a call.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::VecDeque;
use std::time::Instant;

use rpc_core::{Answer, Dialect, Error, Fault, Job, JobId, Work};

/// Answers a line by what `function` makes of it, or by the line itself.
pub(crate) struct Lines<F> {
    function: F,
    input: Vec<u8>,
    output: Vec<u8>,
    jobs: VecDeque<Job>,
    running: u64,
    last_job: u64,
    is_closing: bool,
    max_queued: usize,
    is_sequential: bool,
}

impl<F> Lines<F> {
    pub(crate) fn new(function: F) -> Self {
        Self {
            function,
            input: Vec::new(),
            output: Vec::new(),
            jobs: VecDeque::new(),
            running: 0,
            last_job: 0,
            is_closing: false,
            max_queued: 1 << 20,
            is_sequential: false,
        }
    }

    /// Wants nothing more while a call runs.
    pub(crate) fn sequential(mut self) -> Self {
        self.is_sequential = true;
        self
    }

    pub(crate) fn max_queued(mut self, len: usize) -> Self {
        self.max_queued = len;
        self
    }
}

impl<F: FnMut(&str) -> Option<Work> + Send + 'static> Dialect for Lines<F> {
    fn receive(&mut self, bytes: &[u8], _: Instant) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        let mut rest = &self.input[..];
        while self.output.len() < self.max_queued
            && let Some(end) = rest.iter().position(|&byte| byte == b'\n')
        {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if line == b"bad" {
                self.output.extend_from_slice(b"farewell\n");
                return Err(Fault::new("Bad", "a bad line").into());
            }
            match (self.function)(std::str::from_utf8(line).expect("tests send text")) {
                None => self.output.extend_from_slice(&[line, b"\n"].concat()),
                Some(work) => {
                    self.last_job += 1;
                    self.running += 1;
                    let id = JobId(self.last_job);
                    self.jobs.push_back(Job { id, work });
                }
            }
        }
        self.input = rest.to_vec();
        Ok(())
    }

    fn receive_eof(&mut self, _: Instant) -> Result<(), Error> {
        self.is_closing = true;
        Ok(())
    }

    fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        None
    }

    fn complete(&mut self, _: JobId, answer: Answer, _: Instant) {
        self.running -= 1;
        let text = answer.unwrap_or_else(|fault| fault.to_string().into_bytes());
        self.output.extend_from_slice(&text);
        self.output.push(b'\n');
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), Error> {
        Ok(())
    }

    fn drain(&mut self, _: Instant) {
        self.is_closing = true;
    }

    fn is_finished(&self) -> bool {
        self.is_closing && self.running == 0
    }

    fn in_flight(&self) -> usize {
        usize::try_from(self.running).expect("few")
    }

    fn max_queued(&self) -> usize {
        self.max_queued
    }

    fn wants_bytes(&self) -> bool {
        !self.is_sequential || self.running == 0
    }
}
