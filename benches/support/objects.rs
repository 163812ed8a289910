//! Servers that speak `multiprocessing.connection`, and a load for them in Python.
//!
//! Each server binds a free port of the loopback interface, prints it, and serves until it is killed.

use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use event_loop::EventLoop;
use mp_connection::{Address, Auth, blocking, rpc};
use rpc_core::Registry;
use rpc_core::event_loop::{Handler, Message};

/// The key that all of them know.
pub const KEY: &str = "peekaboo";

/// A server, in either language.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    name: &'static str,
    serve: Serve,
}

#[derive(Clone, Copy, Debug)]
enum Serve {
    /// A script, which gets the key.
    Python(&'static str),
    Here(fn() -> io::Result<()>),
}

/// What the servers are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// To send a small dictionary back.
    Echo,
    /// To add two numbers, in the way of the recipe.
    Calls,
}

/// Those that send objects back, Python first.
pub const ECHOES: &[Contender] = &[
    Contender {
        name: "Python, threads",
        serve: Serve::Python(ECHO_SERVER),
    },
    Contender {
        name: "threads",
        serve: Serve::Here(echo_on_threads),
    },
    Contender {
        name: "tokio",
        serve: Serve::Here(echo_on_tokio),
    },
];

/// Those that can be called, Python first.
pub const CALLS: &[Contender] = &[
    Contender {
        name: "Python, threads",
        serve: Serve::Python(RPC_SERVER),
    },
    Contender {
        name: "calls on threads",
        serve: Serve::Here(calls_on_threads),
    },
    Contender {
        name: "calls on the event loop",
        serve: Serve::Here(calls_on_a_loop),
    },
];

impl Contender {
    /// In the tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// Nobody knows where this program is.
    pub fn command(&self) -> io::Result<Command> {
        let mut command;
        match self.serve {
            Serve::Python(script) => {
                command = Command::new("python3");
                command.args(["-c", script, KEY]);
            }
            Serve::Here(_) => {
                command = Command::new(std::env::current_exe()?);
                command.args(["--serve", self.name]);
            }
        }
        Ok(command)
    }
}

impl Load {
    /// A script: it gets the key, the host, the port and the number of connections, reads how many seconds to run from
    /// each line, and answers with the number of messages and the seconds that they took.
    #[must_use]
    pub fn script(self) -> &'static str {
        match self {
            Self::Echo => ECHO_CLIENT,
            Self::Calls => RPC_CLIENT,
        }
    }
}

/// Runs the server of the contender of this name, if it is none of Python's.
///
/// # Errors
///
/// What the system says; does not return otherwise.
pub fn serve(name: &str) -> io::Result<()> {
    let mut contenders = ECHOES.iter().chain(CALLS);
    match contenders.find(|contender| contender.name == name) {
        Some(Contender {
            serve: Serve::Here(serve),
            ..
        }) => serve(),
        _ => Err(io::Error::other(format!("no contender {name:?} here"))),
    }
}

const ECHO_SERVER: &str = "
import sys, threading
from multiprocessing.connection import Listener

def echo(connection):
    try:
        while True:
            connection.send(connection.recv())
    except EOFError:
        connection.close()

with Listener(('127.0.0.1', 0), backlog=64, authkey=sys.argv[1].encode()) as listener:
    print('listening on %s:%d' % listener.address, flush=True)
    while True:
        threading.Thread(target=echo, args=[listener.accept()], daemon=True).start()
";

const RPC_SERVER: &str = "
import pickle, sys, threading
from multiprocessing.connection import Listener

functions = {'add': lambda x, y: x + y}

def answer(connection):
    try:
        while True:
            name, args, kwargs = pickle.loads(connection.recv())
            try:
                result = functions[name](*args, **kwargs)
            except Exception as error:
                result = error
            connection.send(pickle.dumps(result))
    except EOFError:
        connection.close()

with Listener(('127.0.0.1', 0), backlog=64, authkey=sys.argv[1].encode()) as listener:
    print('listening on %s:%d' % listener.address, flush=True)
    while True:
        threading.Thread(target=answer, args=[listener.accept()], daemon=True).start()
";

const ECHO_CLIENT: &str = "
import sys, time
from multiprocessing.connection import Client

key, host, port, count = sys.argv[1:]
connections = [Client((host, int(port)), authkey=key.encode()) for _ in range(int(count))]
value = {'id': 7, 'name': 'peekaboo', 'tags': ['a', 'b'], 'score': 0.5}
for line in sys.stdin:
    begin = now = time.perf_counter()
    end = begin + float(line)
    messages = 0
    while now < end:
        for connection in connections:
            connection.send(value)
        for connection in connections:
            if connection.recv() != value:
                sys.exit('another value came back')
        messages += len(connections)
        now = time.perf_counter()
    print(messages, now - begin, flush=True)
";

const RPC_CLIENT: &str = "
import pickle, sys, time
from multiprocessing.connection import Client

key, host, port, count = sys.argv[1:]
connections = [Client((host, int(port)), authkey=key.encode()) for _ in range(int(count))]
for line in sys.stdin:
    begin = now = time.perf_counter()
    end = begin + float(line)
    messages = 0
    while now < end:
        for connection in connections:
            connection.send(pickle.dumps(('add', (2, 3), {})))
        for connection in connections:
            if pickle.loads(connection.recv()) != 5:
                sys.exit('another sum came back')
        messages += len(connections)
        now = time.perf_counter()
    print(messages, now - begin, flush=True)
";

fn auth() -> io::Result<Auth> {
    Auth::with_legacy_md5(KEY).map_err(io::Error::other)
}

fn here() -> Address {
    Address::from(([127, 0, 0, 1], 0))
}

fn echo_on_threads() -> io::Result<()> {
    let mut listener = blocking::Listener::bind(&here(), &auth()?)?;
    println!("listening on {}", listener.address());
    loop {
        let connection = listener.accept().map_err(io::Error::other)?;
        // A load that goes away is the end of its connection and nothing else.
        thread::spawn(move || -> Result<(), mp_connection::Error> {
            while let Some(value) = connection.recv_value()? {
                connection.send_value(&value)?;
            }
            Ok(())
        });
    }
}

fn echo_on_tokio() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut listener = mp_connection::tokio::Listener::bind(&here(), &auth()?)?;
        println!("listening on {}", listener.address());
        loop {
            let connection = listener.accept().await.map_err(io::Error::other)?;
            tokio::spawn(async move {
                while let Some(value) = connection.recv_value().await? {
                    connection.send_value(&value).await?;
                }
                Ok::<(), mp_connection::Error>(())
            });
        }
    })
}

fn registry() -> Arc<Registry> {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    Arc::new(registry)
}

fn peer(registry: &Arc<Registry>, auth: &Auth) -> rpc::Peer {
    rpc::Peer::new(Arc::clone(registry), rpc::Options::default()).authenticated(auth)
}

fn calls_on_threads() -> io::Result<()> {
    let (registry, auth) = (registry(), auth()?);
    let listener = listen()?;
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let peer = peer(&registry, &auth);
        thread::spawn(move || rpc_core::blocking::serve(&stream, peer));
    }
}

fn calls_on_a_loop() -> io::Result<()> {
    let (registry, auth) = (registry(), auth()?);
    let mut event_loop: EventLoop<Message> = EventLoop::new()?;
    let options = event_loop::Options::default();
    event_loop.listen(listen()?, options, move |_| {
        Handler::new(peer(&registry, &auth))
    })?;
    event_loop.run()?;
    Ok(())
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}
