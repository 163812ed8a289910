use crate::dtype::{Dtype, Kind};
use crate::error::ArrayError;
use crate::limits::Limits;
use crate::order::ByteOrder;
use crate::shape::{Order, Shape};

/// Reads the text of a header: a dict of Python's with three entries, in any order.
///
/// It goes over the text once, never back, and has no recursion.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether Python 2 may have written it.
    has_long: bool,
    max_dims: usize,
}

impl<'a> Parser<'a> {
    /// `bytes` is the whole header, of which the text begins at `start`.
    pub(super) fn new(bytes: &'a [u8], start: usize, major: u8, limits: &Limits) -> Self {
        Self {
            bytes,
            at: start,
            has_long: major < 3,
            max_dims: limits.max_dims,
        }
    }

    pub(super) fn header(mut self) -> Result<(Dtype, ByteOrder, Shape), ArrayError> {
        let (mut descr, mut fortran, mut dims) = (None, None, None);
        self.expect(b'{', "`{`")?;
        while !self.skips(b'}') {
            let at = self.skip_space();
            let key = self.string("a key in quotes, or `}`")?;
            self.expect(b':', "`:`")?;
            let is_new = match key {
                b"descr" => descr.replace(self.descr()?).is_none(),
                b"fortran_order" => fortran.replace(self.bool()?).is_none(),
                b"shape" => dims.replace(self.dims()?).is_none(),
                _ => return Err(self.wrong(at, KEYS)),
            };
            if !is_new {
                return Err(self.wrong(at, "each key once"));
            }
            if !self.skips(b',') {
                self.expect(b'}', "`,` or `}`")?;
                break;
            }
        }
        let (Some((dtype, byte_order)), Some(order), Some(dims)) = (descr, fortran, dims) else {
            return Err(self.wrong(self.at, KEYS));
        };
        match self.skip_space() < self.bytes.len() {
            true => Err(self.wrong(self.at, "only blanks behind `}`")),
            false => Ok((dtype, byte_order, Shape::new(dims, order))),
        }
    }

    /// `'<f8'`
    fn descr(&mut self) -> Result<(Dtype, ByteOrder), ArrayError> {
        let at = self.skip_space();
        let descr = self.string("the name of a type in quotes")?;
        parse_descr(descr).ok_or_else(|| ArrayError::UnknownDtype {
            position: at as u64,
            descr: String::from_utf8_lossy(&descr[..descr.len().min(MAX_SHOWN)]).into(),
        })
    }

    fn bool(&mut self) -> Result<Order, ArrayError> {
        let at = self.skip_space();
        let rest = &self.bytes[at..];
        let (len, order) = match rest {
            [b'T', b'r', b'u', b'e', ..] => (4, Order::Fortran),
            [b'F', b'a', b'l', b's', b'e', ..] => (5, Order::C),
            _ => return Err(self.wrong(at, "`True` or `False`")),
        };
        self.at += len;
        Ok(order)
    }

    /// `(3, 4)`
    fn dims(&mut self) -> Result<Vec<u64>, ArrayError> {
        let mut dims = Vec::new();
        self.expect(b'(', "`(`")?;
        while !self.skips(b')') {
            dims.push(self.number()?);
            if dims.len() > self.max_dims {
                return Err(ArrayError::TooManyDims {
                    max_dims: self.max_dims,
                });
            }
            if !self.skips(b',') {
                // `(3)` is a number.
                let wanted = if dims.len() == 1 { "`,`" } else { "`,` or `)`" };
                match dims.len() > 1 && self.skips(b')') {
                    true => break,
                    false => return Err(self.wrong(self.at, wanted)),
                }
            }
        }
        Ok(dims)
    }

    fn number(&mut self) -> Result<u64, ArrayError> {
        let at = self.skip_space();
        let digits = self.bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let len = digits.count();
        let digits = &self.bytes[at..at + len];
        if len == 0 || (len > 1 && digits[0] == b'0') {
            return Err(self.wrong(at, "a dimension: digits, without zeros in front"));
        }
        let number = digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add((digit - b'0').into())
        });
        let number = number.ok_or_else(|| self.wrong(at, "a dimension below 2^64"))?;
        self.at += len;
        if self.has_long && self.bytes.get(self.at) == Some(&b'L') {
            self.at += 1;
        }
        Ok(number)
    }

    /// Reads what stands in quotes, and has neither quotes nor backslashes inside.
    fn string(&mut self, wanted: &'static str) -> Result<&'a [u8], ArrayError> {
        let at = self.skip_space();
        let Some(quote @ (b'\'' | b'"')) = self.bytes.get(at) else {
            return Err(self.wrong(at, wanted));
        };
        let rest = &self.bytes[at + 1..];
        let len = rest.iter().position(|byte| byte == quote);
        let string = &rest[..len.ok_or_else(|| self.wrong(at, "quotes that end"))?];
        self.at += string.len() + 2;
        Ok(string)
    }

    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), ArrayError> {
        match self.skips(byte) {
            true => Ok(()),
            false => Err(self.wrong(self.at, wanted)),
        }
    }

    /// Goes behind `byte` if it comes next.
    fn skips(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.skip_space()) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_space(&mut self) -> usize {
        let rest = self.bytes[self.at..].iter();
        self.at += rest.take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.at
    }

    fn wrong(&self, position: usize, expected: &'static str) -> ArrayError {
        ArrayError::InvalidHeader {
            position: position as u64,
            expected,
        }
    }
}

fn parse_descr(descr: &[u8]) -> Option<(Dtype, ByteOrder)> {
    let [order, kind, size @ ..] = descr else {
        return None;
    };
    let kind = match kind {
        b'b' => Kind::Bool,
        b'i' => Kind::Int,
        b'u' => Kind::Uint,
        b'f' => Kind::Float,
        b'c' => Kind::Complex,
        _ => return None,
    };
    let size = match size {
        b"1" => 1,
        b"2" => 2,
        b"4" => 4,
        b"8" => 8,
        b"16" => 16,
        b"32" => 32,
        _ => return None,
    };
    let order = match order {
        b'<' => ByteOrder::Little,
        b'>' => ByteOrder::Big,
        b'|' if size == 1 => ByteOrder::NATIVE,
        _ => return None,
    };
    Some((Dtype::checked(kind, size)?, order))
}

const KEYS: &str = "the keys 'descr', 'fortran_order' and 'shape'";
/// The bytes of an unknown type that an error shows.
const MAX_SHOWN: usize = 32;
