//! Datagram services: pausing, timers, full queues.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use event_loop::{Context, DatagramHandler, Datagrams, EventLoop};

const PATIENCE: Duration = Duration::from_secs(20);

/// Rests after each datagram until a timer wakes it; answers with what the timer said.
struct Resting;

impl DatagramHandler for Resting {
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_>,
    ) {
        out.send_to(payload, from).expect("there is room");
        cx.pause_reading();
        cx.set_timer(Duration::from_millis(1), 7);
    }

    fn timer(&mut self, token: u64, _: &mut Datagrams, cx: &mut Context<'_>) {
        assert_eq!(token, 7);
        cx.resume_reading();
    }
}

#[test]
fn what_came_during_a_pause_is_received_after_it() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    event_loop.add_datagrams(socket, Resting).unwrap();
    for n in 0..10_u8 {
        client.send(&[n]).unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 10 {
        event_loop.turn(Some(PATIENCE)).unwrap();
        let mut answer = [0];
        let mut in_this_turn = 0;
        while client.recv(&mut answer).is_ok() {
            answers.push(answer[0]);
            in_this_turn += 1;
        }
        assert!(in_this_turn <= 1, "a pause holds for the rest of the turn");
    }
    assert_eq!(answers, (0..10).collect::<Vec<u8>>());
}

#[test]
fn a_panic_costs_the_call_in_which_it_happened() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let picky = |payload: &[u8], from: SocketAddr, out: &mut Datagrams, _: &mut Context<'_>| {
        assert_ne!(payload, b"bad", "as the test wants it");
        out.send_to(payload, from).expect("there is room");
    };
    event_loop.add_datagrams(socket, picky).unwrap();
    client.send(b"bad").unwrap();
    client.send(b"good").unwrap();
    while event_loop.stats().panicked == 0 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    let mut answer = [0; 10];
    let len = client.recv(&mut answer).unwrap();
    assert_eq!(&answer[..len], b"good");
}
