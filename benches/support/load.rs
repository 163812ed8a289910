//! Load for a server that sends back what it gets.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::sockopt::{set_socket_linger, set_tcp_congestion};

/// What every connection of a load does.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// How many bytes go out at a time.
    pub message_len: usize,
    /// How many bytes may be on their way, there or back. When it is the length of one message, the
    /// next goes out when the last is back.
    pub window: usize,
}

/// Connections to an echo server, all driven by the calling thread.
#[derive(Debug)]
pub struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    pattern: Pattern,
    spins: bool,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    in_flight: usize,
}

/// What a run of a load has done.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How many bytes came back.
    pub bytes: u64,
    /// From the first byte out to the last byte back.
    pub elapsed: Duration,
}

/// Both sides use the kernel's simplest: others (BBR) hold packets back by a clock, which measures that
/// clock. Connections that a server accepts have that of its listener.
pub const CONGESTION_CONTROL: &str = "reno";

/// A server that sends nothing for so long is taken for broken.
const PATIENCE: Duration = Duration::from_secs(10);

impl Load {
    /// Opens `count` connections. `spins` says whether the load has a core to itself.
    ///
    /// # Errors
    ///
    /// What the system says to it.
    pub fn connect(
        address: SocketAddr,
        count: usize,
        pattern: Pattern,
        spins: bool,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            set_tcp_congestion(&stream, CONGESTION_CONTROL)?;
            stream.set_nonblocking(true)?;
            // Ends in a reset, so that no port stays behind for the next round to stumble over.
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            let both = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(
                &epoll,
                &stream,
                epoll::EventData::new_u64(index as u64),
                both,
            )?;
            connections.push(Connection {
                stream,
                in_flight: 0,
            });
        }
        Ok(Self {
            epoll,
            connections,
            pattern,
            spins,
            message: vec![b'x'; pattern.message_len],
            buffer: vec![0; 64 << 10],
        })
    }

    /// Sends on every connection for `duration` (at least one message each), then waits until all is
    /// back.
    ///
    /// # Errors
    ///
    /// When a connection fails, or when nothing comes back for ten seconds.
    pub fn run(&mut self, duration: Duration) -> io::Result<Outcome> {
        let begin = Instant::now();
        let mut bytes = 0;
        let mut is_sending = true;
        let mut events = Vec::with_capacity(1024);
        for connection in &mut self.connections {
            connection.send(&self.message, self.pattern.window)?;
        }
        while is_sending || self.connections.iter().any(|one| one.in_flight > 0) {
            self.wait(&mut events)?;
            is_sending = is_sending && begin.elapsed() < duration;
            for event in &events {
                let data = event.data;
                let connection = &mut self.connections[data.u64() as usize];
                bytes += connection.receive(&mut self.buffer)?;
                if is_sending {
                    connection.send(&self.message, self.pattern.window)?;
                }
            }
        }
        Ok(Outcome {
            bytes,
            elapsed: begin.elapsed(),
        })
    }
}

impl Load {
    /// Asks again and again instead of sleeping: otherwise the server pays for waking this side, and
    /// by chance more or less often. With one core for both sides that would starve the server.
    fn wait(&self, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        let slice = if self.spins { NO_TIME } else { A_MILLISECOND };
        let begin = Instant::now();
        events.clear();
        while epoll::wait(&self.epoll, spare_capacity(events), Some(&slice))? == 0 {
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "nothing came back from the server",
                ));
            }
        }
        Ok(())
    }
}

const NO_TIME: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
const A_MILLISECOND: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

impl Connection {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let mut received = 0;
        // When nothing is on its way, the event tells of room to write.
        while self.in_flight > 0 {
            match rustix::io::read(&self.stream, &mut *buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    received += count as u64;
                    self.in_flight = self.in_flight.checked_sub(count).ok_or_else(|| {
                        io::Error::new(io::ErrorKind::InvalidData, "more came back than went out")
                    })?;
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(received)
    }

    fn send(&mut self, message: &[u8], window: usize) -> io::Result<()> {
        while self.in_flight + message.len() <= window {
            match rustix::net::send(&self.stream, message, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.in_flight += count;
                    if count < message.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
