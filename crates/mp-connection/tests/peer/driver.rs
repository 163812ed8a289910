//! What both drivers can do, so that a test is written once.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use mp_connection::pickle::Value;
use mp_connection::{AcceptError, Address, Auth, Error, Generation, blocking};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) trait Listen: Sized + Debug + Send + 'static {
    type Connection: Talk;

    fn bind(address: &Address, auth: &Auth) -> io::Result<Self>;
    fn bind_unauthenticated(address: &Address) -> io::Result<Self>;
    fn accept(&mut self) -> Result<Self::Connection, AcceptError>;
    fn address(&self) -> Address;
}

pub(crate) trait Talk: Sized + Debug + Send + 'static {
    type Listener: Listen<Connection = Self>;

    fn connect(address: &Address, auth: &Auth) -> Result<Self, Error>;
    fn connect_unauthenticated(address: &Address) -> io::Result<Self>;
    fn send_bytes(&self, bytes: &[u8]) -> Result<(), Error>;
    fn recv_bytes(&self) -> Result<Option<Vec<u8>>, Error>;
    fn recv_bytes_max(&self, max: usize) -> Result<Option<Vec<u8>>, Error>;
    fn recv_into(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error>;
    fn send<T: Serialize>(&self, value: &T) -> Result<(), Error>;
    fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>, Error>;
    fn send_value(&self, value: &Value) -> Result<(), Error>;
    fn recv_value(&self) -> Result<Option<Value>, Error>;
    fn poll(&self, timeout: Duration) -> io::Result<bool>;
    fn wait(connections: &[Self], timeout: Duration) -> io::Result<Vec<usize>>;
    fn with_max_message_len(self, max: usize) -> Self;
    fn generation(&self) -> Option<Generation>;

    /// Sends, and nothing goes wrong.
    #[track_caller]
    fn say<T: Serialize>(&self, value: &T) {
        self.send(value).expect("the peer is there");
    }

    /// Sends, and nothing goes wrong.
    #[track_caller]
    fn say_bytes(&self, bytes: &[u8]) {
        self.send_bytes(bytes).expect("the peer is there");
    }

    /// Receives, and something comes.
    #[track_caller]
    fn hear<T: DeserializeOwned>(&self) -> T {
        self.recv().expect("a good object").expect("not the end")
    }

    /// Receives, and something comes.
    #[track_caller]
    fn hear_bytes(&self) -> Vec<u8> {
        self.recv_bytes()
            .expect("a good message")
            .expect("not the end")
    }

    /// Receives, and nothing comes any more.
    #[track_caller]
    fn is_over(&self) {
        assert_eq!(self.recv_bytes().expect("a good end"), None);
    }

    /// Whether there is something within that time.
    #[track_caller]
    fn has_come(&self, timeout: Duration) -> bool {
        self.poll(timeout).expect("a good connection")
    }
}

pub(crate) type Blocking = blocking::Connection;

impl Listen for blocking::Listener {
    type Connection = Blocking;

    fn bind(address: &Address, auth: &Auth) -> io::Result<Self> {
        Self::bind(address, auth)
    }

    fn bind_unauthenticated(address: &Address) -> io::Result<Self> {
        Self::bind_unauthenticated(address)
    }

    fn accept(&mut self) -> Result<Blocking, AcceptError> {
        self.accept()
    }

    fn address(&self) -> Address {
        self.address().clone()
    }
}

impl Talk for Blocking {
    type Listener = blocking::Listener;

    fn connect(address: &Address, auth: &Auth) -> Result<Self, Error> {
        Self::connect(address, auth)
    }

    fn connect_unauthenticated(address: &Address) -> io::Result<Self> {
        Self::connect_unauthenticated(address)
    }

    fn send_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        self.send_bytes(bytes)
    }

    fn recv_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        self.recv_bytes()
    }

    fn recv_bytes_max(&self, max: usize) -> Result<Option<Vec<u8>>, Error> {
        self.recv_bytes_max(max)
    }

    fn recv_into(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        self.recv_into(buffer)
    }

    fn send<T: Serialize>(&self, value: &T) -> Result<(), Error> {
        self.send(value)
    }

    fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        self.recv()
    }

    fn send_value(&self, value: &Value) -> Result<(), Error> {
        self.send_value(value)
    }

    fn recv_value(&self) -> Result<Option<Value>, Error> {
        self.recv_value()
    }

    fn poll(&self, timeout: Duration) -> io::Result<bool> {
        self.poll(Some(timeout))
    }

    fn wait(connections: &[Self], timeout: Duration) -> io::Result<Vec<usize>> {
        let connections: Vec<_> = connections.iter().collect();
        blocking::wait(&connections, Some(timeout))
    }

    fn with_max_message_len(self, max: usize) -> Self {
        self.with_max_message_len(max)
    }

    fn generation(&self) -> Option<Generation> {
        self.generation()
    }
}

#[cfg(feature = "tokio")]
pub(crate) mod on_tokio {
    use std::sync::LazyLock;

    use tokio::runtime::Runtime;

    use super::*;

    /// A tokio connection in a runtime that all tests share.
    #[derive(Debug)]
    pub(crate) struct Tokio(pub(crate) mp_connection::tokio::Connection);

    #[derive(Debug)]
    pub(crate) struct TokioListener(mp_connection::tokio::Listener);

    pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be made")
    });

    impl Listen for TokioListener {
        type Connection = Tokio;

        fn bind(address: &Address, auth: &Auth) -> io::Result<Self> {
            let _runtime = RUNTIME.enter();
            mp_connection::tokio::Listener::bind(address, auth).map(Self)
        }

        fn bind_unauthenticated(address: &Address) -> io::Result<Self> {
            let _runtime = RUNTIME.enter();
            mp_connection::tokio::Listener::bind_unauthenticated(address).map(Self)
        }

        fn accept(&mut self) -> Result<Tokio, AcceptError> {
            RUNTIME.block_on(self.0.accept()).map(Tokio)
        }

        fn address(&self) -> Address {
            self.0.address().clone()
        }
    }

    impl Talk for Tokio {
        type Listener = TokioListener;

        fn connect(address: &Address, auth: &Auth) -> Result<Self, Error> {
            RUNTIME
                .block_on(mp_connection::tokio::Connection::connect(address, auth))
                .map(Self)
        }

        fn connect_unauthenticated(address: &Address) -> io::Result<Self> {
            RUNTIME
                .block_on(mp_connection::tokio::Connection::connect_unauthenticated(
                    address,
                ))
                .map(Self)
        }

        fn send_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
            RUNTIME.block_on(self.0.send_bytes(bytes))
        }

        fn recv_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
            RUNTIME.block_on(self.0.recv_bytes())
        }

        fn recv_bytes_max(&self, max: usize) -> Result<Option<Vec<u8>>, Error> {
            RUNTIME.block_on(self.0.recv_bytes_max(max))
        }

        fn recv_into(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
            RUNTIME.block_on(self.0.recv_into(buffer))
        }

        fn send<T: Serialize>(&self, value: &T) -> Result<(), Error> {
            RUNTIME.block_on(self.0.send(value))
        }

        fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
            RUNTIME.block_on(self.0.recv())
        }

        fn send_value(&self, value: &Value) -> Result<(), Error> {
            RUNTIME.block_on(self.0.send_value(value))
        }

        fn recv_value(&self) -> Result<Option<Value>, Error> {
            RUNTIME.block_on(self.0.recv_value())
        }

        fn poll(&self, timeout: Duration) -> io::Result<bool> {
            RUNTIME.block_on(self.0.poll(Some(timeout)))
        }

        fn wait(connections: &[Self], timeout: Duration) -> io::Result<Vec<usize>> {
            let connections: Vec<_> = connections
                .iter()
                .map(|Self(connection)| connection)
                .collect();
            RUNTIME.block_on(mp_connection::tokio::wait(&connections, Some(timeout)))
        }

        fn with_max_message_len(self, max: usize) -> Self {
            Self(self.0.with_max_message_len(max))
        }

        fn generation(&self) -> Option<Generation> {
            self.0.generation()
        }
    }
}
