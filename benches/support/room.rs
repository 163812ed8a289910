//! Thousands of clients of a chat server, all driven by the calling thread.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::sockopt::{set_socket_linger, set_tcp_congestion};

use crate::load::CONGESTION_CONTROL;

/// Clients of a chat server that speaks frames with four bytes of length, big-endian.
#[derive(Debug)]
pub struct Room {
    address: SocketAddr,
    epoll: OwnedFd,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    began: Instant,
    /// How many frames of each kind came.
    heard: Heard,
    /// Messages sent in this run; the id of each is its place here.
    messages: Vec<Message>,
    /// How many of them have reached everybody.
    complete: usize,
    /// How long each receipt in this run took.
    latencies: Vec<Duration>,
    speaker: usize,
}

/// What came from the server, in frames.
#[derive(Debug, Default)]
struct Heard {
    /// Answers to a login.
    welcomes: u64,
    /// Messages of all runs.
    messages: u64,
    /// Everything else: who came, who left, what was missed.
    notices: u64,
}

/// What a run of messages has done.
#[derive(Debug)]
pub struct Talk {
    /// How many messages were sent.
    pub sent: usize,
    /// How many receipts there were in all.
    pub received: u64,
    /// From the first send to the last receipt.
    pub elapsed: Duration,
    /// From send to each receipt, sorted.
    pub latencies: Vec<Duration>,
    /// From send to the last receipt of each message, sorted.
    pub until_all: Vec<Duration>,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
}

#[derive(Debug)]
struct Message {
    sent_at: Duration,
    missing: usize,
    last_at: Duration,
}

/// A text says which message it is after this.
const MARK: &[u8] = b">>message ";
/// All texts have this length, in bytes.
const TEXT_LEN: usize = 64;
/// Silence of this length means that all has come.
const SILENCE: Duration = Duration::from_millis(500);
/// A room that stays silent for so long in the middle of a talk is broken.
const PATIENCE: Duration = Duration::from_secs(30);

impl Room {
    /// Makes a room without clients.
    ///
    /// # Errors
    ///
    /// What the system says to making the poller.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            address,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            buffer: vec![0; 256 << 10],
            began: Instant::now(),
            heard: Heard::default(),
            messages: Vec::new(),
            complete: 0,
            latencies: Vec::new(),
            speaker: 0,
        })
    }

    /// Connects `count` more clients and logs them in, then waits until each has its welcome.
    ///
    /// # Errors
    ///
    /// When a connection fails, or a welcome does not come.
    pub fn join(&mut self, count: usize) -> io::Result<()> {
        for index in self.clients.len()..self.clients.len() + count {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            set_tcp_congestion(&stream, CONGESTION_CONTROL)?;
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            let token = epoll::EventData::new_u64(index as u64);
            epoll::add(&self.epoll, &stream, token, epoll::EventFlags::IN)?;
            let client = Client {
                stream,
                partial: Vec::new(),
            };
            client.say(&format!("NAME: c{index}"))?;
            self.clients.push(client);
        }
        let begin = Instant::now();
        while self.heard.welcomes < self.clients.len() as u64 {
            self.listen()?;
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("only {} clients were welcomed", self.heard.welcomes),
                ));
            }
        }
        Ok(())
    }

    /// Listens until nothing more comes; says how many notices of others there were so far.
    ///
    /// # Errors
    ///
    /// When a connection fails.
    pub fn settle(&mut self) -> io::Result<u64> {
        let mut last = Instant::now();
        while last.elapsed() < SILENCE {
            if self.listen()? {
                last = Instant::now();
            }
        }
        Ok(self.heard.notices)
    }

    /// Sends messages from one client after the other, so that `window` of them are on their way to
    /// somebody, for `duration`; then waits until all have them all.
    ///
    /// # Errors
    ///
    /// When a connection fails, or a message does not reach everybody.
    pub fn talk(&mut self, window: usize, duration: Duration) -> io::Result<Talk> {
        self.messages.clear();
        self.latencies.clear();
        let before = self.heard.messages;
        let begin = self.began.elapsed();
        let mut last = begin;
        self.complete = 0;
        loop {
            let now = self.began.elapsed();
            if now < begin + duration {
                while self.messages.len() < self.complete + window {
                    self.say_next()?;
                }
            } else if self.complete == self.messages.len() {
                break;
            }
            if self.listen()? {
                last = self.began.elapsed();
            } else if self.began.elapsed() > last + PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "a message did not reach everybody",
                ));
            }
        }
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        let mut until_all: Vec<Duration> = self
            .messages
            .iter()
            .map(|message| message.last_at - message.sent_at)
            .collect();
        until_all.sort_unstable();
        Ok(Talk {
            sent: self.messages.len(),
            received: self.heard.messages - before,
            elapsed: last - begin,
            latencies,
            until_all,
        })
    }

    fn say_next(&mut self) -> io::Result<()> {
        let head = format!("message {} ", self.messages.len());
        let text = format!("{head:.<TEXT_LEN$}");
        self.messages.push(Message {
            sent_at: self.began.elapsed(),
            missing: self.clients.len() - 1,
            last_at: Duration::ZERO,
        });
        self.speaker = (self.speaker + 1) % self.clients.len();
        self.clients[self.speaker].say(&text)
    }

    /// Takes in what has come; says whether anything has.
    fn listen(&mut self) -> io::Result<bool> {
        const A_LITTLE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        let mut events = Vec::with_capacity(1024);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&A_LITTLE))?;
        for event in &events {
            let data = event.data;
            self.hear(data.u64() as usize)?;
        }
        Ok(!events.is_empty())
    }

    fn hear(&mut self, index: usize) -> io::Result<()> {
        let client = &mut self.clients[index];
        let count = match rustix::io::read(&client.stream, &mut self.buffer[..]) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the server has disconnected client {index}"),
                ));
            }
            Ok(count) => count,
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let now = self.began.elapsed();
        let mut partial = std::mem::take(&mut client.partial);
        let is_whole = partial.is_empty();
        let mut rest = if is_whole {
            &self.buffer[..count]
        } else {
            partial.extend_from_slice(&self.buffer[..count]);
            &partial[..]
        };
        while let Some((frame, tail)) = split_frame(rest) {
            rest = tail;
            match read_mark(frame) {
                Some(id) if id < self.messages.len() => {
                    let message = &mut self.messages[id];
                    message.missing = message.missing.saturating_sub(1);
                    self.complete += usize::from(message.missing == 0);
                    message.last_at = now;
                    self.heard.messages += 1;
                    self.latencies.push(now - message.sent_at);
                }
                _ if frame.starts_with(b"CLIENT: ") => self.heard.welcomes += 1,
                _ => self.heard.notices += 1,
            }
        }
        self.clients[index].partial = rest.to_vec();
        Ok(())
    }
}

impl Talk {
    /// Deliveries a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64()
    }
}

impl Client {
    fn say(&self, text: &str) -> io::Result<()> {
        let mut frame = (text.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(text.as_bytes());
        let sent = rustix::net::send(&self.stream, &frame, SendFlags::NOSIGNAL)?;
        if sent < frame.len() {
            return Err(io::Error::other("a frame was cut: the socket is full"));
        }
        Ok(())
    }
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn read_mark(frame: &[u8]) -> Option<usize> {
    let at = frame
        .windows(MARK.len())
        .position(|window| window == MARK)?;
    let digits = frame[at + MARK.len()..]
        .split(|&byte| byte == b' ')
        .next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
