//! Answers as they are written: whole frames.

use rpc_core::{Encode, EncodeError, Fault, Kind};

use super::exception::of_fault;
use super::message::{HEAD, LONGEST, frame};
use crate::pickle::{Exception, Options, Protocol, Value};

/// What makes answers of results. Their length is looked at afterwards.
pub(super) fn encoder(protocol: Protocol) -> &'static dyn Encode {
    match protocol {
        Protocol::V2 => &Results(Protocol::V2),
        Protocol::V3 => &Results(Protocol::V3),
        Protocol::V4 => &Results(Protocol::V4),
        Protocol::V5 => &Results(Protocol::V5),
    }
}

/// Appends the answer that the caller raises.
pub(super) fn write_exception(
    exception: Exception,
    protocol: Protocol,
    longest: usize,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let options = options(protocol);
    let value = Value::from(exception);
    let written = frame(protocol, out, |out| {
        let written = options.write_pickle(&value, out);
        written.map_err(|error| EncodeError(error.to_string()))
    });
    let written = match written {
        Ok(()) => fits(out.len() - start, longest),
        Err(error) => Err(of_fault(&Fault::of(Kind::Unencodable, error.to_string()))),
    };
    // What takes its place is a line of text: an answer that is too long, whatever the limit, is the better one.
    if let Err(shorter) = written {
        out.truncate(start);
        write_exception(shorter, protocol, LONGEST, out);
    }
}

/// Whether an answer of `len` bytes, with its head, is none too long.
pub(super) fn fits(len: usize, longest: usize) -> Result<(), Exception> {
    let (len, longest) = (len - HEAD, longest.min(LONGEST));
    if len <= longest {
        return Ok(());
    }
    let text = format!("an answer of {len} bytes, the limit is {longest}");
    Err(of_fault(&Fault::of(Kind::TooLarge, text)))
}

struct Results(Protocol);

impl Encode for Results {
    fn encode(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        frame(self.0, out, |out| {
            let written = options(self.0).write_pickle(value, out);
            written.map_err(|error| EncodeError(error.to_string()))
        })
    }
}

fn options(protocol: Protocol) -> Options {
    Options {
        protocol,
        ..Options::default()
    }
}
