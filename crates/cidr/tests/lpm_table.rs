//! The frozen table: batches, bytes from anywhere, and tables that change under readers.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arc_swap::ArcSwap;
use cidr::{Cidr, LpmError, LpmIndex, LpmMap, LpmTable};
use proptest::prelude::*;

/// A number that looks random, the next one.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn v4(address: u32, prefix_len: u8) -> Cidr {
    Cidr::new_lenient(Ipv4Addr::from_bits(address).into(), prefix_len).expect("up to 32")
}

fn v6(address: u128, prefix_len: u8) -> Cidr {
    Cidr::new_lenient(Ipv6Addr::from_bits(address).into(), prefix_len).expect("up to 128")
}

/// So many networks of each family, of all lengths, the values their places in order.
fn map(count: usize, seed: u64) -> LpmMap<usize> {
    let mut state = seed;
    let mut map = LpmMap::new();
    for _ in 0..count {
        let len = next(&mut state);
        map.insert(v4(next(&mut state) as u32, 8 + (len % 25) as u8), 0);
        let high = 0x2000_0000_0000_0000 | (next(&mut state) >> 4);
        let address = u128::from(high) << 64 | u128::from(next(&mut state));
        map.insert(v6(address, 16 + (len % 113) as u8), 0);
    }
    let networks: Vec<Cidr> = map.iter().map(|entry| entry.0).collect();
    networks.into_iter().zip(0..).collect()
}

#[test]
fn tables_of_all_sizes_match_as_their_maps() {
    for count in [1, 2, 15, 16, 17, 255, 256, 257, 5000, 40_000] {
        let map = map(count, count as u64);
        let table = map.freeze().unwrap();
        let index = table.index();
        let again = LpmIndex::from_bytes(index.as_bytes()).unwrap();
        assert_eq!((again.len(), index.len()), (map.len(), map.len()));
        let mut state = 1;
        let addresses = map.iter().flat_map(|(network, _)| {
            let beside = u128::from(next(&mut state) % 3);
            let bits = |address: IpAddr| match address {
                IpAddr::V4(v4) => v4.to_bits().into(),
                IpAddr::V6(v6) => v6.to_bits(),
            };
            [
                bits(network.address()).wrapping_sub(beside),
                bits(network.last()).wrapping_add(beside),
            ]
            .map(|bits| match network.address() {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::from_bits(bits as u32)),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::from_bits(bits)),
            })
        });
        for address in addresses {
            let expected = map.longest_match(address);
            assert_eq!(
                table.longest_match(address),
                expected,
                "{address} of {count}"
            );
            assert_eq!(again.find(address), expected.map(|found| *found.1 as u32));
        }
    }
}

#[test]
fn a_batch_finds_what_one_finds() {
    let table = map(3000, 7).freeze().unwrap();
    let mut state = 3;
    let addresses: Vec<Ipv4Addr> = (0..1003)
        .map(|_| Ipv4Addr::from_bits(next(&mut state) as u32))
        .collect();
    for len in [0, 1, 15, 16, 17, 1003] {
        let mut values = vec![None; len];
        table.find_batch(&addresses, &mut values);
        let singly: Vec<_> = addresses[..len].iter().map(|&at| table.find(at)).collect();
        assert_eq!(values, singly);
        let mut numbers = vec![None; 1003];
        table.index().find_batch(&addresses[..len], &mut numbers);
        let places = singly.iter().map(|value| value.map(|&place| place as u32));
        assert!(numbers[..len].iter().copied().eq(places));
        assert!(numbers[len..].iter().all(Option::is_none));
    }
}

#[test]
fn the_bytes_are_as_documented() {
    let mut map = LpmMap::new();
    map.insert(v4(0x0a00_0000, 8), ());
    map.insert(v4(0x0a00_0000, 17), ());
    map.insert(v6(0x2001_0db8 << 96, 32), ());
    let index = LpmIndex::new(&map).unwrap();
    let bytes = index.as_bytes();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(bytes[..8], *b"cidr-lpm");
    let header: Vec<u32> = (8..64).step_by(4).map(word).collect();
    assert_eq!(header, [1, 2, 1, 8, 0, 5, 3, 0, 0, 0, 0, 0, 0, 0]);
    // 0 to 9, 10 with a border inside, and what follows it; each of the other three blocks is one range
    let blocks = 64;
    let block = |number: usize| [0, 4, 8, 12, 16, 20].map(|at| word(blocks + 64 * number + at));
    assert_eq!(block(0), [0b1100_0000_0001, 0, 0, 1 << 31, 0, 0]);
    assert_eq!(block(3), [1, 0, 0, 0, 0, 0]);
    let fine = blocks + 256;
    assert_eq!(
        [0, 4, 8, 12, 16].map(|at| word(fine + at)),
        [2, 0, 0x8000, 2, 1]
    );
    let nodes = fine + 64;
    let node: Vec<u32> = (nodes..nodes + 128).step_by(4).map(word).collect();
    assert_eq!(node[..6], [0, 0, 0, 0x2001_0db8, 0, 0x2001_0db9]);
    assert!(node[6..].iter().all(|&word| word == u32::MAX));
    assert_eq!([0, 4, 8].map(|at| word(nodes + 128 + at)), [0, 3, 0]);
    assert_eq!(bytes[nodes + 192..], [8, 17, 32]);
}

#[test]
fn bytes_that_are_no_index_are_refused() {
    let index = LpmIndex::new(&map(100, 5)).unwrap();
    let bytes = index.as_bytes();
    let refused = |bytes: &[u8]| LpmIndex::from_bytes(bytes).unwrap_err();
    for len in [0, 63, 64, bytes.len() - 1] {
        assert_eq!(refused(&bytes[..len]), LpmError::Length { actual: len });
    }
    let longer = [bytes, &[0]].concat();
    let actual = longer.len();
    assert_eq!(refused(&longer), LpmError::Length { actual });

    let changed = |at: usize, with: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = with;
        refused(&bytes)
    };
    assert_eq!(changed(0, b'C'), LpmError::NotAnIndex);
    assert_eq!(changed(8, 2), LpmError::Version { version: 2 });
    assert_eq!(changed(20, 17), LpmError::Damaged { part: "header" });
    assert_eq!(changed(63, 1), LpmError::Damaged { part: "header" });
    assert_eq!(changed(64, 0), LpmError::Damaged { part: "IPv4 part" });
    assert_eq!(
        changed(64 + 8 + 2, 1),
        LpmError::Damaged { part: "IPv4 part" }
    );
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let fine = (64 + (1 << word(20)) + 4 * word(24)).next_multiple_of(64);
    let lists = (fine + 4 * word(28)).next_multiple_of(64);
    assert_eq!(changed(lists, 1), LpmError::Damaged { part: "IPv6 part" });
    let lens = bytes.len() - 200;
    assert_eq!(
        changed(lens, 33),
        LpmError::Damaged {
            part: "list of IPv4 lengths"
        }
    );
    assert_eq!(
        changed(lens + 199, 129),
        LpmError::Damaged {
            part: "list of IPv6 lengths"
        }
    );
}

/// More ranges than a block has room for, up to a border at each unit.
#[test]
fn a_block_with_many_ranges_has_more() {
    for count in 1..=64 {
        let filler = (0..1000).map(|at| (v4(at << 16, 24), 0));
        let dense = (0..count).map(|at| (v4(0x0a00_0000 | (3 * at % 64) << 18, 14), at + 1));
        let map: LpmMap<u32> = filler.chain(dense).collect();
        let table = map.freeze().unwrap();
        let again = LpmIndex::from_bytes(table.index().as_bytes()).unwrap();
        for at in 0..=256 {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + (at << 16));
            let expected = map.longest_match(address);
            assert_eq!(
                table.longest_match(address),
                expected,
                "{address} of {count}"
            );
            assert_eq!(
                again.longest_match(address).map(|found| found.0),
                expected.map(|found| found.0)
            );
        }
    }
}

#[test]
fn values_are_as_many_as_networks() {
    let index = LpmIndex::new(&map(1, 5)).unwrap();
    assert_eq!(
        LpmTable::new(index.clone(), vec!["v4", "v6"])
            .unwrap()
            .values()
            .len(),
        2
    );
    let error = LpmTable::new(index, vec![1]).unwrap_err();
    assert_eq!(error.to_string(), "1 values for 2 networks");
}

#[test]
fn an_empty_table_matches_nothing() {
    let table = LpmMap::<()>::new().freeze().unwrap();
    assert!(table.index().is_empty());
    // the header, four blocks, a node, an answer
    assert_eq!(table.index().as_bytes().len(), 64 + 256 + 128 + 64);
    let again = LpmIndex::from_bytes(table.index().as_bytes()).unwrap();
    for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::ffff"] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(table.longest_match(address), None);
        assert_eq!(again.longest_match(address), None);
    }
}

/// Readers see a table as it was made, whole, whichever it is.
#[test]
fn tables_change_under_readers() {
    let table_of = |value: u32| {
        let networks = [v4(0, 0), v4(0x0a00_0000, 8), v6(0, 0)];
        let map: LpmMap<u32> = networks
            .map(|network| (network, value))
            .into_iter()
            .collect();
        map.freeze().expect("three networks")
    };
    let current = ArcSwap::from_pointee(table_of(0));
    let is_done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reader = || {
            let (mut last, mut seen) = (0, 0_u32);
            loop {
                let ends = is_done.load(Ordering::Acquire);
                let table = current.load();
                let values = [[10, 1, 2, 3], [192, 0, 2, 1]].map(|at| table.find(at).copied());
                assert_eq!(values[0], values[1]);
                assert_eq!(table.find(Ipv6Addr::LOCALHOST).copied(), values[0]);
                let value = values[0].expect("there is a default");
                assert!(value >= last, "{value} after {last}");
                seen += u32::from(value != last);
                last = value;
                if ends {
                    return (last, seen);
                }
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for value in 1..=1000 {
            current.store(table_of(value).into());
        }
        is_done.store(true, Ordering::Release);
        readers.map(|reader| reader.join().expect("what readers saw is right"))
    });
    for (last, changes) in seen {
        assert_eq!(last, 1000);
        assert!(changes > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is changed, bytes are refused or searched to the end, without a panic.
    #[test]
    fn damaged_bytes_never_panic(
        count in 0_usize..60,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_header in prop::option::of((12_usize..40, any::<u8>())),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        addresses in prop::collection::vec(any::<u128>(), 8),
    ) {
        let mut bytes = LpmIndex::new(&map(count, 11)).expect("few").as_bytes().to_vec();
        for (at, with) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *with;
        }
        if let Some((at, with)) = in_header {
            bytes[at] = with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(index) = LpmIndex::from_bytes(&bytes) {
            for bits in addresses {
                let (v4, v6) = (Ipv4Addr::from_bits(bits as u32), Ipv6Addr::from_bits(bits));
                let in_range = |number: Option<u32>| number.is_none_or(|at| (at as usize) < index.len());
                prop_assert!(in_range(index.find(v4)) && in_range(index.find(v6)));
                let contains = |found: Option<(Cidr, u32)>, address: IpAddr| {
                    found.is_none_or(|found| found.0.contains(address))
                };
                prop_assert!(contains(index.longest_match(v4), v4.into()));
                prop_assert!(contains(index.longest_match(v6), v6.into()));
            }
        }
    }
}

/// A file that is mapped, and changed by somebody else after the look at it.
struct Mapped<'a> {
    then: &'a [u8],
    now: &'a [u8],
    has_changed: &'a Cell<bool>,
}

impl AsRef<[u8]> for Mapped<'_> {
    fn as_ref(&self) -> &[u8] {
        match self.has_changed.get() {
            true => self.now,
            false => self.then,
        }
    }
}

#[test]
fn bytes_that_change_later_never_panic() {
    let map = map(500, 2);
    let index = LpmIndex::new(&map).unwrap();
    let then = index.as_bytes();
    let mut state = 9;
    let noise: Vec<u8> = then.iter().map(|_| next(&mut state) as u8).collect();
    let ones = vec![255; then.len()];
    for now in [&[], &ones[..], &noise[..], &then[..then.len() / 2]] {
        let has_changed = &Cell::new(false);
        let mapped = Mapped {
            then,
            now,
            has_changed,
        };
        let table =
            LpmTable::new(LpmIndex::from_bytes(mapped).unwrap(), vec![(); map.len()]).unwrap();
        has_changed.set(true);
        assert_eq!(table.index().as_bytes(), now);
        for _ in 0..1000 {
            let address = Ipv4Addr::from_bits(next(&mut state) as u32);
            let high = u128::from(next(&mut state)) << 64;
            for address in [IpAddr::from(address), Ipv6Addr::from_bits(high).into()] {
                let found = table.longest_match(address);
                assert!(found.is_none_or(|found| found.0.contains(address)));
            }
        }
    }
}
