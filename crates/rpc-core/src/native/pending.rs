use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::{Error, Violation};

/// The calls of this end that are in flight: every id of the wire to a slot.
///
/// Ids go up by one, so that a goodbye can say which calls were taken, and an id's slot is the one at its remainder:
/// no hashing and no list of free slots. An id whose slot is taken, by a call that lasts, is left out. With slots twice
/// as many as calls, one or two are looked at.
///
/// ```text
///             answer, fault                    poll
///   Waiting ───────────────► Answered(result) ──────► Free
///      │ deadline              ▲ answer
///      ├─────────► Expired ────┘
///      │ forget       │ poll, forget
///      └──────────────┴─────► Forgotten ──────► Free
///                                       answer
/// ```
///
/// A call keeps its slot until the peer has answered, also when nobody waits: the peer answers each call once, and
/// until then it counts as in flight there.
#[derive(Debug)]
pub(crate) struct Pending {
    slots: Vec<Slot>,
    /// The number of the call that was made last. Its low half goes over the wire.
    last: u64,
    used: usize,
    waiting: usize,
    /// No deadline is before this.
    soonest: Option<Instant>,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    deadline: Option<Instant>,
    timeout: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting(Option<Waker>),
    Expired,
    Forgotten,
    Answered(Result<Vec<u8>, Box<Error>>),
}

/// Names one of this end's calls at its [`Peer`](super::Peer). Never used twice there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub(super) u64);

impl CallId {
    /// The id that goes over the wire.
    pub(super) fn wire(self) -> u32 {
        self.0 as u32
    }
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            last: 0,
            used: 0,
            waiting: 0,
            soonest: None,
        }
    }

    /// Finds the id of the next call; it is not taken before [`insert`](Self::insert).
    #[inline]
    pub(crate) fn next_id(&mut self) -> CallId {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let mut number = self.last + 1;
        // Zero is the id of one-way calls. At least half of the slots are free.
        while number as u32 == 0 || !self.slots[self.index(number as u32)].is_free() {
            number += 1;
        }
        CallId(number)
    }

    /// The call was sent.
    #[inline]
    pub(crate) fn insert(&mut self, id: CallId, deadline: Option<Instant>, timeout: Duration) {
        let index = self.index(id.wire());
        self.slots[index] = Slot {
            number: id.0,
            deadline,
            timeout,
            state: State::Waiting(None),
        };
        self.last = id.0;
        self.used += 1;
        self.waiting += 1;
        self.soonest = earlier(self.soonest, deadline);
    }

    /// An answer or a fault came.
    #[inline]
    pub(crate) fn answer(
        &mut self,
        id: u32,
        result: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<(), Violation> {
        let index = self.index(id);
        let Some(slot) = self
            .slots
            .get_mut(index)
            .filter(|slot| slot.number as u32 == id)
        else {
            return Err(Violation::UnknownId { id });
        };
        match &mut slot.state {
            State::Waiting(waker) => {
                let waker = waker.take();
                slot.state = State::Answered(result().map_err(Box::new));
                self.left_waiting();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            State::Expired => {
                let after = slot.timeout;
                slot.state = State::Answered(Err(Box::new(Error::Timeout { after })));
            }
            State::Forgotten => {
                slot.state = State::Free;
                self.used -= 1;
            }
            State::Free | State::Answered(_) => return Err(Violation::UnknownId { id }),
        }
        Ok(())
    }

    /// # Panics
    /// If the call was forgotten or its answer taken.
    #[inline]
    pub(crate) fn poll(&mut self, id: CallId, waker: &Waker) -> Poll<Result<Vec<u8>, Error>> {
        let slot = self.slot(id).expect("a call is polled until its answer");
        match &mut slot.state {
            State::Waiting(Some(known)) => known.clone_from(waker),
            State::Waiting(place) => *place = Some(waker.clone()),
            State::Expired => {
                let after = slot.timeout;
                slot.state = State::Forgotten;
                return Poll::Ready(Err(Error::Timeout { after }));
            }
            state => {
                let State::Answered(result) = std::mem::replace(state, State::Free) else {
                    panic!("a call is polled until its answer");
                };
                self.used -= 1;
                return Poll::Ready(result.map_err(|error| *error));
            }
        }
        Poll::Pending
    }

    /// Nobody waits for the answer. Returns whether the peer should know.
    pub(crate) fn forget(&mut self, id: CallId) -> bool {
        let Some(slot) = self.slot(id) else {
            return false;
        };
        match &slot.state {
            State::Waiting(_) => {
                slot.state = State::Forgotten;
                self.left_waiting();
                true
            }
            State::Expired => {
                slot.state = State::Forgotten;
                false
            }
            State::Answered(_) => {
                slot.state = State::Free;
                self.used -= 1;
                false
            }
            State::Free | State::Forgotten => false,
        }
    }

    /// Gives `cancel` the ids of the calls whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, mut cancel: impl FnMut(u32)) {
        if self.soonest.is_none_or(|soonest| now < soonest) {
            return;
        }
        let mut soonest = None;
        for slot in &mut self.slots {
            let State::Waiting(waker) = &mut slot.state else {
                continue;
            };
            if slot.deadline.is_some_and(|deadline| deadline <= now) {
                let waker = waker.take();
                slot.state = State::Expired;
                self.waiting -= 1;
                cancel(slot.number as u32);
                if let Some(waker) = waker {
                    waker.wake();
                }
            } else {
                soonest = earlier(soonest, slot.deadline);
            }
        }
        self.soonest = soonest;
    }

    /// The peer has taken no calls after `last`: they will not be answered.
    pub(crate) fn not_taken(&mut self, last: u32, error: &Error) {
        // The distance is exact: fewer than 2^32 calls are on their way.
        let taken = self
            .last
            .saturating_sub(u64::from((self.last as u32).wrapping_sub(last)));
        self.fail(|number| (number > taken).then(|| error.clone()));
    }

    /// No more answers will come.
    pub(crate) fn lost(&mut self, error: &Error) {
        self.fail(|_| Some(error.clone()));
    }

    /// Lets go of memory that only a busier time needed.
    pub(crate) fn shrink(&mut self) {
        if self.used == 0 {
            self.slots = Vec::new();
        }
    }

    /// How many slots are taken: calls that the peer has not answered, and answers that were not fetched.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// How many calls wait for an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// When to [`expire`](Self::expire).
    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.soonest
    }

    fn fail(&mut self, mut error: impl FnMut(u64) -> Option<Error>) {
        for slot in &mut self.slots {
            let (State::Waiting(_) | State::Expired | State::Forgotten) = &slot.state else {
                continue;
            };
            let Some(error) = error(slot.number) else {
                continue;
            };
            match &mut slot.state {
                State::Waiting(waker) => {
                    let waker = waker.take();
                    slot.state = State::Answered(Err(Box::new(error)));
                    self.waiting -= 1;
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
                State::Expired => {
                    let after = slot.timeout;
                    slot.state = State::Answered(Err(Box::new(Error::Timeout { after })));
                }
                _ => {
                    slot.state = State::Free;
                    self.used -= 1;
                }
            }
        }
        if self.waiting == 0 {
            self.soonest = None;
        }
    }

    #[inline]
    fn left_waiting(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.soonest = None;
        }
    }

    fn slot(&mut self, id: CallId) -> Option<&mut Slot> {
        let index = self.index(id.wire());
        self.slots.get_mut(index).filter(|slot| slot.number == id.0)
    }

    #[inline]
    fn index(&self, id: u32) -> usize {
        // The number of slots is a power of two. Without any, no index is theirs.
        id as usize & self.slots.len().wrapping_sub(1)
    }

    /// Two ids that differ in their remainder by the old length do so by the doubled one: each slot has its place.
    #[cold]
    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(SMALLEST);
        let free = || Slot {
            number: 0,
            deadline: None,
            timeout: Duration::ZERO,
            state: State::Free,
        };
        let old = std::mem::replace(
            &mut self.slots,
            std::iter::repeat_with(free).take(len).collect(),
        );
        for slot in old {
            if !slot.is_free() {
                let index = self.index(slot.number as u32);
                self.slots[index] = slot;
            }
        }
    }
}

impl Slot {
    #[inline]
    fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }
}

/// The earlier of two deadlines, where `None` is never.
#[inline]
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

const SMALLEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: (Option<Instant>, Duration) = (None, Duration::MAX);

    fn make(pending: &mut Pending) -> CallId {
        let id = pending.next_id();
        pending.insert(id, NEVER.0, NEVER.1);
        id
    }

    fn take(pending: &mut Pending, id: CallId) {
        pending.answer(id.wire(), || Ok(Vec::new())).unwrap();
        assert!(pending.poll(id, Waker::noop()).is_ready());
    }

    #[test]
    fn ids_wrap_around_and_pass_by_zero_and_those_in_flight() {
        let mut pending = Pending::new();
        let long = make(&mut pending);
        assert_eq!(long.wire(), 1);
        pending.last = u64::from(u32::MAX) - 2;
        let ids: Vec<_> = (0..4).map(|_| make(&mut pending)).collect();
        let wire: Vec<_> = ids.iter().map(|id| id.wire()).collect();
        assert_eq!(wire, [u32::MAX - 1, u32::MAX, 2, 3]);
        for id in ids {
            take(&mut pending, id);
        }
        take(&mut pending, long);
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn a_slot_in_use_is_passed_by_however_often_the_ids_come_round() {
        let mut pending = Pending::new();
        let long = make(&mut pending);
        for _ in 0..1000 {
            let id = make(&mut pending);
            assert_ne!(id.wire() % SMALLEST as u32, long.wire());
            take(&mut pending, id);
        }
        assert_eq!(pending.slots.len(), SMALLEST);
        take(&mut pending, long);
    }

    #[test]
    fn a_goodbye_after_the_wrap_tells_taken_from_not_taken() {
        let mut pending = Pending::new();
        let old = make(&mut pending);
        pending.last = u64::from(u32::MAX) - 2;
        let ids: Vec<_> = (0..3).map(|_| make(&mut pending)).collect();
        pending.not_taken(u32::MAX, &Error::Closing);
        assert!(pending.poll(old, Waker::noop()).is_pending());
        assert!(pending.poll(ids[1], Waker::noop()).is_pending());
        let Poll::Ready(Err(Error::Closing)) = pending.poll(ids[2], Waker::noop()) else {
            panic!("the call after the last one that was taken was not run");
        };
    }

    #[test]
    fn the_table_grows_with_calls_in_flight_and_shrinks_when_idle() {
        let mut pending = Pending::new();
        let ids: Vec<_> = (0..1000).map(|_| make(&mut pending)).collect();
        assert_eq!(pending.slots.len(), 2048);
        for id in ids.into_iter().rev() {
            take(&mut pending, id);
        }
        pending.shrink();
        assert_eq!((pending.len(), pending.slots.len()), (0, 0));
        let id = make(&mut pending);
        take(&mut pending, id);
    }
}
