//! Two ends that come together.

mod certificates;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use certificates::{Authority, Leaf};
use tls_mixin::{Acceptor, ClientOptions, Connector, ServerOptions};

#[test]
fn both_ends_hear_each_other() {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost"]));
    let acceptor = Acceptor::new(ServerOptions::new(server.identity())).unwrap();
    let connector = Connector::new(ClientOptions::new(authority.authorities())).unwrap();
    let (left, right) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut stream = acceptor.accept(left).expect("the client is good");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("it ends cleanly");
        stream.write_all(heard.as_bytes()).expect("somebody reads");
        stream.finish().expect("somebody reads");
    });
    let mut stream = connector.connect("localhost", right).unwrap();
    assert_eq!(stream.session().version().to_string(), "TLSv1.3");
    stream.write_all(b"hello").unwrap();
    stream.finish().unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    server.join().unwrap();
}
