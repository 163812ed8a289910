//! Beside Python's `ipaddress`, in one Python process for each test.
//!
//! `CIDR_ADDRESSES` is how many random addresses each prefix length is tried with (default 100).

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::thread;

use cidr::{Cidr, CidrError};

/// Answers each line with one line.
const NETWORKS: &str = r"
import ipaddress, sys

for line in sys.stdin:
    text, *probes = line.split()
    network = ipaddress.ip_network(text, strict=False)
    try:
        ipaddress.ip_network(text)
        strict = 'network'
    except ValueError:
        strict = 'hostbits'
    inside = ['01'[ipaddress.ip_address(probe) in network] for probe in probes]
    print(strict, network.network_address.packed.hex(), network.prefixlen, *inside)
";

const TEXTS: &str = r"
import ipaddress, sys

for line in sys.stdin:
    text = bytes.fromhex(line).decode()
    try:
        network = ipaddress.ip_network(text, strict=False)
        print(network.network_address.packed.hex(), network.prefixlen)
    except ValueError:
        print('refused')
";

/// Gives Python all lines and calls `check` with each and the answer to it.
fn ask(script: &str, lines: Vec<String>, mut check: impl FnMut(&str, &str)) {
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut questions = python.stdin.take().expect("standard input is a pipe");
    let answers = python.stdout.take().expect("standard output is a pipe");
    let asked = lines.join("\n");
    let asking = thread::spawn(move || questions.write_all(asked.as_bytes()));
    let mut answers = BufReader::new(answers).lines();
    for line in &lines {
        let answer = answers.next().expect("an answer to each line");
        check(line, &answer.expect("text"));
    }
    asking
        .join()
        .expect("writing does not panic")
        .expect("Python reads all of it");
    assert!(python.wait().expect("a child can be waited for").success());
}

#[test]
fn every_prefix_length_on_random_addresses() {
    let count = std::env::var("CIDR_ADDRESSES").map_or(100, |count| {
        count.parse::<u32>().expect("CIDR_ADDRESSES is a number")
    });
    let mut random = Random(1);
    let mut lines = Vec::new();
    for prefix_len in 0..=32_u32 {
        for _ in 0..count {
            let bits = random.next() as u32;
            // Half of them are networks already.
            let bits = if random.next().is_multiple_of(2) {
                bits & u32::MAX.checked_shl(32 - prefix_len).unwrap_or(0)
            } else {
                bits
            };
            let probe =
                |flipped: u32| Ipv4Addr::from(bits ^ 1_u32.checked_shl(flipped).unwrap_or(0));
            let (inside, outside) = (
                probe(31_u32.saturating_sub(prefix_len)),
                probe(32 - prefix_len),
            );
            let far = Ipv4Addr::from(random.next() as u32);
            let mapped = outside.to_ipv6_mapped();
            let network = Ipv4Addr::from(bits);
            lines.push(format!(
                "{network}/{prefix_len} {inside} {outside} {far} {mapped} ::1"
            ));
        }
    }
    for prefix_len in 0..=128_u32 {
        for _ in 0..count {
            let bits = u128::from(random.next()) << 64 | u128::from(random.next());
            let bits = if random.next().is_multiple_of(2) {
                bits & u128::MAX.checked_shl(128 - prefix_len).unwrap_or(0)
            } else {
                bits
            };
            let probe =
                |flipped: u32| Ipv6Addr::from(bits ^ 1_u128.checked_shl(flipped).unwrap_or(0));
            let (inside, outside) = (
                probe(127_u32.saturating_sub(prefix_len)),
                probe(128 - prefix_len),
            );
            let network = Ipv6Addr::from(bits);
            lines.push(format!(
                "{network}/{prefix_len} {inside} {outside} ::1 ::ffff:1.2.3.4 1.2.3.4"
            ));
        }
    }
    ask(NETWORKS, lines, |line, python| {
        let mut words = line.split(' ');
        let text = words.next().expect("a network");
        let network = Cidr::parse_lenient(text).expect("a network");
        let strict = match text.parse::<Cidr>() {
            Ok(_) => "network",
            Err(CidrError::HostBits { .. }) => "hostbits",
            Err(error) => panic!("{text}: {error}"),
        };
        let mut ours = format!("{strict} {}", packed(network));
        for probe in words {
            let probe: IpAddr = probe.parse().expect("an address");
            ours.push_str(if network.contains(probe) { " 1" } else { " 0" });
        }
        assert_eq!(ours, python, "{line}");
    });
}

#[test]
fn any_text_is_refused_by_both_or_read_alike() {
    let mut random = Random(2);
    let seeds = [
        "10.0.0.0/8",
        "192.0.2.255/24",
        "10.20.30.40/255.255.0.0",
        "10.20.30.40/0.0.255.255",
        "255.255.255.255",
        "0.0.0.0/0.0.0.0",
        "2001:db8::/32",
        "1:2:3:4:5:6:7:8/128",
        "1:2:3:4:5:6:7::/112",
        "::ffff:10.0.0.0/104",
        "::1.2.3.4",
        "::",
    ];
    let alphabet: Vec<char> = "00123456789abfFx.:/ +-\n٣".chars().collect();
    let mut texts = Vec::new();
    for _ in 0..5_000 {
        let mut text: Vec<char> = random.pick(&seeds).chars().collect();
        for _ in 0..1 + random.below(3) {
            let at = random.below(text.len() + 1);
            let new = *random.pick(&alphabet);
            match random.below(3) {
                0 => text.insert(at, new),
                1 if at < text.len() => text[at] = new,
                _ if at < text.len() => drop(text.remove(at)),
                _ => text.push(new),
            }
        }
        texts.push(text.into_iter().collect::<String>());
    }
    let lines = texts.iter().map(|text| {
        let bytes = text.bytes();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    });
    let mut texts = texts.iter();
    let (mut read, mut refused) = (0, 0);
    ask(TEXTS, lines.collect(), |_, python| {
        let text = texts.next().expect("as many as lines");
        let ours = match Cidr::parse_lenient(text) {
            // Python takes /08 for /8. We do not: it is as ambiguous as 08 in an address.
            Err(CidrError::LeadingZero { at }) if text[..at].ends_with('/') => return,
            Err(_) => "refused".to_owned(),
            Ok(network) => packed(network),
        };
        assert_eq!(ours, python, "{text:?}");
        *(if python == "refused" {
            &mut refused
        } else {
            &mut read
        }) += 1;
    });
    // The texts are neither all good nor all bad.
    assert!(
        read > 500 && refused > 500,
        "{read} read, {refused} refused"
    );
}

/// The network in the form in which the scripts print it.
fn packed(network: Cidr) -> String {
    let address = match network.address() {
        IpAddr::V4(address) => format!("{:08x}", u32::from(address)),
        IpAddr::V6(address) => format!("{:032x}", u128::from(address)),
    };
    format!("{address} {}", network.prefix_len())
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
