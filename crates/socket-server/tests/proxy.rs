//! Connections that come through a proxy: who the peer is then, and what the proxy must send.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use socket_server::{Connection, HandlerResult, Limits, Running, Server, Strategy};
use socket2::{Domain, Socket, Type};
use support::{LONG, client, each, each_parallel, patient, receive, rest};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xC0\0\x02\x01\xC6\x33\x64\x07\xC8\x22\x01\xBB\
    \x04\0\x01\x2A";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn server(strategy: Strategy, limits: Limits) -> Server {
    Server::tcp("127.0.0.1:0")
        .strategy(strategy)
        .limits(limits)
        .proxied(|ip| ip == PROXY)
}

/// Tells who the peer is and through whom it came, and then all that it sent.
fn tell(connection: &mut Connection) -> HandlerResult {
    let peer = connection.peer();
    let ip = peer.ip().expect("an IP server");
    let told = format!("{ip} by {:?}: ", peer.proxy().map(|proxy| proxy.ip()));
    let mut sent = Vec::new();
    connection.read_to_end(&mut sent)?;
    connection.write_all(told.as_bytes())?;
    connection.write_all(&sent)?;
    Ok(())
}

fn play(client: &mut TcpStream, pieces: &[&[u8]]) -> String {
    for piece in pieces {
        client.write_all(piece).expect("the server reads");
    }
    client
        .shutdown(std::net::Shutdown::Write)
        .expect("it is connected");
    String::from_utf8(rest(client)).expect("the answer is text")
}

fn client_from(address: [u8; 4], running: &Running) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors are left");
    let address = SocketAddr::from((address, 0));
    socket.bind(&address.into()).expect("a port is free");
    let server = running.address().socket_addr().expect("an IP server");
    socket.connect(&server.into()).expect("the server listens");
    let client = TcpStream::from(socket);
    client.set_read_timeout(Some(LONG)).expect("not zero");
    client
}

#[test]
fn the_peer_is_the_client_of_the_proxy() {
    each(|strategy| {
        let running = server(strategy, Limits::default()).serve(tell).unwrap();
        for header in [V1, V2] {
            let told = play(&mut client(&running), &[header, b"hello"]);
            assert_eq!(told, "192.0.2.1 by Some(127.0.0.1): hello");
            let together = [header, b"hello"].concat();
            let told = play(&mut client(&running), &[&together]);
            assert_eq!(told, "192.0.2.1 by Some(127.0.0.1): hello");
            let bytewise: Vec<&[u8]> = together.chunks(1).collect();
            let told = play(&mut client(&running), &bytewise);
            assert_eq!(told, "192.0.2.1 by Some(127.0.0.1): hello");
        }
        assert_eq!(running.shutdown(LONG).finished, 6);
    });
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_peer() {
    each(|strategy| {
        let running = server(strategy, Limits::default()).serve(tell).unwrap();
        for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n"] {
            let told = play(&mut client(&running), &[header, b"check"]);
            assert_eq!(told, "127.0.0.1 by None: check");
        }
        running.shutdown(LONG);
    });
}

#[test]
fn from_others_no_header_is_looked_for() {
    each(|strategy| {
        let running = server(strategy, Limits::default()).serve(tell).unwrap();
        let told = play(&mut client_from([127, 0, 0, 2], &running), &[V1]);
        let header = std::str::from_utf8(V1).unwrap();
        assert_eq!(told, format!("127.0.0.2 by None: {header}"));
        running.shutdown(LONG);
    });
}

#[test]
fn without_a_good_header_the_connection_is_closed() {
    each(|strategy| {
        let (told, failures) = mpsc::channel();
        let running = server(strategy, Limits::default())
            .on_error(move |_, failure| told.send(failure.to_string()).expect("the test listens"))
            .serve(|_| panic!("it is not for the handler"))
            .unwrap();
        for (sent, error) in [
            (
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                "must send a PROXY protocol header",
            ),
            (b"", "after 0 bytes of a PROXY protocol header"),
            (&V2[..20], "after 20 bytes of a PROXY protocol header"),
            (
                b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
                "of version 1, 36 bytes",
            ),
        ] {
            assert_eq!(play(&mut client(&running), &[sent]), "");
            let failure = receive(&failures);
            assert!(failure.contains(error), "{failure}");
        }
        let stats = running.shutdown(LONG);
        assert_eq!((stats.failed, stats.panicked), (4, 0));
    });
}

#[test]
fn limits_and_verify_go_by_the_client() {
    each_parallel(|strategy| {
        let limits = Limits {
            max_per_address: 1,
            refusal: b"too many of you".into(),
            ..Limits::default()
        };
        let (let_in, entrances) = mpsc::channel();
        let running = server(strategy, limits)
            .verify(|peer| peer.ip() != Some([192, 0, 2, 66].into()))
            .serve(move |connection| {
                let_in.send(()).expect("the test listens");
                tell(connection)
            })
            .unwrap();
        let from = |client: &str| format!("PROXY TCP4 {client} 198.51.100.7 51234 443\r\n");
        let mut first = client(&running);
        first.write_all(V1).unwrap();
        receive(&entrances);
        assert_eq!(play(&mut client(&running), &[V1]), "too many of you");
        let told = play(&mut client(&running), &[from("192.0.2.2").as_bytes()]);
        assert_eq!(told, "192.0.2.2 by Some(127.0.0.1): ");
        let told = play(&mut client(&running), &[from("192.0.2.66").as_bytes()]);
        assert_eq!(told, "");
        assert_eq!(play(&mut first, &[]), "192.0.2.1 by Some(127.0.0.1): ");
        running.shutdown(LONG);
    });
}

#[test]
fn a_silent_proxy_has_the_time_of_a_handshake() {
    each(|strategy| {
        let limits = Limits {
            handshake_timeout: Duration::from_millis(60),
            ..patient()
        };
        let running = server(strategy, limits).serve(tell).unwrap();
        let mut client = client(&running);
        client.write_all(&V1[..20]).unwrap();
        assert_eq!(rest(&mut client), b"");
        assert_eq!(running.shutdown(LONG).timed_out, 1);
    });
}

#[test]
fn the_header_is_not_the_first_byte() {
    each(|strategy| {
        let (told, failures) = mpsc::channel();
        let limits = Limits {
            first_byte_timeout: Some(Duration::from_millis(60)),
            ..patient()
        };
        let running = server(strategy, limits)
            .on_error(move |_, failure| told.send(failure.to_string()).expect("the test listens"))
            .serve(tell)
            .unwrap();
        let mut client = client(&running);
        client.write_all(V1).unwrap();
        assert_eq!(receive(&failures), "no byte came for 60ms, the limit");
        assert_eq!(running.shutdown(LONG).timed_out, 1);
    });
}
