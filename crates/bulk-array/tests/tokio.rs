//! The wires over tokio.

use bulk_array::tokio::{npy, raw};
use bulk_array::{ByteOrder, Limits, Shape};
use tokio::io::{AsyncReadExt, duplex};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn raw_arrays() {
    // 5 bytes fit in at a time, so nearly every read and write is short.
    let (mut here, mut there) = duplex(5);
    let values: Vec<u32> = (0..10_000).collect();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let send = async {
            raw::send_slice(&mut here, &values, order)
                .await
                .expect("the other end reads");
            raw::send_slice(&mut here, &values, order)
                .await
                .expect("the other end reads");
        };
        let receive = async {
            let vec = raw::recv_vec::<u32>(&mut there, values.len(), order)
                .await
                .expect("all is sent");
            assert_eq!(vec, values);
            let mut slice = vec![0; values.len()];
            raw::recv_into(&mut there, &mut slice, order)
                .await
                .expect("all is sent");
            assert_eq!(slice, values);
        };
        tokio::join!(send, receive);
    }
    raw::send_slice(&mut here, &[7_u8], ByteOrder::NATIVE)
        .await
        .unwrap();
    drop(here);
    let mut rest = Vec::new();
    there.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [7], "nothing more was read");
}

#[tokio::test]
async fn numpy_arrays_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let values: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let shape = Shape::fortran([1000, 1000]);
    let send = async {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        for _ in 0..3 {
            npy::send_slice(&mut stream, &values, &shape)
                .await
                .expect("the other end reads");
        }
    };
    let receive = async {
        let limits = Limits::default();
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let array = npy::recv_vec::<f64>(&mut stream, &limits)
            .await
            .expect("all is sent");
        assert_eq!((array.shape(), array.values()), (&shape, &values[..]));
        let mut memory = array.into_vec();
        memory.fill(0.0);
        let place = memory.as_ptr();
        npy::recv_reusing(&mut stream, &mut memory, &limits)
            .await
            .expect("all is sent");
        assert_eq!((memory.as_ptr(), &memory), (place, &values));
        memory.fill(0.0);
        npy::recv_into(&mut stream, &mut memory, &limits)
            .await
            .expect("all is sent");
        assert_eq!(memory, values);
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_short_stream_says_how_short() {
    let (mut here, mut there) = duplex(1000);
    raw::send_slice(&mut here, &[0_u8; 20], ByteOrder::NATIVE)
        .await
        .unwrap();
    drop(here);
    let mut values = vec![9_u64];
    let error = raw::recv_reusing(&mut there, &mut values, 3, ByteOrder::NATIVE).await;
    let text = "the stream ended after 20 of the 24 bytes of the array";
    assert_eq!(error.expect_err("4 bytes are missing").to_string(), text);
    assert_eq!(values, [0, 0]);
    let error = npy::recv_vec::<u8>(&mut there, &Limits::default()).await;
    let text = "the stream ended after 0 of the 10 bytes of the header";
    assert_eq!(error.expect_err("nothing is left").to_string(), text);
}
