//! A hierarchical timer wheel: setting and cancelling cost the same however many timers run.
//!
//! Time is counted in ticks of a millisecond since the loop began. Level 0 has one slot a tick,
//! level 1 one slot for 64 ticks, and so on: six levels reach two years. A timer is put on the level
//! of the highest bit in which its deadline differs from the present, and moves down a level when
//! its slot comes up, so each timer moves at most five times.

/// Names one running timer.
///
/// A key whose timer has fired or was cancelled names nothing; cancelling it again does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    generation: u32,
}

impl TimerKey {
    pub(crate) const NONE: Self = Self {
        index: NONE,
        generation: 0,
    };
}

#[derive(Debug)]
pub(crate) struct Wheel<T> {
    elapsed: u64,
    levels: [Level; LEVELS],
    entries: Vec<Entry<T>>,
    free: u32,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// Bit `n` is set while slot `n` holds a timer.
    occupied: u64,
    /// The timers of a slot, in the order in which they were set: the first and the last.
    heads: [u32; SLOTS],
    tails: [u32; SLOTS],
}

#[derive(Debug)]
struct Entry<T> {
    deadline: u64,
    /// `None` while the entry is free; `next` then leads through the free list.
    content: Option<T>,
    generation: u32,
    previous: u32,
    next: u32,
}

const LEVELS: usize = 6;
const SLOT_BITS: usize = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const NONE: u32 = u32::MAX;
/// The furthest deadline from the present; later ones are set to this one.
const REACH: u64 = (1 << (SLOT_BITS * LEVELS)) - 1;

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            elapsed: 0,
            levels: [Level {
                occupied: 0,
                heads: [NONE; SLOTS],
                tails: [NONE; SLOTS],
            }; LEVELS],
            entries: Vec::new(),
            free: NONE,
        }
    }

    /// Sets a timer for tick `deadline`; one in the past fires at the next [`expire`](Self::expire).
    pub(crate) fn set(&mut self, deadline: u64, content: T) -> TimerKey {
        let deadline = deadline.clamp(self.elapsed, self.elapsed | REACH);
        let index = if self.free == NONE {
            self.entries.push(Entry {
                deadline,
                content: Some(content),
                generation: 0,
                previous: NONE,
                next: NONE,
            });
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            entry.deadline = deadline;
            entry.content = Some(content);
            index
        };
        self.link(index);
        TimerKey {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation || entry.content.is_none() {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// Takes out one timer whose deadline is at or before tick `now`.
    pub(crate) fn expire(&mut self, now: u64) -> Option<(TimerKey, T)> {
        loop {
            let (level, slot, start) = self.first_slot()?;
            if start > now {
                self.elapsed = self.elapsed.max(now);
                return None;
            }
            self.elapsed = self.elapsed.max(start);
            let index = self.levels[level].heads[slot];
            if level == 0 {
                self.unlink(index);
                let key = TimerKey {
                    index,
                    generation: self.entries[index as usize].generation,
                };
                return self.release(index).map(|content| (key, content));
            }
            self.move_down(level, slot);
        }
    }

    /// The tick at which [`expire`](Self::expire) has something to do: a deadline, or a slot whose
    /// timers move down a level.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.first_slot().map(|(_, _, start)| start)
    }

    /// The first occupied slot in time: lower levels always come before higher ones.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let shift = SLOT_BITS * level;
        let present = (self.elapsed >> shift) as usize % SLOTS;
        // Slots before the present one in this round can't be occupied: a deadline in the next
        // round differs in a higher bit and is on a higher level.
        let slot = self.levels[level].occupied.trailing_zeros() as usize;
        debug_assert!(slot >= present, "a timer was left behind");
        let round = self.elapsed >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level, slot, round + ((slot as u64) << shift)))
    }

    /// Spreads the timers of a slot whose time has come over the lower levels.
    fn move_down(&mut self, level: usize, slot: usize) {
        let level = &mut self.levels[level];
        let mut index = std::mem::replace(&mut level.heads[slot], NONE);
        level.tails[slot] = NONE;
        level.occupied &= !(1 << slot);
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    fn place(&self, deadline: u64) -> (usize, usize) {
        let differing = (deadline ^ self.elapsed) | 1;
        let level = (63 - differing.leading_zeros() as usize) / SLOT_BITS;
        let level = level.min(LEVELS - 1);
        (level, (deadline >> (SLOT_BITS * level)) as usize % SLOTS)
    }

    fn link(&mut self, index: u32) {
        let (level, slot) = self.place(self.entries[index as usize].deadline);
        let level = &mut self.levels[level];
        let last = std::mem::replace(&mut level.tails[slot], index);
        self.entries[index as usize].previous = last;
        self.entries[index as usize].next = NONE;
        if last == NONE {
            level.heads[slot] = index;
            level.occupied |= 1 << slot;
        } else {
            self.entries[last as usize].next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Entry {
            deadline,
            previous,
            next,
            ..
        } = self.entries[index as usize];
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous != NONE {
            self.entries[previous as usize].next = next;
        }
        if previous != NONE && next != NONE {
            return;
        }
        // The first and the last of a slot stand in its level too; which level that is depends on the
        // time they were linked, so look at the few it can be on.
        for (number, level) in self.levels.iter_mut().enumerate() {
            let slot = (deadline >> (SLOT_BITS * number)) as usize % SLOTS;
            if level.heads[slot] == index || level.tails[slot] == index {
                if previous == NONE {
                    level.heads[slot] = next;
                }
                if next == NONE {
                    level.tails[slot] = previous;
                }
                if level.heads[slot] == NONE {
                    level.occupied &= !(1 << slot);
                }
                return;
            }
        }
    }

    fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        entry.content.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| wheel.expire(now))
            .map(|(_, deadline)| deadline)
            .collect()
    }

    #[test]
    fn fires_every_timer_at_its_tick_and_never_before() {
        let deadlines = [
            0,
            1,
            63,
            64,
            65,
            127,
            4095,
            4096,
            4097,
            262_143,
            262_144,
            1 << 30,
        ];
        let mut wheel = Wheel::new();
        for deadline in deadlines {
            wheel.set(deadline, deadline);
        }
        for deadline in deadlines {
            if deadline > 0 {
                assert_eq!(drain(&mut wheel, deadline - 1), []);
            }
            assert_eq!(drain(&mut wheel, deadline), [deadline]);
        }
        assert_eq!(wheel.next_tick(), None);
    }

    #[test]
    fn agrees_with_a_sorted_list_over_a_long_random_history() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut wheel, mut expected, mut now) = (Wheel::new(), Vec::new(), 0);
        for _ in 0..20_000 {
            match random(4) {
                0 | 1 => {
                    let range = 1 << (1 + random(22));
                    let deadline = now + random(range);
                    expected.push((deadline, wheel.set(deadline, deadline)));
                }
                2 if !expected.is_empty() => {
                    let victim = random(expected.len() as u64) as usize;
                    let (deadline, key) = expected.swap_remove(victim);
                    assert_eq!(wheel.cancel(key), Some(deadline));
                    assert_eq!(wheel.cancel(key), None);
                }
                _ => {
                    let range = 1 << random(16);
                    now += random(range);
                    let mut fired = drain(&mut wheel, now);
                    let mut due: Vec<u64> = expected
                        .iter()
                        .map(|&(at, _)| at)
                        .filter(|&at| at <= now)
                        .collect();
                    expected.retain(|&(at, _)| at > now);
                    fired.sort_unstable();
                    due.sort_unstable();
                    assert_eq!(fired, due);
                    let first = expected.iter().map(|&(at, _)| at).min();
                    assert!(wheel.next_tick() <= first || first.is_none());
                }
            }
        }
    }
}
