//! Runs handlers on readiness.
