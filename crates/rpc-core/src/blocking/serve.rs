use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mailbox::Mailbox;
use super::stream::{Stream, hurry};
use super::task::{Owner, Task};
use super::wait::wait;
use super::workers::Workers;
use crate::{Dialect, Error, Job, JobId, Work};

/// One connection that is served, as its thread has it.
pub(super) struct Connection<'s, S: ?Sized, D> {
    stream: &'s S,
    dialect: D,
    mailbox: Arc<Mailbox>,
    workers: Workers,
    /// The jobs that run, or wait to.
    tasks: HashMap<JobId, Arc<Task>>,
    buffer: Vec<u8>,
    /// The peer has finished sending.
    has_ended: bool,
    /// A plain read does not wait for the peer: the stream is in non-blocking mode.
    must_poll: bool,
}

impl<'s, S, D> Connection<'s, S, D>
where
    S: Stream + ?Sized,
    D: Dialect,
{
    pub(super) fn new(stream: &'s S, dialect: D, mailbox: Arc<Mailbox>, workers: Workers) -> Self {
        hurry(stream);
        Self {
            stream,
            dialect,
            must_poll: mailbox.must_poll,
            mailbox,
            workers,
            tasks: HashMap::new(),
            buffer: vec![0; READ_LEN],
            has_ended: false,
        }
    }

    /// Serves until the connection is over.
    pub(super) fn carry(mut self) -> Result<(), Error> {
        let result = self.converse();
        if result.is_err() {
            // A farewell, as far as that goes: why it can't be sent is no news.
            let _ = self.send_output();
        }
        self.dialect.connection_lost(result.clone().err());
        self.take_arrived();
        result
    }

    /// Takes off the stream what has arrived unread: closing a socket otherwise resets the connection, and the peer may
    /// lose the last that it was told. One that is found to be sending is given a moment to finish.
    fn take_arrived(&mut self) {
        let (mut until, mut taken) = (Instant::now(), 0);
        while !self.has_ended && taken < MAX_TAKEN {
            let ready = wait(Some(self.stream.reading()), None, None, Some(until));
            if !ready.is_ok_and(|ready| ready.reading) {
                return;
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) if taken == 0 => until = Instant::now() + LINGER,
                Ok(_) => {}
            }
            taken += self.buffer.len();
        }
    }

    fn converse(&mut self) -> Result<(), Error> {
        self.dialect.handle_timeout(Instant::now())?;
        loop {
            self.work();
            if self.send()? {
                continue;
            }
            if self.dialect.is_finished() || (self.has_ended && self.tasks.is_empty()) {
                return Ok(());
            }
            let timeout = self.dialect.poll_timeout();
            if self.tasks.is_empty() && timeout.is_none() && !self.must_poll && !self.has_ended {
                if self.mailbox.begin_read() {
                    self.read()?;
                }
            } else {
                self.poll(timeout)?;
            }
            if timeout.is_some_and(|timeout| timeout <= Instant::now()) {
                self.dialect.handle_timeout(Instant::now())?;
            }
        }
    }

    /// Does what there is to do without waiting for anybody.
    fn work(&mut self) {
        loop {
            let mail = self.mailbox.take();
            if mail.must_drain {
                self.dialect.drain(Instant::now());
            }
            for (id, answer) in mail.answers {
                self.tasks.remove(&id);
                self.dialect.complete(id, answer, Instant::now());
            }
            for task in mail.woken {
                self.run(&task);
            }
            while let Some(id) = self.dialect.next_cancelled() {
                if let Some(task) = self.tasks.remove(&id) {
                    task.cancel();
                }
            }
            match self.dialect.next_job() {
                Some(job) => self.start(job),
                None => return,
            }
        }
    }

    fn start(&mut self, job: Job) {
        let Job { id, work } = job;
        match work {
            Work::Quick(run) => {
                let answer = run();
                self.dialect.complete(id, answer, Instant::now());
            }
            Work::Blocking(_) => {
                let task = self.task(Job { id, work });
                if let Err(fault) = self.workers.submit(task) {
                    self.tasks.remove(&id);
                    self.dialect.complete(id, Err(fault), Instant::now());
                }
            }
            Work::Future(_) => {
                let task = self.task(Job { id, work });
                self.run(&task);
            }
        }
    }

    fn task(&mut self, job: Job) -> Arc<Task> {
        let id = job.id;
        let task = Task::new(job, Arc::clone(&self.mailbox) as Arc<dyn Owner>);
        self.tasks.insert(id, Arc::clone(&task));
        task
    }

    /// Polls a future here: whoever woke it has woken this thread, and another thread would be one too many.
    fn run(&mut self, task: &Arc<Task>) {
        if let Some(answer) = task.run() {
            self.tasks.remove(&task.id);
            self.dialect.complete(task.id, answer, Instant::now());
        }
    }

    /// Sends what there is to send; `true` if there is more to do before anything is waited for.
    fn send(&mut self) -> Result<bool, Error> {
        let len = self.send_output()?;
        // The dialect may have stopped in the middle of what arrived.
        let must_resume = len > 0 && len >= self.dialect.max_queued() / 2;
        if must_resume {
            self.dialect.receive(&[], Instant::now())?;
        }
        Ok(must_resume)
    }

    fn send_output(&mut self) -> io::Result<usize> {
        let output = self.dialect.output();
        let len = output.len();
        if len > 0 {
            write_all(self.stream, output)?;
            output.clear();
            output.shrink_to(KEPT_LEN);
        }
        Ok(len)
    }

    fn poll(&mut self, timeout: Option<Instant>) -> Result<(), Error> {
        let bell = self.mailbox.bell()?;
        if !self.mailbox.begin_poll() {
            return Ok(());
        }
        let must_read = !self.has_ended && self.dialect.wants_bytes();
        let reading = must_read.then(|| self.stream.reading());
        let ready = wait(reading, None, Some(bell), timeout)?;
        if ready.bell {
            bell.silence();
        }
        if ready.reading {
            self.read()?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Error> {
        let result = self.stream.read(&mut self.buffer);
        let now = Instant::now();
        match result {
            Ok(0) => {
                self.has_ended = true;
                self.dialect.receive_eof(now)
            }
            Ok(len) => self.dialect.receive(&self.buffer[..len], now),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => Ok(()),
                ErrorKind::WouldBlock => {
                    self.must_poll = true;
                    Ok(())
                }
                _ => Err(error.into()),
            },
        }
    }
}

impl<S: ?Sized, D> Drop for Connection<'_, S, D> {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.cancel();
        }
        self.mailbox.close();
    }
}

/// Writes everything, in whatever mode the stream is.
fn write_all(stream: &(impl Stream + ?Sized), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) => pass(stream, error)?,
        }
    }
    while let Err(error) = stream.flush() {
        pass(stream, error)?;
    }
    Ok(())
}

/// Waits where a stream in non-blocking mode, or with a timeout, does not.
fn pass(stream: &(impl Stream + ?Sized), error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => wait(None, Some(stream.writing()), None, None).map(drop),
        _ => Err(error),
    }
}

/// How much one read takes. More than any stream keeps decrypted, so that one which reads ahead has nothing left
/// after a read, and the descriptor tells whether there is more.
pub(super) const READ_LEN: usize = 64 << 10;
/// How long a peer that still sends when nobody listens any more may take to finish.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is taken.
const MAX_TAKEN: usize = 16 * READ_LEN;
/// A buffer that was once larger gives the rest back.
pub(super) const KEPT_LEN: usize = 256 << 10;
