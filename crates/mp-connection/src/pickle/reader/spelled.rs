//! The instructions of protocol 0, whose arguments are lines of text.

use std::str;

use super::{Error, Fault, HEAP, Limit, Reader, opcode};
use crate::pickle::int::{self, MAX_DIGITS};
use crate::pickle::tree::{Cell, Piece};

impl<'de> Reader<'de, '_> {
    pub(super) fn spelled_int(&mut self, opcode: u8) -> Result<(), Fault> {
        let mut line = self.line()?;
        if opcode == opcode::LONG {
            line = line.strip_suffix("L").unwrap_or(line);
        } else if line == "00" || line == "01" {
            return self.push(Cell::Bool(line == "01"));
        }
        let digits = line.strip_prefix('-').unwrap_or(line);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.misspelled());
        }
        if digits.len() > MAX_DIGITS {
            return Err(Fault::from(Error::TooLarge {
                what: Limit::Digits,
                limit: MAX_DIGITS,
            }));
        }
        if let Ok(value) = line.parse() {
            return self.push(Cell::Int(value));
        }
        let bytes = int::from_decimal(line).ok_or_else(|| self.misspelled())?;
        match int::to_i64(&bytes) {
            Some(value) => self.push(Cell::Int(value)),
            None => {
                let start = self.tree.bytes.len();
                self.tree.bytes.extend_from_slice(&bytes);
                self.push_heap(
                    Cell::OwnedBigInt(Piece {
                        start,
                        len: bytes.len(),
                    }),
                    HEAP + 2 * bytes.len(),
                )
            }
        }
    }

    pub(super) fn spelled_float(&mut self) -> Result<(), Fault> {
        let value = self.line()?.parse().map_err(|_| self.misspelled())?;
        self.push(Cell::Float(value))
    }

    pub(super) fn spelled_index(&mut self) -> Result<u64, Fault> {
        self.line()?.parse().map_err(|_| self.misspelled())
    }

    /// A `repr` of Python 2.
    pub(super) fn spelled_string(&mut self) -> Result<(), Fault> {
        let line = self.input.line()?;
        let ([b'\'', inside @ .., b'\''] | [b'"', inside @ .., b'"']) = line else {
            return Err(self.misspelled());
        };
        if !inside.contains(&b'\\') {
            return self.ascii(inside);
        }
        self.reserve(HEAP + 2 * inside.len())?;
        let start = self.tree.text.len();
        let mut rest = inside;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            let byte = match byte {
                b'\\' => match unescape(&mut rest).ok_or_else(|| self.misspelled())? {
                    Escaped::Byte(byte) => byte,
                    Escaped::Nothing(byte) => {
                        self.tree.text.push('\\');
                        byte
                    }
                },
                &byte => byte,
            };
            if !byte.is_ascii() {
                return Err(Fault::from(Error::Text {
                    offset: self.offset(),
                }));
            }
            self.tree.text.push(byte.into());
        }
        self.push_text(start)
    }

    /// Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
    pub(super) fn spelled_unicode(&mut self) -> Result<(), Fault> {
        let line = self.input.line()?;
        if line.is_ascii() && !line.contains(&b'\\') {
            return self.text(line);
        }
        // A byte beyond ASCII takes two in UTF-8.
        self.reserve(HEAP + 4 * line.len())?;
        let start = self.tree.text.len();
        let mut rest = line;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            let digits = match (byte, rest) {
                (b'\\', [b'u', ..]) => 4,
                (b'\\', [b'U', ..]) => 8,
                (b'\\', [next, behind @ ..]) => {
                    self.tree.text.extend(['\\', char::from(*next)]);
                    rest = behind;
                    continue;
                }
                _ => {
                    self.tree.text.push(char::from(*byte));
                    continue;
                }
            };
            let code = rest
                .get(1..=digits)
                .and_then(hex)
                .ok_or_else(|| self.misspelled())?;
            rest = &rest[1 + digits..];
            let offset = self.offset();
            let letter = char::from_u32(code).ok_or(match code {
                0xd800..=0xdfff => Fault::from(Error::Surrogate { offset }),
                _ => Fault::from(Error::Spelling { offset }),
            })?;
            self.tree.text.push(letter);
        }
        self.push_text(start)
    }

    fn push_text(&mut self, start: usize) -> Result<(), Fault> {
        let len = self.tree.text.len() - start;
        self.push(Cell::OwnedStr(Piece { start, len }))
    }

    fn line(&mut self) -> Result<&'de str, Fault> {
        let line = self.input.line()?;
        str::from_utf8(line).map_err(|_| self.misspelled())
    }

    fn misspelled(&self) -> Fault {
        Fault::from(Error::Spelling {
            offset: self.offset(),
        })
    }
}

/// What comes behind a backslash.
enum Escaped {
    Byte(u8),
    /// The backslash means nothing in front of this.
    Nothing(u8),
}

fn unescape(rest: &mut &[u8]) -> Option<Escaped> {
    let (&first, mut behind) = rest.split_first()?;
    let byte = match first {
        b'\\' | b'\'' | b'"' => first,
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'x' => {
            let (digits, after) = behind.split_at_checked(2)?;
            behind = after;
            hex(digits)? as u8
        }
        b'0'..=b'7' => {
            let count = rest
                .iter()
                .take(3)
                .take_while(|byte| matches!(byte, b'0'..=b'7'))
                .count();
            let (digits, after) = rest.split_at(count);
            behind = after;
            // Python keeps the low eight bits of the nine.
            digits
                .iter()
                .fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0')) as u8
        }
        _ => {
            *rest = behind;
            return Some(Escaped::Nothing(first));
        }
    };
    *rest = behind;
    Some(Escaped::Byte(byte))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    })
}
