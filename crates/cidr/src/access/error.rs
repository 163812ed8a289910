use core::error::Error;
use core::fmt;
use core::net::Ipv6Addr;

use crate::cidr::Cidr;
use crate::error::CidrError;

/// Why a text is no [`AccessList`](crate::AccessList), and where.
///
/// As text: `line 3, column 6: 10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessError {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1: where the word begins that is wrong, or where one is missing.
    pub column: u32,
    /// What is wrong there.
    pub problem: AccessProblem,
}

/// What is wrong with a statement of an [`AccessList`](crate::AccessList).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessProblem {
    /// The line begins with a word that begins no statement.
    NoStatement,
    /// Behind `allow` or `deny` stands neither a network nor `all`, or behind `nat64` no IPv6 network. Positions in the error are in bytes from
    /// the column.
    NoNetwork(CidrError),
    /// Behind `otherwise` stands neither `allow` nor `deny`.
    NoAction,
    /// Behind `inside` stands neither `6to4` nor `nat64` and a network.
    NoCarrier,
    /// A NAT64 prefix must have a length of 32, 40, 48, 56, 64 or 96.
    Nat64Prefix {
        /// The network that is none.
        prefix: Cidr<Ipv6Addr>,
    },
    /// The statement is complete, and more follows on its line.
    TooMuch,
    /// What happens otherwise was stated already.
    Twice {
        /// The line of the first statement.
        line: u32,
    },
    /// The text ends, and there was neither a rule nor a statement what happens otherwise.
    Empty,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            problem,
        } = self;
        write!(f, "line {line}, column {column}: {problem}")
    }
}

impl fmt::Display for AccessProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStatement => {
                f.write_str("no statement: a line begins with allow, deny, otherwise or inside")
            }
            Self::NoNetwork(error) => error.fmt(f),
            Self::NoAction => f.write_str("otherwise what? allow or deny"),
            Self::NoCarrier => f.write_str("inside what? 6to4, or nat64 and a prefix"),
            Self::Nat64Prefix { prefix } => write!(
                f,
                "{prefix} is no NAT64 prefix: these have a length of 32, 40, 48, 56, 64 or 96"
            ),
            Self::TooMuch => f.write_str("the statement ends before this"),
            Self::Twice { line } => write!(f, "line {line} says already what happens otherwise"),
            Self::Empty => f.write_str(
                "the end, without a rule; a list that lets everybody in says otherwise allow",
            ),
        }
    }
}

impl Error for AccessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.problem)
    }
}

impl Error for AccessProblem {}
