//! Python's `ipaddress` and this crate, asked the same questions.
//!
//! `python/vectors.py` prints the questions and what Python says: some eighty thousand. Besides `python3`,
//! the interpreters of `NETBLOCKS_PYTHONS` are asked.

mod support;

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use cidr::{Address, Cidr, CidrError};
use support::Python;

#[test]
fn answers_as_python_does() {
    for python in support::pythons() {
        compare(&python);
    }
}

/// A line of the script: an operation, its arguments and Python's answer.
struct Vector<'a> {
    operation: &'a str,
    arguments: Vec<&'a str>,
    answer: &'a str,
}

fn compare(python: &Path) {
    let mut version: Version = (0, 0, 0);
    let (mut compared, mut explained) = (0, [0; DIFFERENCES.len()]);
    let mut different = Vec::new();
    Python::start(python, "vectors.py", &[]).each_line(|line| {
        let mut words: Vec<&str> = line.split('\t').collect();
        let answer = words.pop().expect("an answer");
        let arguments = words.split_off(1);
        let vector = Vector {
            operation: words[0],
            arguments,
            answer,
        };
        if vector.operation == "python" {
            version = read_version(answer);
            return;
        }
        for ours in ours(&vector) {
            compared += 1;
            if ours == answer {
                continue;
            }
            match DIFFERENCES
                .iter()
                .position(|known| (known.is_this)(version, &vector))
            {
                Some(why) => explained[why] += 1,
                None => {
                    let text = vector.text().unwrap_or_default();
                    different.push(format!("{line}\n    ours: {ours} {text:?}"));
                }
            }
        }
    });
    let python = python.display();
    println!("{python} {version:?}: {compared} compared");
    for (count, known) in explained.iter().zip(DIFFERENCES) {
        println!("  {count} differ: {}", known.why);
    }
    let some = different.iter().take(50).map(String::as_str);
    let some: Vec<&str> = some.collect();
    let count = different.len();
    assert_eq!(count, 0, "{python} {version:?}:\n{}", some.join("\n"));
    // Python 2 has no ipaddress.
    assert!(version.0 == 2 || compared >= 20_000, "{python}: {compared}");
}

/// What this crate says: as a network of either family, and as one of its own.
fn ours(vector: &Vector<'_>) -> Vec<String> {
    let arguments = &vector.arguments;
    match vector.operation {
        "strict" => vec![strict(&read_text(arguments[0]))],
        "lenient" => vec![or_refused(Cidr::parse_lenient(&read_text(arguments[0])))],
        "sort" => {
            let mut networks = list(arguments[0]);
            networks.sort();
            vec![join(networks)]
        }
        _ => {
            let either = of_networks::<IpAddr>(vector);
            let one = match arguments[0].contains(':') {
                false => of_networks::<Ipv4Addr>(vector),
                true => of_networks::<Ipv6Addr>(vector),
            };
            either.into_iter().chain(one).collect()
        }
    }
}

fn of_networks<A: Address>(vector: &Vector<'_>) -> Option<String> {
    let network: Cidr<A> = vector.arguments[0].parse().ok()?;
    let other = || vector.arguments[1].parse::<Cidr<A>>().ok();
    let address = || vector.arguments[1].parse::<IpAddr>().expect("an address");
    Some(match vector.operation {
        "first" => network.address().to_string(),
        "last" => network.last().to_string(),
        "network text" => network.to_string(),
        "contains" => yes(network.contains(address())),
        "equal" => yes(network == other()?),
        _ => return None,
    })
}

fn strict(text: &str) -> String {
    match text.parse::<Cidr>() {
        Err(CidrError::HostBits { network, .. }) => format!("host bits of {network}"),
        read => or_refused(read),
    }
}

fn read_text(hexadecimal: &str) -> String {
    let digits = hexadecimal.as_bytes().chunks(2);
    let bytes = digits.map(|pair| {
        let pair = str::from_utf8(pair).expect("two digits");
        u8::from_str_radix(pair, 16).expect("two digits")
    });
    String::from_utf8(bytes.collect()).expect("Python wrote UTF-8")
}

fn list(text: &str) -> Vec<Cidr> {
    let words = text.split_ascii_whitespace();
    words.map(|word| word.parse().expect("a network")).collect()
}

fn join(items: impl IntoIterator<Item = impl Display>) -> String {
    let items = items.into_iter().map(|item| item.to_string());
    items.collect::<Vec<_>>().join(" ")
}

fn yes(is_so: bool) -> String {
    (if is_so { "yes" } else { "no" }).to_owned()
}

fn or_refused<T: Display, E>(result: Result<T, E>) -> String {
    result.map_or_else(|_| "refused".to_owned(), |value| value.to_string())
}

fn read_version(text: &str) -> Version {
    let numbers: Vec<u32> = text
        .split('.')
        .map(|number| number.parse().expect("a number"))
        .collect();
    (numbers[0], numbers[1], numbers[2])
}

type Version = (u32, u32, u32);

/// A difference between this crate and some Pythons.
struct Difference {
    why: &'static str,
    is_this: fn(Version, &Vector<'_>) -> bool,
}

/// All that there are.
const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "Python takes a length that begins with a zero",
        is_this: |_, vector| {
            vector.refused().is_some_and(|(text, error)| match error {
                CidrError::LeadingZero { at } => text[..at].ends_with('/'),
                _ => false,
            })
        },
    },
    Difference {
        why: "Python takes zones",
        is_this: |_, vector| {
            let refused = vector.refused();
            refused.is_some_and(|(_, error)| matches!(error, CidrError::Zone { .. }))
        },
    },
    Difference {
        why: "up to 3.9.4, Python takes octets that begin with a zero",
        is_this: |version, vector| {
            let refused = vector.refused().filter(|_| version < (3, 9, 5));
            refused.is_some_and(|(text, _)| {
                let mut numbers = text.split(|byte: char| !byte.is_ascii_digit());
                numbers.any(|number| number.len() > 1 && number.starts_with('0'))
            })
        },
    },
    Difference {
        why: "up to 3.12, Python writes IPv4-mapped addresses as ::ffff:a01:203",
        is_this: |version, vector| {
            let is_text = vector.operation.contains("text") || vector.operation.contains("mask");
            version < (3, 13, 0) && is_text && vector.arguments[0].starts_with("::ffff:")
        },
    },
    Difference {
        why: "up to 3.6, Python does not have the operation",
        is_this: |version, vector| version < (3, 7, 0) && vector.answer == "absent",
    },
];

impl Vector<'_> {
    /// The text that was to be read, and why this crate refuses it.
    fn refused(&self) -> Option<(String, CidrError)> {
        let text = self.text()?;
        let error = Cidr::parse_lenient(&text).err()?;
        Some((text, error))
    }

    /// The text that was to be read, if the question is about one.
    fn text(&self) -> Option<String> {
        let reading = ["strict", "lenient", "interface"].contains(&self.operation);
        reading.then(|| read_text(self.arguments[0]))
    }
}
