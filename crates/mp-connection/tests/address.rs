//! Addresses as text.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use mp_connection::Address;
use proptest::prelude::*;

#[test]
fn every_kind_is_written_as_it_is_read() {
    let unix = |path: &str| Address::Unix(PathBuf::from(path));
    let cases = [
        ("127.0.0.1:25000", Address::from(([127, 0, 0, 1], 25000))),
        (
            "[::1]:0",
            Address::Tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))),
        ),
        ("unix:/run/app.sock", unix("/run/app.sock")),
        ("unix:here", unix("here")),
        ("unix:\\x40app", unix("@app")),
        ("unix:/a\\\\b", unix("/a\\b")),
        ("unix:@app", Address::Abstract(b"app".to_vec())),
        ("unix:@", Address::Abstract(Vec::new())),
        (
            "unix:@listener-4711-0",
            Address::Abstract(b"listener-4711-0".to_vec()),
        ),
        ("unix:@a\\x00\\xff", Address::Abstract(b"a\0\xff".to_vec())),
    ];
    for (text, address) in cases {
        assert_eq!(text.parse::<Address>().unwrap(), address, "{text}");
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn other_texts_are_refused_and_told_what_would_do() {
    let wrong = [
        "",
        "127.0.0.1",
        "localhost:25000",
        ":25000",
        "/run/app.sock",
        "unix:",
        "tcp:1",
        "127.0.0.1:65536",
        "unix:a\\",
        "unix:a\\x",
        "unix:a\\x4",
        "unix:a\\n",
        "unix:\\x+5",
        "unix:\\xé",
        "Unix:a",
    ];
    for text in wrong {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("unix:/path"), "{error}");
        assert!(error.contains(&format!("{text:?}")), "{error}");
    }
}

proptest! {
    #[test]
    fn any_name_and_path_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..20)) {
        let path = Address::Unix(OsString::from_vec(bytes.clone()).into());
        prop_assert_eq!(path.to_string().parse::<Address>().unwrap(), path);
        let name = Address::Abstract(bytes);
        prop_assert_eq!(name.to_string().parse::<Address>().unwrap(), name);
    }
}
