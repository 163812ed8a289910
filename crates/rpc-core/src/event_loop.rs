//! Any dialect on an event loop.
