//! Reads and writes Python's pickles, as far as they are data.
//!
//! A pickle is a program for a small machine, and Python runs it: who can send one to Python's own reader can run
//! anything there. This reader can make the values of the table below, by its own code, and nothing else. It knows no
//! modules, imports nothing, calls nothing, and what asks for more is an [`Error`] that names it. So it may be given
//! pickles from anybody.
//!
//! It does not make objects of classes (exceptions are values here: [`Exception`]), and knows no `complex`, `Decimal`,
//! `datetime` or `OrderedDict`, no values that contain themselves, no text with half surrogate pairs, no persistent ids
//! and no buffers that are sent beside the pickle.
//!
//! ```
//! use mp_connection::pickle::{Options, Value, from_pickle, to_pickle};
//!
//! // pickle.dumps(("add", [2, 0.5], {"exact": True}), 4)
//! let pickle = b"\x80\x04\x95\x24\0\0\0\0\0\0\0\x8c\x03add\x94]\x94(K\x02G?\xe0\0\0\0\0\0\0e}\x94\
//!     \x8c\x05exact\x94\x88s\x87\x94.";
//!
//! let value = Value::from_pickle(pickle, &Options::default())?;
//! assert_eq!(value.to_string(), "('add', [2, 0.5], {'exact': True})");
//!
//! // Or into a type at once, which borrows its texts from the pickle.
//! #[derive(serde::Deserialize)]
//! struct Extras {
//!     exact: bool,
//! }
//! let (name, numbers, extras): (&str, Vec<f64>, Extras) = from_pickle(pickle)?;
//! assert_eq!((name, numbers, extras.exact), ("add", vec![2.0, 0.5], true));
//!
//! let error = Value::from_pickle(b"cos\nsystem\n(S'id'\ntR.", &Options::default());
//! assert_eq!(error.unwrap_err().to_string(), "the pickle asks for os.system, which is not data");
//! # to_pickle(&value)?;
//! # Ok::<(), mp_connection::pickle::Error>(())
//! ```
//!
//! # Types
//!
//! | Python | [`Value`] | Rust types, by serde |
//! |---|---|---|
//! | `None` | `None` | `()`, `Option::None`, unit structs |
//! | `bool` | `Bool` | `bool` |
//! | `int` | `Int`, beyond 64 bits `BigInt` | all integers; into floats, too |
//! | `float` | `Float` | `f32`, `f64` |
//! | `str` | `Str` | `&str`, `String`, `char`, variants without content |
//! | `bytes` | `Bytes` | `serde_bytes` |
//! | `bytearray` | `ByteArray` | read as `bytes` |
//! | `list` | `List` | sequences |
//! | `tuple` | `Tuple` | tuples, tuple structs; read as sequences, too |
//! | `set`, `frozenset` | `Set`, `FrozenSet` | read as sequences |
//! | `dict` | `Dict` | maps, structs; `{"Variant": …}` for those with content |
//! | an exception | `Exception` | [`Error::Raised`] |
//!
//! Read are all protocols, 0 to 5, of Python 2 and 3; a byte string of Python 2 is text, as in Python 3, and must be
//! ASCII. Written are 2 to 5, as [`Options::protocol`] says: 4 by default.
//!
//! # How a pickle is read
//!
//! Once through, by a stack machine that makes no values but notes in one long array what the pickle tells: texts
//! stay where they are. Then what is reachable is checked: that nothing contains itself, how deep it is, how much it
//! comes to, which keys are the same. Only what has passed becomes a value or a type. Nothing recurses on the way
//! to a [`Value`], nor when one is dropped, compared or shown, so that stack never depends on what a peer sends.
//!
//! Refused are, beside what is damaged:
//!
//! | | why | error |
//! |---|---|---|
//! | `GLOBAL` and `STACK_GLOBAL`, but for `set`, `frozenset`, `bytes`, `bytearray`, `_codecs.encode` and exceptions | they name what is called | [`Error::Global`] |
//! | `REDUCE` and `BUILD`, but with those and as Python writes them | they call it | [`Error::Misuse`] |
//! | `INST`, `OBJ`, `NEWOBJ`, `NEWOBJ_EX`, `EXT1` to `EXT4` | they make objects of classes | [`Error::Opcode`] |
//! | `PERSID`, `BINPERSID`, `NEXT_BUFFER`, `READONLY_BUFFER` | what they ask for isn't in the pickle | [`Error::Opcode`] |
//! | `PROTO` but at the beginning, and above 5 | Python never writes it | [`Error::Opcode`], [`Error::Protocol`] |
//! | frames that lie: longer than the pickle, in one another, ending inside an instruction | so does Python's own, as the format is defined | [`Error::Frame`] |
//! | values or marks left over, bytes behind the end | something is hidden | [`Error::LeftOver`], [`Error::Trailing`] |
//! | a value that contains itself | it would never be freed, or never end | [`Error::Cycle`] |
//! | lists, dicts, sets, bytearrays and exceptions as keys | they can't be compared, or by identity only | [`Error::Unhashable`] |
//!
//! Exceptions are those of Python's `builtins`, which Python 2 called `exceptions`, and those in
//! [`Options::exceptions`]. Names are compared as a whole: a dot in them leads nowhere.
//!
//! # Limits
//!
//! | limit | default | what it is for |
//! |---|---|---|
//! | [`Options::max_depth`] | 100 levels, at most 1000 | what a peer may ask of the stack of programs that recurse |
//! | [`Options::max_values`] | 1,000,000 | time; shared values count as often as they are mentioned, so that 100 bytes can't become a million values |
//! | [`Options::max_bytes`] | 64 MiB | copies: texts and bytes count as often as they are mentioned |
//! | [`Options::max_memory`] | 64 MiB beside the pickle | memory, shared values once |
//! | integers in decimal | 4300 digits | time, which grows by the square |
//! | the memo | as many entries as values came before | memory |
//!
//! A length is compared with what is there before anything is taken for it. How long a pickle may be is for whoever
//! receives it to say.

mod address;
mod build;
mod deserialize;
mod dict;
mod dynamic;
mod equal;
mod error;
mod exception;
mod int;
mod items;
mod key;
mod names;
pub(crate) mod opcode;
mod options;
mod reader;
mod serialize;
mod show;
mod tagged;
mod tree;
mod value;
mod write_value;
mod writer;

pub use deserialize::from_pickle;
pub use dict::{Dict, Set};
pub use error::{Error, Limit};
pub use exception::Exception;
pub use int::{BigInt, IntError};
pub use items::Items;
pub use options::{Options, Protocol};
pub use serialize::to_pickle;
pub use value::Value;

#[cfg(feature = "rpc-core")]
pub(crate) use build::value;
#[cfg(feature = "rpc-core")]
pub(crate) use reader::read;
#[cfg(feature = "rpc-core")]
pub(crate) use tree::{Node, NodeId, Tree};
