//! Python's `ipaddress` and this crate, asked the same questions.
//!
//! `python/vectors.py` prints the questions and what Python says: some eighty thousand. Besides `python3`,
//! the interpreters of `NETBLOCKS_PYTHONS` are asked.

mod support;

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use cidr::{Address, Cidr, CidrError, Interface, special};
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
    let some = different.iter().take(100).map(String::as_str);
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
        "interface" => vec![or_refused(read_text(arguments[0]).parse::<Interface>())],
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
    let operation = vector.operation;
    if let Some(operation) = operation.strip_prefix("interface ") {
        let interface = vector.arguments[0].parse().expect("an interface");
        return of_an_interface::<A>(operation, interface);
    }
    if let "collapse" | "sort" = operation {
        return Some(of_a_list::<A>(operation, vector.arguments[0]));
    }
    let network: Cidr<A> = vector.arguments[0].parse().expect("a network");
    let Some(argument) = vector.arguments.get(1) else {
        return of_a_network(operation, network);
    };
    let prefix_len = || argument.parse().expect("a length");
    // A network of the other family is none of this type.
    let other = || argument.parse::<Cidr<A>>().ok();
    Some(match operation {
        "index" => {
            let address = network.get(argument.parse().expect("an index"));
            or_refused(address.ok_or(()))
        }
        "contains" => yes(network.contains(argument.parse::<IpAddr>().expect("an address"))),
        "subnets" => match network.subnets(prefix_len()) {
            Ok(subnets) => join(subnets.take(8)),
            Err(_) => REFUSED.to_owned(),
        },
        "supernet" => or_refused(network.supernet(prefix_len())),
        "overlaps" => yes(network.overlaps(other()?)),
        "equal" => yes(network == other()?),
        "subnet of" => yes(network.is_subnet_of(other()?)),
        "supernet of" => yes(network.is_supernet_of(other()?)),
        "less" => yes(network < other()?),
        "compare" => (network.cmp(&other()?) as i8).to_string(),
        "exclude" => match network.exclude(other()?) {
            Ok(pieces) => join(pieces),
            Err(_) => REFUSED.to_owned(),
        },
        "summarize" => match cidr::summarize(network.address(), other()?.address()) {
            Ok(networks) => join(networks),
            Err(_) => REFUSED.to_owned(),
        },
        "format" => {
            let digits = network.address().digits();
            match *argument {
                "b" => format!("{digits:b}"),
                "x" => format!("{digits:x}"),
                "X" => format!("{digits:X}"),
                "#b" => format!("{digits:#b}"),
                "#x" => format!("{digits:#x}"),
                "#X" => format!("{digits:#X}"),
                "#_x" => format!("{:#x}", digits.grouped()),
                _ => format!("{:b}", digits.grouped()),
            }
        }
        _ => return None,
    })
}

fn of_a_list<A: Address>(operation: &str, networks: &str) -> String {
    let words = networks.split_ascii_whitespace();
    let networks = words.map(|word| word.parse::<Cidr<A>>().expect("a network"));
    if operation == "collapse" {
        return join(cidr::collapse(networks));
    }
    let mut networks: Vec<Cidr<A>> = networks.collect();
    networks.sort();
    join(networks)
}

/// Questions about an address are about the network of that address.
fn of_a_network<A: Address>(operation: &str, network: Cidr<A>) -> Option<String> {
    let address = network.address();
    Some(match operation {
        "first" => address.to_string(),
        "last" => network.last().to_string(),
        "netmask" => network.netmask().to_string(),
        "hostmask" => network.hostmask().to_string(),
        "size" => match network.size() {
            Some(size) => size.to_string(),
            None => "340282366920938463463374607431768211456".to_owned(),
        },
        "network text" => network.to_string(),
        "network with netmask" => network.with_netmask(),
        "network with hostmask" => network.with_hostmask(),
        "network exploded" => network.exploded(),
        "addresses from the start" => join(network.addresses().take(5)),
        "addresses from the end" => join(network.addresses().rev().take(5)),
        "addresses" => join(network.addresses()),
        "hosts from the start" => join(network.hosts().take(5)),
        "hosts" => join(network.hosts()),
        "address text" => address.to_string(),
        "address exploded" => address.exploded(),
        "reverse pointer" => address.reverse_pointer(),
        "network is_private" => yes(network.is_private()),
        "network is_global" => yes(network.is_global()),
        "network is_loopback" => yes(network.is_loopback()),
        "network is_link_local" => yes(network.is_link_local()),
        "network is_multicast" => yes(network.is_multicast()),
        "network is_reserved" => yes(network.is_reserved()),
        "network is_unspecified" => yes(network.is_unspecified()),
        "network is_site_local" => yes(network.is_site_local()),
        "address is_private" => yes(special::is_private(address)),
        "address is_global" => yes(special::is_global(address)),
        "address is_loopback" => yes(special::is_loopback(address)),
        "address is_link_local" => yes(special::is_link_local(address)),
        "address is_multicast" => yes(special::is_multicast(address)),
        "address is_reserved" => yes(special::is_reserved(address)),
        "address is_unspecified" => yes(special::is_unspecified(address)),
        "address is_site_local" => yes(special::is_site_local(address)),
        _ => return None,
    })
}

fn of_an_interface<A: Address>(operation: &str, interface: Interface<A>) -> Option<String> {
    Some(match operation {
        "ip" => interface.ip().to_string(),
        "network" => interface.network().to_string(),
        "text" => interface.to_string(),
        "with netmask" => interface.with_netmask(),
        "with hostmask" => interface.with_hostmask(),
        "exploded" => interface.exploded(),
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

fn join(items: impl IntoIterator<Item = impl Display>) -> String {
    let items = items.into_iter().map(|item| item.to_string());
    items.collect::<Vec<_>>().join(" ")
}

fn yes(is_so: bool) -> String {
    (if is_so { "yes" } else { "no" }).to_owned()
}

fn or_refused<T: Display, E>(result: Result<T, E>) -> String {
    result.map_or_else(|_| REFUSED.to_owned(), |value| value.to_string())
}

fn read_version(text: &str) -> Version {
    let numbers: Vec<u32> = text
        .split('.')
        .map(|number| number.parse().expect("a number"))
        .collect();
    (numbers[0], numbers[1], numbers[2])
}

const REFUSED: &str = "refused";

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
        is_this: |version, vector| version < (3, 13, 0) && vector.is_text_of_mapped(),
    },
    Difference {
        why: "from 3.13 on, it writes them with dots, but not before a mask, and exploded half so",
        is_this: |version, vector| {
            let is_exploded = vector.operation.ends_with("exploded");
            let is_before_a_mask = vector.operation.starts_with("interface with");
            version >= (3, 13, 0) && vector.is_text_of_mapped() && (is_exploded || is_before_a_mask)
        },
    },
    Difference {
        why: "Python does not compare networks of two families, or say that none is inside the other",
        is_this: |_, vector| {
            let operations = ["less", "compare", "subnet of", "supernet of"];
            let mut families = vector.arguments.iter().map(|network| network.contains(':'));
            operations.contains(&vector.operation)
                && vector.answer == REFUSED
                && families.next() != families.next()
        },
    },
    Difference {
        why: "up to 3.13, Python's lists of private networks are older, as far as nobody renewed them",
        is_this: |version, vector| {
            let network = vector.classified().filter(|_| version < (3, 14, 0));
            let mut changed = CHANGED.iter();
            network.is_some_and(|network| changed.any(|changed| changed.overlaps(network)))
        },
    },
    Difference {
        why: "up to 3.13.4, Python classifies some IPv4-mapped addresses as IPv6 addresses",
        is_this: |version, vector| {
            let network = vector.classified().filter(|_| version < (3, 13, 5));
            network.is_some_and(|network| network.to_canonical() != network)
        },
    },
    Difference {
        why: "up to 3.10, Python calls a network private when its two ends are, whatever is between them",
        is_this: |version, vector| {
            let network = vector.classified().filter(|_| version < (3, 11, 0));
            network.is_some_and(|network| {
                let mut ends = [network.address(), network.last()].into_iter();
                ends.all(special::is_private) && !network.is_private()
            })
        },
    },
    Difference {
        why: "up to 3.7, Python's networks of one address have no host",
        is_this: |version, vector| {
            let is_about_hosts = vector.operation.starts_with("hosts");
            version < (3, 8, 0) && is_about_hosts && vector.answer.is_empty()
        },
    },
    Difference {
        why: "up to 3.6, Python does not have the operation",
        is_this: |version, vector| version < (3, 7, 0) && vector.answer == "absent",
    },
];

/// Networks that became private, or ceased to be, between Python 3.11 and 3.14.
const CHANGED: [Cidr; 11] = [
    Cidr::v4([192, 0, 0, 0], 24).either(),
    Cidr::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48).either(),
    Cidr::v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128).either(),
    Cidr::v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128).either(),
    Cidr::v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32).either(),
    Cidr::v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48).either(),
    Cidr::v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28).either(),
    Cidr::v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28).either(),
    Cidr::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16).either(),
    Cidr::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20).either(),
    Cidr::v6([0, 0, 0, 0, 0, 0xffff, 0xc000, 0], 120).either(),
];

impl Vector<'_> {
    /// The network or the address, if the question is whether it is private or the like.
    fn classified(&self) -> Option<Cidr> {
        let is_class = self.operation.contains(" is_");
        is_class.then(|| self.arguments[0].parse().expect("a network"))
    }

    /// The text that was to be read, and why this crate refuses it.
    fn refused(&self) -> Option<(String, CidrError)> {
        let text = self.text()?;
        let error = Cidr::parse_lenient(&text).err()?;
        Some((text, error))
    }

    /// Whether the answer writes an IPv4-mapped address, or a mask that is one.
    fn is_text_of_mapped(&self) -> bool {
        let mut words = self.operation.split(' ');
        let is_text = words.any(|word| ["text", "netmask", "hostmask", "exploded"].contains(&word));
        let is_mask = self.answer.ends_with("/::ffff:ffff:ffff");
        is_text && (is_mask || self.arguments[0].starts_with("::ffff:"))
    }

    /// The text that was to be read, if the question is about one.
    fn text(&self) -> Option<String> {
        let reading = ["strict", "lenient", "interface"].contains(&self.operation);
        reading.then(|| read_text(self.arguments[0]))
    }
}
