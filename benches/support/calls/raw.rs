//! No RPC at all: frames of two numbers there, frames of one back. What the others could reach at best.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::{Load, arguments, check};

const REQUEST: usize = 4 + 16;
const ANSWER: usize = 4 + 8;
const BUFFER: usize = 64 << 10;

pub(super) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        // A load that goes away is the end of its connection and nothing else.
        let _ = answer(stream);
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut filled, mut output) = (vec![0; BUFFER], 0, Vec::new());
    loop {
        let count = stream.read(&mut input[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let whole = filled / REQUEST * REQUEST;
        for request in input[..whole].chunks_exact(REQUEST) {
            let sum = number(&request[4..12]) + number(&request[12..20]);
            output.extend_from_slice(&8_u32.to_be_bytes());
            output.extend_from_slice(&sum.to_be_bytes());
        }
        stream.write_all(&output)?;
        output.clear();
        input.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().unwrap_or_default())
}

struct Raw {
    stream: TcpStream,
    bytes: Vec<u8>,
}

pub(super) fn connect(address: SocketAddr) -> io::Result<Box<dyn Load>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(Box::new(Raw {
        stream,
        bytes: Vec::new(),
    }))
}

impl Load for Raw {
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()> {
        let mut done = 0;
        while done < calls {
            let batch = in_flight.min(calls - done);
            self.bytes.clear();
            for call in done..done + batch {
                let (x, y) = arguments(call);
                self.bytes.extend_from_slice(&16_u32.to_be_bytes());
                self.bytes.extend_from_slice(&x.to_be_bytes());
                self.bytes.extend_from_slice(&y.to_be_bytes());
            }
            self.stream.write_all(&self.bytes)?;
            self.bytes.resize(batch * ANSWER, 0);
            self.stream.read_exact(&mut self.bytes)?;
            for (answer, call) in self.bytes.chunks_exact(ANSWER).zip(done..) {
                check(call, number(&answer[4..]))?;
            }
            done += batch;
        }
        Ok(())
    }
}
