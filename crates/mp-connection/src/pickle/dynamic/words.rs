//! How formats that people read spell what they lack.

use super::{base64, tagged};
use crate::pickle::{Dict, Value};

/// What a lone key `$name` before `value` says.
pub(super) fn meaning(name: &str, value: Value) -> Value {
    let meant = match (name, &value) {
        ("bytes", Value::Str(text)) => base64::decode(text).map(|bytes| Value::from(&*bytes)),
        ("float", Value::Str(text)) => float(text).map(Value::Float),
        ("map", Value::List(pairs)) => pairs
            .iter()
            .map(pair)
            .collect::<Option<Dict>>()
            .map(Value::from),
        ("tag", Value::List(pair)) => match pair.as_slice() {
            [Value::Str(name), value] => Some(tagged(name, value.clone())),
            _ => None,
        },
        _ => None,
    };
    meant.unwrap_or_else(|| tagged(name, value))
}

fn pair(value: &Value) -> Option<(Value, Value)> {
    match value {
        Value::List(items) => match items.as_slice() {
            [key, value] => Some((key.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a dict can stand as it is.
pub(super) fn is_object(dict: &Dict) -> bool {
    let is_alone = dict.len() == 1;
    dict.iter().all(|(key, _)| {
        key.as_str()
            .is_some_and(|key| !(is_alone && key.starts_with('$')))
    })
}

/// Names a number that isn't finite.
pub(super) fn float_name(number: f64) -> String {
    match number.to_bits() {
        NAN => "nan".to_owned(),
        bits if number.is_nan() => format!("0x{bits:016x}"),
        _ => number.to_string(),
    }
}

fn float(name: &str) -> Option<f64> {
    match name {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::from_bits(NAN)),
        name => {
            let bits = u64::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
            let number = f64::from_bits(bits);
            (number.is_nan() && float_name(number) == name).then_some(number)
        }
    }
}

/// The `NaN` without a sign and a message, which most programs make.
const NAN: u64 = 0x7FF8_0000_0000_0000;
