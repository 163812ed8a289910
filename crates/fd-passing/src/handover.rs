//! Hands the listening sockets of a running process to the one that replaces it.
//!
//! No connection is refused, and none is lost in between: the sockets never close. It starts no process, and it does not
//! pass on connections that are under way; the old process finishes those.
//!
//! ```
//! use std::net::TcpListener;
//! use std::thread;
//!
//! use fd_passing::handover::{Offer, take};
//!
//! let folder = std::env::temp_dir().join(format!("handover-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let path = folder.join("socket");
//!
//! // The old process:
//! assert!(take(&path)?.is_none()); // it is the first
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let offer = Offer::bind(&path)?;
//! let old = thread::spawn(move || offer.wait(&[("http", &listener)]));
//!
//! // The new one:
//! let mut taken = take(&path)?.expect("the old process is there");
//! let listener = fd_passing::tcp_listener(taken.take("http").expect("it is offered"))?;
//! assert_eq!(listener.local_addr()?, address);
//! taken.ready()?; // it accepts by now
//! let offer = Offer::bind(&path)?; // for the next
//!
//! let handed = old.join().expect("the old one does not panic")?;
//! assert!(handed.is_some()); // and finishes what is under way
//! # drop(offer);
//! # std::fs::remove_dir(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Offer::wait`] blocks, so a program gives it a thread; [`Offer::close`] ends it.
//!
//! # The steps
//!
//! ```text
//! old, listens at PATH                     new
//!     │ ◄── hello ───────────────────────── │  connects
//!     │ ─── offer: names, and the sockets ► │
//!     │                                     │  accepts (both do)
//!     │ ◄── ready ───────────────────────── │
//!     │ ─── done ─────────────────────────► │
//!  stops accepting, closes PATH, and then the connection
//!  finishes, ends                          binds PATH
//! ```
//!
//! | what goes wrong | who serves then |
//! |---|---|
//! | the new process dies, gives up ([`Taken`] is dropped) or is too slow, before `ready` | the old one, as if nothing had happened |
//! | the old one dies before the offer | nobody; the new one has nothing and begins as a first one |
//! | the old one dies after the offer | the new one, if it says ready; what waited to be accepted is not lost |
//! | the new one gives up waiting for `done` | the old one: it looks whether the new one is still there |
//! | the new one dies after `done` | nobody, until somebody starts another: it said that it serves |
//! | the old one is told to end ([`Offer::close`]) meanwhile | it ends; the new one is told, and gets nothing |
//! | a second new process comes while a first is at it | the second gets [`Refusal::Busy`] |
//! | a process of another user | it gets [`Refusal::Stranger`]; root is no stranger |
//! | garbage, or another version | it gets [`Refusal::Unexpected`] or [`Refusal::Version`] |
//! | a process that connects and says nothing | it is cut off after [`Options::hello_timeout`]; others wait so long |
//!
//! The new process checks the user of the old one as well. If the program gives up root, make the offer before, or both
//! must be of the same user.
//!
//! The socket at the path has mode 0600. [`Offer::bind`] makes it beside and renames it, so it replaces what a dead
//! process has left, and nobody finds it half made. It refuses to replace one that somebody listens on. An offer that is
//! dropped removes it; one that was taken leaves it to the new process.
//!
//! # The bytes
//!
//! A Unix seqpacket socket. Each packet is one message:
//!
//! ```text
//! 68 61 6e 64   "hand"
//! 01            version
//! type          one byte:
//!   68 'h'  hello
//!   6f 'o'  offer     count (1 byte, 1 to 253), then for each: length (1 byte, 1 to 64), name (UTF-8); the sockets
//!                     are in the same packet, in the same order
//!   72 'r'  ready
//!   64 'd'  done
//!   61 'a'  abort
//!   6e 'n'  refused   reason (1 byte): 1 busy, 2 version, 3 stranger, 4 late, 5 closed, 6 unexpected
//! ```
//!
//! `refused` is the same in all versions. [`Message`] reads and writes them.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | sockets | 253 | [`DecodeError::WrongCount`] |
//! | a name | 64 bytes | [`DecodeError::WrongName`] |
//! | a packet | 16 452 bytes | [`DecodeError::WrongLength`] |
//! | new processes that wait for their turn | 16 | [`Refusal::Busy`] |
//! | from the connection to `hello`, [`Options::hello_timeout`] | 5 s | [`Error::TimedOut`] |
//! | from the offer to `ready`, [`Options::ready_timeout`] | 30 s | [`Error::TimedOut`], [`Refusal::Late`] |
//! | to the offer, and from `ready` to `done`, [`Options::offer_timeout`] | 10 s | [`Error::TimedOut`] |
//! | the path | 107 bytes, less the process id and a dot | [`Error::PathTooLong`] |

mod channel;
mod error;
mod message;
mod offer;
mod taken;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

pub use error::{Error, Refusal};
pub use message::{DecodeError, Message};
pub use offer::{Handed, Offer};
pub use taken::{Taken, take, take_with};

/// The version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;

/// The longest name of a socket, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// How long one process waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the old process waits for the first message of one that has connected.
    pub hello_timeout: Duration,
    /// How long the old process waits until the new one serves.
    pub ready_timeout: Duration,
    /// How long the new process waits for the offer, and for the answer to `ready`. Longer than the
    /// [`hello_timeout`](Self::hello_timeout) of the old one, since another may be before it.
    pub offer_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            ready_timeout: Duration::from_secs(30),
            offer_timeout: Duration::from_secs(10),
        }
    }
}

/// It does not block.
fn packet_socket() -> Result<OwnedFd, Error> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(socket)
}

fn address(path: &Path) -> Result<SocketAddrUnix, Error> {
    let len = path.as_os_str().len();
    match len > MAX_PATH_LEN {
        true => Err(Error::PathTooLong {
            len,
            max: MAX_PATH_LEN,
        }),
        false => Ok(SocketAddrUnix::new(path)?),
    }
}

/// The kernel's; what is longer can't be bound, nor connected to.
const MAX_PATH_LEN: usize = 107;
