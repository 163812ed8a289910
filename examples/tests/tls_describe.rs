//! `tls_describe` at either end, with itself, Python and OpenSSL at the other.

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Ended, Program};

/// Makes certificates in a folder of the test's own.
fn certificates(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("tls_describe")
        .join(name);
    let dir = folder.to_str().expect("the target folder is UTF-8");
    let made = Program::start("make_certs", &["--force", "--dir", dir]).wait();
    assert!(made.status.success(), "{made:?}");
    folder
}

/// The words of a line; those that begin with `@` are files in the folder.
fn words(folder: &Path, line: &str) -> Vec<String> {
    let word = |word: &str| match word.strip_prefix('@') {
        Some(name) => folder.join(name).display().to_string(),
        None => word.to_owned(),
    };
    line.split_ascii_whitespace().map(word).collect()
}

fn start(folder: &Path, line: &str) -> Program {
    let mut command = Command::new(support::path("tls_describe"));
    Program::start_command(command.args(words(folder, line)))
}

/// Starts it as a server that describes so many clients in JSON.
fn serve(folder: &Path, count: usize, line: &str) -> (Program, SocketAddr) {
    let own = "--serve 127.0.0.1:0 --json --cert @server_cert.pem --key @server_key.pem";
    let server = start(folder, &format!("{own} --count {count} {line}"));
    let address = server.address();
    (server, address)
}

/// Runs it as a client that describes its server in JSON.
fn describe(folder: &Path, server: SocketAddr, line: &str) -> Ended {
    start(
        folder,
        &format!("127.0.0.1 {} --json {line}", server.port()),
    )
    .wait()
}

/// What it has described.
fn objects(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    let objects = lines.filter(|line| line.starts_with('{'));
    let parse = |line| serde_json::from_str(line).expect("it is JSON");
    objects.map(parse).collect()
}

#[test]
fn without_an_authority_of_its_own_it_trusts_those_of_the_system() {
    let ours = certificates("system");
    let others = certificates("system-others");
    for (folder, is_trusted) in [(&ours, true), (&others, false)] {
        let (server, address) = serve(&ours, 1, "");
        let mut command = Command::new(support::path("tls_describe"));
        command.args(["127.0.0.1", &address.port().to_string(), "--json"]);
        // Where rustls-native-certs, like OpenSSL, finds them.
        command.env("SSL_CERT_FILE", folder.join("ca_cert.pem"));
        command.env_remove("SSL_CERT_DIR");
        let client = Program::start_command(&mut command).wait();
        assert_eq!(client.status.success(), is_trusted, "{client:?}");
        assert_eq!(server.wait().status.success(), is_trusted);
    }
}

#[test]
fn both_ends_say_the_same() {
    let folder = certificates("both");
    for (version, options) in [
        ("TLSv1.3", ""),
        ("TLSv1.3", "--tls 1.3 --alpn echo/1 --name localhost"),
        (
            "TLSv1.2",
            "--tls 1.2 --alpn other --alpn echo/1 --name localhost",
        ),
    ] {
        let (server, address) = serve(&folder, 1, "--ca @ca_cert.pem --alpn echo/1");
        let own = "--ca @ca_cert.pem --cert @client_cert.pem --key @client_key.pem";
        let client = describe(&folder, address, &format!("{own} {options}"));
        assert!(client.status.success(), "{client:?}");
        let server = server.wait();
        assert!(server.status.success(), "{server:?}");
        let [client] = &objects(&client)[..] else {
            panic!("{client:?}")
        };
        let [server] = &objects(&server)[..] else {
            panic!("{server:?}")
        };
        for agreed in [
            "version",
            "cipher",
            "cipher_bits",
            "key_exchange",
            "alpn",
            "resumed",
            "server_name",
        ] {
            assert!(client.get(agreed).is_some(), "{agreed}: {client}");
            assert_eq!(client[agreed], server[agreed], "{agreed}");
        }
        assert_eq!(client["version"], version);
        let protocol = options.contains("echo/1").then_some("echo/1");
        assert_eq!(client["alpn"], Value::from(protocol));
        let asked_for = options.contains("localhost").then_some("localhost");
        assert_eq!(server["server_name"], Value::from(asked_for));

        assert_eq!(client["trusted"], true);
        assert_eq!(client["matches"], true);
        assert_eq!(
            client["names"],
            serde_json::json!(["localhost", "127.0.0.1", "::1"])
        );
        assert_eq!(client["authorities"], 1);
        assert_eq!(client["days_left"], 364);
        assert_eq!(client["certificate_key"], "EC");
        assert_eq!(client["certificate_key_bits"], 256);
        assert_eq!(server["subject"], "CN=client");
        assert_eq!(
            server["chain"],
            serde_json::json!(["CN=client \u{2190} CN=netblocks test authority"])
        );
    }
}

#[test]
fn lines_are_aligned() {
    let folder = certificates("lines");
    let (server, address) = serve(&folder, 1, "");
    let line = format!("localhost {} --ca @ca_cert.pem", address.port());
    let client = start(&folder, &line).wait();
    assert!(client.status.success(), "{client:?}");
    assert_eq!(client.stderr, "");
    for line in [
        format!("Server.............................. {address}"),
        "Whether it is trusted............... yes".into(),
        "Peer certificate.................... provided".into(),
        "Names on the certificate............ localhost".into(),
        "                                     127.0.0.1".into(),
        "Whether they match.................. yes".into(),
        "Days left........................... 364".into(),
        "Protocol version negotiated......... TLSv1.3".into(),
        "Cipher key's bits................... 256".into(),
        "Compression......................... none".into(),
        "Resumed............................. no".into(),
    ] {
        let mut lines = client.stdout.lines();
        assert!(lines.any(|said| said == line), "{line}:\n{}", client.stdout);
    }
    let server = server.wait();
    let [server] = &objects(&server)[..] else {
        panic!("{server:?}")
    };
    assert_eq!(server["certificate"], Value::Null, "it was not asked for");
    assert_eq!(server["authorities"], 0);
}

#[test]
fn who_cannot_be_trusted_is_described_only_if_asked_for() {
    let folder = certificates("trust");
    let other = certificates("other");
    let (server, address) = serve(&folder, 6, "");
    let of_other = other.join("ca_cert.pem").display().to_string();
    for (options, why) in [
        (format!("--ca {of_other}"), "signature"),
        ("--ca @ca_cert.pem --name example.org".into(), "example.org"),
    ] {
        let refused = describe(&folder, address, &options);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.starts_with("error: "), "{refused:?}");
        assert!(refused.stderr.to_lowercase().contains(why), "{refused:?}");
        assert_eq!(refused.stdout, "");

        let described = describe(&folder, address, &format!("{options} --dangerous"));
        assert!(described.status.success(), "{described:?}");
        assert!(described.stderr.contains("NOT TRUSTED"), "{described:?}");
        let [object] = &objects(&described)[..] else {
            panic!("{described:?}")
        };
        let trusted = object["trusted"].as_str().expect("it says why not");
        assert!(
            trusted.starts_with("no: ") && trusted.to_lowercase().contains(why),
            "{trusted}"
        );
        assert_eq!(object["matches"] == true, !why.contains("example.org"));
        assert_eq!(object["subject"], "CN=localhost");
    }
    // Two looked at it and left, and two looked twice.
    let server = server.wait();
    assert_eq!(server.status.code(), Some(1));
    assert!(server.stderr.contains("4 of 6 clients"), "{server:?}");
    assert_eq!(objects(&server).len(), 2);
}

#[test]
fn a_client_that_is_refused_says_so() {
    let folder = certificates("refused");
    for version in ["1.2", "1.3"] {
        let server = s_server(
            &folder,
            "-Verify 1 -verify_return_error -CAfile @ca_cert.pem",
        );
        let options = format!("--ca @ca_cert.pem --tls {version}");
        let refused = describe(&folder, server.1, &options);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains("refused"), "{refused:?}");
        let own = "--cert @client_cert.pem --key @client_key.pem";
        let described = describe(&folder, server.1, &format!("{options} {own}"));
        assert!(described.status.success(), "{described:?}");
    }
}

fn s_server(folder: &Path, options: &str) -> (Program, SocketAddr) {
    let own = "s_server -accept 127.0.0.1:0 -cert @server_cert.pem -key @server_key.pem";
    let arguments = words(folder, &format!("{own} {options}"));
    let server = Program::start_command(Command::new("openssl").args(arguments));
    let address = server.stdout.find("ACCEPT", |said| {
        let (_, rest) = said.split_once("ACCEPT ")?;
        rest.split_once('\n')?.0.parse().ok()
    });
    (server, address)
}

#[test]
fn openssl_agrees() {
    let folder = certificates("openssl");
    let (server, address) = s_server(&folder, "-alpn echo/1");
    let described = describe(&folder, address, "--ca @ca_cert.pem --alpn echo/1");
    let [object] = &objects(&described)[..] else {
        panic!("{described:?}")
    };
    let said = server.stdout.wait_for("CIPHER is ");
    let cipher = object["cipher"].as_str().expect("a name");
    assert!(said.contains(&format!("CIPHER is {cipher}")), "{said}");
    assert_eq!(object["alpn"], "echo/1");

    let arguments = words(
        &folder,
        "x509 -in @server_cert.pem -noout -fingerprint -sha256 -serial",
    );
    let shown = Program::start_command(Command::new("openssl").args(arguments)).wait();
    for fact in ["sha256", "serial"] {
        let value = object[fact].as_str().expect("it is text");
        assert!(
            shown.stdout.contains(&format!("={value}\n")),
            "{fact}: {shown:?}"
        );
    }

    let (server, address) = serve(&folder, 1, "--ca @ca_cert.pem");
    let own = "-brief -CAfile @ca_cert.pem -verify_return_error -verify_ip 127.0.0.1";
    let cert = "-cert @client_cert.pem -key @client_key.pem";
    let line = format!("s_client -connect {address} {own} {cert}");
    let mut client = Program::start_command(Command::new("openssl").args(words(&folder, &line)));
    let client_input = client.take_stdin();
    let server = server.wait();
    drop(client_input);
    assert!(server.status.success(), "{server:?}");
    assert_eq!(objects(&server)[0]["subject"], "CN=client");
    let said = client.wait();
    assert!(said.stderr.contains("Verification: OK"), "{said:?}");
}

#[test]
fn pythons_strictest_context_takes_the_certificates() {
    let folder = certificates("python");
    let script = "
import socket, ssl, sys
port, ca, cert, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.load_cert_chain(cert, key)
with socket.create_connection(('127.0.0.1', int(port))) as raw:
    with context.wrap_socket(raw, server_hostname='localhost') as stream:
        print(stream.version(), stream.cipher()[0])
        stream.unwrap()
";
    for python in support::pythons() {
        let (server, address) = serve(&folder, 1, "--ca @ca_cert.pem");
        let files = words(&folder, "@ca_cert.pem @client_cert.pem @client_key.pem");
        let mut command = Command::new(&python);
        command
            .args(["-c", script, &address.port().to_string()])
            .args(files);
        let client = Program::start_command(&mut command).wait();
        assert!(client.status.success(), "{}: {client:?}", python.display());
        let object = &objects(&server.wait())[0];
        let agreed = format!("{} {}\n", object["version"], object["cipher"]).replace('"', "");
        assert_eq!(client.stdout, agreed);
        assert_eq!(object["subject"], "CN=client");
    }
}

#[test]
fn the_key_log_is_the_same_at_both_ends() {
    let folder = certificates("keys");
    let log = |name: &str, line: &str| {
        let file = folder.join(name);
        // It would append.
        let _ = std::fs::remove_file(&file);
        let mut command = Command::new(support::path("tls_describe"));
        command.args(words(&folder, line)).arg("--key-log");
        (
            Program::start_command(command.env("SSLKEYLOGFILE", &file)),
            file,
        )
    };
    for (version, labels) in [
        ("1.2", ["CLIENT_RANDOM", "CLIENT_RANDOM"]),
        (
            "1.3",
            ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"],
        ),
    ] {
        let own = "--serve 127.0.0.1:0 --cert @server_cert.pem --key @server_key.pem";
        let (server, of_server) = log("server", own);
        let port = server.address().port();
        let line = format!("127.0.0.1 {port} --ca @ca_cert.pem --tls {version}");
        let (client, of_client) = log("client", &line);
        assert!(client.wait().status.success());
        assert!(server.wait().status.success());
        let lines = |file| {
            let text = std::fs::read_to_string(file).expect("it was written");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let ours = lines(of_client);
        assert_eq!(ours, lines(of_server));
        for label in labels {
            assert!(ours.iter().any(|line| line.starts_with(label)), "{ours:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_said_in_a_line() {
    let folder = certificates("errors");
    for (line, code, why) in [
        ("localhost", 2, "required"),
        ("--serve 127.0.0.1:0", 2, "--cert"),
        ("localhost 1 --tls 1.1", 2, "1.1"),
        (
            "localhost 1 --serve 127.0.0.1:0 --cert @x",
            2,
            "cannot be used",
        ),
        (
            "127.0.0.1 1 --ca @ca_cert.pem",
            1,
            "cannot connect to 127.0.0.1:1",
        ),
        ("127.0.0.1 1 --ca @none.pem", 1, "none.pem"),
        ("127.0.0.1 1 --ca @server_key.pem", 1, "server_key.pem"),
        (
            "--serve 127.0.0.1:0 --cert @server_cert.pem --key @client_key.pem",
            1,
            "key",
        ),
    ] {
        let ended = start(&folder, line).wait();
        assert_eq!(ended.status.code(), Some(code), "{line}: {ended:?}");
        assert!(ended.stderr.contains(why), "{line}: {ended:?}");
    }
}
