//! Any dialect on the readiness loop of the crate `event-loop`: one thread, many connections.
//!
//! ```
//! use std::net::TcpListener;
//! use std::sync::Arc;
//! use event_loop::EventLoop;
//! use rpc_core::Registry;
//! use rpc_core::event_loop::{Handler, Message};
//! # #[cfg(feature = "json")] {
//! use rpc_core::json_rpc::{Options, Peer};
//!
//! let mut registry = Registry::new();
//! registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
//! let registry = Arc::new(registry);
//!
//! let mut event_loop: EventLoop<Message> = EventLoop::new()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! event_loop.listen(listener, event_loop::Options::default(), move |_peer| {
//!     Handler::new(Peer::new(Arc::clone(&registry), Options::default()))
//! })?;
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A program whose other handlers have messages of their own uses its own type for all of them; see [`Message`].
//!
//! # What runs where
//!
//! | functions registered with | run |
//! |---|---|
//! | [`register`](crate::Registry::register), [`register_with`](crate::Registry::register_with) | in the loop: nothing else moves meanwhile |
//! | … and [`blocking`](crate::Registered::blocking) | on the loop's threads for [offloaded work](event_loop::Context::offload); when its queue is full, the call is answered with [`Overloaded`](crate::Kind::Overloaded) |
//! | [`register_async`](crate::Registry::register_async) | in the loop, whenever they are woken, from whatever thread |
//!
//! A future is polled once right away, and then only after its waker was used; however many wakers are, one message
//! to their connection is on its way. It is dropped when its call is cancelled or its connection is gone; a
//! function that blocks can't be, and learns it from [`Context::is_cancelled`](crate::Context::is_cancelled).
//!
//! # A peer that reads slowly
//!
//! Its answers wait in the loop's queue up to [`max_queue_len`](event_loop::Options::max_queue_len), and those of a
//! larger one here. Above [`high_water`](event_loop::Options::high_water), which must be less, nothing more is read
//! from it and none of its further calls begins. Other connections are not concerned.
//!
//! # Stopping
//!
//! When the loop [stops](event_loop::EventLoop::stop), no new calls are taken; a connection closes when its running
//! ones are answered, at the latest at the end of the grace period.

mod bell;
mod handler;
mod jobs;

pub use handler::{Handler, Message};
