//! Transfers in chunks over tokio: the same names as with threads.

use std::ops::ControlFlow;
use std::time::Duration;

use bulk_array::chunked::{ChunkedError, Offer, Progress, Transfer};
use bulk_array::tokio::chunked::{recv, recv_into, recv_vec, send, send_slice};
use bulk_array::{ArrayError, Error, Limits, Shape};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

mod support {
    pub(crate) mod wire;
}

use support::wire::{Header, chunk, request};

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (here, there) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (there, _) = there.expect("the connection is there");
    (here.expect("the listener listens"), there)
}

fn chunked(error: Error) -> ChunkedError {
    match error {
        Error::Array(ArrayError::Chunked(error)) => error,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn arrays_cross_a_socket_one_after_the_other() {
    let (mut here, mut there) = tcp().await;
    let values: Vec<f64> = (0..700_000).map(f64::from).collect();
    let sender = async {
        send_slice(&mut here, &values, Shape::fortran([7, 100_000])).await?;
        send_slice(&mut here, &values, 700_000).await
    };
    let mut received = vec![0.0; 700_000];
    let receiver = async {
        let array = recv_vec::<f64>(&mut there, &Limits::default()).await?;
        recv_into(&mut there, &mut received).await?;
        Ok::<_, Error>(array)
    };
    let (sent, array) = tokio::join!(sender, receiver);
    sent.unwrap();
    let array = array.unwrap();
    assert_eq!(array.shape(), &Shape::fortran([7, 100_000]));
    assert!(array.values() == values);
    assert!(received == values);
}

#[tokio::test]
async fn streams_run_in_one_task_and_go_on_after_a_break() {
    let values: Vec<u16> = (0..50_000).collect();
    let offer = Offer::new(&values[..], 50_000).unwrap();
    let offer = offer.with_chunk_len(4096).unwrap();
    let mut received = vec![0; 50_000];
    let transfer = Transfer::parallel(&mut received, 2);
    let stream = async |stream: u16, cut: u64| {
        let offer = &offer;
        let (here, mut there) = duplex(1000);
        let sender = async move {
            // What the sender has stopped is dropped, so that the receiver sees the end.
            let mut here = here;
            send(&mut here, offer, |progress| match progress.done >= cut {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
            .await
        };
        let (_, result) = tokio::join!(sender, recv(&mut there, &transfer, stream, go_on));
        result
    };
    let (first, second) = tokio::join!(stream(0, 20_000), stream(1, u64::MAX));
    assert!(matches!(
        first,
        Err(Error::Array(ArrayError::Truncated {
            expected: 100_000,
            ..
        }))
    ));
    second.unwrap();
    assert!(!transfer.is_complete());
    stream(0, u64::MAX).await.unwrap();
    assert!(transfer.is_complete());
    assert!(received == values);
}

#[tokio::test]
async fn a_dropped_future_leaves_what_is_verified() {
    let (mut here, mut there) = duplex(100_000);
    let transfer = Transfer::<u8>::vec(Vec::new(), &Limits::default());
    let header = Header::of(*b"u\x01<C", &[3000], 1024).bytes();
    let begun = chunk(1, &[4; 1024])[..100].to_vec();
    let bytes = [header, chunk(0, &[3; 1024]), begun].concat();
    there.write_all(&bytes).await.unwrap();
    let verified = async {
        while transfer.progress().done == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = recv(&mut here, &transfer, 0, go_on) => panic!("{result:?}"),
        () = verified => {}
    }
    assert_eq!(transfer.progress().done, 1024);
    assert_eq!(transfer.checkpoint().unwrap().chunk, 1);
    assert_eq!(transfer.into_vec(), [3; 1024]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_noticed() {
    let timeout = Duration::from_secs(30);
    let (mut here, mut there) = duplex(100_000);
    let mut received = [0_u8; 3000];
    let transfer = Transfer::slice(&mut received);
    let error = recv(&mut here, &transfer, 0, go_on).await.unwrap_err();
    let stalled = |done, total| ChunkedError::Stalled {
        timeout,
        done,
        total,
    };
    assert_eq!(chunked(error), stalled(0, 0));
    let header = Header::of(*b"u\x01<C", &[3000], 1024).bytes();
    let bytes = [header, chunk(0, &[3; 1024]), chunk(1, &[3; 1024])].concat();
    there.write_all(&bytes[..1500]).await.unwrap();
    let error = recv(&mut here, &transfer, 0, go_on).await.unwrap_err();
    assert_eq!(chunked(error), stalled(1024, 3000));

    let (mut here, mut there) = duplex(1000);
    let values = vec![1_u8; 100_000];
    let error = send_slice(&mut here, &values, 100_000).await.unwrap_err();
    assert_eq!(chunked(error), stalled(0, 100_000));
    there.write_all(&request(None, 0, 1, 0)).await.unwrap();
    let error = send_slice(&mut here, &values, 100_000).await.unwrap_err();
    assert_eq!(chunked(error), stalled(1000 - 64 - 16, 100_000));
}

#[tokio::test]
async fn the_sender_of_another_array_tells_which_it_has() {
    let mut received = [0_u8; 100];
    let transfer = Transfer::slice(&mut received);
    let offers = [1_u8, 2].map(|value| Offer::new(vec![value; 100], 100).unwrap());
    let mut results = Vec::new();
    for offer in &offers {
        let (mut here, mut there) = duplex(1000);
        let (sent, result) = tokio::join!(
            send(&mut here, offer, go_on),
            recv(&mut there, &transfer, 0, go_on)
        );
        results.extend([sent, result]);
    }
    let (expected, found) = (offers[0].header().id, offers[1].header().id);
    for (place, result) in results.into_iter().enumerate() {
        match place {
            0 | 1 => result.unwrap(),
            _ => assert_eq!(
                chunked(result.unwrap_err()),
                ChunkedError::OtherTransfer { expected, found }
            ),
        }
    }
}
