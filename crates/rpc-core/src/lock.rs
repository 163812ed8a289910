use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing panics while it holds one of the crate's locks but functions of the program, whose panics are caught.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
