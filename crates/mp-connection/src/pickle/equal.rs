//! Whether values are equal, without recursion.

use super::{Dict, Set, Value};

type Pairs<'a> = Vec<(&'a Value, &'a Value)>;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let mut pending = Vec::new();
        compare(self, other, &mut pending) && all(pending)
    }
}

pub(super) fn dicts(one: &Dict, other: &Dict) -> bool {
    let mut pending = Vec::new();
    pair_entries(one, other, &mut pending) && all(pending)
}

pub(super) fn sets(one: &Set, other: &Set) -> bool {
    let mut pending = Vec::new();
    pair_values(one, other, &mut pending) && all(pending)
}

fn all(mut pending: Pairs<'_>) -> bool {
    while let Some((one, other)) = pending.pop() {
        if !compare(one, other, &mut pending) {
            return false;
        }
    }
    true
}

/// Whether they are equal if all pairs are that this adds.
fn compare<'a>(one: &'a Value, other: &'a Value, pending: &mut Pairs<'a>) -> bool {
    match (one, other) {
        (Value::None, Value::None) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Int(one), Value::Int(other)) => one == other,
        (Value::BigInt(one), Value::BigInt(other)) => one == other,
        (Value::Int(small), Value::BigInt(large)) | (Value::BigInt(large), Value::Int(small)) => {
            large.to_i64() == Some(*small)
        }
        (Value::Float(one), Value::Float(other)) => one == other,
        (Value::Str(one), Value::Str(other)) => one == other,
        (Value::Bytes(one), Value::Bytes(other))
        | (Value::ByteArray(one), Value::ByteArray(other)) => one == other,
        (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
            pair_items(one, other, pending)
        }
        (Value::Dict(one), Value::Dict(other)) => pair_entries(one, other, pending),
        (Value::Set(one), Value::Set(other)) | (Value::FrozenSet(one), Value::FrozenSet(other)) => {
            pair_values(one, other, pending)
        }
        (Value::Exception(one), Value::Exception(other)) => {
            one.module() == other.module()
                && one.class() == other.class()
                && pair_items(one.args(), other.args(), pending)
                && pair_entries(one.attributes(), other.attributes(), pending)
        }
        _ => false,
    }
}

fn pair_items<'a>(one: &'a [Value], other: &'a [Value], pending: &mut Pairs<'a>) -> bool {
    pending.extend(one.iter().zip(other));
    one.len() == other.len()
}

fn pair_entries<'a>(one: &'a Dict, other: &'a Dict, pending: &mut Pairs<'a>) -> bool {
    one.len() == other.len()
        && one.iter().all(|(key, value)| match other.entry(key) {
            Some((other_key, other_value)) => {
                pending.extend([(key, other_key), (value, other_value)]);
                true
            }
            None => false,
        })
}

fn pair_values<'a>(one: &'a Set, other: &'a Set, pending: &mut Pairs<'a>) -> bool {
    one.len() == other.len()
        && one.iter().all(|value| match other.value(value) {
            Some(other) => {
                pending.push((value, other));
                true
            }
            None => false,
        })
}
