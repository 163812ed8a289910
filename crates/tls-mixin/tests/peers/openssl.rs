//! `openssl s_client` and `openssl s_server`.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use super::{DEADLINE, Scene};
use crate::certificates::Pem;

/// One that runs. It is killed when this is dropped.
pub(crate) struct Openssl {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// What it has written so far, to both of its outputs.
    pub(crate) said: String,
}

impl Openssl {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs openssl: {error}"));
        let (tell, output) = mpsc::channel();
        collect(child.stdout.take().expect("it is piped"), tell.clone());
        collect(child.stderr.take().expect("it is piped"), tell);
        Self {
            input: child.stdin.take(),
            child,
            output,
            said: String::new(),
        }
    }

    /// Runs it to its end, without input; it must succeed.
    pub(crate) fn run(arguments: &[&str]) -> String {
        let mut openssl = Self::start(arguments);
        let status = openssl.end();
        assert!(status.success(), "openssl {arguments:?}: {}", openssl.said);
        std::mem::take(&mut openssl.said)
    }

    /// A client of this port.
    pub(crate) fn client(port: u16, options: &[&str]) -> Self {
        let address = format!("127.0.0.1:{port}");
        let arguments = ["s_client", "-connect", &address];
        Self::start(&[&arguments, options].concat())
    }

    /// A server; returns its port with it.
    pub(crate) fn server(options: &[&str]) -> (Self, u16) {
        let arguments = ["s_server", "-accept", "127.0.0.1:0"];
        let mut server = Self::start(&[&arguments, options].concat());
        server.wait_for("ACCEPT 127.0.0.1:");
        server.wait_for("\n");
        let (_, port) = server
            .said
            .split_once("ACCEPT 127.0.0.1:")
            .expect("waited for");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let port = port.parse().expect("a port");
        (server, port)
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("not ended");
        // What it does not take it will not echo.
        let _ = input.write_all(bytes).and_then(|()| input.flush());
    }

    /// Waits until `wanted` has come.
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        let until = Instant::now() + DEADLINE;
        while !self.said.contains(wanted) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.said += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{wanted:?} did not come: {}", self.said),
            }
        }
    }

    /// Waits until a byte has come so many times. Only those that come from now on count.
    pub(crate) fn wait_for_many(&self, byte: u8, times: usize) {
        let until = Instant::now() + DEADLINE;
        let mut left = times;
        while left > 0 {
            let time = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(time) {
                // The program itself may say some: a ticket is random.
                Ok(bytes) => {
                    let come = bytes.iter().filter(|&&come| come == byte).count();
                    left = left.saturating_sub(come);
                }
                Err(_) => panic!("{left} of {times} did not come: {}", self.said),
            }
        }
    }

    /// Ends its input, and waits until it has ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.input = None;
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.said += &String::from_utf8_lossy(&bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.said),
            }
        }
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The recipes' certificate, that vouches for itself: with an RSA key, and what else is asked for.
pub(crate) fn self_signed(scene: &Scene, name: &str, options: &[&str]) -> Pem {
    let certificate = scene.path(&format!("{name}_cert.pem"));
    let key = scene.path(&format!("{name}_key.pem"));
    let arguments = [
        "req",
        "-new",
        "-x509",
        "-days",
        "365",
        "-nodes",
        "-newkey",
        "rsa:2048",
        "-subj",
        "/CN=localhost",
        "-out",
        &certificate,
        "-keyout",
        &key,
    ];
    Openssl::run(&[&arguments, options].concat());
    let read = |path| std::fs::read_to_string(path).expect("it was written");
    Pem {
        certificate: read(&certificate),
        key: read(&key),
    }
}

fn collect(mut from: impl Read + Send + 'static, tell: Sender<Vec<u8>>) {
    thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if tell.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
}
