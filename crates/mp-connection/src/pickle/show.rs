//! Values as Python's `repr` shows them, without recursion.

use std::fmt::{self, Formatter, Write};

use super::{Dict, Exception, Set, Value};

/// What is still to be shown.
enum Step<'a> {
    Value(&'a Value),
    Text(&'static str),
    Class(&'a str),
}

pub(super) fn show(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    all(vec![Step::Value(value)], f)
}

pub(super) fn show_list(items: &[Value], f: &mut Formatter<'_>) -> fmt::Result {
    let mut pending = Vec::new();
    add_items("[", items.iter(), "]", &mut pending);
    all(pending, f)
}

pub(super) fn show_tuple(items: &[Value], f: &mut Formatter<'_>) -> fmt::Result {
    let mut pending = Vec::new();
    add_tuple(items, &mut pending);
    all(pending, f)
}

pub(super) fn show_dict(dict: &Dict, f: &mut Formatter<'_>) -> fmt::Result {
    let mut pending = Vec::new();
    add_dict(dict, &mut pending);
    all(pending, f)
}

pub(super) fn show_set(set: &Set, f: &mut Formatter<'_>) -> fmt::Result {
    let mut pending = Vec::new();
    add_set(set, &mut pending);
    all(pending, f)
}

pub(super) fn show_exception(exception: &Exception, f: &mut Formatter<'_>) -> fmt::Result {
    let mut pending = Vec::new();
    add_exception(exception, &mut pending);
    all(pending, f)
}

fn all(mut pending: Vec<Step<'_>>, f: &mut Formatter<'_>) -> fmt::Result {
    while let Some(step) = pending.pop() {
        match step {
            Step::Text(text) => f.write_str(text)?,
            Step::Class(name) => f.write_str(name)?,
            Step::Value(value) => one(value, &mut pending, f)?,
        }
    }
    Ok(())
}

fn one<'a>(value: &'a Value, pending: &mut Vec<Step<'a>>, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::None => return f.write_str("None"),
        Value::Bool(true) => return f.write_str("True"),
        Value::Bool(false) => return f.write_str("False"),
        Value::Int(value) => return write!(f, "{value}"),
        Value::BigInt(value) => return write!(f, "{value}"),
        Value::Float(value) => return float(*value, f),
        Value::Str(text) => return str(text, f),
        Value::Bytes(value) => return bytes(value, false, f),
        Value::ByteArray(value) => {
            f.write_str("bytearray(")?;
            // Python escapes apostrophes in there even where it needn't.
            bytes(value, true, f)?;
            return f.write_char(')');
        }
        Value::List(items) => add_items("[", items.iter(), "]", pending),
        Value::Tuple(items) => add_tuple(items, pending),
        Value::Dict(dict) => add_dict(dict, pending),
        Value::Set(set) => add_set(set, pending),
        Value::FrozenSet(set) => {
            pending.push(Step::Text(")"));
            if !set.is_empty() {
                add_set(set, pending);
            }
            pending.push(Step::Text("frozenset("));
        }
        Value::Exception(exception) => add_exception(exception, pending),
    }
    Ok(())
}

// The last step is taken first: so everything is added from its end.

fn add_items<'a>(
    open: &'static str,
    items: std::slice::Iter<'a, Value>,
    close: &'static str,
    pending: &mut Vec<Step<'a>>,
) {
    pending.push(Step::Text(close));
    let end = pending.len();
    for item in items.rev() {
        if pending.len() > end {
            pending.push(Step::Text(", "));
        }
        pending.push(Step::Value(item));
    }
    pending.push(Step::Text(open));
}

fn add_tuple<'a>(items: &'a [Value], pending: &mut Vec<Step<'a>>) {
    add_items(
        "(",
        items.iter(),
        if items.len() == 1 { ",)" } else { ")" },
        pending,
    );
}

fn add_set<'a>(set: &'a Set, pending: &mut Vec<Step<'a>>) {
    if set.is_empty() {
        pending.push(Step::Text("set()"));
    } else {
        add_items("{", set.iter(), "}", pending);
    }
}

fn add_dict<'a>(dict: &'a Dict, pending: &mut Vec<Step<'a>>) {
    pending.push(Step::Text("}"));
    let end = pending.len();
    for (key, value) in dict.iter().rev() {
        if pending.len() > end {
            pending.push(Step::Text(", "));
        }
        pending.extend([Step::Value(value), Step::Text(": "), Step::Value(key)]);
    }
    pending.push(Step::Text("{"));
}

fn add_exception<'a>(exception: &'a Exception, pending: &mut Vec<Step<'a>>) {
    add_items("(", exception.args().iter(), ")", pending);
    pending.push(Step::Class(exception.class()));
}

/// The shortest digits that give the same number, with an exponent where Python has one.
fn float(value: f64, f: &mut Formatter<'_>) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("nan");
    }
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) || value.is_infinite() {
        let is_whole = value.fract() == 0.0;
        return write!(f, "{value}{}", if is_whole { ".0" } else { "" });
    }
    let shown = format!("{value:e}");
    let (digits, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(("+", exponent), |rest| ("-", rest));
    write!(f, "{digits}e{sign}{exponent:0>2}")
}

fn str(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    f.write_char(quote)?;
    for letter in text.chars() {
        match letter {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if letter == quote => write!(f, "\\{letter}")?,
            ' '..='~' => f.write_char(letter)?,
            _ if is_printable(letter) => f.write_char(letter)?,
            '\0'..='\u{ff}' => write!(f, "\\x{:02x}", u32::from(letter))?,
            '\u{100}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(letter))?,
            _ => write!(f, "\\U{:08x}", u32::from(letter))?,
        }
    }
    f.write_char(quote)
}

/// What Rust shows as it is behind another letter, except spaces: Python shows none but the one of ASCII.
fn is_printable(letter: char) -> bool {
    let mut pair = [0; 5];
    pair[0] = b'a';
    let len = letter.encode_utf8(&mut pair[1..]).len();
    let is_shown = std::str::from_utf8(&pair[..=len])
        .is_ok_and(|pair| pair.escape_debug().nth(1) == Some(letter));
    is_shown && !letter.is_whitespace()
}

fn bytes(bytes: &[u8], escapes_all: bool, f: &mut Formatter<'_>) -> fmt::Result {
    let has = |quote: u8| bytes.contains(&quote);
    let quote = if has(b'\'') && !has(b'"') {
        b'"'
    } else {
        b'\''
    };
    write!(f, "b{}", char::from(quote))?;
    for &byte in bytes {
        match byte {
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            _ if byte == quote || (byte == b'\'' && escapes_all) => {
                write!(f, "\\{}", char::from(byte))?
            }
            b' '..=b'~' => f.write_char(byte.into())?,
            _ => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_char(quote.into())
}
