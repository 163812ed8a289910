//! numpy's format: the bytes that are written, those that are accepted, and those that are not.

use bulk_array::blocking::npy;
use bulk_array::npy::{Header, Receiver, Sender};
use bulk_array::{Array, ArrayError, ByteOrder, Dtype, Element, Error, Kind, Limits, Order, Shape};

const F8: Dtype = f64::DTYPE;

/// A header of this text, in this version.
fn wire(major: u8, text: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([major, 0]);
    match major {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Header, ArrayError> {
    let (header, len) = Header::decode(bytes, &Limits::default())?.expect("it is a whole header");
    assert_eq!(len, bytes.len());
    Ok(header)
}

#[test]
fn written_as_numpy_does() {
    let little = ByteOrder::Little;
    for (header, text) in [
        (
            Header::new(F8, little, 50_000_000),
            "{'descr': '<f8', 'fortran_order': False, 'shape': (50000000,), }             ",
        ),
        (
            Header::new(F8, ByteOrder::Big, Shape::fortran([3, 44])),
            "{'descr': '>f8', 'fortran_order': True, 'shape': (3, 44), }                   ",
        ),
        (
            Header::new(u8::DTYPE, little, []),
            "{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
        ),
        (
            Header::new(Dtype::new(Kind::Bool, 1), ByteOrder::Big, [2, 0, 1]),
            "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 0, 1), }                    ",
        ),
        (
            Header::new(<[f32; 2]>::DTYPE, little, Shape::fortran([1, 5])),
            "{'descr': '<c8', 'fortran_order': False, 'shape': (1, 5), }                    ",
        ),
    ] {
        let bytes = header.encode();
        let padded = format!("{text:117}\n");
        assert_eq!(String::from_utf8_lossy(&bytes[10..]), padded);
        assert_eq!(bytes[..10], *b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(bytes, wire(1, &padded));
    }
}

#[test]
fn a_header_that_ends_at_a_multiple_of_64_is_padded_nevertheless() {
    // numpy adds 1 to 64 blanks, never none.
    let lens = (1..40).map(|dims| {
        let shape = Shape::new(vec![10; dims], Order::C);
        let bytes = Header::new(F8, ByteOrder::Little, shape).encode();
        assert!(bytes.ends_with(b" \n"));
        bytes.len()
    });
    assert!(lens.clone().all(|len| len % 64 == 0));
    assert_eq!(lens.max(), Some(256));
}

#[test]
fn version_2_where_version_1_is_too_short() {
    let shape = Shape::new(vec![1; 30_000], Order::C);
    let header = Header::new(F8, ByteOrder::Little, shape);
    let bytes = header.encode();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x02\x00");
    assert_eq!(bytes.len() % 64, 0);
    let limits = Limits {
        max_dims: 30_000,
        max_header_len: 1 << 20,
        ..Limits::default()
    };
    assert_eq!(
        Header::decode(&bytes, &limits),
        Ok(Some((header, bytes.len())))
    );
}

#[test]
fn what_any_numpy_has_written_is_read() {
    let expected = Header::new(F8, ByteOrder::Little, [3, 4]);
    for text in [
        // before numpy 1.14, padded to 16; Python 2; the oldest; by hand
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }          \n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 4L), }  \n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)}\n",
        "{\"shape\": (3,4,), \"fortran_order\":False,\n \"descr\": \"<f8\"}",
    ] {
        for major in [1, 2] {
            assert_eq!(decode(&wire(major, text)), Ok(expected.clone()), "{text}");
        }
        let is_long = text.contains('L');
        assert_eq!(
            decode(&wire(3, text)).is_err(),
            is_long,
            "Python 2 had no version 3"
        );
    }
    let text = "{'descr': '>c16', 'fortran_order': True, 'shape': (18446744073709551615, 0), }\n";
    let header = decode(&wire(1, text)).expect("it has no elements");
    assert_eq!(header.shape().dims(), [u64::MAX, 0]);
    assert_eq!(
        (header.dtype(), header.order()),
        (<[f64; 2]>::DTYPE, ByteOrder::Big)
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let position_of = |text: &str| match decode(&wire(1, text)) {
        Err(ArrayError::InvalidHeader { position, expected }) => (position - 10, expected),
        other => panic!("{text}: {other:?}"),
    };
    const KEYS: &str = "the keys 'descr', 'fortran_order' and 'shape'";
    const DIM: &str = "a dimension: digits, without zeros in front";
    for (text, expected) in [
        ("", (0, "`{`")),
        ("\n", (1, "`{`")),
        ("{", (1, "a key in quotes, or `}`")),
        ("{}", (2, KEYS)),
        ("{'descr': '<f8', 'shape': (), }", (31, KEYS)),
        ("{'descr': '<f8', 'descr': '<f8'", (17, "each key once")),
        ("{'descr'", (8, "`:`")),
        ("{'descr': '<f8' 'shape': ()}", (16, "`,` or `}`")),
        ("{'descr: 1", (1, "quotes that end")),
        ("{'descr': <f8", (10, "the name of a type in quotes")),
        (
            "{'descr': [('a', '<f8')]",
            (10, "the name of a type in quotes"),
        ),
        ("{'fortran_order': 0", (18, "`True` or `False`")),
        ("{'fortran_order': Falsehood", (23, "`,` or `}`")),
        ("{'order': 'C'", (1, KEYS)),
        ("{'shape': 3", (10, "`(`")),
        ("{'shape': (3)", (12, "`,`")),
        ("{'shape': (3 4", (13, "`,`")),
        ("{'shape': (3, 4;", (15, "`,` or `)`")),
        ("{'shape': (3, -4", (14, DIM)),
        ("{'shape': (3, 04", (14, DIM)),
        ("{'shape': (3, 0x4", (15, "`,` or `)`")),
        ("{'shape': (3.0, ", (12, "`,`")),
        ("{'shape': ((", (11, DIM)),
        ("{'shape': (3, 4LL", (16, "`,` or `)`")),
        (
            "{'shape': (18446744073709551616,",
            (11, "a dimension below 2^64"),
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }x",
            (59, "only blanks behind `}`"),
        ),
    ] {
        assert_eq!(position_of(text), expected, "{text}");
    }
    let error = decode(&wire(1, "{'shape': (3, -4")).expect_err("no array is so small");
    let text =
        "the header is wrong at byte 24: expected a dimension: digits, without zeros in front";
    assert_eq!(error.to_string(), text);
}

#[test]
fn elements_that_are_no_numbers_are_named() {
    for descr in [
        "|O", "<U5", "|S3", "<M8[ns]", "<f3", "<c4", "<b2", "|f8", "=f8", "f8", "<f08", "<", "",
        "<é",
    ] {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ()}}");
        let error = decode(&wire(3, &text)).expect_err("it is no number");
        let expected = ArrayError::UnknownDtype {
            position: 22,
            descr: descr.into(),
        };
        assert_eq!(error, expected);
    }
    let text = format!("{{'descr': '{}'}}", "x".repeat(60_000));
    let error = decode(&wire(1, &text))
        .expect_err("it is no number")
        .to_string();
    assert!(error.len() < 150, "{error}");
}

#[test]
fn other_streams_are_told_by_their_first_bytes() {
    let limits = Limits::default();
    let refused = |bytes: &[u8]| Header::decode(bytes, &limits).expect_err("it is no array");
    let found = (*b"HTTP/1").into();
    assert_eq!(refused(b"HTTP/1.1 400"), ArrayError::NotNpy { found });
    let text = r#"the stream does not begin as a numpy array, but with "\x93NUMPZ""#;
    assert_eq!(refused(b"\x93NUMPZ").to_string(), text);
    let unknown = |major, minor| ArrayError::UnknownVersion { major, minor };
    assert_eq!(refused(b"\x93NUMPY\x04\x00"), unknown(4, 0));
    assert_eq!(refused(b"\x93NUMPY\x01\x02"), unknown(1, 2));
    for begun in [
        &b""[..],
        b"HTTP/",
        b"\x93",
        b"\x93NUMPY",
        b"\x93NUMPY\x03",
        b"\x93NUMPY\x01\0v\0{'descr",
    ] {
        assert_eq!(Header::decode(begun, &limits), Ok(None));
    }
}

#[test]
fn limits_hold_before_anything_else_is_read() {
    let limits = Limits::default();
    // Only the beginning of a header of 4 GiB, of which nothing is waited for.
    let error = Header::decode(b"\x93NUMPY\x02\0\xff\xff\xff\xff", &limits);
    let too_long = ArrayError::HeaderTooLong {
        len: u32::MAX.into(),
        max_header_len: 65_536,
    };
    assert_eq!(error, Err(too_long));

    let shaped = |shape: &str| {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        decode(&wire(2, &text))
    };
    assert!(shaped(&format!("({})", "1, ".repeat(32))).is_ok());
    let too_many = ArrayError::TooManyDims { max_dims: 32 };
    assert_eq!(shaped(&format!("({})", "1, ".repeat(33))), Err(too_many));
    assert!(shaped("(134217728,)").is_ok());
    for (shape, dims) in [
        ("(134217729,)", vec![134_217_729]),
        ("(9223372036854775808,)", vec![1 << 63]),
        ("(4294967296, 4294967296)", vec![1 << 32, 1 << 32]), // 0, if 64 bits are all
    ] {
        let too_large = ArrayError::TooLarge {
            shape: Shape::new(dims, Order::C),
            dtype: F8,
            max_bytes: 1 << 30,
        };
        assert_eq!(shaped(shape), Err(too_large));
    }
    let error = shaped("(134217729,)").expect_err("8 bytes too many");
    assert_eq!(
        error.to_string(),
        "the peer announced an array of f8 with the shape (134217729,), the limit is 1073741824 bytes"
    );
}

fn sent<T: Element>(values: &[T], shape: impl Into<Shape>) -> Vec<u8> {
    let mut wire = Vec::new();
    npy::send_slice(&mut wire, values, shape).expect("memory takes all");
    wire
}

#[test]
fn arrays_come_one_after_the_other() {
    let limits = Limits::default();
    let mut wire = sent(&[1_u32, 2, 3, 4, 5, 6], Shape::fortran([2, 3]));
    wire.extend(sent(&[1.5_f64], []));
    wire.extend(sent::<i8>(&[], 0));
    let mut stream = &wire[..];
    let matrix = npy::recv_vec::<u32>(&mut stream, &limits).unwrap();
    assert_eq!(matrix.shape(), &Shape::fortran([2, 3]));
    assert_eq!(
        (matrix.get(&[1, 0]), matrix.get(&[0, 1])),
        (Some(&2), Some(&3))
    );
    assert_eq!((matrix.get(&[2, 0]), matrix.get(&[0])), (None, None));
    let number = npy::recv_vec::<f64>(&mut stream, &limits).unwrap();
    assert_eq!(number.get(&[]), Some(&1.5));
    assert!(
        npy::recv_vec::<i8>(&mut stream, &limits)
            .unwrap()
            .values()
            .is_empty()
    );
    let error = npy::recv_vec::<i8>(&mut stream, &limits).expect_err("nothing is left");
    assert_eq!(
        error.to_string(),
        "the stream ended after 0 of the 10 bytes of the header"
    );
}

#[test]
fn a_short_stream_says_how_short() {
    let wire = sent(&[1_u16, 2], 2);
    for len in 0..wire.len() {
        let error = npy::recv_vec::<u16>(&mut &wire[..len], &Limits::default());
        let received = len as u64;
        let expected = match len {
            0..10 => ArrayError::HeaderTruncated {
                received,
                expected: 10,
            },
            10..128 => ArrayError::HeaderTruncated {
                received,
                expected: 128,
            },
            _ => ArrayError::Truncated {
                received: received - 128,
                expected: 4,
            },
        };
        match error {
            Err(Error::Array(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn another_array_than_asked_for_is_named() {
    let wire = sent(&[1_i32; 12], [3, 4]);
    let limits = Limits::default();
    let error = npy::recv_vec::<f64>(&mut &wire[..], &limits).expect_err("these are integers");
    assert_eq!(
        error.to_string(),
        "expected an array of f8, the peer announced one of i4"
    );
    let error =
        npy::recv_into(&mut &wire[..], &mut [0_i32; 11], &limits).expect_err("there are 12");
    let text = "expected an array of 11 elements, the peer announced the shape (3, 4)";
    assert_eq!(error.to_string(), text);
    let mut values = [0; 12];
    let shape = npy::recv_into(&mut &wire[..], &mut values, &limits).unwrap();
    assert_eq!((shape, values), (Shape::from([3, 4]), [1; 12]));

    let error = npy::send_slice(&mut Vec::new(), &[1_i32; 12], [3, 5]).expect_err("that were 15");
    assert_eq!(
        error.to_string(),
        "there are 12 elements, they do not have the shape (3, 5)"
    );
    assert!(Array::new(vec![1; 12], [3, 5]).is_err());
    assert!(Sender::new([1_i32; 12], [3, 5]).is_err());
}

#[test]
fn bools_are_bytes() {
    let mut wire = Header::new(Dtype::new(Kind::Bool, 1), ByteOrder::NATIVE, 3).encode();
    wire.extend([1, 0, 1]);
    let array = npy::recv_vec::<u8>(&mut &wire[..], &Limits::default()).unwrap();
    assert_eq!(array.values(), [1, 0, 1]);
    assert!(npy::recv_vec::<i8>(&mut &wire[..], &Limits::default()).is_err());
}

#[test]
fn the_other_byte_order_is_turned_round() {
    let mut wire = Header::new(<[f32; 2]>::DTYPE, ByteOrder::Big, 1).encode();
    wire.extend([0x3f, 0x80, 0, 0, 0x40, 0, 0, 0]);
    let array = npy::recv_vec::<[f32; 2]>(&mut &wire[..], &Limits::default()).unwrap();
    assert_eq!(array.values(), [[1.0, 2.0]]);
}

#[test]
fn a_machine_that_failed_stays_failed() {
    let mut receiver = Receiver::<f64>::new(&Limits::default());
    assert_eq!(receiver.receive(b"\x93NU").unwrap(), 3);
    let error = receiver
        .receive(b"NUMPY")
        .expect_err("it is no array")
        .to_string();
    let again = receiver.receive(b"MPY").expect_err("nor later").to_string();
    assert_eq!(error, again);
    assert!(!receiver.is_complete());
    let found = Box::from(*b"\x93NUNUM");
    assert_eq!(receiver.finish(), Err(ArrayError::NotNpy { found }));
}

#[test]
fn memory_is_used_again() {
    let wire = sent(&[7_u64; 1000], [10, 100]);
    let mut values = vec![0_u64; 1000];
    let place = values.as_ptr();
    npy::recv_reusing(&mut &wire[..], &mut values, &Limits::default()).unwrap();
    assert_eq!((values.as_ptr(), &values[..]), (place, &[7; 1000][..]));
    let mut receiver = Receiver::reusing(values, &Limits::default());
    for piece in wire.chunks(13) {
        assert_eq!(receiver.receive(piece).unwrap(), piece.len());
    }
    assert!(receiver.is_complete());
    assert_eq!(receiver.finish().unwrap().values().as_ptr(), place);
}
