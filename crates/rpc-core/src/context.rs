use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Metadata, Registry};

/// What a function may know about the call it answers and the connection it came by.
///
/// A clone is the same call: it costs one reference count.
#[derive(Clone)]
pub struct Context {
    connection: Arc<Connection>,
    call: Option<Arc<Call>>,
}

struct Connection {
    registry: Arc<Registry>,
    dialect: &'static str,
    state: Option<Arc<dyn Any + Send + Sync>>,
    caller: Option<Arc<dyn Any + Send + Sync>>,
}

struct Call {
    deadline: Option<Instant>,
    metadata: Metadata,
    cancelled: AtomicBool,
}

impl Context {
    /// The context of a connection, for authors of dialects. `state` is what the program has to say about the
    /// connection; functions find it with [`state`](Self::state).
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        dialect: &'static str,
        state: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Self {
        Self {
            connection: Arc::new(Connection {
                registry,
                dialect,
                state,
                caller: None,
            }),
            call: None,
        }
    }

    /// What the program said about this connection when it began: who the peer is, a TLS or HMAC session, anything.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.connection.state.as_deref()?.downcast_ref()
    }

    /// When the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.call.as_deref()?.deadline
    }

    /// How long the caller still waits; zero once it has stopped.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(now))
    }

    /// Whether nobody waits for the result any more. A function that takes long asks now and then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call
            .as_deref()
            .is_some_and(|call| call.cancelled.load(Ordering::Relaxed))
    }

    /// What the caller sent beside the arguments: names and bytes, as many as fit in the dialect's limit.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Vec<u8>)] {
        self.call.as_deref().map_or(&[], |call| &call.metadata)
    }

    /// The name of the dialect the call came in: "native", "json-rpc".
    #[must_use]
    pub fn dialect(&self) -> &'static str {
        self.connection.dialect
    }

    /// The functions that can be called by this connection.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.connection.registry
    }

    /// Tells the function that nobody waits for its result any more; for authors of dialects.
    pub fn cancel(&self) {
        if let Some(call) = &self.call {
            call.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// The same connection, with what its drivers need to call the other end.
    pub(crate) fn with_caller(&self, caller: Arc<dyn Any + Send + Sync>) -> Self {
        let Connection {
            registry,
            dialect,
            state,
            ..
        } = &*self.connection;
        let connection = Connection {
            registry: registry.clone(),
            dialect,
            state: state.clone(),
            caller: Some(caller),
        };
        Self {
            connection: Arc::new(connection),
            call: self.call.clone(),
        }
    }

    /// What [`with_caller`](Self::with_caller) was given, if it is a `T`.
    pub(crate) fn caller<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.connection.caller.as_deref()?.downcast_ref()
    }

    pub(crate) fn for_call(&self, deadline: Option<Instant>, metadata: Metadata) -> Self {
        let call = Call {
            deadline,
            metadata,
            cancelled: AtomicBool::new(false),
        };
        Self {
            connection: self.connection.clone(),
            call: Some(Arc::new(call)),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("dialect", &self.dialect())
            .field("deadline", &self.deadline())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
