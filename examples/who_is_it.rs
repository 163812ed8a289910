//! Says which network of a table each address is in: the one with the longest prefix, as routers do.
//!
//! ```sh
//! printf '%s\n' '10.0.0.0/8 office' '10.1.0.0/16 printers' '2001:db8::/32 documentation' > networks
//! printf '%s\n' 10.1.2.3 10.2.3.4 192.0.2.1 2001:db8::1 | cargo run --example who_is_it -- networks
//! cargo run --release --example who_is_it -- -v networks < addresses > answers
//! ```
//!
//! The table has a network and anything else on each line. Standard input has an address on each line, and
//! each is answered with one: the address, the network and the rest of its line, with tabs between them;
//! `-` stands for no network, and `?` for a line that is no address.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cidr::{Cidr, LpmMap, LpmTable};
use clap::Parser;
use examples::Logging;

/// Says which network of a table each address on standard input is in
#[derive(Parser)]
struct Args {
    /// The file with the networks: PREFIX VALUE… on each line, or `#` and a remark
    table: PathBuf,
    /// Take 10.1.2.3/8 for 10.0.0.0/8
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let table = Table::read(&args.table, args.lenient)
        .map_err(|error| format!("{}: {error}", args.table.display()))?;
    let networks = table.networks.values().len();
    tracing::debug!("{}", rate(networks as u64, "networks", started.elapsed()));

    let started = Instant::now();
    let counts = match answer(&table, io::stdin().lock(), io::stdout().lock()) {
        // Nobody reads the answers any more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        counts => counts?,
    };
    tracing::debug!("{}", rate(counts.lines, "addresses", started.elapsed()));
    tracing::debug!("{} in no network", counts.lines - counts.found - counts.bad);
    match counts.first_bad {
        None => Ok(()),
        Some(line) => Err(format!(
            "{} of {} lines are no address, line {line} the first",
            counts.bad, counts.lines
        )
        .into()),
    }
}

// ANCHOR: table
/// The networks, and where to find what to say about each.
struct Table {
    networks: LpmTable<Range<usize>>,
    /// `10.0.0.0/8\toffice\n` for each network.
    answers: Vec<u8>,
}

impl Table {
    fn read(path: &Path, lenient: bool) -> Result<Self, Box<dyn Error>> {
        let mut networks = LpmMap::new();
        let mut answers = Vec::new();
        for (line, number) in BufReader::new(File::open(path)?).lines().zip(1..) {
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (prefix, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let network = match lenient {
                true => Cidr::parse_lenient(prefix),
                false => prefix.parse(),
            };
            let network = network.map_err(|error| format!("line {number}: {error}"))?;
            let begin = answers.len();
            writeln!(answers, "{network}\t{}", value.trim_start())?;
            if networks.insert(network, begin..answers.len()).is_some() {
                tracing::warn!("line {number}: {network} was there before; this line counts");
            }
        }
        let networks = networks.freeze()?;
        Ok(Self { networks, answers })
    }
}
// ANCHOR_END: table

#[derive(Default)]
struct Counts {
    lines: u64,
    found: u64,
    bad: u64,
    first_bad: Option<u64>,
}

/// Answers what has come as soon as it has come, whole lines only.
fn answer(table: &Table, mut input: impl Read, mut output: impl Write) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut buffer = vec![0; BUFFER_LEN];
    let mut len = 0;
    loop {
        let count = match input.read(&mut buffer[len..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            count => count?,
        };
        len += count;
        let whole = match count {
            0 => len, // The last line may lack its end.
            _ => buffer[..len]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1),
        };
        answer_lines(table, &buffer[..whole], &mut counts, &mut output)?;
        output.flush()?;
        buffer.copy_within(whole..len, 0);
        len -= whole;
        if count == 0 {
            return Ok(counts);
        }
        if len == buffer.len() {
            let number = counts.lines + 1;
            let error = format!("line {number} is longer than {BUFFER_LEN} bytes");
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
    }
}

// ANCHOR: lines
/// Looks up some lines together: while one address waits for memory, the others are on their way.
fn answer_lines(
    table: &Table,
    lines: &[u8],
    counts: &mut Counts,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut lines = lines.split_inclusive(|byte| *byte == b'\n');
    let (mut questions, mut v4, mut matches) = (Vec::new(), Vec::new(), Vec::new());
    let mut answers = Vec::new();
    loop {
        for line in lines.by_ref().take(BATCH_LEN) {
            let text = line.trim_ascii();
            let address = read_address(text);
            if let Some(IpAddr::V4(address)) = address {
                v4.push(address);
            }
            questions.push((text, address));
        }
        if questions.is_empty() {
            return Ok(());
        }
        matches.resize(v4.len(), None);
        table.networks.find_batch(&v4, &mut matches);
        let mut matches_v4 = matches.drain(..);
        for (text, address) in questions.drain(..) {
            let found = match address {
                None => None,
                Some(IpAddr::V4(_)) => matches_v4.next().expect("one for each address"),
                Some(address) => table.networks.find(address),
            };
            counts.lines += 1;
            answers.extend_from_slice(text);
            answers.push(b'\t');
            answers.extend_from_slice(match (found, address) {
                (Some(answer), _) => {
                    counts.found += 1;
                    &table.answers[answer.clone()]
                }
                (None, Some(_)) => b"-\n",
                (None, None) => {
                    counts.bad += 1;
                    counts.first_bad.get_or_insert(counts.lines);
                    b"?\n"
                }
            });
        }
        output.write_all(&answers)?;
        answers.clear();
        v4.clear();
    }
}
// ANCHOR_END: lines

/// An IPv4-mapped address is the IPv4 address that it carries.
fn read_address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = read_v4(text) {
        return Some(address.into());
    }
    let address: IpAddr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// What `Ipv4Addr` reads, in half the time.
fn read_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut dots) = (0_u32, 0);
    let (mut number, mut digits) = (0_u32, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || (number > 0 && digits < 3) => {
                number = number * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && number < 256 && dots < 3 => {
                address = address << 8 | number;
                (number, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    let is_whole = dots == 3 && digits > 0 && number < 256;
    is_whole.then(|| Ipv4Addr::from_bits(address << 8 | number))
}

fn rate(count: u64, what: &str, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let millions = count as f64 / seconds / 1e6;
    format!("{count} {what} in {seconds:.3} s: {millions:.2} million a second")
}

/// How much is read at once, and how long a line may be.
const BUFFER_LEN: usize = 256 << 10;
/// How many addresses are looked up together.
const BATCH_LEN: usize = 1024;
