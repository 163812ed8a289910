//! `tls-mixin` beside bare `rustls` and bare `tokio-rustls`, and beside Python's `ssl`.
//!
//! Client and server are two threads on one core, so that a figure is what both sides cost together, and no
//! sleeping core has to be woken. Both sides of a contender are of the same make (Python: the server alone, with
//! a client of bare `rustls`). The contenders take turns: each round runs all of them, beginning with another
//! one, and a ratio is one of the same round. TLS 1.3, ECDSA with P-256, no resumption.
//!
//! What would mislead: nearly all of it is cryptography, which is the same code in all of them but Python.
//! The question is only what is added to that.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{self, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use benches::process::{Cores, Server, pin_self};
use benches::report::{Summary, print_table, take_turns};
use event_loop::{Context, EventLoop, Options, Outgoing, StreamHandler};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::net::sockopt::set_socket_linger;
use rustls::client::Resumption;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{StreamOwned, version::TLS13};
use tls_mixin::{
    Acceptor, Authorities, ClientOptions, Connector, Identity, ServerOptions, Session, Versions,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Only `cargo bench` passes `--bench`.
    let arguments: Vec<String> = env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let tiny = has("--test") || !has("--bench");
    let rounds = if tiny { 1 } else { 161 };
    let core = Cores::choose()?.load;
    pin_self(core)?;
    let identities = Identities::make()?;
    let contenders = contenders(&identities, core)?;
    for task in Task::all(tiny) {
        compare(task, rounds, &contenders)?;
    }
    Ok(())
}

/// What is done over the connections.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// A new connection for each message.
    Handshakes(u32),
    /// So many bytes from the server.
    Download(usize),
    /// One message there and back, on one connection.
    PingPong(u32),
}

impl Task {
    fn all(tiny: bool) -> [Self; 3] {
        let less = if tiny { 50 } else { 1 };
        [
            Self::Handshakes(50 / less),
            Self::Download((16 << 20) / less as usize),
            Self::PingPong(2_500 / less),
        ]
    }

    fn title(self) -> &'static str {
        match self {
            Self::Handshakes(_) => "Handshakes, and 64 bytes there and back: 1/s",
            Self::Download(_) => "Bytes from the server, 64 KiB at a time: MB/s",
            Self::PingPong(_) => "64 bytes there and back: 1000/s",
        }
    }

    /// In the unit of the title.
    fn rate(self, took: Duration) -> f64 {
        let amount = match self {
            Self::Handshakes(count) => f64::from(count),
            Self::PingPong(count) => f64::from(count) / 1e3,
            Self::Download(len) => len as f64 / 1e6,
        };
        amount / took.as_secs_f64()
    }
}

const PIECE: usize = 64 << 10;
const MESSAGE: usize = 64;
/// A client begins with this many bytes: the length that it wants to have sent, big-endian. With 0 it gets back
/// what it sends.
const HEAD: usize = 8;

/// A server, and a client for it.
struct Contender {
    name: &'static str,
    /// The one that it is compared with.
    baseline: usize,
    run: Box<dyn Fn(Task) -> io::Result<()>>,
    /// Ends with this.
    _process: Option<Server>,
}

fn contenders(
    identities: &Identities,
    core: usize,
) -> Result<Vec<Contender>, Box<dyn std::error::Error>> {
    let (server, client) = (identities.rustls_server()?, identities.rustls_client()?);
    let (acceptor, connector) = (identities.acceptor()?, identities.connector()?);
    let mut contenders = Vec::new();
    let mut add = |name, baseline, run, process| {
        contenders.push(Contender {
            name,
            baseline,
            run,
            _process: process,
        });
    };

    let config = Arc::clone(&server);
    let address = serve_blocking(core, move |tcp| {
        Ok(StreamOwned::new(
            ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?,
            tcp,
        ))
    })?;
    add("rustls", 0, bare_client(&client, address), None);

    let by = acceptor.clone();
    let address = serve_blocking(core, move |tcp| Ok(by.accept(tcp)?))?;
    let with = connector.clone();
    let dial = move || Ok(with.connect("localhost", connect(address)?)?);
    add(
        "  tls-mixin",
        0,
        Box::new(move |task| talk(task, &dial)),
        None,
    );

    let config = tokio_rustls::TlsAcceptor::from(Arc::clone(&server));
    let address = serve_tokio(core, move |tcp| {
        let config = config.clone();
        async move { config.accept(tcp).await }
    })?;
    let with = tokio_rustls::TlsConnector::from(Arc::clone(&client));
    let dial = move |tcp| {
        let with = with.clone();
        async move { with.connect(localhost(), tcp).await }
    };
    add("tokio-rustls", 2, tokio_client(address, dial)?, None);

    let by = acceptor.clone();
    let address = serve_tokio(core, move |tcp| {
        let by = by.clone();
        async move { Ok(tls_mixin::tokio::accept(&by, tcp).await?) }
    })?;
    let with = connector;
    let dial = move |tcp| {
        let with = with.clone();
        async move { Ok(tls_mixin::tokio::connect(&with, "localhost", tcp).await?) }
    };
    add("  tls-mixin, tokio", 2, tokio_client(address, dial)?, None);

    let address = serve_on_a_loop(core, acceptor)?;
    add(
        "  tls-mixin, event loop; rustls",
        0,
        bare_client(&client, address),
        None,
    );

    let path = env::temp_dir().join(format!("netblocks-{}.pem", process::id()));
    fs::write(
        &path,
        identities.certificate.pem() + &identities.key.serialize_pem(),
    )?;
    let python = Server::start(
        Command::new("python3").args(["-c", PYTHON]).arg(&path),
        core,
    )?;
    fs::remove_file(&path)?; // It has been read.
    let address = python.address();
    add(
        "  Python's ssl; rustls",
        0,
        bare_client(&client, address),
        Some(python),
    );
    Ok(contenders)
}

fn compare(
    task: Task,
    rounds: usize,
    contenders: &[Contender],
) -> Result<(), Box<dyn std::error::Error>> {
    let rates = take_turns(rounds, contenders.len(), |index| {
        let start = Instant::now();
        (contenders[index].run)(task)?;
        Ok::<_, io::Error>(task.rate(start.elapsed()))
    })?;
    let mut rows = Vec::new();
    for (contender, own) in contenders.iter().zip(&rates) {
        let ratios = own
            .iter()
            .zip(&rates[contender.baseline])
            .map(|(own, base)| own / base);
        rows.push([
            contender.name.to_owned(),
            format!("{:.1}", Summary::of(own.iter().copied())),
            format!("{:.3}", Summary::of(ratios)),
        ]);
    }
    print_table(task.title(), ["", "median (min..max)", "ratio"], &rows);
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    // Closed by a reset, so that no port has to rest.
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(stream)
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}

fn bare_client(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
) -> Box<dyn Fn(Task) -> io::Result<()>> {
    let config = Arc::clone(config);
    let dial = move || {
        let connection = ClientConnection::new(Arc::clone(&config), localhost());
        Ok(StreamOwned::new(
            connection.map_err(io::Error::other)?,
            connect(address)?,
        ))
    };
    Box::new(move |task| talk(task, &dial))
}

fn talk<S: Read + Write>(task: Task, dial: &impl Fn() -> io::Result<S>) -> io::Result<()> {
    match task {
        Task::Handshakes(count) => {
            for _ in 0..count {
                let mut stream = dial()?;
                stream.write_all(&[0; HEAD])?;
                ping(&mut stream)?;
            }
        }
        Task::PingPong(count) => {
            let mut stream = dial()?;
            stream.write_all(&[0; HEAD])?;
            for _ in 0..count {
                ping(&mut stream)?;
            }
        }
        Task::Download(len) => {
            let mut stream = dial()?;
            stream.write_all(&(len as u64).to_be_bytes())?;
            let mut buffer = vec![0; PIECE];
            let mut left = len;
            while left > 0 {
                left -= stream.read(&mut buffer)?;
            }
        }
    }
    Ok(())
}

fn ping(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&[7; MESSAGE])?;
    stream.read_exact(&mut [0; MESSAGE])
}

/// Serves in a thread on this core, one client after the other, for as long as the program runs.
fn serve_blocking<S: Read + Write>(
    core: usize,
    accept: impl Fn(TcpStream) -> io::Result<S> + Send + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        pin_self(core).expect("the core was among those allowed");
        for tcp in listener.incoming() {
            let tcp = tcp.expect("clients come one by one");
            tcp.set_nodelay(true).expect("it is a socket");
            let mut stream = accept(tcp).expect("the client is one of ours");
            // Clients leave by a reset.
            let _ = answer(&mut stream);
        }
    });
    Ok(address)
}

fn answer(stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head)?;
    let mut buffer = vec![0; PIECE];
    let mut left = u64::from_be_bytes(head) as usize;
    if left > 0 {
        while left > 0 {
            let len = left.min(PIECE);
            stream.write_all(&buffer[..len])?;
            left -= len;
        }
        return stream.flush();
    }
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len])?,
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn serve_tokio<S, F>(
    core: usize,
    accept: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> io::Result<SocketAddr>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = runtime()?;
    thread::spawn(move || {
        pin_self(core).expect("the core was among those allowed");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
            loop {
                let (tcp, _) = listener.accept().await.expect("clients come one by one");
                tcp.set_nodelay(true).expect("it is a socket");
                let mut stream = accept(tcp).await.expect("the client is one of ours");
                // Clients leave by a reset.
                let _ = answer_tokio(&mut stream).await;
            }
        });
    });
    Ok(address)
}

async fn answer_tokio(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let mut buffer = vec![0; PIECE];
    let mut left = u64::from_be_bytes(head) as usize;
    if left > 0 {
        while left > 0 {
            let len = left.min(PIECE);
            stream.write_all(&buffer[..len]).await?;
            left -= len;
        }
        return stream.flush().await;
    }
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => {
                stream.write_all(&buffer[..len]).await?;
                stream.flush().await?;
            }
        }
    }
}

fn tokio_client<S, F>(
    address: SocketAddr,
    dial: impl Fn(tokio::net::TcpStream) -> F + 'static,
) -> io::Result<Box<dyn Fn(Task) -> io::Result<()>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let runtime = runtime()?;
    Ok(Box::new(move |task| {
        runtime.block_on(async {
            let dial = || async {
                let tcp = connect(address)?;
                tcp.set_nonblocking(true)?;
                dial(tokio::net::TcpStream::from_std(tcp)?).await
            };
            talk_tokio(task, dial).await
        })
    }))
}

async fn talk_tokio<S, F>(task: Task, dial: impl Fn() -> F) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = io::Result<S>>,
{
    match task {
        Task::Handshakes(count) => {
            for _ in 0..count {
                let mut stream = dial().await?;
                stream.write_all(&[0; HEAD]).await?;
                ping_tokio(&mut stream).await?;
            }
        }
        Task::PingPong(count) => {
            let mut stream = dial().await?;
            stream.write_all(&[0; HEAD]).await?;
            for _ in 0..count {
                ping_tokio(&mut stream).await?;
            }
        }
        Task::Download(len) => {
            let mut stream = dial().await?;
            stream.write_all(&(len as u64).to_be_bytes()).await?;
            stream.flush().await?;
            let mut buffer = vec![0; PIECE];
            let mut left = len;
            while left > 0 {
                left -= stream.read(&mut buffer).await?;
            }
        }
    }
    Ok(())
}

async fn ping_tokio(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(&[7; MESSAGE]).await?;
    stream.flush().await?;
    stream.read_exact(&mut [0; MESSAGE]).await?;
    Ok(())
}

fn serve_on_a_loop(core: usize, acceptor: Acceptor) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        pin_self(core).expect("the core was among those allowed");
        let mut event_loop: EventLoop = EventLoop::new().expect("there is an epoll left");
        let accept =
            move |_| tls_mixin::event_loop::server(&acceptor, |_: &Session| Answer::default());
        event_loop
            .listen(listener, Options::default(), accept)
            .expect("it listens");
        event_loop.run()
    });
    Ok(address)
}

/// `answer`, on the event loop.
#[derive(Default)]
struct Answer {
    head: Vec<u8>,
    left: usize,
}

impl StreamHandler for Answer {
    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_>) {
        if self.head.len() < HEAD {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
            if let Ok(head) = self.head[..].try_into() {
                self.left = u64::from_be_bytes(head) as usize;
                self.writable(out, cx);
            }
        }
        out.write(bytes);
    }

    fn writable(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        while self.left > 0 && !out.is_above_high_water() {
            let len = self.left.min(PIECE);
            out.write(&[0; PIECE][..len]);
            self.left -= len;
        }
    }
}

/// The same in Python.
const PYTHON: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
piece = bytes(65536)
def receive(stream, size):
    data = stream.recv(size)
    while len(data) < size:
        data += stream.recv(size - len(data))
    return data
while True:
    client, _ = listener.accept()
    try:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(client, server_side=True) as stream:
            left = int.from_bytes(receive(stream, 8), "big")
            if left:
                while left:
                    left -= stream.send(piece[:left])
            else:
                while data := stream.recv(65536):
                    stream.sendall(data)
    except OSError:
        pass
"#;

/// An authority, and a certificate for `localhost` from it.
struct Identities {
    authority: rcgen::Certificate,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identities {
    fn make() -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(["localhost".to_owned()])?;
        Ok(Self {
            authority,
            certificate: params.signed_by(&key, &issuer)?,
            key,
        })
    }

    fn rustls_server(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let chain = vec![self.certificate.der().clone()];
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key.into())?;
        // Tickets that the clients keep, as the others give them.
        config.ticketer = Ticketer::new()?;
        Ok(Arc::new(config))
    }

    fn rustls_client(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        let mut config = ClientConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    fn acceptor(&self) -> Result<Acceptor, tls_mixin::Error> {
        let identity = Identity::from_pem(
            self.certificate.pem().as_bytes(),
            self.key.serialize_pem().as_bytes(),
        )?;
        Acceptor::new(ServerOptions {
            versions: Versions::Tls13,
            ..ServerOptions::new(identity)
        })
    }

    fn connector(&self) -> Result<Connector, tls_mixin::Error> {
        let authorities = Authorities::from_pem(self.authority.pem().as_bytes())?;
        Connector::new(ClientOptions {
            versions: Versions::Tls13,
            resumption: false,
            ..ClientOptions::new(authorities)
        })
    }
}
