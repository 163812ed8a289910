//! Where the loop keeps what it watches: a vector whose places carry a generation, so that a key
//! of a former tenant finds nothing.

use crate::Key;

#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    /// The first free place; each free place names the next.
    free: u32,
}

#[derive(Debug)]
struct Place<T> {
    /// Odd while occupied. Goes up by one at each change, so no tenant repeats a key before 2^31
    /// others have used the same place.
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: u32 },
    Tenant(T),
}

const NONE: u32 = u32::MAX;

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: NONE,
        }
    }

    /// Says which key the next [`insert`](Self::insert) will give.
    pub(crate) fn next_key(&self) -> Key {
        match self.places.get(self.free as usize) {
            Some(place) => Key {
                generation: place.generation.wrapping_add(1),
                index: self.free,
            },
            None => Key {
                generation: 1,
                index: self.places.len() as u32,
            },
        }
    }

    pub(crate) fn insert(&mut self, tenant: T) -> Key {
        let key = self.next_key();
        match self.places.get_mut(key.index as usize) {
            Some(place) => {
                place.generation = key.generation;
                if let Content::Free { next } = place.content {
                    self.free = next;
                }
                place.content = Content::Tenant(tenant);
            }
            None => self.places.push(Place {
                generation: key.generation,
                content: Content::Tenant(tenant),
            }),
        }
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        let content = std::mem::replace(&mut place.content, Content::Free { next: self.free });
        self.free = key.index;
        match content {
            Content::Tenant(tenant) => Some(tenant),
            Content::Free { .. } => None,
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.places.get(key.index as usize)? {
            Place {
                generation,
                content: Content::Tenant(tenant),
            } if *generation == key.generation => Some(tenant),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.index as usize)? {
            Place {
                generation,
                content: Content::Tenant(tenant),
            } if *generation == key.generation => Some(tenant),
            _ => None,
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.places
            .iter()
            .zip(0..)
            .filter_map(|(place, index)| match place.content {
                Content::Tenant(_) => Some(Key {
                    generation: place.generation,
                    index,
                }),
                Content::Free { .. } => None,
            })
    }
}
