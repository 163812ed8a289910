//! `who_is_it`, beside a search through all networks, and how it ends.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::Cidr;
use support::{Ended, Folder, Program};

const NETWORKS: &str = "\
# who sits where
10.0.0.0/8 office
10.1.0.0/16\tprinters  on two floors

2001:db8::/32 documentation
192.0.2.1
";

fn ask(folder: &Folder, networks: &str, options: &[&str], input: &[u8]) -> Ended {
    let path = folder.path("networks");
    fs::write(&path, networks).expect("room for a file");
    let mut program = Program::start("who_is_it", &[&[path.as_str()], options].concat());
    let mut stdin = program.take_stdin();
    // It may end before it has read all.
    let _ = stdin.write_all(input);
    drop(stdin);
    program.wait()
}

#[test]
fn one_line_for_each() {
    let folder = Folder::new("who-lines");
    let input = b"10.1.2.3\r\n 10.2.3.4\n192.0.2.1\n192.0.2.2\n2001:DB8::1\n::\n::ffff:10.1.2.3";
    let ended = ask(&folder, NETWORKS, &[], input);
    let due = "\
10.1.2.3\t10.1.0.0/16\tprinters  on two floors
10.2.3.4\t10.0.0.0/8\toffice
192.0.2.1\t192.0.2.1/32\t
192.0.2.2\t-
2001:DB8::1\t2001:db8::/32\tdocumentation
::\t-
::ffff:10.1.2.3\t10.1.0.0/16\tprinters  on two floors
";
    assert_eq!(ended.stdout, due);
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
}

#[test]
fn what_is_no_address_is_said_and_counted() {
    let folder = Folder::new("who-bad");
    let lines = [
        "10.1.2.3",
        "10.1.2",
        "10.1.2.256",
        "10.1.2.03",
        "10.1.2.3.4",
        "10..2.3",
        "10.1.2.",
        "",
        "10.1.2.3/32",
        "1234.1.2.3",
        "0.0.0.0",
        "10.1.2.\u{663}",
        "::g",
        "::1%lo",
        "00.1.2.3",
    ];
    let mut input = lines.join("\n").into_bytes();
    input.extend_from_slice(b"\n\xff\xfe\n255.255.255.255\n");
    let ended = ask(&folder, NETWORKS, &[], &input);
    let answers: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(answers.len(), lines.len() + 2);
    for (answer, line) in answers.iter().zip(lines) {
        let is_address = line.parse::<IpAddr>().is_ok();
        assert_eq!(!answer.ends_with("\t?"), is_address, "{answer}");
    }
    assert!(answers[lines.len()].ends_with("\t?"));
    assert_eq!(answers[lines.len() + 1], "255.255.255.255\t-");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        ended.stderr,
        "error: 14 of 17 lines are no address, line 2 the first\n"
    );
}

#[test]
fn as_a_search_through_all_networks() {
    let folder = Folder::new("who-search");
    let mut random = Random(5);
    let mut networks = Vec::new();
    let mut text = String::new();
    for _ in 0..1000 {
        // Close to each other, so that they are inside each other.
        let (low, len) = (random.next(), random.next());
        let network: Cidr = match random.next() % 3 {
            0 => {
                let address =
                    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low & 0xffff) << 80);
                Cidr::new_lenient(address.into(), 32 + (len % 17) as u8).expect("a network")
            }
            _ => {
                let address = Ipv4Addr::from_bits(0x0a00_0000 | low as u32 & 0x000f_ffff);
                Cidr::new_lenient(address.into(), 12 + (len % 21) as u8).expect("a network")
            }
        };
        writeln!(text, "{network} {}", networks.len()).expect("a text grows");
        networks.push(network);
    }
    let addresses = (0..3000).map(|_| -> IpAddr {
        let low = random.next();
        match random.next() % 3 {
            0 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low & 0x1_ffff) << 80).into(),
            _ => Ipv4Addr::from_bits(0x0a00_0000 | low as u32 & 0x001f_ffff).into(),
        }
    });
    let addresses: Vec<IpAddr> = addresses.collect();
    let (mut input, mut due) = (String::new(), String::new());
    for address in &addresses {
        writeln!(input, "{address}").expect("a text grows");
        let around = networks.iter().enumerate();
        let around = around.filter(|(_, network)| network.contains(*address));
        // Of equal networks the last line counts, as the maximum does.
        let longest = around.max_by_key(|(_, network)| network.prefix_len());
        match longest {
            Some((index, network)) => writeln!(due, "{address}\t{network}\t{index}"),
            None => writeln!(due, "{address}\t-"),
        }
        .expect("a text grows");
    }
    let ended = ask(&folder, &text, &["-q"], input.as_bytes());
    assert_eq!(ended.stdout, due);
    let unknown = due.matches("\t-\n").count();
    assert!((10..2000).contains(&unknown), "{unknown} in no network");
}

#[test]
fn answers_as_soon_as_it_is_asked() {
    let folder = Folder::new("who-soon");
    let path = folder.path("networks");
    fs::write(&path, NETWORKS).expect("room for a file");
    let mut program = Program::start("who_is_it", &[&path, "-v"]);
    let mut stdin = program.take_stdin();
    stdin.write_all(b"10.1.2.3\n10.2").expect("it reads");
    program.stdout.wait_for("10.1.2.3\t10.1.0.0/16");
    assert!(!program.stdout.so_far().contains("10.2"));
    stdin.write_all(b".3.4\n").expect("it reads");
    program.stdout.wait_for("10.2.3.4\t10.0.0.0/8\toffice\n");
    drop(stdin);
    let ended = program.wait();
    assert!(ended.status.success(), "{ended:?}");
    for said in [
        "4 networks in ",
        "2 addresses in ",
        " million a second",
        "0 in no network",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

#[test]
fn one_line_when_the_table_is_wrong() {
    let folder = Folder::new("who-wrong");
    let wrong = |networks: &str, options: &[&str], error: &str| {
        let ended = ask(&folder, networks, options, b"10.1.2.3\n");
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(error), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert_eq!(ended.stdout, "");
    };
    let host_bits = "networks: line 2: 10.1.2.3/8 has host bits set; 10.0.0.0/8 is the network";
    wrong("# first\n10.1.2.3/8 x\n", &[], host_bits);
    wrong("10.0.0.0/8 x\nx 10.0.0.0/8\n", &[], "line 2: no address");
    let ended = ask(&folder, "10.1.2.3/8 x\n", &["--lenient"], b"10.1.2.3\n");
    assert_eq!(ended.stdout, "10.1.2.3\t10.0.0.0/8\tx\n");

    let missing = Program::start("who_is_it", &[&folder.path("missing")]).wait();
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.stderr.contains("missing: "), "{missing:?}");
    assert_eq!(
        Program::start("who_is_it", &[]).wait().status.code(),
        Some(2)
    );

    let twice = ask(&folder, "10.0.0.0/8 a\n10.0.0.0/8 b\n", &[], b"10.1.2.3\n");
    assert_eq!(twice.stdout, "10.1.2.3\t10.0.0.0/8\tb\n");
    assert!(
        twice.stderr.contains("line 2: 10.0.0.0/8 was there before"),
        "{twice:?}"
    );
}

#[test]
fn a_line_without_end_is_an_error() {
    let folder = Folder::new("who-long");
    let long = vec![b'1'; 1 << 20];
    let ended = ask(&folder, NETWORKS, &[], &[b"10.1.2.3\n", &long[..]].concat());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "error: line 2 is longer than 262144 bytes\n");
    assert_eq!(ended.stdout.lines().count(), 1);
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
