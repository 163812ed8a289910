//! When two keys are the same to Python: `1`, `1.0` and `True` are.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

use super::int;

/// A key where it is: in a tree, or as a value.
pub(super) trait Place<'a>: Copy {
    fn key(self) -> Key<'a>;

    /// An item of a tuple or frozenset.
    fn item(self, at: usize) -> Option<Self>;
}

/// What counts of a key.
pub(super) enum Key<'a> {
    None,
    Int(i64),
    BigInt(&'a [u8]),
    /// Not a number, which is the same as itself only: if there is a way to tell, a number of its own.
    Float(f64, Option<u32>),
    Str(&'a str),
    Bytes(&'a [u8]),
    Tuple,
    FrozenSet,
    /// No key at all: what Python calls its type.
    Unhashable(&'static str),
}

/// A key in a form that can be compared without looking at its items.
#[derive(PartialEq)]
pub(super) enum Probe<'a> {
    None,
    Int(i64),
    BigInt(Cow<'a, [u8]>),
    Float(u64),
    Nan(u32),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// The items of a tuple or frozenset, as 128 bits under a secret of the process: two that differ look alike in
    /// one of 2<sup>128</sup> cases, and nobody outside can find one.
    Items {
        print: u128,
        /// How many items there are, with those of items.
        count: usize,
    },
}

/// Why a value is the same key as no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoProbe {
    Unhashable(&'static str),
    /// Not a number is not even equal to itself.
    Nan,
}

impl Probe<'_> {
    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Items { print, .. } => *print as u64,
            _ => self.print_with(&secrets()[0]),
        }
    }

    fn print(&self) -> u128 {
        let [low, high] = secrets();
        u128::from(self.print_with(low)) | u128::from(self.print_with(high)) << 64
    }

    fn print_with(&self, secret: &RandomState) -> u64 {
        match self {
            Self::None => secret.hash_one(0u8),
            Self::Int(value) => secret.hash_one((1u8, value)),
            Self::BigInt(bytes) => secret.hash_one((2u8, bytes)),
            Self::Float(bits) => secret.hash_one((3u8, bits)),
            Self::Nan(number) => secret.hash_one((4u8, number)),
            Self::Str(text) => secret.hash_one((5u8, text)),
            Self::Bytes(bytes) => secret.hash_one((6u8, bytes)),
            Self::Items { print, .. } => secret.hash_one((7u8, print)),
        }
    }
}

/// Whether a key is the one that was looked at.
pub(super) fn is_same<'a>(place: impl Place<'a>, key: &Probe<'_>) -> bool {
    match (place.key(), key) {
        // Their items needn't be looked at for that.
        (Key::Tuple | Key::FrozenSet, key) if !matches!(key, Probe::Items { .. }) => false,
        _ => probe(place).is_ok_and(|other| other == *key),
    }
}

/// Looks at a key, at all of it: takes time by the number of items in it, and no stack.
pub(super) fn probe<'a>(place: impl Place<'a>) -> Result<Probe<'a>, NoProbe> {
    let key = match place.key() {
        Key::None => Probe::None,
        Key::Int(value) => Probe::Int(value),
        Key::BigInt(bytes) => match int::to_i64(bytes) {
            Some(value) => Probe::Int(value),
            None => Probe::BigInt(bytes.into()),
        },
        Key::Float(value, number) => return float(value, number),
        Key::Str(text) => Probe::Str(text),
        Key::Bytes(bytes) => Probe::Bytes(bytes),
        Key::Unhashable(kind) => return Err(NoProbe::Unhashable(kind)),
        Key::Tuple | Key::FrozenSet => return items(place),
    };
    Ok(key)
}

fn float<'a>(value: f64, number: Option<u32>) -> Result<Probe<'a>, NoProbe> {
    let as_int = value as i64;
    if as_int as f64 == value && as_int != i64::MAX {
        Ok(Probe::Int(as_int))
    } else if value.is_nan() {
        number.map(Probe::Nan).ok_or(NoProbe::Nan)
    } else if value.is_finite() && value.fract() == 0.0 {
        Ok(Probe::BigInt(int::from_float(value).into_vec().into()))
    } else {
        Ok(Probe::Float(value.to_bits()))
    }
}

/// A tuple or frozenset whose items are looked at.
struct Open<P> {
    place: P,
    next: usize,
    print: u128,
    is_ordered: bool,
}

fn items<'a, P: Place<'a>>(place: P) -> Result<Probe<'a>, NoProbe> {
    let open = |place: P| {
        let is_ordered = matches!(place.key(), Key::Tuple);
        Open {
            place,
            next: 0,
            print: 0,
            is_ordered,
        }
    };
    let mut outer = Vec::new();
    let mut inner = open(place);
    let mut count = 0;
    loop {
        let item = match inner.place.item(inner.next) {
            Some(item) if matches!(item.key(), Key::Tuple | Key::FrozenSet) => {
                outer.push(std::mem::replace(&mut inner, open(item)));
                continue;
            }
            Some(item) => probe_leaf(item)?,
            None => {
                let kind: u8 = if inner.is_ordered { 8 } else { 9 };
                let done = print((kind, inner.next, inner.print));
                match outer.pop() {
                    Some(open) => inner = open,
                    None => return Ok(Probe::Items { print: done, count }),
                }
                done
            }
        };
        inner.next += 1;
        count += 1;
        inner.print = match inner.is_ordered {
            true => print((inner.print, item)),
            false => inner.print.wrapping_add(item),
        };
    }
}

fn probe_leaf<'a>(place: impl Place<'a>) -> Result<u128, NoProbe> {
    match place.key() {
        // The caller sees to those.
        Key::Tuple | Key::FrozenSet => Err(NoProbe::Nan),
        _ => probe(place).map(|probe| probe.print()),
    }
}

/// 128 bits that look like chance to who doesn't know the secrets.
fn print(value: impl Hash) -> u128 {
    let [low, high] = secrets();
    u128::from(low.hash_one(&value)) | u128::from(high.hash_one(&value)) << 64
}

fn secrets() -> &'static [RandomState; 2] {
    static SECRETS: OnceLock<[RandomState; 2]> = OnceLock::new();
    SECRETS.get_or_init(|| [RandomState::new(), RandomState::new()])
}

/// Where the keys of a large container are, by number. It doesn't hold them: whoever asks says which are the same.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Numbers of keys from one on, zero for none; its length is a power of two.
    slots: Vec<u32>,
    hashes: Vec<u64>,
}

impl Table {
    /// Room for so many keys.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            slots: vec![0; slots_for(count)],
            hashes: Vec::with_capacity(count),
        }
    }

    pub(super) fn find(&self, hash: u64, is_same: impl FnMut(usize) -> bool) -> Option<usize> {
        self.slot(hash, is_same).err()
    }

    /// Notes the next key, unless the same is there: then its number is returned.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        is_same: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let slot = match self.slot(hash, is_same) {
            Ok(slot) => slot,
            Err(number) => return Some(number),
        };
        self.hashes.push(hash);
        self.slots[slot] = self.hashes.len() as u32;
        if slots_for(self.hashes.len()) > self.slots.len() {
            self.grow();
        }
        None
    }

    /// Notes the next key as one that is never found.
    pub(super) fn skip(&mut self) {
        self.hashes.push(0);
    }

    /// A free slot for it, or the number of the same key.
    fn slot(&self, hash: u64, mut is_same: impl FnMut(usize) -> bool) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(number) = (self.slots[at] as usize).checked_sub(1) {
            if self.hashes[number] == hash && is_same(number) {
                return Err(number);
            }
            at = (at + 1) & mask;
        }
        Ok(at)
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; 2 * old.len()];
        for number in old.into_iter().filter(|&number| number != 0) {
            let hash = self.hashes[number as usize - 1];
            if let Ok(slot) = self.slot(hash, |_| false) {
                self.slots[slot] = number;
            }
        }
    }
}

/// At most three of four are used.
fn slots_for(count: usize) -> usize {
    (count + count / 3 + 1).next_power_of_two()
}
