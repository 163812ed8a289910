//! The arguments of a request, one after the other, as its params spell them.

use std::borrow::Cow;

use super::message::{BLANKS, string};
use crate::codec::Erased;
use crate::{ArgumentSource, Budget, Codec, DecodeError, DecodeLimits, Fault, ReadValue, Slot};

/// Walks over an array or object that is known to be JSON.
#[derive(Debug)]
pub(super) struct Params<'a> {
    /// Begins with the bracket or the comma before the next argument, or with the bracket at the end; after
    /// [`next`](ArgumentSource::next), with the argument.
    rest: &'a str,
    has_names: bool,
    name: Cow<'a, str>,
    budget: Budget,
}

impl<'a> Params<'a> {
    pub(super) fn new(params: Option<&'a str>, limits: &DecodeLimits) -> Self {
        let rest = params.unwrap_or("[]");
        Self {
            rest,
            has_names: rest.starts_with('{'),
            name: Cow::Borrowed(""),
            budget: limits.budget(rest.len()),
        }
    }

    /// Takes `len` bytes off the front, and the blanks behind them.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest.trim_start_matches(BLANKS);
        taken
    }
}

impl ArgumentSource for Params<'_> {
    fn next(&mut self) -> Result<Option<Slot<'_>>, Fault> {
        let bracket_or_comma = self.take(1);
        if matches!(bracket_or_comma, "]" | "}") || self.rest.starts_with([']', '}']) {
            return Ok(None);
        }
        if !self.has_names {
            return Ok(Some(Slot::Positional));
        }
        let name = self.take(string_len(self.rest.as_bytes()));
        self.name = string(name)
            .ok_or_else(|| Fault::wrong_arguments("a name of an argument is no text"))?;
        self.take(":".len());
        Ok(Some(Slot::Keyword(&self.name)))
    }

    fn value(&mut self, read: &mut ReadValue<'_>) -> Result<(), Fault> {
        let text = self.take(value_len(self.rest.as_bytes()));
        let done = Codec::Json.read(Erased(read), text.as_bytes(), &self.budget);
        done.map(|_| ()).map_err(|error| complaint(&error))
    }
}

/// What is wrong with an argument, without the line and column that mean nothing to the caller, and without
/// all of a text that is in the wrong place.
fn complaint(error: &DecodeError) -> Fault {
    const LONGEST: usize = 200;
    let error = error.to_string();
    let text = error
        .rfind(" at line ")
        .map_or(&*error, |end| &error[..end]);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Fault::wrong_arguments(format!("{}…", &text[..end])),
        None => Fault::wrong_arguments(text),
    }
}

/// How long the value is with which `json` begins.
fn value_len(json: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at += string_len(&json[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// How long the string is with which `json` begins.
fn string_len(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}
