//! The `kv_server` example beside Redis: durable writes and pipelined reads.
//!
//! `cargo build --release --example kv_server && cargo bench -p benches --bench kv`; needs `redis-server`. See the
//! README for how to read it.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::process::{Cores, Server, example, pin_self};
use benches::report::{Summary, print_table, take_turns};
use rpc_core::blocking::{Client, Pending};
use rpc_core::{Codec, Options, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let is_tiny = env::args().any(|argument| argument == "--test");
    let Some(program) = example("kv_server") else {
        println!("no kv_server beside this bench: build it with");
        println!("    cargo build --release --example kv_server");
        return Ok(());
    };
    if Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("no redis-server: on Debian it is a package of that name");
        return Ok(());
    }
    let effort = if is_tiny { SMOKE } else { FULL };
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    let folder = Folder::make(program.parent().unwrap_or_else(|| Path::new(".")))?;
    let servers = Servers {
        program,
        folder,
        cores,
    };
    for clients in [1, 64] {
        let title = format!("Durable writes of 64 bytes, {clients} clients, one at a time each");
        compare(&title, &servers, effort, |contender, server| {
            write(contender, server, clients, effort.round)
        })?;
    }
    for in_flight in [64, 1000] {
        let title = format!("Reads of 64 bytes, 1 connection, {in_flight} in flight");
        compare(&title, &servers, effort, |contender, server| {
            read(contender, server, in_flight, effort.round)
        })?;
    }
    Ok(())
}

/// How long and how often to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    round: Duration,
}

const FULL: Effort = Effort {
    rounds: 11,
    round: Duration::from_millis(500),
};
const SMOKE: Effort = Effort {
    rounds: 1,
    round: Duration::from_millis(20),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contender {
    Redis,
    KvServer,
}

const CONTENDERS: [Contender; 2] = [Contender::Redis, Contender::KvServer];

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis, appendfsync always",
            Self::KvServer => "kv_server",
        }
    }
}

/// How many keys there are, and what each holds.
const KEYS: usize = 1000;
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn key(number: usize) -> String {
    format!("key:{:06}", number % KEYS)
}

/// What one round came to.
struct Round {
    per_second: f64,
    /// Time of the server on its core, for one.
    server_us: f64,
}

/// Runs `work`, which says how many it has done.
fn timed(server: &Server, work: impl FnOnce() -> io::Result<usize>) -> io::Result<Round> {
    let (started, cpu_before) = (Instant::now(), server.cpu_time()?);
    let count = work()? as f64;
    let (took, cpu) = (started.elapsed(), server.cpu_time()? - cpu_before);
    Ok(Round {
        per_second: count / took.as_secs_f64(),
        server_us: cpu.as_secs_f64() * 1e6 / count,
    })
}

fn compare(
    title: &str,
    servers: &Servers,
    effort: Effort,
    mut measure: impl FnMut(Contender, &Server) -> io::Result<Round>,
) -> io::Result<()> {
    let measured = take_turns(effort.rounds, CONTENDERS.len(), |contender| {
        let contender = CONTENDERS[contender];
        measure(contender, &servers.start(contender)?)
    })?;
    let rows: Vec<[String; 4]> = CONTENDERS
        .iter()
        .zip(&measured)
        .map(|(contender, rounds)| {
            let speed = Summary::of(rounds.iter().map(|round| round.per_second / 1e3));
            let pairs = rounds.iter().zip(&measured[0]);
            let ratio = Summary::of(pairs.map(|(one, redis)| one.per_second / redis.per_second));
            let cpu = Summary::of(rounds.iter().map(|round| round.server_us));
            [
                contender.name().to_owned(),
                format!("{speed:.2}"),
                format!("{ratio:.2}"),
                format!("{cpu:.2}"),
            ]
        })
        .collect();
    print_table(
        title,
        ["", "1000/s", "ratio to Redis", "server CPU us each"],
        &rows,
    );
    io::stdout().flush()
}

/// Each client, on a thread and a connection of its own, writes one value after the other.
fn write(
    contender: Contender,
    server: &Server,
    clients: usize,
    time: Duration,
) -> io::Result<Round> {
    let connections: io::Result<Vec<_>> = (0..clients)
        .map(|_| connect(contender, server.address()))
        .collect();
    timed(server, || {
        let until = Instant::now() + time;
        let writers: Vec<_> = connections?
            .into_iter()
            .enumerate()
            .map(|(client, mut writer)| {
                thread::spawn(move || -> io::Result<usize> {
                    let mut count = 0;
                    while Instant::now() < until {
                        writer.set_all(&[key(client * 7 + count)])?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        let mut count = 0;
        for writer in writers {
            count += writer
                .join()
                .map_err(|_| io::Error::other("a writer panicked"))??;
        }
        Ok(count)
    })
}

fn read(
    contender: Contender,
    server: &Server,
    in_flight: usize,
    time: Duration,
) -> io::Result<Round> {
    let mut connection = connect(contender, server.address())?;
    connection.set_all(&(0..KEYS).map(key).collect::<Vec<_>>())?;
    timed(server, || {
        let until = Instant::now() + time;
        let mut count = 0;
        while Instant::now() < until {
            let keys: Vec<String> = (count..count + in_flight)
                .map(|number| key(number * 31))
                .collect();
            connection.get_all(&keys)?;
            count += in_flight;
        }
        Ok(count)
    })
}

trait Connection: Send {
    /// Writes [`VALUE`] to all of them at once and waits until each is acknowledged.
    fn set_all(&mut self, keys: &[String]) -> io::Result<()>;
    /// Reads all of them, asking for all before it looks at an answer.
    fn get_all(&mut self, keys: &[String]) -> io::Result<()>;
}

fn connect(contender: Contender, server: SocketAddr) -> io::Result<Box<dyn Connection>> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    Ok(match contender {
        Contender::Redis => Box::new(Redis {
            answers: BufReader::with_capacity(64 << 10, stream),
            asked: Vec::new(),
        }),
        Contender::KvServer => Box::new(Kv {
            client: Client::new(stream, Options::new(Codec::Postcard)).map_err(io::Error::other)?,
        }),
    })
}

/// As much of Redis' protocol as this needs.
struct Redis {
    answers: BufReader<TcpStream>,
    asked: Vec<u8>,
}

impl Redis {
    fn ask(&mut self, words: &[&str]) {
        self.asked
            .extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.asked
                .extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.answers.get_mut().write_all(&self.asked)?;
        self.asked.clear();
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line)
    }
}

impl Connection for Redis {
    fn set_all(&mut self, keys: &[String]) -> io::Result<()> {
        for key in keys {
            self.ask(&["SET", key, VALUE]);
        }
        self.send()?;
        for _ in keys {
            let answer = self.line()?;
            if answer != "+OK\r\n" {
                return Err(io::Error::other(answer));
            }
        }
        Ok(())
    }

    fn get_all(&mut self, keys: &[String]) -> io::Result<()> {
        for key in keys {
            self.ask(&["GET", key]);
        }
        self.send()?;
        let mut value = [0; VALUE.len() + 2];
        for _ in keys {
            let head = self.line()?;
            if head != format!("${}\r\n", VALUE.len()) {
                return Err(io::Error::other(head));
            }
            self.answers.read_exact(&mut value)?;
            check(&value[..VALUE.len()])?;
        }
        Ok(())
    }
}

struct Kv {
    client: Client,
}

impl Connection for Kv {
    fn set_all(&mut self, keys: &[String]) -> io::Result<()> {
        let mut batch = self.client.batch();
        let asked: Result<Vec<Pending<()>>, _> = keys
            .iter()
            .map(|key| batch.call("set", (key, Value::from(VALUE))))
            .collect();
        let asked = asked.map_err(io::Error::other)?;
        batch.send();
        asked
            .into_iter()
            .try_for_each(|answer| answer.wait().map_err(io::Error::other))
    }

    fn get_all(&mut self, keys: &[String]) -> io::Result<()> {
        let mut batch = self.client.batch();
        let asked: Result<Vec<Pending<Value>>, _> =
            keys.iter().map(|key| batch.call("get", (key,))).collect();
        let asked = asked.map_err(io::Error::other)?;
        batch.send();
        for answer in asked {
            match &answer.wait().map_err(io::Error::other)? {
                Value::Text(text) => check(text.as_bytes())?,
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
        Ok(())
    }
}

fn check(value: &[u8]) -> io::Result<()> {
    if value == VALUE.as_bytes() {
        Ok(())
    } else {
        Err(io::Error::other("another value came back"))
    }
}

/// Starts servers, each on a folder of its own that it finds empty.
struct Servers {
    program: PathBuf,
    folder: Folder,
    cores: Cores,
}

impl Servers {
    fn start(&self, contender: Contender) -> io::Result<Server> {
        let folder = self.folder.0.join("data");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        match contender {
            Contender::KvServer => {
                let mut command = Command::new(&self.program);
                command
                    .args(["--listen", "127.0.0.1:0", "-q", "--data"])
                    .arg(&folder);
                Server::start(&mut command, self.cores.server)
            }
            Contender::Redis => {
                // Redis takes no port 0: one that was free a moment ago.
                let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
                let mut command = Command::new("redis-server");
                command
                    .args([
                        "--port",
                        &address.port().to_string(),
                        "--bind",
                        "127.0.0.1",
                        "--dir",
                    ])
                    .arg(&folder);
                command.args([
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always",
                    "--save",
                    "",
                ]);
                Server::start_until(
                    &mut command,
                    address,
                    "Ready to accept connections",
                    self.cores.server,
                )
            }
        }
    }
}

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Folder {
    /// On the disk where the programs are, since a temporary folder may be in memory.
    fn make(beside: &Path) -> io::Result<Self> {
        let folder = beside.join(format!("kv-bench-{}", process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
