//! [`Value`] through serde: as an enum, or as what people read. Both are as `rpc-core` has them for its own `Value`.

use super::key::{NoProbe, probe};
use super::{BigInt, Dict, Exception, Items, Set, Value};

mod base64;
mod read;
mod words;
mod write;

/// How deep values may be nested. Formats have little stack to spare.
const MAX_LEVELS: usize = 100;

/// What a tag makes of a value. What it can't be made of stays a dict with the tag as its key.
fn tagged(name: &str, value: Value) -> Value {
    match made(name, &value) {
        Some(made) => made,
        None => Value::from(Dict::from([(format!("${name}"), value)])),
    }
}

fn made(name: &str, value: &Value) -> Option<Value> {
    match (name, value) {
        ("tuple", Value::List(items)) => Some(Value::Tuple(items.clone())),
        ("set", Value::List(items)) => set(items).map(Value::from),
        ("frozenset", Value::List(items)) => set(items).map(|set| Value::FrozenSet(set.into())),
        ("bytearray", Value::Bytes(bytes)) => Some(Value::ByteArray(bytes.clone())),
        ("int", Value::Str(digits)) => digits.parse().ok().map(|number: BigInt| number.into()),
        ("exception", parts) => exception(parts),
        _ => None,
    }
}

fn set(items: &Items) -> Option<Set> {
    let can_be = |item| !matches!(probe(item), Err(NoProbe::Unhashable(_)));
    items
        .iter()
        .all(can_be)
        .then(|| items.iter().cloned().collect())
}

/// An exception, of a dict of its parts.
pub(super) fn exception(parts: &Value) -> Option<Value> {
    let part = |name| parts.get(name);
    let (module, class) = (part("module")?.as_str()?, part("class")?.as_str()?);
    let args = part("args")?.as_slice()?.iter().cloned();
    let exception = Exception::with_module(module.to_owned(), class.to_owned(), args);
    Some(Value::from(match part("attributes") {
        Some(Value::Dict(attributes)) => exception.with_attributes(attributes.clone()),
        _ => exception,
    }))
}
