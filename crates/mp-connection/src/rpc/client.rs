use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use framing::{Decoder, Limits, Pattern, Prefix};
use rpc_core::ToArguments;
use serde::de::DeserializeOwned;

use super::call::{read_answer, write_request};
use super::message::LONGEST;
use super::{Error, Options};
use crate::blocking::{Connection, Socket};
use crate::{Address, Auth};

/// Calls the functions of the other end: what the recipe calls its proxy.
///
/// The other end answers one call after the other, so a client is for one thread at a time; others take their own, or
/// share one in a `Mutex`.
///
/// ```no_run
/// use mp_connection::rpc::{Client, Error};
/// use mp_connection::{Address, Auth};
/// use rpc_core::Arguments;
///
/// let auth = Auth::with_legacy_md5("peekaboo")?;
/// let address = Address::from(([127, 0, 0, 1], 17000));
/// let mut client = Client::connect(&address, &auth)?;
/// let sum: i64 = client.call("add", (2, 3))?;
/// let sum: i64 = client.call("add", Arguments::new().positional(&2).keyword("y", &3))?;
/// match client.call::<i64>("nosuch", ()) {
///     Err(Error::Raised(exception)) => assert_eq!(exception.class(), "KeyError"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What breaks it
///
/// An exception, a result of another type and a request that can't be sent concern that call alone. After anything
/// else, an answer that is late, the end of the stream, bytes that are no answer, nobody knows which call the next
/// answer belongs to: all further calls fail with [`Error::Broken`], and the socket is closed with the client.
///
/// # Cost
///
/// Three system calls for a call: one to write, one to wait, one to read. Memory: the longest answer so far, up to
/// [`Options::max_answer_len`].
pub struct Client {
    socket: Socket,
    decoder: Decoder,
    options: Options,
    /// When the answer that is waited for must be there.
    due: Option<Instant>,
    out: Vec<u8>,
    buffer: Box<[u8]>,
    is_broken: bool,
}

impl Client {
    /// Connects and logs in, with the default options.
    ///
    /// # Errors
    ///
    /// As [`Connection::connect`].
    pub fn connect(address: &Address, auth: &Auth) -> Result<Self, crate::Error> {
        Connection::connect(address, auth).map(Self::new)
    }

    /// Makes a client of a connection on which nothing is under way, with the default options.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self::with_options(connection, Options::default())
    }

    /// The same with other options: the longest request and answer, the time for a call, what pickles may look like.
    #[must_use]
    pub fn with_options(connection: Connection, options: Options) -> Self {
        Self {
            socket: connection.into_socket(),
            decoder: decoder(&options),
            options,
            due: None,
            out: Vec::new(),
            buffer: vec![0; READ_LEN].into(),
            is_broken: false,
        }
    }

    /// Sets how long a call may take, from its request to its answer; `None` is for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.options.call_timeout = timeout;
    }

    /// Calls a function and waits for its result. For a result of any type take a
    /// [`pickle::Value`](crate::pickle::Value), for none `()`.
    ///
    /// # Errors
    ///
    /// [`Error::Raised`] is what the function answered. After [`Error::Decode`], too, the function was run.
    /// [`Error::is_safe_to_repeat`] tells those after which it certainly was not.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        self.out.clear();
        self.queue(function, &arguments)?;
        if let Err(unsent) = self.send() {
            return Err(self.unsent(&unsent, self.out.len()));
        }
        let answer = self.receive();
        self.look_behind();
        answer
    }

    /// Calls functions one after the other, with one round trip for many: requests go out together, up to 16 KiB at a
    /// time. There are as many results as calls, in their order.
    ///
    /// They are of one type; [`pickle::Value`](crate::pickle::Value) is for those that aren't. When one
    /// [breaks the client](Self#what-breaks-it), those that were sent with it fail with the same error, and the others
    /// with [`Error::Broken`]. The time for a call begins with the answer before.
    pub fn call_all<'a, R: DeserializeOwned, A: ToArguments>(
        &mut self,
        calls: impl IntoIterator<Item = (&'a str, A)>,
    ) -> Vec<Result<R, Error>> {
        let mut results = Vec::new();
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() {
            self.round(&mut calls, &mut results);
        }
        results
    }

    /// Returns whether calls can be made: none has broken the client. That the other end is still there is not tried.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.is_broken
    }

    /// Makes as many calls as go out together. No more are on their way than fits in the buffers of sockets, so that
    /// neither end waits for the other to read.
    fn round<'a, R: DeserializeOwned, A: ToArguments>(
        &mut self,
        calls: &mut impl Iterator<Item = (&'a str, A)>,
        results: &mut Vec<Result<R, Error>>,
    ) {
        self.out.clear();
        // Where the results of those that are sent belong, and where their requests end.
        let mut queued = Vec::new();
        while self.out.len() < ROUND_LEN
            && let Some((function, arguments)) = calls.next()
        {
            let unsent = self.queue(function, &arguments).err();
            if unsent.is_none() {
                queued.push((results.len(), self.out.len()));
            }
            results.push(Err(unsent.unwrap_or(Error::Broken)));
        }
        if queued.is_empty() {
            return;
        }
        if let Err(unsent) = self.send() {
            for (place, end) in queued {
                results[place] = Err(self.unsent(&unsent, end));
            }
            return;
        }
        let mut broken = None;
        for (place, _) in queued {
            results[place] = match &broken {
                None => self.receive(),
                Some(error) => Err(Error::clone(error)),
            };
            if let Err(error) = &results[place]
                && error.breaks()
            {
                broken = Some(error.clone());
            }
        }
        self.look_behind();
    }

    /// Appends a request to those that go out next.
    fn queue(&mut self, function: &str, arguments: &dyn ToArguments) -> Result<(), Error> {
        match self.is_broken {
            true => Err(Error::Broken),
            false => write_request(function, arguments, &self.options, &mut self.out),
        }
    }

    /// Sends what is queued.
    fn send(&mut self) -> Result<(), Unsent> {
        self.due = self.deadline();
        let mut sent = 0;
        let parts = &mut [IoSlice::new(&self.out)];
        let done = self.socket.write_all(parts, self.due, &mut sent);
        done.map_err(|error| Unsent {
            error: Arc::new(error),
            sent,
        })
    }

    /// What becomes of a call whose request ends there. The client is broken.
    fn unsent(&mut self, unsent: &Unsent, end: usize) -> Error {
        self.is_broken = true;
        self.failure(&unsent.error, unsent.sent < end)
    }

    /// Reads the next answer.
    fn receive<R: DeserializeOwned>(&mut self) -> Result<R, Error> {
        let answer = self.read_answer();
        self.due = self.deadline();
        self.is_broken = matches!(&answer, Err(error) if error.breaks());
        answer
    }

    /// What comes behind the last answer would be taken for that of the next call.
    fn look_behind(&mut self) {
        self.is_broken |= self.decoder.buffered() > 0;
    }

    fn read_answer<R: DeserializeOwned>(&mut self) -> Result<R, Error> {
        loop {
            if let Some(message) = self.decoder.next_frame()? {
                return read_answer(message, &self.options.pickle);
            }
            let read = self.socket.read(&mut self.buffer, self.due);
            match read.map_err(|error| self.failure(&Arc::new(error), false))? {
                0 => return Err(Error::Closed),
                len => self.decoder.receive(&self.buffer[..len]),
            }
        }
    }

    fn failure(&self, error: &Arc<io::Error>, not_run: bool) -> Error {
        let after = self.options.call_timeout.unwrap_or_default();
        // What the system calls a timeout has a number.
        match error.kind() {
            ErrorKind::TimedOut if error.raw_os_error().is_none() => {
                Error::Timeout { after, not_run }
            }
            _ => Error::Io {
                error: Arc::clone(error),
                not_run,
            },
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.options.call_timeout?)
    }
}

/// What could not be sent, and how much was.
struct Unsent {
    error: Arc<io::Error>,
    sent: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("socket", &self.socket)
            .field("options", &self.options)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

/// What cuts answers.
pub(super) fn decoder(options: &Options) -> Decoder {
    let pattern = Pattern::Prefix(Prefix::Multiprocessing);
    let limits = Limits {
        max_frame_len: options.max_answer_len.min(LONGEST),
        ..Limits::for_pattern(&pattern)
    };
    Decoder::with_limits(pattern, limits)
}

const READ_LEN: usize = 64 << 10;
/// After this no more requests are added to those that go out together.
const ROUND_LEN: usize = 16 << 10;
