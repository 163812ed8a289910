//! The bounded queue of outgoing frames.

mod support;

use std::io::{self, IoSlice, Write};

use bytes::Bytes;
use framing::{Decoder, Encoder, FrameError, FrameQueue, Pattern, Prefix, QueueLimits};
use support::{by_slices, delimiter};

const U32: Pattern = Pattern::Prefix(Prefix::U32Be);

/// Takes so many bytes a call, and after so many calls none.
struct Slow {
    wire: Vec<u8>,
    at_once: usize,
    calls: usize,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(calls) = self.calls.checked_sub(1) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        self.calls = calls;
        let before = self.wire.len();
        for slice in slices {
            let room = self.at_once - (self.wire.len() - before);
            self.wire.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Ok(self.wire.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn frames_arrive_whole_however_little_is_taken_at_once() {
    let payloads: Vec<Bytes> = (0..40)
        .map(|len| Bytes::from(vec![b'a' + len; len.into()]))
        .collect();
    for pattern in [U32, Pattern::Lines, delimiter(b"<>"), Pattern::Blocks] {
        for at_once in 1..300 {
            let mut queue = FrameQueue::new(Encoder::new(pattern.clone()));
            for payload in &payloads {
                queue.push(payload.clone()).unwrap();
            }
            let mut writer = Slow {
                wire: Vec::new(),
                at_once,
                calls: usize::MAX,
            };
            queue.write_to(&mut writer).unwrap();
            assert!(queue.is_empty());
            let frames = by_slices(Decoder::new(pattern.clone()), &[&writer.wire]).unwrap();
            assert_eq!(frames, payloads, "{pattern:?} {at_once}");
        }
    }
}

#[test]
fn a_full_socket_leaves_the_rest_queued() {
    let mut queue = FrameQueue::new(Encoder::new(U32));
    queue.push(Bytes::from_static(b"hello")).unwrap();
    queue.push(Bytes::from_static(b"world")).unwrap();
    let mut writer = Slow {
        wire: Vec::new(),
        at_once: 3,
        calls: 2,
    };
    let error = queue.write_to(&mut writer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(queue.len(), 12);
    writer.calls = 10;
    queue.write_to(&mut writer).unwrap();
    assert_eq!(writer.wire, b"\0\0\0\x05hello\0\0\0\x05world");
}

#[test]
fn payloads_are_not_copied() {
    let payload = Bytes::from(vec![b'x'; 100]);
    let mut queue = FrameQueue::new(Encoder::new(U32));
    queue.push(payload.clone()).unwrap();
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(queue.chunks(&mut slices), 2);
    assert_eq!(&slices[0][..], b"\0\0\0\x64");
    assert_eq!(slices[1].as_ptr(), payload.as_ptr());
}

#[test]
fn a_full_queue_refuses_with_numbers() {
    let limits = QueueLimits {
        max_len: 20,
        max_frames: 3,
        ..QueueLimits::default()
    };
    let mut queue = FrameQueue::with_limits(Encoder::new(U32), limits);
    queue.push(Bytes::from_static(b"0123456789")).unwrap();
    let refused = |added, queued, frames| {
        Err(FrameError::QueueFull {
            added,
            queued,
            max_len: 20,
            frames,
            max_frames: 3,
        })
    };
    assert_eq!(queue.push(Bytes::from_static(b"123")), refused(7, 14, 1));
    queue.push(Bytes::from_static(b"12")).unwrap();
    assert_eq!(queue.len(), 20);
    queue.advance(20);
    for _ in 0..3 {
        queue.push(Bytes::new()).unwrap();
    }
    assert_eq!(queue.push(Bytes::new()), refused(4, 12, 3));
}

#[test]
fn an_empty_queue_takes_a_frame_of_any_allowed_length() {
    let limits = QueueLimits {
        max_len: 20,
        ..QueueLimits::default()
    };
    let mut queue = FrameQueue::with_limits(Encoder::with_max_frame_len(U32, 100), limits);
    queue.push(Bytes::from_static(&[0; 100])).unwrap();
    assert!(matches!(
        queue.push(Bytes::new()),
        Err(FrameError::QueueFull { .. })
    ));
    queue.advance(104);
    let too_long = queue.push(Bytes::from_static(&[0; 101]));
    assert!(matches!(
        too_long,
        Err(FrameError::TooLong {
            declared: 101,
            limit: 100,
            ..
        })
    ));
}

#[test]
fn congestion_begins_at_the_high_mark_and_ends_at_the_low_one() {
    let limits = QueueLimits {
        high_water: 20,
        low_water: 10,
        ..QueueLimits::default()
    };
    let mut queue = FrameQueue::with_limits(Encoder::new(U32), limits);
    queue.push(Bytes::from_static(b"0123456789")).unwrap();
    assert!(!queue.is_congested(), "14 bytes");
    queue.push(Bytes::from_static(b"012345")).unwrap();
    assert!(queue.is_congested(), "24 bytes");
    queue.advance(13);
    assert!(queue.is_congested(), "11 bytes");
    queue.advance(1);
    assert!(!queue.is_congested(), "10 bytes");
    queue.push(Bytes::from_static(b"01234")).unwrap();
    assert!(!queue.is_congested(), "19 bytes");
}

#[test]
#[should_panic(expected = "5 bytes written of 4")]
fn advancing_past_the_end_is_a_mistake() {
    let mut queue = FrameQueue::new(Encoder::new(U32));
    queue.push(Bytes::new()).unwrap();
    queue.advance(5);
}
