//! What the reader makes of what Python writes.

use mp_connection::pickle::{Error, Options, Value};

fn read(pickle: &[u8]) -> Result<Value, Error> {
    Value::from_pickle(pickle, &Options::default())
}

#[test]
fn simple() {
    assert_eq!(read(b"\x80\x04K\x02K\x03\x86."), Ok(Value::tuple([2, 3])));
}
