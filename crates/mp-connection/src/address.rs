use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::{error, fmt};

/// Where a listener is: what Python calls the address, of any of its families.
///
/// As text it is what comes behind the arrow, both ways:
///
/// | Python | |
/// |---|---|
/// | `('127.0.0.1', 25000)` | `127.0.0.1:25000` |
/// | `'/run/app.sock'` | `unix:/run/app.sock` |
/// | `'\0app'`, the abstract namespace of Linux | `unix:@app` |
///
/// Bytes that are not printable stand there as `\x00`, a backslash as `\\`. Names of hosts are not looked up, which is
/// a matter of [`ToSocketAddrs`](std::net::ToSocketAddrs).
///
/// ```
/// use std::path::PathBuf;
/// use mp_connection::Address;
///
/// let address: Address = "127.0.0.1:25000".parse()?;
/// assert_eq!(address, Address::from(([127, 0, 0, 1], 25000)));
/// let address: Address = "unix:/run/app.sock".parse()?;
/// assert_eq!(address, Address::Unix(PathBuf::from("/run/app.sock")));
/// let address: Address = "unix:@app".parse()?;
/// assert_eq!(address, Address::Abstract(b"app".to_vec()));
/// assert_eq!(address.to_string(), "unix:@app");
/// # Ok::<(), mp_connection::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP. Python's `Client` reaches no IPv6 address.
    Tcp(SocketAddr),
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket with a name that is no file, without the zero byte that comes first in Python. Linux only.
    Abstract(Vec<u8>),
}

impl<A: Into<SocketAddr>> From<A> for Address {
    fn from(address: A) -> Self {
        Self::Tcp(address.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => {
                let path = path.as_os_str().as_bytes();
                match path.strip_prefix(b"@") {
                    Some(rest) => write!(f, "{UNIX}\\x40{}", Escaped(rest)),
                    None => write!(f, "{UNIX}{}", Escaped(path)),
                }
            }
            Self::Abstract(name) => write!(f, "{UNIX}@{}", Escaped(name)),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError { text: text.into() };
        let Some(name) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp).map_err(|_| wrong());
        };
        match name.strip_prefix('@') {
            Some(name) => unescape(name).map(Self::Abstract),
            None if name.is_empty() => None,
            None => unescape(name).map(|path| Self::Unix(OsString::from_vec(path).into())),
        }
        .ok_or_else(wrong)
    }
}

/// A text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: Box<str>,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address, which is 127.0.0.1:25000, unix:/path or unix:@name",
            self.text
        )
    }
}

impl error::Error for AddressError {}

/// Bytes as text that can be read back.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '\\' => f.write_str("\\\\")?,
                    char if char.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(char))?,
                    char => write!(f, "{char}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    while let Some(part) = parts.next() {
        // Nothing between two of them: that is one.
        if part.is_empty() {
            bytes.push(b'\\');
            bytes.extend_from_slice(parts.next()?.as_bytes());
            continue;
        }
        let digits = part.strip_prefix('x')?;
        let (byte, rest) = digits.split_at_checked(2)?;
        if !byte.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(byte, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

const UNIX: &str = "unix:";
