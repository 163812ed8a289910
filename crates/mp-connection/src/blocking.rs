//! Python's `multiprocessing.connection` over blocking sockets.
