//! Answers as they are written.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{Fault, Kind, Value};

/// What is written before a result.
pub(super) const BEFORE_RESULT: &[u8] = br#"{"jsonrpc":"2.0","result":"#;
const BEFORE_ERROR: &[u8] = br#"{"jsonrpc":"2.0","error":"#;
const BEFORE_ID: &[u8] = br#","id":"#;

pub(super) const PARSE_ERROR: Code = Code(-32700, Some("Parse error"));
pub(super) const INVALID_REQUEST: Code = Code(-32600, Some("Invalid Request"));

/// The number of an error and, of those that the specification names, the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(i64, Option<&'static str>);

impl Code {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::UnknownFunction => Self(-32601, Some("Method not found")),
            Kind::WrongArguments => Self(-32602, Some("Invalid params")),
            Kind::Panicked | Kind::Unencodable => Self(-32603, Some("Internal error")),
            Kind::DeadlineExceeded => Self(-32001, None),
            Kind::Cancelled => Self(-32002, None),
            Kind::Overloaded => Self(-32003, None),
            Kind::ShuttingDown => Self(-32004, None),
            Kind::TooLarge => Self(-32005, None),
            Kind::Application(_) => Self(-32000, None),
        }
    }
}

/// Writes the end of an answer whose result is there.
pub(super) fn finish(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(BEFORE_ID);
    out.extend_from_slice(id.as_bytes());
    out.push(b'}');
}

pub(super) fn write_result(id: &str, result: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(BEFORE_RESULT);
    out.extend_from_slice(result);
    finish(id, out);
}

pub(super) fn write_fault(id: &str, fault: &Fault, out: &mut Vec<u8>) {
    let error = Error {
        code: Code::of(&fault.kind),
        message: &fault.message,
        data: match &fault.kind {
            // The caller knows which function it asked for.
            Kind::UnknownFunction => None,
            Kind::WrongArguments | Kind::Panicked | Kind::Unencodable => {
                Some(Data::Text(&fault.message))
            }
            Kind::Application(kind) => Some(Data::Kind(kind, fault.data.as_ref())),
            _ => fault.data.as_ref().map(Data::Value),
        },
    };
    error.write(id, out);
}

/// Answers what is no request; `detail` says more than the code does.
pub(super) fn write_refusal(code: Code, id: &str, detail: Option<&str>, out: &mut Vec<u8>) {
    let error = Error {
        code,
        message: "",
        data: detail.map(Data::Text),
    };
    error.write(id, out);
}

struct Error<'a> {
    code: Code,
    /// Unless the code has one.
    message: &'a str,
    data: Option<Data<'a>>,
}

enum Data<'a> {
    Text(&'a str),
    Value(&'a Value),
    /// The name of an application's failure, and what goes with it.
    Kind(&'a str, Option<&'a Value>),
}

impl Error<'_> {
    fn write(&self, id: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(BEFORE_ERROR);
        let start = out.len();
        if serde_json::to_writer(&mut *out, self).is_err() {
            // Only the data of a fault may be something that JSON can't express.
            out.truncate(start);
            let bare = Error {
                data: None,
                ..*self
            };
            let _ = serde_json::to_writer(&mut *out, &bare);
        }
        finish(id, out);
    }
}

impl Serialize for Error<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Code(code, message) = self.code;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &code)?;
        map.serialize_entry("message", message.unwrap_or(self.message))?;
        if let Some(data) = &self.data {
            map.serialize_entry("data", data)?;
        }
        map.end()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
            Self::Kind(kind, data) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("kind", kind)?;
                if let Some(data) = data {
                    map.serialize_entry("data", data)?;
                }
                map.end()
            }
        }
    }
}
