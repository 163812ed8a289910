use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::Rate;
use crate::peer::Network;

/// Counts the answers to each source, in a table of fixed size without locks.
///
/// A source has the place its keyed hash names. Nobody is ever forgotten to make room, so a flood of
/// forged sources does not give anybody a fresh allowance; two sources that meet in one place share its
/// allowance, and who they are nobody outside can know.
pub(crate) struct Sources {
    hash: RandomState,
    start: Instant,
    places: Vec<[AtomicU64; 2]>,
    /// For each limit, the nanoseconds an answer uses up and how many may be used up at once.
    limits: [Limit; 2],
}

struct Limit {
    interval: u64,
    burst: u64,
}

/// 16 bytes each.
const PLACES: usize = 16_384;

impl Sources {
    pub(crate) fn new(rates: [Rate; 2]) -> Self {
        Self {
            hash: RandomState::new(),
            start: Instant::now(),
            places: std::iter::repeat_with(Default::default)
                .take(PLACES)
                .collect(),
            limits: rates.map(|rate| {
                let interval = 1_000_000_000 / u64::from(rate.per_second.max(1));
                Limit {
                    interval,
                    burst: interval * u64::from(rate.burst),
                }
            }),
        }
    }

    /// Whether an answer would be within the limits now.
    pub(crate) fn has_credit(&self, source: Network, now: Instant) -> bool {
        self.place_has_credit(self.place(source), self.nanos(now))
    }

    /// Counts an answer, unless it would be over a limit.
    pub(crate) fn charge(&self, source: Network, now: Instant) -> bool {
        let (place, now) = (self.place(source), self.nanos(now));
        // What one limit forbids uses up nothing of the other.
        if !self.place_has_credit(place, now) {
            return false;
        }
        let mut both = place.iter().zip(&self.limits);
        both.all(|(settled, limit)| {
            settled
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                    limit.after(before, now)
                })
                .is_ok()
        })
    }

    fn place_has_credit(&self, place: &[AtomicU64; 2], now: u64) -> bool {
        let mut both = place.iter().zip(&self.limits);
        both.all(|(settled, limit)| limit.after(settled.load(Ordering::Relaxed), now).is_some())
    }

    fn place(&self, source: Network) -> &[AtomicU64; 2] {
        let hash = self.hash.hash_one(source);
        &self.places[(hash % PLACES as u64) as usize]
    }

    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).expect("584 years fit")
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let sources = Sources::new([Rate::new(3, 10), Rate::new(5, 1)]);
        let start = sources.start;
        let someone = Network::V4(1);
        let answers_at = |millis: u64| {
            let now = start + Duration::from_millis(millis);
            (0..10).filter(|_| sources.charge(someone, now)).count()
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
        assert!(!sources.has_credit(someone, start + Duration::from_millis(2000)));
        assert!(sources.has_credit(someone, start + Duration::from_millis(3000)));
    }
}
