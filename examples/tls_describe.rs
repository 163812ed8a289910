//! Says what two ends of TLS have agreed on, and who the peer is: as a client of any server, or as a server
//! of any client.
//!
//! ```sh
//! cargo run --example tls_describe -- example.org 443
//! cargo run --example make_certs
//! cargo run --example tls_describe -- --serve 127.0.0.1:17899 --cert certs/server_cert.pem --key certs/server_key.pem
//! cargo run --example tls_describe -- 127.0.0.1 17899 --name localhost --ca certs/ca_cert.pem
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, ValueEnum};
use examples::Logging;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tls_mixin::rustls::{self, KeyLog, KeyLogFile};
use tls_mixin::{
    Acceptor, Authorities, Certificate, ClientCertificates, ClientOptions, Connector, Identity,
    ServerOptions, Session, TlsStream, Versions, dangerous,
};

/// Says what two ends of TLS have agreed on, and who the peer is
#[derive(Parser)]
struct Args {
    /// The server's name or IP address
    #[arg(required_unless_present = "serve", requires = "port")]
    host: Option<String>,
    /// The server's TCP port
    port: Option<u16>,
    /// Be the server instead, and describe a client that connects here
    #[arg(long, value_name = "ADDR", requires = "cert", conflicts_with_all = ["host", "name", "dangerous"])]
    serve: Option<SocketAddr>,
    /// Describe so many clients
    #[arg(long, value_name = "N", default_value_t = 1, requires = "serve")]
    count: usize,
    /// Trust the authorities in this file, rather than the system's; a server asks for a certificate then,
    /// but serves those too who have none
    #[arg(short = 'a', long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// Show this certificate
    #[arg(short, long, value_name = "PATH")]
    cert: Option<PathBuf>,
    /// The certificate's private key, if it is not in the same file
    #[arg(short, long, value_name = "PATH", requires = "cert")]
    key: Option<PathBuf>,
    /// The name or IP address that the server must have [default: HOST]
    #[arg(short, long)]
    name: Option<String>,
    /// Speak this version of TLS only
    #[arg(long, value_enum, value_name = "VERSION")]
    tls: Option<Version>,
    /// A protocol to offer or to take (ALPN); repeat it for more, the best first
    #[arg(long = "alpn", value_name = "PROTOCOL")]
    protocols: Vec<String>,
    /// Describe a server too that can't be trusted: that may be anybody
    #[arg(long)]
    dangerous: bool,
    /// Append the keys of the connection to the file that SSLKEYLOGFILE names, for who wants to read
    /// along with another tool
    #[arg(long)]
    key_log: bool,
    /// Print one JSON object for each peer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, ValueEnum)]
enum Version {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match (&args.serve, &args.host, args.port) {
        (Some(address), ..) => serve(&args, *address),
        (None, Some(host), Some(port)) => connect(&args, host, port),
        _ => unreachable!("the options are checked"),
    })
}

fn connect(args: &Args, host: &str, port: u16) -> Result<(), Box<dyn Error>> {
    let name = args.name.as_deref().unwrap_or(host);
    let authorities = match &args.ca {
        Some(path) => Authorities::from_pem_file(path)?,
        None => Authorities::platform()?,
    };
    let loaded = authorities.len();
    let shake_hands = |authorities| {
        let connector = Connector::new(ClientOptions {
            identity: args.identity()?,
            versions: args.versions(),
            alpn: args.alpn(),
            key_log: args.key_log(),
            ..ClientOptions::new(authorities)
        })?;
        let (stream, address) = dial(host, port)?;
        let stream = connector.connect(name, stream);
        Ok::<_, Box<dyn Error>>((stream, address))
    };
    let (stream, address) = shake_hands(authorities)?;
    let (mut stream, trusted) = match stream {
        Ok(stream) => (stream, Value::Bool(true)),
        Err(error) if args.dangerous && is_distrust(&error) => {
            tracing::warn!("NOT TRUSTED, so this may be anybody: {error}");
            let (stream, _) = shake_hands(dangerous::unverified())?;
            let why = format!("no: {error}");
            (stream.map_err(|error| of(address, &error))?, why.into())
        }
        Err(error) => return Err(of(address, &error).into()),
    };
    let mut facts = Facts::default();
    facts.add("address", "Server", address.to_string());
    facts.add("trusted", "Whether it is trusted", trusted);
    facts.add_certificate(stream.session(), Some(name));
    facts.add("authorities", "Certificates of authorities loaded", loaded);
    // There is no asking for an address.
    let asked_for = name.parse::<IpAddr>().is_err().then_some(name);
    facts.add_session(stream.session(), asked_for);
    facts.print(args.json)?;
    part(&mut stream).map_err(|error| of(address, &error).into())
}

fn serve(args: &Args, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let authorities = args.ca.as_ref().map(Authorities::from_pem_file);
    let authorities = authorities.transpose()?;
    let loaded = authorities.as_ref().map_or(0, Authorities::len);
    let identity = args.identity()?.ok_or("a server needs --cert")?;
    let acceptor = Acceptor::new(ServerOptions {
        client_certificates: authorities
            .map_or(ClientCertificates::None, ClientCertificates::Optional),
        versions: args.versions(),
        alpn: args.alpn(),
        key_log: args.key_log(),
        ..ServerOptions::new(identity)
    })?;
    let listener = TcpListener::bind(address)
        .map_err(|error| examples::cannot_listen(format_args!("tls://{address}"), &error))?;
    examples::announce(format_args!("tls://{}", listener.local_addr()?))?;
    let mut failed = 0;
    for _ in 0..args.count {
        let (stream, address) = listener.accept()?;
        let described = acceptor.accept(stream).map_err(io::Error::from);
        let described = described.and_then(|mut stream| {
            let mut facts = Facts::default();
            facts.add("address", "Client", address.to_string());
            facts.add_certificate(stream.session(), None);
            facts.add("authorities", "Certificates of authorities loaded", loaded);
            let asked_for = stream.session().server_name();
            facts.add_session(stream.session(), asked_for);
            facts.print(args.json)?;
            part(&mut stream)
        });
        if let Err(error) = described {
            tracing::error!("{}", of(address, &error));
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!(
            "{failed} of {} clients did not come to an end in order",
            args.count
        )
        .into()),
    }
}

impl Args {
    fn identity(&self) -> Result<Option<Identity>, tls_mixin::Error> {
        let key = self.key.as_ref().or(self.cert.as_ref());
        let files = self.cert.as_ref().zip(key);
        files
            .map(|(certificate, key)| Identity::from_pem_files(certificate, key))
            .transpose()
    }

    fn versions(&self) -> Versions {
        match self.tls {
            None => Versions::Tls12And13,
            Some(Version::Tls12) => Versions::Tls12,
            Some(Version::Tls13) => Versions::Tls13,
        }
    }

    fn alpn(&self) -> Vec<Vec<u8>> {
        let protocols = self.protocols.iter();
        protocols.map(|name| name.as_bytes().to_vec()).collect()
    }

    fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        self.key_log.then(|| Arc::new(KeyLogFile::new()) as _)
    }
}

/// Connects to the first address of the host that answers.
fn dial(host: &str, port: u16) -> Result<(TcpStream, SocketAddr), Box<dyn Error>> {
    let unreachable = |error| format!("cannot connect to {host}:{port}: {error}");
    let mut failed = io::Error::other("it has no address");
    for address in (host, port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => failed = error,
        }
    }
    Err(unreachable(failed).into())
}

/// Whether all that is wrong is the certificate.
fn is_distrust(error: &tls_mixin::Error) -> bool {
    matches!(
        error,
        tls_mixin::Error::Handshake {
            error: rustls::Error::InvalidCertificate(_),
            ..
        }
    )
}

fn of(peer: SocketAddr, error: &dyn Error) -> String {
    format!("{peer}: {error}")
}

/// Ends the connection. A server of TLS 1.3 that does not like the client's certificate, or misses one,
/// says so only now.
fn part(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let refusal = |error: io::Error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(tls_mixin::Error::Refused { .. }) => Err(error),
            // How it ends otherwise is nobody's business here.
            _ => Ok(()),
        }
    };
    stream.get_ref().set_read_timeout(Some(LAST_WORDS))?;
    stream.finish().or_else(refusal)?;
    let until = Instant::now() + LAST_WORDS;
    while Instant::now() < until {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return refusal(error),
        }
    }
    Ok(())
}

/// What is to be said, in order: each with its name in JSON and its title on a line.
#[derive(Default)]
struct Facts(Vec<(&'static str, &'static str, Value)>);

impl Facts {
    fn add(&mut self, name: &'static str, title: &'static str, value: impl Into<Value>) {
        self.0.push((name, title, value.into()));
    }

    /// Who the peer is; whether that is the one with this name.
    fn add_certificate(&mut self, session: &Session, name: Option<&str>) {
        let certificate = session.peer_certificate();
        let provided = certificate.map(|_| "provided");
        self.add("certificate", "Peer certificate", provided);
        let Some(certificate) = certificate else {
            return;
        };
        let names = certificate.names().iter().map(ToString::to_string);
        let names: Vec<String> = names.collect();
        self.add("subject", "Subject", certificate.subject());
        self.add("names", "Names on the certificate", names);
        if let Some(name) = name {
            let matches = match certificate.matches(name) {
                Ok(()) => Value::Bool(true),
                Err(why) => format!("no: {why}").into(),
            };
            self.add("matches", "Whether they match", matches);
        }
        let chain = session.peer_chain().iter();
        let chain: Vec<String> = chain.map(|link| vouched(link)).collect();
        self.add("chain", "Chain", chain);
        self.add("serial", "Serial number", certificate.serial());
        self.add("valid_from", "Valid from", date(certificate.not_before()));
        self.add("valid_to", "Valid to", date(certificate.not_after()));
        self.add("days_left", "Days left", days_left(certificate));
        let kind = certificate.key_kind().to_string();
        self.add("certificate_key", "Certificate's kind of key", kind);
        let bits = certificate.key_bits();
        self.add("certificate_key_bits", "Certificate key's bits", bits);
        let fingerprint = certificate.sha256().map(|byte| format!("{byte:02X}"));
        self.add("sha256", "Fingerprint (SHA-256)", fingerprint.join(":"));
    }

    fn add_session(&mut self, session: &Session, asked_for: Option<&str>) {
        let version = session.version().to_string();
        let alpn = session.alpn().map(|name| name.escape_ascii().to_string());
        self.add("version", "Protocol version negotiated", version.as_str());
        self.add("cipher", "Cipher chosen", session.cipher_suite());
        // Each of them belongs to one version.
        self.add("cipher_version", "Cipher defined in", version);
        self.add("cipher_bits", "Cipher key's bits", session.cipher_bits());
        self.add("key_exchange", "Key exchange", session.key_exchange());
        // There is none in TLS 1.3, and rustls has none in 1.2.
        self.add("compression", "Compression", Value::Null);
        self.add("alpn", "Protocol inside (ALPN)", alpn);
        self.add("server_name", "Name asked for (SNI)", asked_for);
        self.add("resumed", "Resumed", session.is_resumed());
    }

    fn print(self, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            let object = self.0.into_iter();
            let object: Map<_, _> = object
                .map(|(name, _, value)| (name.into(), value))
                .collect();
            writeln!(out, "{}", Value::Object(object))?;
        } else {
            for (_, title, value) in self.0 {
                let mut title = format!("{title:.<36}");
                for line in lines(&value) {
                    writeln!(out, "{title} {line}")?;
                    title = " ".repeat(36);
                }
            }
        }
        out.flush()
    }
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Null => vec!["none".into()],
        Value::Bool(true) => vec!["yes".into()],
        Value::Bool(false) => vec!["no".into()],
        Value::String(text) => vec![text.clone()],
        Value::Array(values) if values.is_empty() => vec!["none".into()],
        Value::Array(values) => values.iter().flat_map(lines).collect(),
        other => vec![other.to_string()],
    }
}

fn vouched(link: &[u8]) -> String {
    match Certificate::from_der(link) {
        Ok(link) => format!("{} \u{2190} {}", link.subject(), link.issuer()),
        Err(error) => error.to_string(),
    }
}

fn date(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "a date out of range".into(), |time| time.to_string())
}

/// Negative when it is over.
fn days_left(certificate: &Certificate) -> i64 {
    let whole_days = |time: Duration| i64::try_from(time.as_secs() / DAY).unwrap_or(i64::MAX);
    match certificate.not_after().duration_since(SystemTime::now()) {
        Ok(left) => whole_days(left),
        Err(over) => -whole_days(over.duration()) - 1,
    }
}

const DAY: u64 = 24 * 60 * 60;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for what the peer says at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
