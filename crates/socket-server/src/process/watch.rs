use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, Timespec, epoll};

use super::spawn::Worker;

/// Waits for many children at once: for what they say and for their end.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: OwnedFd,
    wake: OwnedFd,
}

/// Something happened to the child of this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Its channel has a message, or its end.
    Message(u64),
    /// It has ended.
    Exit(u64),
}

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = rustix::event::eventfd(0, flags)?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &wake, data, epoll::EventFlags::IN)?;
        Ok(Self { epoll, wake })
    }

    /// Watches a child, until it is dropped.
    pub(super) fn add(&self, key: u64, worker: &Worker) -> io::Result<()> {
        let message = epoll::EventData::new_u64(key << 1);
        epoll::add(&self.epoll, &worker.control, message, epoll::EventFlags::IN)?;
        let exit = epoll::EventData::new_u64(key << 1 | 1);
        epoll::add(&self.epoll, &worker.exit, exit, epoll::EventFlags::IN)?;
        Ok(())
    }

    /// Hears no more messages of a child, only its end: when its channel has ended before it.
    pub(super) fn mute(&self, worker: &Worker) {
        // Fails only when it is muted already.
        let _ = epoll::delete(&self.epoll, &worker.control);
    }

    /// Makes [`wait`](Self::wait) return, also when it is called later.
    pub(super) fn wake(&self) {
        // Fails only when the count is full, and then `wait` returns anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Waits until something happens, somebody calls [`wake`](Self::wake), or `deadline` has passed.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Vec<Notice> {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            timespec(left.min(LONGEST_WAIT))
        });
        let mut events = Vec::with_capacity(BATCH);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        // It can only be interrupted, and the caller comes again.
        let _ = epoll::wait(&self.epoll, buffer, timeout.as_ref());
        let mut notices = Vec::with_capacity(events.len());
        for event in &events {
            match { event.data }.u64() {
                WAKE => {
                    let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                }
                data if data & 1 == 0 => notices.push(Notice::Message(data >> 1)),
                data => notices.push(Notice::Exit(data >> 1)),
            }
        }
        // What a child said last comes before its end.
        notices.sort_by_key(|notice| matches!(notice, Notice::Exit(_)));
        notices
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

const WAKE: u64 = u64::MAX;
/// How many events are taken at a time.
const BATCH: usize = 64;
/// What the system call takes on every kernel; `wait` may return early.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
