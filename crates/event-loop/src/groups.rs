//! Who hears what is published to a group.

use std::collections::HashMap;

use crate::Key;

#[derive(Debug, Default)]
pub(crate) struct Groups {
    members: HashMap<u64, Vec<Key>>,
}

impl Groups {
    /// Adds a member. Before a list grows, those who are gone are forgotten; it then has room for as
    /// many again, so that the next look at all of them is far.
    pub(crate) fn join(&mut self, group: u64, key: Key, is_here: impl Fn(Key) -> bool) {
        let groups = &mut self.members;
        if groups.len() == groups.capacity() {
            groups.retain(|_, members| members.iter().any(|&member| is_here(member)));
            groups.reserve(groups.len() + 1);
        }
        let members = groups.entry(group).or_default();
        if members.len() == members.capacity() {
            members.retain(|&member| is_here(member));
            members.reserve(members.len() + 1);
        }
        members.push(key);
    }

    pub(crate) fn leave(&mut self, group: u64, key: Key) {
        self.keep(group, |member| member != key);
    }

    /// Forgets all members of a group but some, and the group when nobody is left.
    pub(crate) fn keep(&mut self, group: u64, is_kept: impl Fn(Key) -> bool) {
        if let Some(members) = self.members.get_mut(&group) {
            members.retain(|&member| is_kept(member));
            if members.is_empty() {
                self.members.remove(&group);
            }
        }
    }

    pub(crate) fn members(&self, group: u64) -> &[Key] {
        self.members.get(&group).map_or(&[], Vec::as_slice)
    }
}
