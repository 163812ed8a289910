use std::fs::File;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::time::{ClockId, clock_gettime};

use crate::Rate;
use crate::peer::Network;

/// Counts the answers to each source, in a table of fixed size.
///
/// A source has the place its keyed hash names. Nobody is ever forgotten to make room, so a flood of
/// forged sources does not give anybody a fresh allowance; two sources that meet in one place share its
/// allowance, and who they are nobody outside can know.
pub(crate) struct Sources {
    seed: [u64; 2],
    places: Places,
    /// For each limit, the nanoseconds an answer uses up and how many may be used up at once.
    limits: [Limit; 2],
}

/// For each source and limit, when all answers will be settled.
enum Places {
    /// Without locks, for the threads of this process.
    Own(Vec<[AtomicU64; 2]>),
    /// For several processes.
    Shared(Table),
}

/// A table that several processes have in common: a part of a file in memory.
#[derive(Debug)]
pub(crate) struct Table {
    file: File,
    start: u64,
}

struct Limit {
    interval: u64,
    burst: u64,
}

/// 16 bytes each.
const PLACES: usize = 16_384;
const PLACE_LEN: usize = 16;

/// The time, in nanoseconds since the machine was started: the same in all processes.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Sources {
    pub(crate) fn new(rates: [Rate; 2]) -> Self {
        let places = std::iter::repeat_with(Default::default).take(PLACES);
        Self {
            seed: seed(),
            places: Places::Own(places.collect()),
            limits: rates.map(|rate| {
                let interval = 1_000_000_000 / u64::from(rate.per_second.max(1));
                Limit {
                    interval,
                    burst: interval * u64::from(rate.burst),
                }
            }),
        }
    }

    /// Counts together with others from now on.
    pub(crate) fn share(&mut self, table: Table) -> io::Result<()> {
        self.seed = table.seed()?;
        self.places = Places::Shared(table);
        Ok(())
    }

    /// Whether an answer would be within the limits now.
    pub(crate) fn has_credit(&self, source: Network, now: u64) -> bool {
        let place = self.place(source);
        let settled = match &self.places {
            Places::Own(places) => Ok([0, 1].map(|limit| places[place][limit].load(RELAXED))),
            Places::Shared(table) => table.read(place),
        };
        settled.is_ok_and(|settled| self.after(settled, now).is_some())
    }

    /// Counts an answer, unless it would be over a limit.
    pub(crate) fn charge(&self, source: Network, now: u64) -> bool {
        let place = self.place(source);
        match &self.places {
            Places::Own(places) => {
                // What one limit forbids uses up nothing of the other.
                let mut both = places[place].iter().zip(&self.limits);
                self.has_credit(source, now)
                    && both.all(|(settled, limit)| {
                        let after = |before| limit.after(before, now);
                        settled.fetch_update(RELAXED, RELAXED, after).is_ok()
                    })
            }
            Places::Shared(table) => {
                let charged = table.update(place, |settled| self.after(settled, now));
                charged.unwrap_or(false)
            }
        }
    }

    /// When all answers will be settled with one more, by both limits, if there may be one more.
    fn after(&self, [short, long]: [u64; 2], now: u64) -> Option<[u64; 2]> {
        let [of_short, of_long] = &self.limits;
        Some([of_short.after(short, now)?, of_long.after(long, now)?])
    }

    fn place(&self, source: Network) -> usize {
        // The seed makes it keyed; unlike that of a `RandomState`, it can be given to others.
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        source.hash(&mut hasher);
        (hasher.finish() % PLACES as u64) as usize
    }
}

const RELAXED: Ordering = Ordering::Relaxed;

fn seed() -> [u64; 2] {
    let random = RandomState::new();
    [0, 1].map(|half| random.hash_one(half))
}

impl Table {
    /// Makes a table in this file, from `start` on. Memory is used as places are.
    pub(crate) fn create(file: File, start: u64) -> io::Result<Self> {
        let table = Self { file, start };
        table.write_at(start, seed())?;
        Ok(table)
    }

    /// The table that another process has made.
    pub(crate) fn open(file: File, start: u64) -> Self {
        Self { file, start }
    }

    fn seed(&self) -> io::Result<[u64; 2]> {
        self.read_at(self.start)
    }

    fn read(&self, place: usize) -> io::Result<[u64; 2]> {
        self.read_at(self.offset(place))
    }

    /// Sets a place to what `change` makes of it, unless that is nothing, and says which. Meanwhile no
    /// other process does so.
    fn update(
        &self,
        place: usize,
        change: impl FnOnce([u64; 2]) -> Option<[u64; 2]>,
    ) -> io::Result<bool> {
        rustix::io::retry_on_intr(|| fcntl_lock(&self.file, FlockOperation::LockExclusive))?;
        let changed = self.read(place).and_then(|before| match change(before) {
            Some(after) => self.write_at(self.offset(place), after).map(|()| true),
            None => Ok(false),
        });
        fcntl_lock(&self.file, FlockOperation::Unlock)?;
        changed
    }

    fn offset(&self, place: usize) -> u64 {
        self.start + ((1 + place) * PLACE_LEN) as u64
    }

    fn read_at(&self, offset: u64) -> io::Result<[u64; 2]> {
        let mut bytes = [0; PLACE_LEN];
        // It ends early where nothing was written yet.
        let _ = self.file.read_at(&mut bytes, offset)?;
        let bytes = u128::from_le_bytes(bytes);
        Ok([bytes as u64, (bytes >> 64) as u64])
    }

    fn write_at(&self, offset: u64, [low, high]: [u64; 2]) -> io::Result<()> {
        let bytes = u128::from(low) | u128::from(high) << 64;
        self.file.write_all_at(&bytes.to_le_bytes(), offset)
    }
}

impl Limit {
    /// When all answers will be settled with one more, if there may be one more.
    fn after(&self, settled: u64, now: u64) -> Option<u64> {
        let after = settled.max(now) + self.interval;
        (after <= now + self.burst).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    const RATES: [Rate; 2] = [Rate::new(3, 10), Rate::new(5, 1)];
    const SOMEONE: Network = Network::V4(1);
    /// Some time after the start of the machine.
    const START: u64 = 1_000_000_000_000;

    fn at(millis: u64) -> u64 {
        START + millis * 1_000_000
    }

    fn has_its_burst_and_then_its_rate(sources: &Sources) {
        let answers_at = |millis| {
            let charges = (0..10).filter(|_| sources.charge(SOMEONE, at(millis)));
            charges.count()
        };
        assert_eq!(answers_at(0), 3);
        assert_eq!(answers_at(99), 0);
        assert_eq!(answers_at(100), 1);
        assert_eq!(
            answers_at(1000),
            2,
            "five in the long run, one more a second"
        );
        assert_eq!(answers_at(1999), 0);
        assert_eq!(answers_at(2000), 1);
        assert!(!sources.has_credit(SOMEONE, at(2000)));
        assert!(sources.has_credit(SOMEONE, at(3000)));
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        has_its_burst_and_then_its_rate(&Sources::new(RATES));
    }

    #[test]
    fn processes_that_share_a_table_count_together() {
        let file = File::from(memfd_create("sources", MemfdFlags::CLOEXEC).unwrap());
        let tables = [
            Table::create(file.try_clone().unwrap(), 4096).unwrap(),
            Table::open(file, 4096),
        ];
        let [one, other] = tables.map(|table| {
            let mut sources = Sources::new(RATES);
            sources.share(table).unwrap();
            sources
        });
        has_its_burst_and_then_its_rate(&one);
        assert!(!other.charge(SOMEONE, at(2000)));
        assert!(other.charge(SOMEONE, at(3000)));
        assert!(!one.charge(SOMEONE, at(3000)));
    }
}
