//! Makes an authority, a server's certificate and a client's, to try TLS out with.
//!
//! ```sh
//! cargo run --example make_certs
//! cargo run --example make_certs -- --dir certs --name example.org --name 192.0.2.7 --days 30
//! ```

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use examples::Logging;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// Makes an authority, and certificates of a server and of a client that it vouches for
#[derive(Parser)]
struct Args {
    /// The folder for the files; made if it is not there
    #[arg(long, value_name = "PATH", default_value = "certs")]
    dir: PathBuf,
    /// A name or an IP address of the server; repeat it for more
    #[arg(long = "name", value_name = "NAME", value_parser = name,
          default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,
    /// The common name of the client, by which a server may know it
    #[arg(long, value_name = "NAME", default_value = "client", value_parser = common_name)]
    client: String,
    /// For how many days the certificates are good
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Keep the authority's key too, in ca_key.pem. Without it nobody can make more certificates that
    /// these ones' users trust
    #[arg(long)]
    ca_key: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let files = make(args)?;
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| format!("cannot make {}: {error}", args.dir.display()))?;
    if !args.force {
        for file in &files {
            let path = args.dir.join(file.name);
            if path.symlink_metadata().is_ok() {
                let path = path.display();
                return Err(format!("{path} is there already: --force replaces it").into());
            }
        }
    }
    for file in &files {
        let path = args.dir.join(file.name);
        write(&path, file).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    print(args, &files)?;
    Ok(())
}

struct File {
    name: &'static str,
    is_secret: bool,
    pem: String,
}

impl File {
    fn certificate(name: &'static str, pem: String) -> Self {
        Self {
            name,
            is_secret: false,
            pem,
        }
    }

    fn key(name: &'static str, key: &KeyPair) -> Self {
        Self {
            name,
            is_secret: true,
            pem: key.serialize_pem(),
        }
    }
}

fn make(args: &Args) -> Result<Vec<File>, rcgen::Error> {
    let mut params = params("netblocks test authority", &[], args.days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let issue = |common_name: &str, names: &[String], purpose| {
        let key = KeyPair::generate()?;
        let mut params = self::params(common_name, names, args.days)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &authority)?;
        Ok::<_, rcgen::Error>((certificate.pem(), key))
    };
    let name = &args.names[0];
    let is_short = name.len() <= MAX_COMMON_NAME;
    let (server, server_key) = issue(
        if is_short { name } else { "server" },
        &args.names,
        ExtendedKeyUsagePurpose::ServerAuth,
    )?;
    let (client, client_key) = issue(&args.client, &[], ExtendedKeyUsagePurpose::ClientAuth)?;

    let mut files = vec![
        File::certificate("ca_cert.pem", authority.pem()),
        File::certificate("server_cert.pem", server),
        File::key("server_key.pem", &server_key),
        File::certificate("client_cert.pem", client),
        File::key("client_key.pem", &client_key),
    ];
    if args.ca_key {
        files.push(File::key("ca_key.pem", authority.key()));
    }
    Ok(files)
}

/// A certificate for so many days, and for the hour before them: clocks differ.
fn params(
    common_name: &str,
    names: &[String],
    days: u32,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now.as_secs());
    params.not_before = now - Duration::from_secs(60 * 60);
    params.not_after = now + Duration::from_secs(24 * 60 * 60) * days;
    Ok(params)
}

/// Writes beside the file and renames: a server that reads it again never sees half of it, and a file
/// that others could read does not hand that down.
fn write(path: &Path, file: &File) -> io::Result<()> {
    let new = path.with_extension("pem.new");
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if file.is_secret { 0o600 } else { 0o644 })
        .open(&new)?
        .write_all(file.pem.as_bytes())?;
    std::fs::rename(&new, path)
}

fn print(args: &Args, files: &[File]) -> io::Result<()> {
    let dir = args.dir.display();
    let name = &args.names[0];
    let mut out = io::stdout().lock();
    for file in files {
        writeln!(out, "{}", args.dir.join(file.name).display())?;
    }
    writeln!(
        out,
        "
Good for {names}, for {days} days. To try them, in two terminals:

cargo run --example tls_describe -- --serve 127.0.0.1:17899 --cert {dir}/server_cert.pem --key {dir}/server_key.pem --ca {dir}/ca_cert.pem
cargo run --example tls_describe -- 127.0.0.1 17899 --name {name} --ca {dir}/ca_cert.pem --cert {dir}/client_cert.pem --key {dir}/client_key.pem

or with another program at either end:

openssl s_server -accept 17899 -cert {dir}/server_cert.pem -key {dir}/server_key.pem -CAfile {dir}/ca_cert.pem -Verify 1
openssl s_client -connect 127.0.0.1:17899 -servername {name} -CAfile {dir}/ca_cert.pem -cert {dir}/client_cert.pem -key {dir}/client_key.pem",
        names = args.names.join(", "),
        days = args.days,
    )
}

/// Lets through what can be the name of a server.
fn name(text: &str) -> Result<String, &'static str> {
    let is_label = |label: &str| {
        let is_ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_ordinary)
    };
    let labels = text.strip_prefix("*.").unwrap_or(text);
    if text.parse::<IpAddr>().is_err() && (text.len() > 253 || !labels.split('.').all(is_label)) {
        return Err("neither a DNS name nor an IP address");
    }
    Ok(text.to_owned())
}

fn common_name(text: &str) -> Result<String, &'static str> {
    if (1..=MAX_COMMON_NAME).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("a common name has 1 to 64 characters")
    }
}

/// RFC 5280, upper bounds.
const MAX_COMMON_NAME: usize = 64;
