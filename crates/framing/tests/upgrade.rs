//! Changing the pattern in mid-stream and handing the rest to somebody else.

use framing::{Decoder, Limits, Pattern, Prefix};

#[test]
fn a_head_in_lines_and_a_body_of_known_length() {
    let wire = b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\nhello\nworldGET / HTTP/1.1\r\n\r\n";
    for size in 1..wire.len() {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut decoder = Decoder::new(Pattern::Lines);
        for mut piece in wire.chunks(size) {
            while let Some(frame) = decoder.decode(&mut piece).unwrap().map(<[u8]>::to_vec) {
                match (frame.is_empty(), seen.len()) {
                    (true, 2) => decoder.set_pattern(Pattern::Fixed(11), Limits::default()),
                    (_, 3) => decoder.set_pattern(Pattern::Lines, Limits::default()),
                    _ => {}
                }
                seen.push(frame);
            }
        }
        let expected: [&[u8]; 6] = [
            b"POST / HTTP/1.1",
            b"Content-Length: 11",
            b"",
            b"hello\nworld",
            b"GET / HTTP/1.1",
            b"",
        ];
        assert_eq!(seen, expected, "{size}");
    }
}

#[test]
fn an_empty_body_is_one_empty_frame() {
    let mut decoder = Decoder::new(Pattern::Fixed(0));
    decoder.receive(b"next\n");
    assert_eq!(decoder.next_frame(), Ok(Some(&b""[..])));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.set_pattern(Pattern::Lines, Limits::default());
    assert_eq!(decoder.next_frame(), Ok(Some(&b"next"[..])));
}

#[test]
fn what_follows_the_last_frame_is_handed_over() {
    let mut decoder = Decoder::new(Pattern::Prefix(Prefix::U8));
    decoder.receive(b"\x08STARTTLS\x16\x03\x01");
    assert_eq!(decoder.next_bytes().unwrap().unwrap(), &b"STARTTLS"[..]);
    assert_eq!(decoder.buffered(), 3);
    assert_eq!(decoder.into_unread(), &b"\x16\x03\x01"[..]);
}

#[test]
fn a_lent_buffer_keeps_its_own_rest() {
    let mut decoder = Decoder::new(Pattern::Lines);
    let mut input = &b"upgrade\n\x16\x03\x01"[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(&b"upgrade"[..])));
    assert_eq!(input, b"\x16\x03\x01");
    assert_eq!(decoder.into_unread(), &b""[..]);
}
