//! How formats that people read spell what they lack.

use super::{Value, base64};

/// What a lone key `$name` before `value` says.
pub(super) fn meaning(name: &str, mut value: Value) -> Value {
    match (name, &mut value) {
        ("bytes", Value::Text(text)) => base64::decode(text).map(Value::Bytes),
        ("float", Value::Text(text)) => float(text).map(Value::Float),
        ("map", Value::List(items)) if items.iter().all(is_pair) => {
            Some(Value::Map(items.iter_mut().filter_map(take_pair).collect()))
        }
        ("tag", Value::List(items)) => match items.as_mut_slice() {
            [Value::Text(name), value] => Some(Value::Tagged(
                std::mem::take(name),
                Box::new(std::mem::take(value)),
            )),
            _ => None,
        },
        _ => None,
    }
    .unwrap_or_else(|| Value::Tagged(name.to_owned(), Box::new(value)))
}

/// Whether [`meaning`] makes something else of it than `Tagged(name, value)`.
pub(super) fn is_word(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("bytes", Value::Text(text)) => base64::decode(text).is_some(),
        ("float", Value::Text(text)) => float(text).is_some(),
        ("map", Value::List(items)) => items.iter().all(is_pair),
        ("tag", Value::List(items)) => matches!(items.as_slice(), [Value::Text(_), _]),
        _ => false,
    }
}

/// Whether a map can be an object.
pub(super) fn is_object(pairs: &[(Value, Value)]) -> bool {
    match pairs {
        [(Value::Text(key), _)] => !key.starts_with('$'),
        pairs => pairs.iter().all(|(key, _)| matches!(key, Value::Text(_))),
    }
}

/// The integer above `i64::MAX` that formats have but [`Value::Int`] hasn't.
pub(super) fn large(name: &str, value: &Value) -> Option<u64> {
    let ("int", Value::Text(digits)) = (name, value) else {
        return None;
    };
    let number = digits.parse::<u64>().ok()?;
    let is_plain =
        i64::try_from(number).is_err() && digits.starts_with(|first| first != '0' && first != '+');
    is_plain.then_some(number)
}

/// Names a number that isn't finite.
pub(super) fn float_name(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    match number.to_bits() {
        NAN => "nan".to_owned(),
        bits => format!("0x{bits:016x}"),
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

fn is_pair(value: &Value) -> bool {
    matches!(value, Value::List(items) if items.len() == 2)
}

fn take_pair(value: &mut Value) -> Option<(Value, Value)> {
    match value {
        Value::List(items) => match items.as_mut_slice() {
            [key, value] => Some((std::mem::take(key), std::mem::take(value))),
            _ => None,
        },
        _ => None,
    }
}
