//! The certificates for trying things out, as OpenSSL sees them.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ended, Program};

const CERTIFICATES: [&str; 3] = ["ca_cert.pem", "server_cert.pem", "client_cert.pem"];
const KEYS: [&str; 2] = ["server_key.pem", "client_key.pem"];

/// A folder of the test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("make_certs")
        .join(name);
    // It is not there the first time.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn make(folder: &Path, options: &[&str]) -> Ended {
    let folder = folder.to_str().expect("the target folder is UTF-8");
    Program::start("make_certs", &[&["--dir", folder], options].concat()).wait()
}

fn openssl(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new("openssl");
    let ended = Program::start_command(command.args(arguments).current_dir(folder)).wait();
    assert!(ended.status.success(), "{ended:?}");
    ended
}

/// Whether OpenSSL, told to be strict, takes the certificate for this purpose.
fn verify(folder: &Path, certificate: &str, options: &[&str]) {
    let arguments = ["verify", "-x509_strict", "-CAfile", "ca_cert.pem"];
    openssl(folder, &[&arguments, options, &[certificate]].concat());
}

fn mode(file: &Path) -> u32 {
    file.metadata().expect("it was made").permissions().mode() & 0o777
}

#[test]
fn openssl_takes_them() {
    let folder = folder("openssl");
    let made = make(&folder, &[]);
    assert!(made.status.success(), "{made:?}");
    for name in ["localhost", "127.0.0.1", "::1"] {
        let check = match name {
            "localhost" => "-verify_hostname",
            _ => "-verify_ip",
        };
        let options = ["-purpose", "sslserver", check, name];
        verify(&folder, "server_cert.pem", &options);
    }
    verify(&folder, "client_cert.pem", &["-purpose", "sslclient"]);
    for (certificate, key) in CERTIFICATES[1..].iter().zip(KEYS) {
        let of_certificate = openssl(&folder, &["x509", "-in", certificate, "-noout", "-pubkey"]);
        let of_key = openssl(&folder, &["pkey", "-in", key, "-pubout"]);
        assert_eq!(of_certificate.stdout, of_key.stdout);
    }
    let subject = openssl(
        &folder,
        &["x509", "-in", "client_cert.pem", "-noout", "-subject"],
    );
    assert_eq!(subject.stdout, "subject=CN = client\n");
}

#[test]
fn names_and_days_are_those_asked_for() {
    let folder = folder("names");
    let long = format!("{}.example.org", "a".repeat(60));
    let made = make(
        &folder,
        &[
            "--name", &long, "--name", "*.b.net", "--name", "::2", "--days", "2",
        ],
    );
    assert!(made.status.success(), "{made:?}");
    for (check, name) in [
        ("-verify_hostname", long.as_str()),
        ("-verify_hostname", "c.b.net"),
        ("-verify_ip", "::2"),
    ] {
        let options = ["-purpose", "sslserver", check, name];
        verify(&folder, "server_cert.pem", &options);
    }
    const DAY: u32 = 24 * 60 * 60;
    for certificate in CERTIFICATES {
        let ends_within = |seconds: u32| {
            let seconds = seconds.to_string();
            let arguments = [
                "x509",
                "-in",
                certificate,
                "-noout",
                "-checkend",
                seconds.as_str(),
            ];
            let status = Command::new("openssl")
                .args(arguments)
                .current_dir(&folder)
                .output()
                .expect("this test needs openssl")
                .status;
            !status.success()
        };
        assert!(!ends_within(2 * DAY - 3600), "{certificate}");
        assert!(ends_within(2 * DAY + 1), "{certificate}");
    }
}

#[test]
fn keys_are_for_their_owner_alone() {
    let folder = folder("modes");
    assert!(make(&folder, &["--ca-key"]).status.success());
    for key in KEYS.iter().chain(&["ca_key.pem"]) {
        assert_eq!(mode(&folder.join(key)), 0o600, "{key}");
    }
    // One that others could read is no reason to let them read the next.
    let key = folder.join("server_key.pem");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(make(&folder, &["--force"]).status.success());
    assert_eq!(mode(&key), 0o600);
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let folder = folder("force");
    assert!(make(&folder, &[]).status.success());
    let files = || {
        let names = CERTIFICATES.iter().chain(&KEYS);
        let read = |name| std::fs::read(folder.join(name)).expect("it was made");
        names.map(read).collect::<Vec<_>>()
    };
    let before = files();
    assert!(!folder.join("ca_key.pem").exists(), "it was not asked for");

    // One of them is enough.
    std::fs::remove_file(folder.join("ca_cert.pem")).unwrap();
    let refused = make(&folder, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        refused.stderr,
        format!(
            "error: {} is there already: --force replaces it\n",
            folder.join("server_cert.pem").display()
        )
    );
    std::fs::write(folder.join("ca_cert.pem"), &before[0]).unwrap();
    assert_eq!(files(), before);

    assert!(make(&folder, &["--force"]).status.success());
    assert!(files().iter().zip(&before).all(|(new, old)| new != old));
    let mut left = std::fs::read_dir(&folder).unwrap();
    assert!(
        left.all(|file| file.unwrap().path().extension().unwrap() == "pem"),
        "nothing else is left behind"
    );
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let folder = folder("options");
    for options in [
        ["--name", "two words"],
        ["--name", ""],
        ["--name", "a..b"],
        ["--name", "*"],
        ["--days", "0"],
        ["--days", "36501"],
        ["--client", ""],
    ] {
        let refused = make(&folder, &options);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    assert!(!folder.exists());
}
