use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::Range;

use super::LpmMap;
use super::ranges::{FINE, Ranges};
use super::v4::{self, BLOCK, V4};
use super::v6::{self, Lists, V6};
use super::words::{self, FineBlocks};
use crate::address::{host_bits_v4, host_bits_v6};
use crate::cidr::Cidr;
use crate::error::LpmError;

/// The networks of an [`LpmMap`] as plain bytes that are searched as they are: from memory, or from a file
/// that is mapped. It answers with the number of a network: its place, from 0, in the order of
/// [`LpmMap::iter`]. [`LpmTable`](crate::LpmTable) adds values.
///
/// ```
/// use cidr::{LpmIndex, LpmMap};
///
/// let mut map = LpmMap::new();
/// map.insert("10.0.0.0/8".parse()?, ());
/// map.insert("10.1.0.0/16".parse()?, ());
/// let bytes = LpmIndex::new(&map)?.as_bytes().to_vec(); // into a file
///
/// let index = LpmIndex::from_bytes(&bytes[..])?; // or a mapped file: anything that is `AsRef<[u8]>`
/// let (network, number) = index.longest_match([10, 1, 2, 3]).unwrap();
/// assert_eq!((network.to_string().as_str(), number), ("10.1.0.0/16", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The bytes
///
/// Version 1. All numbers are little-endian; each section begins at a multiple of 64, with zeros before it.
///
/// | section | bytes | is |
/// |---|---|---|
/// | header | 64 | `cidr-lpm`, then as 32 bits each: version, IPv4 networks, IPv6 networks, coarse bits c, IPv4 more words m, IPv4 fine words f, IPv6 answers A, IPv6 fine words F; then zeros |
/// | blocks | 2^c | a block for each 64 values of the first c bits of an IPv4 address: 64 bits, 1 where a range begins; 14 answers, the first that of the first value, whose bit is 1. If there are more answers that bit is 0, and the last word is the place in *more* of the 14th answer. |
/// | more | 4 m | answers from the 14th on of blocks with more, block by block |
/// | fine | 4 f | fine blocks: how many ranges n, n starts (their low bits, the first 0), n answers |
/// | lists | 128 each 16 | sorted first 64 bits of IPv6 addresses where a range begins, in nodes of 16, padded with ones; then the first of each node in the same manner, until a list is one node |
/// | answers | 4 A | one for each entry of the first list |
/// | fine | 4 F | as above, but a start takes two words, the lower first |
/// | lengths | 1 each network | the prefix length of each network |
///
/// An answer is 0 (no match), the number of a network and 1, or 2³¹ and the word of *fine* where the fine block is that
/// says more.
///
/// # Cost
///
/// A million IPv4 networks as the Internet has them take about 18 bytes each, and a match of an IPv4 address mostly reads
/// one line of the cache, and a byte to know the length. An IPv6 network takes about 26 bytes, and a match reads a line or
/// two for each four bits by which there are more networks than 16.
#[derive(Clone)]
pub struct LpmIndex<B = Vec<u8>> {
    bytes: B,
    layout: Layout,
}

impl LpmIndex {
    /// Makes the index of a map's networks.
    ///
    /// # Errors
    ///
    /// [`LpmError::TooMany`] if there are more networks than 31 bits can number, with the ranges they cut.
    pub fn new<V>(map: &LpmMap<V>) -> Result<Self, LpmError> {
        let (count_v4, count_v6) = (map.v4.len(), map.v6.len());
        let coarse_bits = v4::coarse_bits(count_v4);
        let mut lens = Vec::with_capacity(map.len());
        let networks_v4 = map.v4.iter().map(|(first, prefix_len, _)| {
            lens.push(prefix_len);
            let last = first | host_bits_v4(prefix_len);
            (first.into(), last.into(), lens.len() as u32)
        });
        let cut_v4 = Ranges::new(networks_v4, u32::MAX.into(), 32 - coarse_bits);
        let networks_v6 = map.v6.iter().map(|(first, prefix_len, _)| {
            lens.push(prefix_len);
            let last = first | host_bits_v6(prefix_len);
            (first, last, lens.len() as u32)
        });
        let cut_v6 = Ranges::new(networks_v6, u128::MAX, v6::LOW_BITS);
        let counts = [&cut_v4, &cut_v6].map(|cut| cut.answers.len().max(cut.fine.len()));
        let networks = lens.len();
        let too_many = || LpmError::TooMany { networks };
        if counts.iter().any(|&count| count >= FINE as usize) || lens.len() >= FINE as usize {
            return Err(too_many());
        }
        let (blocks, more) = v4::blocks(&cut_v4, count_v4);
        let header = Header {
            networks_v4: count_v4 as u32,
            networks_v6: count_v6 as u32,
            coarse_bits,
            more_v4: more.len() as u32,
            fine_v4: cut_v4.fine.len() as u32,
            answers_v6: cut_v6.answers.len() as u32,
            fine_v6: cut_v6.fine.len() as u32,
        };
        let len = Layout::new(&header, 0).ok_or_else(too_many)?.lens.end;
        let mut bytes: Vec<u8> = Vec::with_capacity(len + BLOCK);
        // So that blocks are lines of the cache.
        let from = bytes.as_ptr().addr().next_multiple_of(BLOCK) - bytes.as_ptr().addr();
        let layout = Layout::new(&header, from).ok_or_else(too_many)?;
        let mut put = |section: &Range<usize>, content: &[u8]| {
            bytes.resize(section.start, 0);
            bytes.extend_from_slice(content);
        };
        put(&(from..from + HEADER), &header.to_bytes());
        put(&layout.v4.blocks, &blocks);
        put(&layout.v4.more, &words::to_bytes(&more));
        put(&layout.v4.fine, &words::to_bytes(&cut_v4.fine));
        put(&layout.v6.nodes, &v6::nodes(&cut_v6));
        put(&layout.v6.answers, &words::to_bytes(&cut_v6.answers));
        put(&layout.v6.fine, &words::to_bytes(&cut_v6.fine));
        put(&layout.lens, &lens);
        Ok(Self { bytes, layout })
    }
}

impl<B: AsRef<[u8]>> LpmIndex<B> {
    /// Takes the bytes of an index, after a look at each of them. Copies nothing.
    ///
    /// Whatever the bytes are, and even if a mapped file changes later, a match does not read outside of
    /// them, does not panic, and ends soon; what it answers can be as wrong as they are.
    ///
    /// # Errors
    ///
    /// An [`LpmError`] that says what is wrong with them.
    pub fn from_bytes(bytes: B) -> Result<Self, LpmError> {
        let all = bytes.as_ref();
        let header = Header::from_bytes(all)?;
        let actual = all.len();
        let layout = Layout::new(&header, 0).filter(|layout| layout.lens.end == actual);
        let layout = layout.ok_or(LpmError::Length { actual })?;
        let index = Self { bytes, layout };
        index.check(&header)?;
        Ok(index)
    }

    /// The bytes, for a file or a socket.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .get(self.layout.from..)
            .unwrap_or_default()
    }

    /// How many networks there are, of both families.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.lens.len()
    }

    /// Whether there are no networks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The network with the longest prefix of those that contain the address, and its number.
    #[must_use]
    #[inline]
    pub fn longest_match(&self, address: impl Into<IpAddr>) -> Option<(Cidr, u32)> {
        let address = address.into();
        let number = self.find(address)?;
        let lens = self.lens();
        let network = Cidr::new_lenient(address, *lens.get(number as usize)?);
        Some((network.ok()?, number))
    }

    /// The number of the longest match alone.
    #[must_use]
    #[inline]
    pub fn find(&self, address: impl Into<IpAddr>) -> Option<u32> {
        let answer = match address.into() {
            IpAddr::V4(address) => self.v4().find(address.to_bits()),
            IpAddr::V6(address) => self.v6().find(address.to_bits()),
        };
        answer.checked_sub(1)
    }

    /// The numbers of the longest matches of many IPv4 addresses, as many as both slices have: faster a piece
    /// than [`find`](Self::find), because the memory is asked for several of them at once.
    pub fn find_batch(&self, addresses: &[Ipv4Addr], numbers: &mut [Option<u32>]) {
        self.each_v4(addresses, numbers, |answer| answer.checked_sub(1));
    }

    /// Looks up a group of addresses at a time, each step for all of them. `take` makes what is wanted of a
    /// number and one.
    #[inline]
    pub(super) fn each_v4<T>(
        &self,
        addresses: &[Ipv4Addr],
        found: &mut [T],
        take: impl Fn(u32) -> T,
    ) {
        let v4 = self.v4();
        let len = addresses.len().min(found.len());
        let (addresses, found) = (&addresses[..len], &mut found[..len]);
        for (addresses, found) in addresses.chunks(GROUP).zip(found.chunks_mut(GROUP)) {
            let mut answers = [0; GROUP];
            for (answer, address) in answers.iter_mut().zip(addresses) {
                *answer = v4.find_coarse(address.to_bits());
            }
            for (answer, address) in answers.iter_mut().zip(addresses) {
                if *answer >= FINE {
                    *answer = v4.find_fine(*answer, address.to_bits());
                }
            }
            for (found, answer) in found.iter_mut().zip(answers) {
                *found = take(answer);
            }
        }
    }

    #[inline]
    fn v4(&self) -> V4<'_> {
        let (bytes, sections) = (self.bytes.as_ref(), &self.layout.v4);
        V4 { bytes, sections }
    }

    #[inline]
    fn v6(&self) -> V6<'_> {
        let (bytes, sections) = (self.bytes.as_ref(), &self.layout.v6);
        V6 { bytes, sections }
    }

    #[inline]
    fn lens(&self) -> &[u8] {
        let Range { start, end } = self.layout.lens;
        self.bytes.as_ref().get(start..end).unwrap_or_default()
    }

    fn check(&self, header: &Header) -> Result<(), LpmError> {
        let (v4, v6) = (self.v4(), self.v6());
        let lens = self.lens();
        let lens = lens.split_at_checked(header.networks_v4 as usize);
        let (lens_v4, lens_v6) = lens.unwrap_or_default();
        let numbers_v4 = 1..=header.networks_v4;
        let numbers_v6 = header.networks_v4 + 1..=header.networks_v4 + header.networks_v6;
        let bytes = self.bytes.as_ref();
        let fine_v4 = words::section(bytes, &self.layout.v4.fine);
        let fine_v6 = words::section(bytes, &self.layout.v6.fine);
        let fine_v4 = FineBlocks::new(fine_v4, numbers_v4, self.layout.v4.low_bits);
        let fine_v6 = FineBlocks::new(fine_v6, numbers_v6, v6::LOW_BITS);
        let checks = [
            ("IPv4 part", v4.check(fine_v4)),
            ("IPv6 part", v6.check(fine_v6)),
            ("list of IPv4 lengths", lens_v4.iter().all(|&len| len <= 32)),
            (
                "list of IPv6 lengths",
                lens_v6.iter().all(|&len| len <= 128),
            ),
        ];
        match checks.iter().find(|check| !check.1) {
            None => Ok(()),
            Some(&(part, _)) => Err(LpmError::Damaged { part }),
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for LpmIndex<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LpmIndex")
            .field("len", &self.len())
            .field("bytes", &self.as_bytes().len())
            .finish()
    }
}

/// So many addresses are looked up in step: as many as a processor has reads from memory under way.
const GROUP: usize = 16;

const HEADER: usize = 64;
const MAGIC: [u8; 8] = *b"cidr-lpm";
const VERSION: u32 = 1;

#[derive(Debug)]
struct Header {
    networks_v4: u32,
    networks_v6: u32,
    coarse_bits: u32,
    more_v4: u32,
    fine_v4: u32,
    answers_v6: u32,
    fine_v6: u32,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [
            VERSION,
            self.networks_v4,
            self.networks_v6,
            self.coarse_bits,
            self.more_v4,
            self.fine_v4,
            self.answers_v6,
            self.fine_v6,
        ];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        for (place, word) in rest.chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(all: &[u8]) -> Result<Self, LpmError> {
        let actual = all.len();
        let bytes = all.get(..HEADER).ok_or(LpmError::Length { actual })?;
        let (magic, rest) = bytes.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(LpmError::NotAnIndex);
        }
        let word = |at: usize| words::get(rest.as_chunks().0, at).unwrap_or(0);
        let header = Self {
            networks_v4: word(1),
            networks_v6: word(2),
            coarse_bits: word(3),
            more_v4: word(4),
            fine_v4: word(5),
            answers_v6: word(6),
            fine_v6: word(7),
        };
        if word(0) != VERSION {
            return Err(LpmError::Version { version: word(0) });
        }
        // This also says that coarse bits are as many as so many networks have, and that the rest is zero.
        let networks = header.networks_v4 as usize;
        if header.coarse_bits != v4::coarse_bits(networks) || header.to_bytes() != *bytes {
            return Err(LpmError::Damaged { part: "header" });
        }
        Ok(header)
    }
}

/// Where the sections are in the bytes, of which some can be before the index.
#[derive(Clone, Debug)]
struct Layout {
    from: usize,
    v4: v4::Sections,
    v6: v6::Sections,
    lens: Range<usize>,
}

impl Layout {
    /// `None` if there is no room for it, or more than 31 bits can number.
    fn new(header: &Header, from: usize) -> Option<Self> {
        let counts = [
            header.more_v4,
            header.fine_v4,
            header.answers_v6,
            header.fine_v6,
            header.networks_v4.checked_add(header.networks_v6)?,
        ];
        if counts.iter().any(|&count| count >= FINE) {
            return None;
        }
        let [more_v4, fine_v4, answers_v6, fine_v6, networks] = counts.map(u64::from);
        let lists = Lists::new(header.answers_v6);
        let mut end = HEADER;
        let mut section = |len: u64, unit: u64| {
            let start = end.checked_next_multiple_of(HEADER)?;
            end = start.checked_add(usize::try_from(len.checked_mul(unit)?).ok()?)?;
            Some(start.checked_add(from)?..end.checked_add(from)?)
        };
        Some(Self {
            from,
            v4: v4::Sections {
                low_bits: 32 - header.coarse_bits,
                blocks: section(v4::block_count(header.networks_v4 as usize), BLOCK as u64)?,
                more: section(more_v4, 4)?,
                fine: section(fine_v4, 4)?,
            },
            v6: v6::Sections {
                lists,
                nodes: section(lists.nodes(), v6::NODE_BYTES as u64)?,
                answers: section(answers_v6, 4)?,
                fine: section(fine_v6, 4)?,
            },
            lens: section(networks, 1)?,
        })
    }
}
