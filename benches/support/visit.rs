//! Load that comes, says something, hears it back and goes: a new connection each time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How many bytes a visitor sends.
pub const SAID: usize = 64;

/// What a run of visits has done.
#[derive(Clone, Copy, Debug)]
pub struct Visits {
    /// How many came and went.
    pub count: u64,
    /// From the first connection to the last end.
    pub elapsed: Duration,
}

/// Visits for `duration`, with so many visitors at a time.
///
/// # Errors
///
/// When a visit fails, or what comes back is not what was said.
pub fn visit(address: SocketAddr, at_a_time: usize, duration: Duration) -> io::Result<Visits> {
    let begin = Instant::now();
    let counts = thread::scope(|scope| {
        let visitors: Vec<_> = (0..at_a_time)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while count == 0 || begin.elapsed() < duration {
                        visit_once(address)?;
                        count += 1;
                    }
                    Ok::<u64, io::Error>(count)
                })
            })
            .collect();
        let counts = visitors.into_iter().map(|visitor| {
            visitor
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a visitor panicked")))
        });
        counts.sum::<io::Result<u64>>()
    })?;
    Ok(Visits {
        count: counts,
        elapsed: begin.elapsed(),
    })
}

/// The end of what was said is part of the visit: a server sees it, and ends the connection too.
fn visit_once(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[b'x'; SAID])?;
    stream.shutdown(Shutdown::Write)?;
    let mut heard = [0; SAID + 1];
    let mut count = 0;
    loop {
        match stream.read(&mut heard[count..])? {
            0 if count == SAID => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if count > SAID => return Err(io::ErrorKind::InvalidData.into()),
            read => count += read,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
