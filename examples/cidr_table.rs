//! Tables of networks and addresses: what a network is, its addresses one by one, its parts, and the
//! smallest list of many.
//!
//! ```sh
//! cargo run --example cidr_table -- describe 123.45.67.89/27
//! cargo run --example cidr_table -- list 123.45.67.89/27
//! cargo run --example cidr_table -- index 123.45.67.89/27 0 1 -1
//! cargo run --example cidr_table -- contains 123.45.67.89/27 123.45.67.69 123.45.67.123
//! cargo run --example cidr_table -- subnets 10.0.0.0/8 10
//! cargo run --example cidr_table -- exclude 10.0.0.0/8 10.1.0.0/16
//! printf '%s\n' 10.0.0.0/9 10.128.0.0/9 192.0.2.0-192.0.2.130 | cargo run --example cidr_table -- aggregate
//! cargo run --example cidr_table -- --json random 2001:db8::/32 --count 5
//! ```
//!
//! 123.45.67.89/27 is taken for the network that it is in, as Python's `ip_network(…, strict=False)` does.
//! With `--strict` it is an error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufRead, BufWriter, ErrorKind, StdoutLock, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use cidr::{Cidr, CidrError, Interface, IpSet, special};
use clap::{Parser, Subcommand};
use examples::Logging;
use serde_json::{Map, Value};

/// Tables of networks and addresses
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object for each line
    #[arg(long, global = true)]
    json: bool,
    /// Refuse networks with host bits, such as 123.45.67.89/27
    #[arg(long, global = true)]
    strict: bool,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Subcommand)]
enum Command {
    /// What networks are: their ends, masks and sizes, and what they are for
    Describe {
        #[arg(required = true)]
        networks: Vec<String>,
    },
    /// The addresses of a network, one by one
    List {
        network: String,
        /// Only those that hosts may have: without the first and the last, where these are special
        #[arg(long)]
        hosts: bool,
        /// From the last one backwards
        #[arg(long)]
        reverse: bool,
        /// Stop after so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// The addresses at some places: 0 is the first, -1 the last
    Index {
        network: String,
        #[arg(required = true, allow_negative_numbers = true)]
        indices: Vec<i128>,
    },
    /// Which addresses are in a network
    Contains {
        network: String,
        #[arg(required = true)]
        addresses: Vec<IpAddr>,
    },
    /// The networks of a longer prefix that a network is made of
    Subnets {
        network: String,
        /// How many bits their prefixes have
        prefix_len: u8,
        /// Stop after so many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// What is left of a network without others
    Exclude {
        network: String,
        #[arg(required = true)]
        others: Vec<String>,
    },
    /// The fewest networks with the addresses that standard input names: networks, addresses and ranges
    /// (FIRST-LAST), one on each line
    Aggregate,
    /// Addresses of a network, drawn by chance
    Random {
        network: String,
        /// How many; one may come twice
        #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
        count: usize,
        /// The same number draws the same addresses
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match run(&args) {
        // Nobody reads the table any more.
        Err(error) if is_broken_pipe(error.as_ref()) => Ok(()),
        done => done,
    })
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

// ANCHOR: run
fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let read = |text: &str| {
        let network = match args.strict {
            true => text.parse(),
            false => Cidr::parse_lenient(text),
        };
        network.map_err(|error| match error {
            CidrError::HostBits { .. } => error.to_string(),
            error => format!("{text}: {error}"),
        })
    };
    let mut table = Table::new(args.json);
    match &args.command {
        Command::Describe { networks } => {
            for text in networks {
                describe(&mut table, text, read(text)?)?;
            }
        }
        Command::List {
            network,
            hosts,
            reverse,
            limit,
        } => {
            let network = read(network)?;
            let mut addresses = match hosts {
                true => network.hosts(),
                false => network.addresses(),
            };
            let next = || match reverse {
                true => addresses.next_back(),
                false => addresses.next(),
            };
            for address in std::iter::from_fn(next).take(limit.unwrap_or(usize::MAX)) {
                table.line("address", address)?;
            }
        }
        Command::Index { network, indices } => {
            let network = read(network)?;
            for index in indices {
                let address = network.get(*index);
                let address = address.ok_or_else(|| format!("{network} has no address {index}"))?;
                table.row(&[
                    ("index", index.to_string().into()),
                    ("address", address.to_string().into()),
                ])?;
            }
        }
        Command::Contains { network, addresses } => {
            let network = read(network)?;
            table.is_wide = addresses.iter().any(IpAddr::is_ipv6);
            for address in addresses {
                table.row(&[
                    ("address", address.to_string().into()),
                    ("contained", network.contains(*address).into()),
                ])?;
            }
        }
        Command::Subnets {
            network,
            prefix_len,
            limit,
        } => {
            let subnets = read(network)?.subnets(*prefix_len)?;
            table.networks(subnets.take(limit.unwrap_or(usize::MAX)))?;
        }
        Command::Exclude { network, others } => {
            let mut left = IpSet::from(read(network)?);
            for other in others {
                left.remove(read(other)?);
            }
            table.networks(left.networks())?;
        }
        Command::Aggregate => {
            let mut networks = Vec::new();
            for (line, number) in io::stdin().lock().lines().zip(1..) {
                read_line(line?.trim(), read, &mut networks)
                    .map_err(|error| format!("line {number}: {error}"))?;
            }
            for network in cidr::collapse(networks) {
                table.line("network", network)?;
            }
        }
        Command::Random {
            network,
            count,
            seed,
        } => {
            let set = IpSet::from(read(network)?);
            let mut random = Random(match seed {
                Some(seed) => *seed,
                None => getrandom::u64()?,
            });
            for _ in 0..*count {
                let address = set.random(|| random.next());
                table.line("address", address.expect("a network has an address"))?;
            }
        }
    }
    table.out.flush()?;
    Ok(())
}
// ANCHOR_END: run

fn describe(table: &mut Table, text: &str, network: Cidr) -> io::Result<()> {
    // The same text as an address in its network.
    let interface: Option<Interface> = text.parse().ok();
    let ip = interface
        .map(Interface::ip)
        .filter(|ip| *ip != network.address());
    let is = [
        ("private", network.is_private()),
        ("global", network.is_global()),
        ("loopback", network.is_loopback()),
        ("link-local", network.is_link_local()),
        ("site-local", network.is_site_local()),
        ("multicast", network.is_multicast()),
        ("reserved", network.is_reserved()),
        ("unspecified", network.is_unspecified()),
    ];
    let is = is.iter().filter(|(_, is_so)| *is_so);
    let is: Vec<&str> = is.map(|(name, _)| *name).collect();
    let special = special::TABLE.iter();
    let special = special.filter(|special| network.is_subnet_of(special.network));
    let special = special.max_by_key(|special| special.network.prefix_len());
    table.facts(&[
        ("network", network.to_string().into()),
        ("address", ip.map(|ip| ip.to_string()).into()),
        ("first", network.address().to_string().into()),
        ("last", network.last().to_string().into()),
        ("netmask", network.netmask().to_string().into()),
        ("hostmask", network.hostmask().to_string().into()),
        ("addresses", size(network)),
        ("is", (!is.is_empty()).then_some(is).into()),
        ("for", special.map(|special| special.name).into()),
        (
            "by",
            special.map(|special| format!("RFC {}", special.rfc)).into(),
        ),
    ])
}

/// Adds the network, the address or the range that a line names.
fn read_line(
    line: &str,
    read: impl Fn(&str) -> Result<Cidr, String>,
    networks: &mut Vec<Cidr>,
) -> Result<(), Box<dyn Error>> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    match line.split_once('-') {
        Some((first, last)) => {
            let [first, last] = [first, last].map(|end| end.trim().parse::<IpAddr>());
            let not_a_range = |_| format!("{line}: not a range of addresses");
            let range = cidr::summarize(first.map_err(not_a_range)?, last.map_err(not_a_range)?)?;
            networks.extend(range);
        }
        None => networks.push(read(line)?),
    }
    Ok(())
}

/// A number, or a text where many readers of JSON can't count so far.
fn size(network: Cidr) -> Value {
    match network.size().map(u64::try_from) {
        Some(Ok(size)) => size.into(),
        Some(Err(_)) => network.size().map(|size| size.to_string()).into(),
        None => "340282366920938463463374607431768211456".into(), // 2^128
    }
}

/// What is printed: one JSON object for each row, or rows of words under their titles.
struct Table {
    out: BufWriter<StdoutLock<'static>>,
    as_json: bool,
    /// Whether there are IPv6 addresses.
    is_wide: bool,
    rows: usize,
}

type Cell<'a> = (&'a str, Value);

impl Table {
    fn new(as_json: bool) -> Self {
        let out = BufWriter::new(io::stdout().lock());
        Self {
            out,
            as_json,
            is_wide: false,
            rows: 0,
        }
    }

    /// A table of one column has no titles: it can be read by any program.
    fn line(&mut self, title: &str, value: impl Display) -> io::Result<()> {
        match self.as_json {
            true => self.object(&[(title, value.to_string().into())]),
            false => writeln!(self.out, "{value}"),
        }
    }

    fn networks(&mut self, networks: impl Iterator<Item = Cidr>) -> io::Result<()> {
        for network in networks {
            self.is_wide |= network.address().is_ipv6();
            self.row(&[
                ("network", network.to_string().into()),
                ("first", network.address().to_string().into()),
                ("last", network.last().to_string().into()),
                ("addresses", size(network)),
            ])?;
        }
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if self.as_json {
            return self.object(cells);
        }
        let words = |cell: fn(&Cell<'_>) -> String| cells.iter().map(cell).collect::<Vec<_>>();
        if self.rows == 0 {
            self.words(cells, &words(|(title, _)| (*title).to_owned()))?;
        }
        self.rows += 1;
        self.words(cells, &words(|(_, value)| word(value)))
    }

    /// All columns but the last are as wide as what may come.
    fn words(&mut self, cells: &[Cell<'_>], words: &[String]) -> io::Result<()> {
        for ((title, _), word) in cells.iter().zip(words).take(words.len() - 1) {
            let width = match (*title, self.is_wide) {
                ("index", _) => 5,
                ("network", false) => 18,
                ("network", true) => 43,
                (_, false) => 15,
                (_, true) => 39,
            };
            write!(self.out, "{word:width$}  ")?;
        }
        writeln!(self.out, "{}", words.last().map_or("", String::as_str))
    }

    /// What is known about one thing, one fact on a line, and an empty line between two things.
    fn facts(&mut self, facts: &[Cell<'_>]) -> io::Result<()> {
        if self.as_json {
            return self.object(facts);
        }
        if self.rows > 0 {
            writeln!(self.out)?;
        }
        self.rows += 1;
        for (title, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
            writeln!(self.out, "{title:<10} {}", word(value))?;
        }
        Ok(())
    }

    fn object(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let cells = cells.iter().cloned();
        let object: Map<_, _> = cells
            .map(|(title, value)| (title.to_owned(), value))
            .collect();
        writeln!(self.out, "{}", Value::Object(object))
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// SplitMix64: not for secrets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
