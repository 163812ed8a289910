use std::str::FromStr;

use rpc_core::{Codec, DecodeLimits, Value};

/// A value on the command line: JSON, or a plain word that is meant as text. What JSON lacks is written as
/// `{"$bytes": "aGVsbG8="}` or `{"$tuple": [1, 2]}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Given(pub Value);

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Codec::Json.decode(text.as_bytes(), &DecodeLimits::default()) {
            Ok(value) => Ok(Self(value)),
            Err(error) if text.trim_start().starts_with(['{', '[', '"']) => {
                Err(format!("not JSON: {error}"))
            }
            Err(_) => Ok(Self(Value::Text(text.to_owned()))),
        }
    }
}
