//! The conversation on the page of the native protocol is a real one.
#![cfg(feature = "postcard")]

mod native_ends;

use std::sync::Arc;
use std::time::Instant;

use native_ends::{none, options};
use rpc_core::native::{Peer, Request};
use rpc_core::{Dialect, Registry};

#[test]
fn the_page_shows_what_goes_over_the_wire() {
    let page = include_str!("../src/native.rs");
    let shown: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with("> ") || line.starts_with("< "))
        .collect();
    let real = conversation();
    assert_eq!(shown, real, "\n{}", real.join("\n"));
}

/// The frames that a client and a server send, in turn.
fn conversation() -> Vec<String> {
    let now = Instant::now();
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    let mut server = Peer::new(Arc::new(registry), options());
    let mut client = Peer::new(Arc::default(), options());
    let mut frames = Vec::new();
    let mut exchange = |client: &mut Peer, server: &mut Peer| {
        let bytes = std::mem::take(client.output());
        frames.extend(shown('>', &bytes));
        server
            .receive(&bytes, now)
            .expect("the client keeps to the protocol");
        let bytes = std::mem::take(server.output());
        frames.extend(shown('<', &bytes));
        client
            .receive(&bytes, now)
            .expect("the server keeps to the protocol");
    };
    exchange(&mut client, &mut server);
    client
        .call(&Request::new("add"), &(2_i64, 3_i64), now)
        .expect("it can be sent");
    exchange(&mut client, &mut server);
    client
        .call(&Request::new("ad"), &none(), now)
        .expect("it can be sent");
    exchange(&mut client, &mut server);
    client.drain(now);
    exchange(&mut client, &mut server);
    frames
}

fn shown(direction: char, bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while let Some(len) = rest.first_chunk::<4>() {
        let (frame, behind) = rest.split_at(4 + u32::from_be_bytes(*len) as usize);
        let hex: Vec<_> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        frames.push(format!("{direction} {}", hex.join(" ")));
        rest = behind;
    }
    frames
}
