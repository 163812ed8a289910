//! One large message over TCP, from one core to the other: `mp-connection` beside bare sockets.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use mp_connection::blocking::Connection;

use crate::process::{Cores, pin_self};

/// A way to send and to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `write_all`, and `read_to_end` into a new `Vec`.
    BareIntoNew,
    /// `write_all`, and `read_exact` into memory that was there before.
    BareIntoOld,
    /// `send_bytes`, and `recv_bytes`, which makes a new `Vec`.
    OursIntoNew,
    /// `send_bytes`, and `recv_into` memory that was there before.
    OursIntoOld,
}

/// All of them.
pub const CONTENDERS: &[Contender] = &[
    Contender::BareIntoNew,
    Contender::OursIntoNew,
    Contender::BareIntoOld,
    Contender::OursIntoOld,
];

impl Contender {
    /// In the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BareIntoNew => "write_all, read_to_end",
            Self::BareIntoOld => "write_all, read_exact into touched memory",
            Self::OursIntoNew => "send_bytes, recv_bytes",
            Self::OursIntoOld => "send_bytes, recv_into touched memory",
        }
    }

    /// Which of the [`CONTENDERS`] it is measured by.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Self::BareIntoNew | Self::OursIntoNew => 0,
            Self::BareIntoOld | Self::OursIntoOld => 2,
        }
    }

    fn send(self, stream: TcpStream, message: &[u8]) -> io::Result<()> {
        match self {
            Self::BareIntoNew | Self::BareIntoOld => (&stream).write_all(message),
            Self::OursIntoNew | Self::OursIntoOld => Connection::from(stream)
                .send_bytes(message)
                .map_err(io::Error::other),
        }
    }

    /// Returns how much came.
    fn receive(self, stream: TcpStream, old: &mut [u8]) -> io::Result<usize> {
        let len = old.len();
        match self {
            Self::BareIntoNew => {
                let mut new = Vec::with_capacity(len);
                stream.take(len as u64).read_to_end(&mut new)
            }
            Self::BareIntoOld => (&stream).read_exact(old).map(|()| len),
            Self::OursIntoNew => {
                let connection = Connection::from(stream).with_max_message_len(len);
                let new = connection.recv_bytes().map_err(io::Error::other)?;
                Ok(new.map_or(0, |new| new.len()))
            }
            Self::OursIntoOld => {
                let connection = Connection::from(stream);
                let received = connection.recv_into(old).map_err(io::Error::other)?;
                Ok(received.unwrap_or(0))
            }
        }
    }
}

/// Sends and receives one message of this length; returns the bytes in a second.
///
/// # Errors
///
/// What the system says, or that less came.
pub fn measure(contender: Contender, len: usize, cores: Cores) -> io::Result<f64> {
    let message = vec![7; len];
    let mut old = vec![1; len]; // zeros would be pages that nobody has touched
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (receiver, _) = listener.accept()?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            pin_self(cores.load)?;
            contender.send(sender, &message)
        });
        let receiving = scope.spawn(move || {
            pin_self(cores.server)?;
            let begin = Instant::now();
            let received = contender.receive(receiver, &mut old)?;
            let elapsed = begin.elapsed();
            match received == len {
                true => Ok(len as f64 / elapsed.as_secs_f64()),
                false => Err(io::Error::other(format!("{received} of {len} bytes came"))),
            }
        });
        let panicked = |_| io::Error::other("a side panicked");
        sending.join().map_err(panicked)??;
        receiving.join().map_err(panicked)?
    })
}
