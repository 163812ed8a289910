//! Transfers in chunks over real sockets, with threads.
#![cfg(unix)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use bulk_array::blocking::chunked::{recv, recv_into, recv_vec, send, send_slice};
use bulk_array::chunked::{ChunkedError, Offer, Progress, Transfer};
use bulk_array::{ArrayError, Error, Limits, Reader, Shape};

mod support {
    pub(crate) mod wire;
}

use support::wire::{Header, chunk, request};

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let here = TcpStream::connect(address).expect("the listener listens");
    let (there, _) = listener.accept().expect("the connection is there");
    (here, there)
}

fn chunked(error: Error) -> ChunkedError {
    match error {
        Error::Array(ArrayError::Chunked(error)) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn arrays_cross_a_socket_one_after_the_other() {
    let (mut here, mut there) = tcp();
    let values: Vec<f64> = (0..700_000).map(f64::from).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            send_slice(&mut here, &values, Shape::fortran([7, 100_000])).unwrap();
            send_slice(&mut &here, &values, 700_000).unwrap();
        });
        let array = recv_vec::<f64>(&mut there, &Limits::default()).unwrap();
        assert_eq!(array.shape(), &Shape::fortran([7, 100_000]));
        assert!(array.values() == values);
        let mut received = vec![0.0; 700_000];
        recv_into(&mut &there, &mut received).unwrap();
        assert!(received == values);
    });
}

#[test]
fn both_ends_can_stop_and_go_on() {
    let values: Vec<u32> = (0..1_000_000).collect();
    let offer = Offer::new(&values[..], 1_000_000).unwrap();
    let offer = offer.with_chunk_len(64 << 10).unwrap();
    let mut received = vec![0; 1_000_000];
    let transfer = Transfer::slice(&mut received);
    let until = |done: u64| {
        move |progress: Progress| {
            assert_eq!(progress.total, 4_000_000);
            match progress.done >= done {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    };
    let all = 4_000_000;
    for (sent, wanted) in [
        (u64::MAX, 1_000_000),
        (1_200_000, u64::MAX),
        (u64::MAX, 0),
        (u64::MAX, u64::MAX),
    ] {
        let (here, there) = UnixStream::pair().unwrap();
        let before = transfer.progress().done;
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let here = here;
                send(&mut &here, &offer, until(sent))
            });
            let result = {
                let there = there;
                recv(&mut &there, &transfer, 0, until(wanted))
            };
            let sender = sender.join().unwrap();
            match (sent, wanted) {
                (u64::MAX, u64::MAX) => {
                    sender.unwrap();
                    result.unwrap();
                }
                (u64::MAX, _) => {
                    let done = transfer.progress().done;
                    assert!(done >= wanted && done < all);
                    let stopped = ChunkedError::Stopped { done, total: all };
                    assert_eq!(chunked(result.unwrap_err()), stopped);
                }
                _ => {
                    let Error::Array(ArrayError::Truncated { received, expected }) =
                        result.unwrap_err()
                    else {
                        panic!("the stream ended");
                    };
                    assert!(received >= before && received < all && expected == all);
                    assert!(
                        matches!(chunked(sender.unwrap_err()), ChunkedError::Stopped { done, .. } if done >= sent)
                    );
                }
            }
        });
    }
    assert!(transfer.is_complete());
    assert!(received == values);
}

#[test]
fn of_several_streams_one_breaks_and_goes_on() {
    let values: Vec<f32> = (0..2_000_000).map(|number| number as f32).collect();
    let offer = Offer::new(values.clone(), 2_000_000).unwrap();
    let offer = offer.with_chunk_len(64 << 10).unwrap();
    let mut received = vec![0.0; 2_000_000];
    let transfer = Transfer::parallel(&mut received, 4);
    let stream = |stream: u16, is_cut: bool| {
        let (mut here, mut there) = tcp();
        let offer = &offer;
        thread::scope(|scope| {
            scope.spawn(move || {
                send(&mut here, offer, |progress| {
                    match is_cut && progress.done > 300_000 {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                })
            });
            recv(&mut there, &transfer, stream, go_on)
        })
    };
    let results: Vec<_> = thread::scope(|scope| {
        let stream = &stream;
        let threads: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || stream(number, number == 2)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(number, result)| result.is_ok() != (number == 2))
    );
    assert!(!transfer.is_complete());
    let before = transfer.progress().done;
    assert!(before > 6_000_000 && before < 8_000_000, "{before}");
    stream(2, false).unwrap();
    assert!(transfer.is_complete());
    assert!(received == values);
}

#[test]
fn many_receivers_share_an_offer() {
    let values: Vec<u64> = (0..300_000).collect();
    let offer = Offer::new(&values[..], 300_000).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            let (mut here, mut there) = tcp();
            let (offer, values) = (&offer, &values);
            scope.spawn(move || send(&mut here, offer, go_on).unwrap());
            scope.spawn(move || {
                let array = recv_vec::<u64>(&mut there, &Limits::default()).unwrap();
                assert!(array.values() == values);
            });
        }
    });
}

const PATIENCE: Duration = Duration::from_millis(30);

#[test]
fn a_sender_that_says_nothing_is_noticed() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let mut received = [0_u8; 3000];
    let transfer = Transfer::slice(&mut received).with_stall_timeout(Some(PATIENCE));
    let error = recv(&mut here, &transfer, 0, go_on).unwrap_err();
    let stalled = |done, total| ChunkedError::Stalled {
        timeout: PATIENCE,
        done,
        total,
    };
    assert_eq!(chunked(error), stalled(0, 0));
    let header = Header::of(*b"u\x01<C", &[3000], 1024).bytes();
    there
        .write_all(
            &[
                header,
                chunk(0, &[3; 1024]),
                chunk(1, &[3; 1024])[..500].to_vec(),
            ]
            .concat(),
        )
        .unwrap();
    let error = recv(&mut here, &transfer, 0, go_on).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no byte went over for 30ms, after 1024 of 3000 bytes of the array"
    );
    assert_eq!(chunked(error), stalled(1024, 3000));
}

#[test]
fn a_receiver_that_says_or_takes_nothing_is_noticed() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let values = vec![1_u8; 8 << 20];
    let offer = Offer::new(&values[..], 8 << 20)
        .unwrap()
        .with_stall_timeout(Some(PATIENCE));
    let error = chunked(send(&mut here, &offer, go_on).unwrap_err());
    assert_eq!(
        error,
        ChunkedError::Stalled {
            timeout: PATIENCE,
            done: 0,
            total: 8 << 20
        }
    );
    there.write_all(&request(None, 0, 1, 0)).unwrap();
    let error = chunked(send(&mut here, &offer, go_on).unwrap_err());
    assert!(
        matches!(error, ChunkedError::Stalled { done, total: 0x80_0000, .. } if done < 8 << 20)
    );
}

#[test]
fn a_peer_that_goes_away_is_an_error() {
    let (mut here, there) = tcp();
    drop(there);
    let offer = Offer::new(vec![1_u8; 100], 100).unwrap();
    let error = send(&mut here, &offer, go_on).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stream ended after 0 of the 64 bytes of the header"
    );
    let (mut here, mut there) = UnixStream::pair().unwrap();
    there.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    there.write_all(&[b'.'; 64]).unwrap();
    let error = recv_vec::<u8>(&mut here, &Limits::default()).unwrap_err();
    assert_eq!(
        chunked(error),
        ChunkedError::OtherProtocol {
            start: *b"HTTP/1.1"
        }
    );
}

#[test]
fn the_sender_of_another_array_tells_which_it_has() {
    let values = [1_u8; 100];
    let mut received = [0_u8; 100];
    let transfer = Transfer::slice(&mut received);
    let offers = [
        Offer::new(&values[..], 100).unwrap(),
        Offer::new(&values[..], 100).unwrap(),
    ];
    let mut results = Vec::new();
    for offer in &offers {
        let (mut here, mut there) = tcp();
        thread::scope(|scope| {
            let sender = scope.spawn(move || send(&mut here, offer, go_on));
            results.push(recv(&mut there, &transfer, 0, go_on));
            results.push(sender.join().unwrap());
        });
    }
    let refused = || ChunkedError::OtherTransfer {
        expected: offers[0].header().id,
        found: offers[1].header().id,
    };
    let mut results = results.into_iter();
    assert!(results.next().unwrap().is_ok() && results.next().unwrap().is_ok());
    for result in results {
        assert_eq!(chunked(result.unwrap_err()), refused());
    }
}

/// Moves few bytes at a time, and is interrupted now and then.
struct Short {
    stream: UnixStream,
    state: u32,
}

impl Short {
    fn next(&mut self, len: usize) -> io::Result<usize> {
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        match self.state >> 16 {
            random if random % 7 == 0 => Err(io::ErrorKind::Interrupted.into()),
            random if random % 3 == 0 => Ok(len.min(random as usize % 20 + 1)),
            random => Ok(len.min(random as usize % 5000 + 1)),
        }
    }
}

impl Read for Short {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.next(buffer.len())?;
        self.stream.read(&mut buffer[..len])
    }
}

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.next(bytes.len())?;
        self.stream.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn short_reads_and_writes_make_no_difference() {
    let values: Vec<i32> = (0..1_000_000)
        .map(|number: i32| number.wrapping_mul(7919))
        .collect();
    for seed in 0..6 {
        let (here, there) = UnixStream::pair().unwrap();
        let mut here = Reader(Short {
            stream: here,
            state: seed,
        });
        let mut there = Reader(Short {
            stream: there,
            state: seed + 100,
        });
        let offer = Offer::new(&values[..], values.len()).unwrap();
        let offer = offer.with_chunk_len(1024 << seed).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| send(&mut here, &offer, go_on).unwrap());
            match seed % 2 {
                0 => {
                    let array = recv_vec::<i32>(&mut there, &Limits::default()).unwrap();
                    assert!(array.values() == values);
                }
                _ => {
                    let mut received = vec![0; values.len()];
                    recv_into(&mut there, &mut received).unwrap();
                    assert!(received == values);
                }
            }
        });
    }
}
