//! `cidr_table`, beside Python's `ipaddress` where that has the same, and what it says when told wrong.

mod support;

use std::io::{Read, Write};
use std::process::Command;

use serde_json::{Value, json};
use support::{Ended, Program};

fn run(arguments: &[&str], input: &str) -> Ended {
    let mut program = Program::start("cidr_table", arguments);
    let mut stdin = program.take_stdin();
    stdin
        .write_all(input.as_bytes())
        .expect("it fits in a pipe");
    drop(stdin);
    program.wait()
}

fn table(arguments: &[&str]) -> String {
    let ended = run(arguments, "");
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout
}

fn objects(arguments: &[&str]) -> Vec<Value> {
    let text = table(&[arguments, &["--json"]].concat());
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn fails(arguments: &[&str], input: &str, code: i32, error: &str) {
    let ended = run(arguments, input);
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    assert!(ended.stderr.contains(error), "{ended:?}");
    let lines = ended.stderr.lines().filter(|line| !line.is_empty());
    // What is wrong with options is explained by clap, in its way.
    assert!(code == 2 || lines.count() == 1, "{ended:?}");
}

/// What Python prints; `net` is the network.
fn python(network: &str, script: &str) -> String {
    let script =
        format!("import ipaddress\nnet = ipaddress.ip_network('{network}', False)\n{script}");
    let ended = Program::start_command(Command::new("python3").args(["-c", &script])).wait();
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout
}

#[test]
fn the_recipe() {
    let network = "123.45.67.89/27";
    let listed = python(network, "for a in net: print(a)");
    assert_eq!(table(&["list", network]), listed);
    let hosts = python(network, "for a in net.hosts(): print(a)");
    assert_eq!(table(&["list", network, "--hosts"]), hosts);
    let backwards = python(network, "for a in reversed(list(net)[-3:]): print(a)");
    assert_eq!(
        table(&["list", network, "--reverse", "--limit", "3"]),
        backwards
    );

    let indexed = python(
        network,
        "for i in (0, 1, -1): print('%-5d  %s' % (i, net[i]))",
    );
    let ours = table(&["index", network, "0", "1", "-1"]);
    assert_eq!(ours, format!("index  address\n{indexed}"));
}

#[test]
fn six_has_the_same() {
    let network = "12:3456:78:90ab:cd:ef01:23:30/125";
    assert_eq!(
        table(&["list", network]),
        python(network, "for a in net: print(a)")
    );
    let last = objects(&["index", "::/0", "-1"]);
    let highest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(last, [json!({"index": "-1", "address": highest})]);
}

#[test]
fn describes() {
    let text = table(&["describe", "123.45.67.73/27", "::/0"]);
    let facts = "\
network    123.45.67.64/27
address    123.45.67.73
first      123.45.67.64
last       123.45.67.95
netmask    255.255.255.224
hostmask   0.0.0.31
addresses  32
is         global

network    ::/0
";
    assert!(text.starts_with(facts), "{text}");
    assert!(text.contains("addresses  340282366920938463463374607431768211456\n"));

    let loopback = &objects(&["describe", "127.0.0.1"])[0];
    assert_eq!(loopback["is"], json!(["private", "loopback"]));
    assert_eq!(loopback["for"], "Loopback");
    assert_eq!(loopback["addresses"], 1);
    assert_eq!(loopback["address"], Value::Null);
}

#[test]
fn contains() {
    let addresses = ["123.45.67.69", "123.45.67.123", "::ffff:123.45.67.69"];
    let rows = objects(&[&["contains", "123.45.67.89/27"], &addresses[..]].concat());
    let contained: Vec<&Value> = rows.iter().map(|row| &row["contained"]).collect();
    assert_eq!(contained, [true, false, false]);
}

#[test]
fn subnets_and_what_is_left() {
    let subnets = python(
        "10.0.0.0/8",
        "for n in net.subnets(new_prefix=12): print(n)",
    );
    let rows = objects(&["subnets", "10.0.0.0/8", "12"]);
    let ours = rows.iter().filter_map(|row| row["network"].as_str());
    assert_eq!(
        ours.collect::<Vec<_>>(),
        subnets.lines().collect::<Vec<_>>()
    );
    assert_eq!(
        objects(&["subnets", "::/0", "128", "--limit", "2"]).len(),
        2
    );

    let left = table(&["exclude", "192.0.2.0/28", "192.0.2.4/30", "192.0.2.0/32"]);
    let networks = left.lines().skip(1).map(|line| line.split(' ').next());
    let networks: Vec<_> = networks.flatten().collect();
    let due = ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.8/29"];
    assert_eq!(networks, due);
    assert_eq!(table(&["exclude", "192.0.2.0/28", "192.0.0.0/16"]), "");
}

#[test]
fn aggregates() {
    let lines = "\
# two halves
10.128.0.0/9
10.0.0.0/9

192.0.2.0 - 192.0.2.130
192.0.2.7
::1
";
    let ended = run(&["aggregate"], lines);
    let due = "10.0.0.0/8\n192.0.2.0/25\n192.0.2.128/31\n192.0.2.130/32\n::1/128\n";
    assert_eq!(ended.stdout, due, "{ended:?}");
    fails(
        &["aggregate"],
        "10.0.0.0/8\n10.0.0.9-10.0.0.1\n",
        1,
        "line 2: ",
    );
    fails(&["aggregate"], "10.0.0.0-x\n", 1, "line 1: 10.0.0.0-x");
    fails(&["aggregate", "--strict"], "10.0.0.1/8\n", 1, "line 1: ");
}

#[test]
fn draws_by_chance() {
    let draw = |arguments: &[&str]| table(&[&["random", "192.0.2.77/28"], arguments].concat());
    let drawn = draw(&["-n", "500", "--seed", "7"]);
    assert_eq!(drawn, draw(&["-n", "500", "--seed", "7"]));
    let mut last: Vec<u8> = drawn
        .lines()
        .map(|line| {
            let last = line.strip_prefix("192.0.2.").expect("it is in the network");
            last.parse().expect("a number")
        })
        .collect();
    last.sort_unstable();
    last.dedup();
    // All sixteen: that one is missed 500 times has a chance of 1 in 10^13.
    assert_eq!(last, (64..80).collect::<Vec<_>>());
    let long = |_| draw(&["-n", "40"]);
    assert_ne!(long(0), long(1));
}

#[test]
fn one_line_when_told_wrong() {
    let host_bits = "error: 10.1.2.3/8 has host bits set; 10.0.0.0/8 is the network";
    fails(&["--strict", "list", "10.1.2.3/8"], "", 1, host_bits);
    fails(
        &["list", "10.0.0.0/33"],
        "",
        1,
        "10.0.0.0/33: prefix length 33",
    );
    fails(
        &["index", "10.0.0.0/24", "256"],
        "",
        1,
        "10.0.0.0/24 has no address 256",
    );
    fails(
        &["index", "10.0.0.0/24", "-257"],
        "",
        1,
        "has no address -257",
    );
    fails(&["subnets", "10.0.0.0/24", "23"], "", 1, "23");
    fails(&["contains", "10.0.0.0/24", "x"], "", 2, "x");
    fails(&["list"], "", 2, "NETWORK");
}

#[test]
fn ends_quietly_when_nobody_reads() {
    let mut child = Command::new(support::path("cidr_table"))
        .args(["list", "::/0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program is built");
    let mut stdout = child.stdout.take().expect("standard output is a pipe");
    stdout
        .read_exact(&mut [0; 100])
        .expect("there is no end of it");
    drop(stdout);
    let ended = child.wait_with_output().expect("it ends");
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
}
