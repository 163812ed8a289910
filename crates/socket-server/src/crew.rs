use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use crate::acceptor::{Acceptor, Listener, Pauses};
use crate::gate::Worker;
use crate::running::Engine;
use crate::service::{Handler, Service};

/// The threads behind the strategies serial, threads and pool.
///
/// Whoever holds the baton accepts; it passes the baton on and serves its connection itself. So nothing
/// is handed from thread to thread, and only one thread at a time waits for newcomers.
pub(crate) struct Crew {
    service: Arc<Service>,
    /// Taken away when the server stops.
    baton: Mutex<Option<Acceptor>>,
    /// Threads that hold the baton or wait for it.
    idle: AtomicUsize,
    grows: bool,
    /// How often no thread was left to accept.
    shortages: AtomicUsize,
}

impl Crew {
    /// Starts so many threads; if the crew `grows`, others whenever all have a connection.
    pub(crate) fn start(
        service: Arc<Service>,
        listener: Arc<Listener>,
        handler: &Handler,
        workers: usize,
        grows: bool,
    ) -> io::Result<Arc<Self>> {
        let acceptor = Acceptor::new(listener, &service)?;
        let crew = Arc::new(Self {
            service,
            baton: Mutex::new(Some(acceptor)),
            idle: AtomicUsize::new(0),
            grows,
            shortages: AtomicUsize::new(0),
        });
        for _ in 0..workers {
            if let Err(error) = crew.hire(handler) {
                crew.service.gate.stop();
                return Err(error);
            }
        }
        Ok(crew)
    }

    fn hire(self: &Arc<Self>, handler: &Handler) -> io::Result<()> {
        let (crew, handler) = (Arc::clone(self), Arc::clone(handler));
        let counted = crew.service.gate.begin_work();
        self.idle.fetch_add(1, Ordering::Relaxed);
        let hired = thread::Builder::new()
            .name("socket-server".into())
            .spawn(move || crew.work(handler, counted));
        if hired.is_err() {
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
        hired.map(drop)
    }

    /// The life of one thread. What it holds of the handler is dropped before it is no longer counted.
    fn work(self: Arc<Self>, handler: Handler, _counted: Worker) {
        let handler = handler;
        loop {
            let connection = match self.baton().as_mut() {
                Some(acceptor) => acceptor.next(&self.service, None),
                None => None,
            };
            let is_last = self.idle.fetch_sub(1, Ordering::Relaxed) == 1;
            let Some(connection) = connection else {
                return;
            };
            if self.grows && is_last {
                self.hire_someone(&handler);
            }
            self.service.serve(connection, &handler);
            let spare = self.idle.fetch_add(1, Ordering::Relaxed);
            if self.grows && spare >= MAX_SPARE {
                self.idle.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Sees to it that somebody accepts while this thread serves: starts a thread, or, while that can't
    /// be done, waits until another one is free or has come to wait in its turn. So however long it
    /// can't be done, all threads but one serve.
    fn hire_someone(self: &Arc<Self>, handler: &Handler) {
        let turn = self.shortages.fetch_add(1, Ordering::Relaxed) + 1;
        let mut pauses = Pauses::default();
        while self.idle.load(Ordering::Relaxed) == 0
            && self.shortages.load(Ordering::Relaxed) == turn
            && !self.service.gate.is_stopping()
        {
            match self.hire(handler) {
                Ok(()) => return,
                Err(error) => self.service.gate.pause(pauses.next(), &error),
            }
        }
    }

    fn baton(&self) -> MutexGuard<'_, Option<Acceptor>> {
        self.baton.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Crew {
    fn close(&self) {
        *self.baton() = None;
    }

    fn cut_off(&self) {
        self.service.registry.cut_all();
    }

    fn limits_changed(&self) {
        self.service.registry.hurry();
    }
}

/// How many threads without a connection a growing crew keeps.
const MAX_SPARE: usize = 16;
