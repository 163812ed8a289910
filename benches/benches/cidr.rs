//! `cidr` beside its peers: walking through a network's addresses, finding the longest match, changing a map, joining
//! sets.
//!
//! All contenders run in this process, on one core, in turn; each round begins with another one. The first of a table is
//! ours; the last column is how many times as long as that it took in the same round.
//!
//! What would mislead: *uniform* addresses do not wait for each other, and the processor looks several up at once; in a
//! *dependent* chain the next address is made from what was found last. Both cost a multiplication for the address (it has
//! a row of its own). How fast a million networks are depends on which caches hold them, and who shares these.

use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use benches::matchers::{AddressesOnly, Batches, Changing, Family, Lookups, Matcher, WithNetwork};
use benches::networks::{networks_v4, networks_v6};
use benches::process::{Cores, pin_self};
use benches::report::{Summary, print_table, take_turns};
use cidr::{Cidr, LpmIndex, LpmMap, LpmTable};
use ip_network_table::IpNetworkTable;
use ipnet::{Ipv4Net, Ipv6Net};
use iptrie::Ipv4Prefix;
use iptrie::map::{LCTrieMap, RTrieMap};
use poptrie::Poptrie;
use prefix_trie::PrefixMap;

fn main() -> io::Result<()> {
    // Only `cargo bench` passes `--bench`. What is no option names the tables wanted: `v4`, `uniform`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let is_tiny = has("--test") || !has("--bench");
    let words = arguments.iter().filter(|word| !word.starts_with("--"));
    let bench = Bench {
        words: words.cloned().collect(),
        rounds: if is_tiny { 1 } else { 11 },
        lookups: if is_tiny { 100 } else { 1_000_000 },
    };
    let scale = |count: usize| if is_tiny { count.min(300) } else { count };
    pin_self(Cores::choose()?.load)?;
    bench.walk(if is_tiny { 28 } else { 8 });
    for count in [1000, 1_000_000].map(scale) {
        bench.matches(
            &format!("match v4 {count}"),
            &networks_v4(count),
            &MATCHERS_V4,
        );
    }
    let count = scale(200_000);
    bench.matches(
        &format!("match v6 {count}"),
        &networks_v6(count),
        &MATCHERS_V6,
    );
    for count in [1000, 1_000_000].map(scale) {
        bench.changes(&format!("v4 {count}"), &networks_v4(count));
    }
    bench.changes(&format!("v6 {count}"), &networks_v6(count));
    bench.freezes(&networks_v4(scale(1_000_000)));
    Ok(())
}

struct Bench {
    words: Vec<String>,
    rounds: usize,
    lookups: usize,
}

/// A name, and one measurement: nanoseconds for each of what the table is about.
type Contender<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

/// A name, and how to make it.
type Maker<A> = (&'static str, fn(&[(A, u8)]) -> Box<dyn Lookups<A>>);

const MATCHERS_V4: [Maker<Ipv4Addr>; 10] = [
    ("netblocks, table", |networks| {
        Box::new(LpmTable::<u32>::build(networks))
    }),
    ("netblocks, table, with the network", |networks| {
        Box::new(WithNetwork::build(networks))
    }),
    ("netblocks, table, batch", |networks| {
        Box::new(Batches(LpmTable::build(networks)))
    }),
    ("netblocks, map", |networks| {
        Box::new(LpmMap::<u32>::build(networks))
    }),
    ("prefix-trie", |networks| {
        Box::new(PrefixMap::<Ipv4Net, u32>::build(networks))
    }),
    ("ip_network_table", |networks| {
        Box::new(IpNetworkTable::<u32>::build(networks))
    }),
    ("iptrie, radix", |networks| {
        Box::new(RTrieMap::<Ipv4Prefix, u32>::build(networks))
    }),
    ("iptrie, level", |networks| {
        Box::new(LCTrieMap::<Ipv4Prefix, u32>::build(networks))
    }),
    ("poptrie", |networks| {
        Box::new(Poptrie::<(Ipv4Addr, u8), u32>::build(networks))
    }),
    ("only the addresses", |_| Box::new(AddressesOnly)),
];

const MATCHERS_V6: [Maker<Ipv6Addr>; 6] = [
    ("netblocks, table", |networks| {
        Box::new(LpmTable::<u32>::build(networks))
    }),
    ("netblocks, table, with the network", |networks| {
        Box::new(WithNetwork::build(networks))
    }),
    ("netblocks, map", |networks| {
        Box::new(LpmMap::<u32>::build(networks))
    }),
    ("prefix-trie", |networks| {
        Box::new(PrefixMap::<Ipv6Net, u32>::build(networks))
    }),
    ("ip_network_table", |networks| {
        Box::new(IpNetworkTable::<u32>::build(networks))
    }),
    ("only the addresses", |_| Box::new(AddressesOnly)),
];

impl Bench {
    fn wants(&self, title: &str) -> bool {
        let mut words = self.words.iter();
        words.all(|word| title.split(' ').any(|part| part == word))
    }

    fn report(&self, title: &str, mut contenders: Vec<Contender<'_>>) {
        if !self.wants(title) {
            return;
        }
        let measured: Result<_, Infallible> = take_turns(self.rounds, contenders.len(), |index| {
            Ok((contenders[index].1)())
        });
        let Ok(measured) = measured;
        let rows: Vec<[String; 3]> = contenders
            .iter()
            .zip(&measured)
            .map(|((name, _), times)| {
                let ratios = times
                    .iter()
                    .zip(&measured[0])
                    .map(|(theirs, ours)| theirs / ours);
                let times = Summary::of(times.iter().copied());
                let ratios = Summary::of(ratios);
                [
                    (*name).to_owned(),
                    format!("{times:.2}"),
                    format!("{ratios:.2}"),
                ]
            })
            .collect();
        print_table(title, ["", "ns each", "times ours"], &rows);
    }

    fn walk(&self, prefix_len: u8) {
        let first = Ipv4Addr::new(10, 0, 0, 0);
        let ours: Cidr<Ipv4Addr> = Cidr::new(first, prefix_len).expect("a network");
        let last = ours.last();
        let theirs = cidr_of_crates_io::Ipv4Cidr::new(first, prefix_len).expect("a network");
        let octets = |address: Ipv4Addr| address.octets().map(u64::from).iter().sum::<u64>();
        let count = 1 << (32 - prefix_len);
        let contenders = vec![
            run("netblocks, for", count, || {
                let mut sum = 0;
                for address in ours.addresses() {
                    sum += octets(address);
                }
                sum
            }),
            run("netblocks, sum", count, || {
                ours.addresses().map(octets).sum()
            }),
            run("netblocks, either family", count, || {
                let either: Cidr = ours.into();
                let mut sum = 0;
                for address in either.addresses() {
                    if let IpAddr::V4(address) = address {
                        sum += octets(address);
                    }
                }
                sum
            }),
            run("numbers", count, || {
                let mut sum = 0;
                for bits in first.to_bits()..=last.to_bits() {
                    sum += octets(Ipv4Addr::from_bits(bits));
                }
                sum
            }),
            run("ipnet, for", count, || {
                let mut sum = 0;
                for address in ipnet::Ipv4AddrRange::new(first, last) {
                    sum += octets(address);
                }
                sum
            }),
            run("cidr of crates.io, for", count, || {
                let mut sum = 0;
                for address in theirs.iter().addresses() {
                    sum += octets(address);
                }
                sum
            }),
        ];
        self.report(&format!("walk through a /{prefix_len}"), contenders);
    }

    fn matches<A: Family>(&self, title: &str, networks: &[(A, u8)], makers: &[Maker<A>]) {
        let titles = ["uniform", "dependent"].map(|kind| format!("{title} {kind}"));
        if !titles.iter().any(|title| self.wants(title)) {
            return;
        }
        // It takes minutes to make a poptrie of a million.
        let made: Vec<_> = makers
            .iter()
            .filter(|(name, _)| *name != "poptrie" || networks.len() <= 10_000)
            .map(|(name, make)| (*name, make(networks)))
            .collect();
        let (only_addresses, matchers) = made.split_last().expect("there are contenders");
        let mut state = 5;
        for _ in 0..1000 {
            let address = A::draw(&mut state, networks);
            let expected = matchers[0].1.value(address);
            for (name, matcher) in matchers {
                let value = matcher.value(address);
                assert!(
                    value == expected || name.contains("network"),
                    "{name}: {value} for {address}, not {expected}"
                );
            }
        }
        let count = self.lookups;
        for (title, is_dependent) in titles.iter().zip([false, true]) {
            let contenders = matchers.iter().chain([only_addresses]);
            let contenders =
                contenders.filter(|(name, _)| !is_dependent || !name.contains("batch"));
            let contenders = contenders.map(|(name, matcher)| {
                run(name, count, move || {
                    matcher.look_up(networks, count, is_dependent)
                })
            });
            self.report(title, contenders.collect());
        }
    }

    fn changes<A: Family>(&self, title: &str, networks: &[(A, u8)]) {
        let (ours, theirs, others) = ("netblocks, map", "prefix-trie", "ip_network_table");
        self.report(
            &format!("insert {title}"),
            vec![
                inserting::<A, LpmMap<u32>>(ours, networks),
                inserting::<A, PrefixMap<A::Net, u32>>(theirs, networks),
                inserting::<A, IpNetworkTable<u32>>(others, networks),
            ],
        );
        self.report(
            &format!("remove {title}"),
            vec![
                removing::<A, LpmMap<u32>>(ours, networks),
                removing::<A, PrefixMap<A::Net, u32>>(theirs, networks),
                removing::<A, IpNetworkTable<u32>>(others, networks),
            ],
        );
        self.report(
            &format!("iterate {title}"),
            vec![
                iterating::<A, LpmMap<u32>>(ours, networks),
                iterating::<A, PrefixMap<A::Net, u32>>(theirs, networks),
                iterating::<A, IpNetworkTable<u32>>(others, networks),
            ],
        );
    }

    fn freezes(&self, networks: &[(Ipv4Addr, u8)]) {
        let map = LpmMap::build(networks);
        let index = map
            .freeze()
            .expect("few networks")
            .index()
            .as_bytes()
            .to_vec();
        let count = networks.len();
        self.report(
            &format!("build v4 {count}"),
            vec![
                run("freeze a map", count, || {
                    map.freeze().expect("few networks").values().len() as u64
                }),
                run("read bytes", count, || {
                    LpmIndex::from_bytes(&index).expect("an index").len() as u64
                }),
                run("a map first", count, || {
                    LpmTable::<u32>::build(networks).values().len() as u64
                }),
            ],
        );
        println!(
            "bytes a network, with values: {:.1}",
            index.len() as f64 / count as f64 + 4.0
        );
    }
}

/// One that looks at `count` things, and gives back something that it could not know before.
fn run<'a>(name: &'static str, count: usize, mut run: impl FnMut() -> u64 + 'a) -> Contender<'a> {
    let timed = move || {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64() * 1e9 / count as f64
    };
    (name, Box::new(timed))
}

fn inserting<'a, A: Family, M: Changing<A>>(
    name: &'static str,
    networks: &'a [(A, u8)],
) -> Contender<'a> {
    let timed = || {
        let start = Instant::now();
        let map = black_box(M::build(networks));
        let time = start.elapsed();
        drop(map);
        time.as_secs_f64() * 1e9 / networks.len() as f64
    };
    (name, Box::new(timed))
}

fn removing<'a, A: Family, M: Changing<A>>(
    name: &'static str,
    networks: &'a [(A, u8)],
) -> Contender<'a> {
    let timed = || {
        let mut map = M::build(networks);
        let start = Instant::now();
        let removed = networks
            .iter()
            .filter_map(|&network| map.remove(network))
            .count();
        let time = start.elapsed();
        assert_eq!(removed, networks.len());
        time.as_secs_f64() * 1e9 / networks.len() as f64
    };
    (name, Box::new(timed))
}

fn iterating<'a, A: Family, M: Changing<A> + 'a>(
    name: &'static str,
    networks: &'a [(A, u8)],
) -> Contender<'a> {
    let map = M::build(networks);
    run(name, networks.len(), move || map.walk())
}
