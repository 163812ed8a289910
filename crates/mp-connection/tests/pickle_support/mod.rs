//! How values are compared: more exactly than `==` does.

use std::collections::HashMap;
use std::sync::Arc;

use mp_connection::pickle::{Dict, Protocol, Value};

/// Where two values differ, in their types, in the order of keys, or in what is one object and what is only equal.
/// Not a number is the same as itself. In protocol 2 a class that Python 2 doesn't have may have become one that it is
/// derived from.
pub(crate) fn difference(left: &Value, right: &Value, protocol: Protocol) -> Option<String> {
    let mut comparison = Comparison {
        may_be_base: protocol == Protocol::V2,
        ..Comparison::default()
    };
    let mut pending = vec![(left.clone(), right.clone())];
    while let Some((left, right)) = pending.pop() {
        match comparison.items(&left, &right) {
            Ok(items) => pending.extend(items),
            Err(found) => return Some(found),
        }
    }
    None
}

/// What is one object here, and what it is there.
#[derive(Default)]
struct Comparison {
    may_be_base: bool,
    left: HashMap<usize, usize>,
    right: HashMap<usize, usize>,
}

type Pairs = Vec<(Value, Value)>;

impl Comparison {
    /// The items that have to be compared, too.
    fn items(&mut self, left: &Value, right: &Value) -> Result<Pairs, String> {
        let differ = |what: &str| Err(format!("{what}: {} and {}", shown(left), shown(right)));
        if let (Some((left_at, len)), Some((right_at, _))) = (place(left), place(right)) {
            match (self.left.get(&left_at), self.right.get(&right_at)) {
                (None, None) if len > 0 => {
                    self.left.insert(left_at, right_at);
                    self.right.insert(right_at, left_at);
                }
                (Some(&at), _) if at == right_at => return Ok(Vec::new()),
                (None, None) => {}
                // Python has one empty tuple.
                _ if len == 0 => {}
                (Some(_), _) => return differ("no longer shared"),
                (None, Some(_)) => return differ("shared, and was not"),
            }
        }
        let pairs = |left: &[Value], right: &[Value]| match left.len() == right.len() {
            true => Ok(left.iter().cloned().zip(right.iter().cloned()).collect()),
            false => differ("lengths differ"),
        };
        let is_same = match (left, right) {
            (Value::None, Value::None) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::BigInt(left), Value::BigInt(right)) => left == right,
            (Value::Float(left), Value::Float(right)) => {
                left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
            }
            (Value::Str(left), Value::Str(right)) => left == right,
            (Value::Bytes(left), Value::Bytes(right))
            | (Value::ByteArray(left), Value::ByteArray(right)) => left == right,
            (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
                return pairs(left, right);
            }
            (Value::Dict(left), Value::Dict(right)) => return pairs(&flat(left), &flat(right)),
            // Python gives no order to sets.
            (Value::Set(one), Value::Set(other))
            | (Value::FrozenSet(one), Value::FrozenSet(other)) => {
                exact(one.iter()) == exact(other.iter())
            }
            (Value::Exception(one), Value::Exception(other)) => {
                let is_base = self.may_be_base && one.is_a(other.class());
                if one.module() != other.module() || one.class() != other.class() && !is_base {
                    return differ("classes differ");
                }
                let mut items: Pairs = pairs(one.args(), other.args())?;
                items.extend(pairs(&flat(one.attributes()), &flat(other.attributes()))?);
                return Ok(items);
            }
            _ => false,
        };
        match is_same {
            true => Ok(Vec::new()),
            false => differ("values differ"),
        }
    }
}

/// Of a container, and of what else can be changed: where it is, and how much it holds.
fn place(value: &Value) -> Option<(usize, usize)> {
    match value {
        Value::ByteArray(bytes) => Some((Arc::as_ptr(bytes).cast::<u8>() as usize, 1)),
        Value::List(items) => Some((Arc::as_ptr(items) as usize, 1)),
        Value::Tuple(items) => Some((Arc::as_ptr(items) as usize, items.len())),
        Value::Dict(dict) => Some((Arc::as_ptr(dict) as usize, 1)),
        Value::Set(set) => Some((Arc::as_ptr(set) as usize, 1)),
        Value::FrozenSet(set) => Some((Arc::as_ptr(set) as usize, set.len())),
        Value::Exception(exception) => Some((Arc::as_ptr(exception) as usize, 1)),
        _ => None,
    }
}

/// The items of a set, in an order that depends on nothing else.
fn exact<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut shown: Vec<_> = items.map(exact_item).collect();
    shown.sort();
    shown
}

fn exact_item(item: &Value) -> String {
    match item {
        Value::Tuple(items) => format!(
            "tuple {:?}",
            items.iter().map(exact_item).collect::<Vec<_>>()
        ),
        Value::FrozenSet(items) => format!("frozenset {:?}", exact(items.iter())),
        _ => item.to_string(),
    }
}

fn flat(dict: &Dict) -> Vec<Value> {
    dict.iter()
        .flat_map(|(key, value)| [key.clone(), value.clone()])
        .collect()
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(500).collect()
}
