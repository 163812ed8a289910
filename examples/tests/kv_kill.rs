//! Whatever the server acknowledged is there after it was killed, and nothing else.
//!
//! `NETBLOCKS_KV_KILLS=200 cargo test -p examples --test kv_kill -- --nocapture` kills it 200 times, and with
//! `NETBLOCKS_KV_MEBIBYTES=100` it has that much to start again with.

mod kv_support;
mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use examples::KvStatistics;
use kv_support::{Server, wait_until};
use rpc_core::blocking::Client;
use rpc_core::{Error, Value};
use rustix::process::Signal;
use support::{Folder, Program};

const WRITERS: u64 = 4;
/// So many keys does each have to itself.
const KEYS: u64 = 20;
/// So many writes are under way at a time, where they are pipelined.
const PIPELINE: u64 = 16;

/// What one of the keys has been told to become, in this order.
#[derive(Default)]
struct History {
    /// What it was when the server began.
    base: Option<u64>,
    /// What it was told since, the last of it perhaps never heard, and whether that was acknowledged.
    told: Vec<(Option<u64>, bool)>,
}

impl History {
    /// What the key may be now: what was acknowledged last, or anything told after it.
    fn possible(&self) -> Vec<Option<u64>> {
        let acknowledged = self
            .told
            .iter()
            .rposition(|(_, is_acknowledged)| *is_acknowledged);
        let later = self.told[acknowledged.unwrap_or(0)..]
            .iter()
            .map(|(state, _)| *state);
        let base = acknowledged.is_none().then_some(self.base);
        base.into_iter().chain(later).collect()
    }
}

/// One writer, all its life long.
struct Writer {
    name: u64,
    /// Never the same twice, so that an older value can be told from a newer one.
    count: u64,
    histories: BTreeMap<u64, History>,
}

/// How many were acknowledged.
#[derive(Default)]
struct Tally {
    total: AtomicUsize,
}

impl Writer {
    fn new(name: u64) -> Self {
        let histories = (0..KEYS).map(|key| (key, History::default())).collect();
        Self {
            name,
            count: 0,
            histories,
        }
    }

    fn key(&self, key: u64) -> String {
        format!("writer {} key {key}", self.name)
    }

    /// What stands under a key: who wrote it, where, and a length and filling that only this count has.
    fn value(&self, key: u64, count: u64) -> Value {
        let len = count * 37 % 3000;
        let filling = (0..len).map(|n| (count + n) as u8).collect();
        let numbers = [self.name, key, count].map(|n| Value::Int(n as i64));
        Value::List([numbers.to_vec(), vec![Value::Bytes(filling)]].concat())
    }

    /// Writes until the server is gone: for a while one by one, and for a while many at once.
    fn write(&mut self, client: &Client, tally: &Tally) {
        while self.write_one(client, tally).is_ok() && self.write_many(client, tally).is_ok() {}
    }

    fn write_one(&mut self, client: &Client, tally: &Tally) -> Result<(), Error> {
        for _ in 0..10 {
            let (key, state) = self.next();
            let name = self.key(key);
            let answer = match state {
                Some(count) => client.call("set", (name, self.value(key, count), None::<f64>)),
                None => client.call("delete", (name,)),
            };
            self.heard(key, self.last(key), answer, tally)?;
        }
        Ok(())
    }

    fn write_many(&mut self, client: &Client, tally: &Tally) -> Result<(), Error> {
        let mut under_way = VecDeque::new();
        let mut lost = Ok(());
        for n in 0..5 * PIPELINE {
            let (key, state) = self.next();
            let name = self.key(key);
            let started = match state {
                Some(count) => client.start("set", (name, self.value(key, count), None::<f64>)),
                None => client.start("delete", (name,)),
            };
            let index = self.last(key);
            match started {
                Ok(pending) => under_way.push_back((key, index, pending)),
                Err(error) => lost = Err(error),
            }
            let is_last = lost.is_err() || n + 1 == 5 * PIPELINE;
            while under_way.len() as u64 > if is_last { 0 } else { PIPELINE } {
                if let Some((key, index, pending)) = under_way.pop_front() {
                    let heard = self.heard(key, index, pending.wait(), tally);
                    lost = lost.and(heard);
                }
            }
            if lost.is_err() {
                break;
            }
        }
        lost
    }

    /// Chooses what to do next, and notes it before it is done.
    fn next(&mut self) -> (u64, Option<u64>) {
        self.count += 1;
        let count = self.count;
        let key = count * 7 % KEYS;
        let state = (!count.is_multiple_of(5)).then_some(count);
        let history = self.histories.get_mut(&key).expect("it has all keys");
        history.told.push((state, false));
        (key, state)
    }

    fn last(&self, key: u64) -> usize {
        self.histories[&key].told.len() - 1
    }

    fn heard(
        &mut self,
        key: u64,
        index: usize,
        answer: Result<(), Error>,
        tally: &Tally,
    ) -> Result<(), Error> {
        match answer {
            Ok(()) => {}
            // Deleted before: it isn't there, and that is on disk.
            Err(Error::Fault(fault)) if fault.kind.name() == "KeyError" => {}
            Err(error) => return Err(error),
        }
        let history = self.histories.get_mut(&key).expect("it has all keys");
        history.told[index].1 = true;
        tally.total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Compares what the server has with what it may have; from there it goes on.
    fn check(&mut self, client: &Client) {
        for key in 0..KEYS {
            let name = self.key(key);
            let found = match client.call::<Value>("get", (&name,)) {
                Ok(value) => Some(value),
                Err(error) => {
                    assert_eq!(kv_support::kind(&error), "KeyError");
                    None
                }
            };
            let possible = self.histories[&key].possible();
            let state = possible
                .iter()
                .find(|state| state.map(|count| self.value(key, count)) == found);
            let Some(&state) = state else {
                let found = format!("{found:?}");
                panic!("{name} may be {possible:?}, and is {found:.100}");
            };
            self.histories.insert(
                key,
                History {
                    base: state,
                    told: Vec::new(),
                },
            );
        }
    }
}

/// How many, unless told otherwise.
fn wished(what: &str, usual: usize) -> usize {
    let wished = std::env::var(what).ok();
    wished.map_or(usual, |wished| wished.parse().expect("a number"))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    kill_again_and_again(wished("NETBLOCKS_KV_KILLS", 40), "disk");
}

#[test]
fn nor_is_it_where_the_system_alone_has_it() {
    kill_again_and_again(wished("NETBLOCKS_KV_KILLS", 10), "system");
}

fn kill_again_and_again(kills: usize, durability: &str) {
    let folder = Folder::new(&format!("kill-{durability}"));
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let (mut acknowledged, mut unheard) = (0, 0);
    for kill in 0..kills {
        if kill % 4 == 3 {
            kill_while_it_starts(&folder, kill);
        }
        let server = Server::start(&["--data", &folder.path("data"), "--durability", durability]);
        let client = server.native();
        for writer in &mut writers {
            writer.check(&client);
        }
        let names: Vec<String> = client
            .call("keys", (None::<&str>, None::<&str>, None::<u64>))
            .expect("all keys");
        let own = |name: &String| {
            writers
                .iter()
                .any(|writer| (0..KEYS).any(|key| writer.key(key) == *name))
        };
        assert!(names.iter().all(own), "{names:?}");

        let tally = Tally::default();
        // Some are killed at once, others after a few hundred writes.
        let enough = 1 + kill * 53 % 400;
        let clients: Vec<Client> = writers.iter().map(|_| server.native()).collect();
        thread::scope(|scope| {
            for (writer, client) in writers.iter_mut().zip(&clients) {
                let tally = &tally;
                scope.spawn(move || writer.write(client, tally));
            }
            wait_until("enough writes", || {
                tally.total.load(Ordering::Relaxed) >= enough
            });
            server.program.signal(Signal::KILL);
        });
        server.program.wait();
        acknowledged += tally.total.load(Ordering::Relaxed);
        let told = writers.iter().flat_map(|writer| writer.histories.values());
        unheard += told
            .flat_map(|history| &history.told)
            .filter(|(_, heard)| !heard)
            .count();
    }
    let server = Server::over(&folder);
    for writer in &mut writers {
        writer.check(&server.native());
    }
    println!(
        "{durability}: {kills} kills, {acknowledged} writes acknowledged, {unheard} not heard of"
    );
    assert!(unheard > 0, "no kill hit a write that was under way");
}

/// Recovery may be cut off as well.
fn kill_while_it_starts(folder: &Folder, kill: usize) {
    let data = folder.path("data");
    let starting = Program::start("kv_server", &["--data", &data, "--listen", "127.0.0.1:0"]);
    // A different moment each time.
    for _ in 0..kill * 10 {
        thread::yield_now();
    }
    starting.signal(Signal::KILL);
    starting.wait();
}

#[test]
fn large_data_is_back_after_a_kill() {
    let count = wished("NETBLOCKS_KV_MEBIBYTES", 20);
    let folder = Folder::new("large");
    let value = |n: usize| Value::Bytes(vec![n as u8; 1 << 20]);
    let server = Server::over(&folder);
    let client = server.native();
    for n in 0..count {
        client
            .call::<()>("set", (format!("{n}"), value(n), None::<f64>))
            .unwrap();
    }
    server.program.signal(Signal::KILL);
    server.program.wait();
    let began = Instant::now();
    let server = Server::over(&folder);
    server.program.url();
    println!("{count} MiB: {:?} to start again", began.elapsed());
    let client = server.native();
    for n in 0..count {
        let found: Value = client.call("get", (format!("{n}"),)).unwrap();
        assert!(found == value(n), "{n}");
    }
}

#[test]
fn each_write_that_waits_for_the_one_before_has_a_commit_of_its_own() {
    const WRITES: u64 = 50;
    let folder = Folder::new("commits");
    let server = Server::over(&folder);
    let client = server.native();
    let commits = || {
        client
            .call::<KvStatistics>("statistics", ())
            .expect("an answer")
            .commits
    };
    let before = commits();
    for n in 0..WRITES {
        client
            .call::<()>("set", ("key", Value::Int(n as i64), None::<f64>))
            .unwrap();
    }
    assert_eq!(commits() - before, WRITES);
}
