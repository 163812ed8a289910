//! What a message says: requests, batches of them, and what is neither. Nothing is copied out of its text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A request; its parts are pieces of the message.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Cow<'a, str>,
    /// An array or an object, as it is written.
    pub(super) params: Option<&'a str>,
    /// As it is written; a notification has none.
    pub(super) id: Option<&'a str>,
}

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Refusal<'a> {
    /// It is not JSON.
    Parse,
    /// It is JSON, but not a request.
    Invalid {
        /// The id, where one can be made out.
        id: &'a str,
        /// What is wrong, where a caller could overlook it.
        detail: Option<&'static str>,
    },
}

impl<'a> Request<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal<'a>> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = (&mut deserializer).deserialize_map(Members::default());
        match members.and_then(|members| deserializer.end().map(|()| members)) {
            Ok(members) => members.into_request(),
            // The complaint may be about what the value is, or about its end.
            Err(_) if is_json(text) => invalid(NULL, None),
            Err(_) => Err(Refusal::Parse),
        }
    }
}

/// The entries of a batch.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// As many as a batch may have.
    pub(super) entries: Vec<&'a str>,
    /// How many there are.
    pub(super) count: usize,
}

impl<'a> Batch<'a> {
    /// Reads an array; `None` when it is not JSON.
    pub(super) fn parse(text: &'a str, max_batch: usize) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let batch = (&mut deserializer).deserialize_seq(Entries { max_batch });
        batch
            .and_then(|batch| deserializer.end().map(|()| batch))
            .ok()
    }
}

/// Whether a message is a batch, if it is JSON.
pub(super) fn is_batch(text: &str) -> bool {
    text.trim_start_matches(BLANKS).starts_with('[')
}

/// What JSON takes for white space.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
/// The id of an answer to what has none that can be made out.
pub(super) const NULL: &str = "null";

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[derive(Default)]
struct Members<'a> {
    version: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
    id: Option<&'a str>,
    is_ambiguous: bool,
}

enum Member {
    Version,
    Method,
    Params,
    Id,
    Other,
}

impl<'a> Members<'a> {
    fn into_request(self) -> Result<Request<'a>, Refusal<'a>> {
        let id = match self.id.map(|id| (id, id.as_bytes().first())) {
            None => None,
            Some((id, Some(b'"' | b'-' | b'0'..=b'9' | b'n'))) => Some(id),
            Some(_) => return invalid(NULL, Some("the id is no string, number or null")),
        };
        let invalid = |detail| invalid(id.unwrap_or(NULL), detail);
        if self.is_ambiguous {
            return invalid(Some("a member is there twice"));
        }
        match self.version {
            Some(r#""2.0""#) => {}
            Some(text) if string(text).is_some_and(|version| version == "2.0") => {}
            Some(_) => return invalid(Some("the member jsonrpc is not \"2.0\"")),
            None => return invalid(None),
        }
        let Some(method) = self.method.and_then(string) else {
            return invalid(None);
        };
        match self.params.and_then(|params| params.as_bytes().first()) {
            None | Some(b'[' | b'{') => Ok(Request {
                method,
                params: self.params,
                id,
            }),
            Some(_) => invalid(None),
        }
    }
}

fn invalid<'a, T>(id: &'a str, detail: Option<&'static str>) -> Result<T, Refusal<'a>> {
    Err(Refusal::Invalid { id, detail })
}

/// The string that a piece of JSON is, if it is one.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        // Half of a surrogate pair is JSON, but no text.
        return serde_json::from_str(text).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(member) = map.next_key_seed(MemberName)? {
            let place = match member {
                Member::Version => &mut self.version,
                Member::Method => &mut self.method,
                Member::Params => &mut self.params,
                Member::Id => &mut self.id,
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value::<&RawValue>()?;
            self.is_ambiguous |= place.replace(value.get()).is_some();
        }
        Ok(self)
    }
}

struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Member, E> {
        Ok(match name {
            "jsonrpc" => Member::Version,
            "method" => Member::Method,
            "params" => Member::Params,
            "id" => Member::Id,
            _ => Member::Other,
        })
    }
}

struct Entries {
    max_batch: usize,
}

impl<'de> Visitor<'de> for Entries {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Batch<'de>, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < self.max_batch {
            match seq.next_element::<&RawValue>()? {
                Some(entry) => entries.push(entry.get()),
                None => break,
            }
        }
        let mut count = entries.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Batch { entries, count })
    }
}
