//! An access list from text, one statement a line.

use core::num::NonZeroU32;
use core::str::FromStr;

use super::{AccessError, AccessList, AccessProblem, Action, Order, Rule};

impl<O: Order> FromStr for AccessList<O> {
    type Err = AccessError;

    /// Reads the [form](AccessList#as-text) that has one statement a line, in time and memory proportional to
    /// the text.
    fn from_str(text: &str) -> Result<Self, AccessError> {
        let mut reader = Reader {
            list: Self::default(),
            stated: None,
        };
        let mut number = NonZeroU32::MIN;
        for line in text.lines() {
            let mut words = Words::new(line);
            reader
                .statement(&mut words, number)
                .map_err(|problem| AccessError {
                    line: number.get(),
                    column: words.column(),
                    problem,
                })?;
            number = number.saturating_add(1);
        }
        if reader.list.rules.is_empty() && reader.stated.is_none() {
            return Err(AccessError {
                line: number.get(),
                column: 1,
                problem: AccessProblem::Empty,
            });
        }
        Ok(reader.list)
    }
}

struct Reader<O> {
    list: AccessList<O>,
    /// The line that says what happens otherwise.
    stated: Option<NonZeroU32>,
}

impl<O: Order> Reader<O> {
    /// Takes the statement of one line, if there is one. An error is about the last word that was taken.
    fn statement(&mut self, words: &mut Words<'_>, line: NonZeroU32) -> Result<(), AccessProblem> {
        let Some(word) = words.next() else {
            return Ok(());
        };
        match (word, action(word)) {
            (_, Some(action)) => {
                let word = words.next().unwrap_or_default();
                let network = match word {
                    "all" => None,
                    _ => Some(word.parse().map_err(AccessProblem::NoNetwork)?),
                };
                self.list.add(Rule::new(action, network, Some(line)));
            }
            ("otherwise", _) => {
                if let Some(line) = self.stated {
                    return Err(AccessProblem::Twice { line: line.get() });
                }
                let action = words.next().and_then(action);
                self.list.otherwise = Some(action.ok_or(AccessProblem::NoAction)?);
                self.stated = Some(line);
            }
            ("inside", _) => match words.next() {
                Some("6to4") => self.list.inside.look_into_6to4(),
                Some("nat64") => {
                    let prefix = words.next().unwrap_or_default().parse();
                    let prefix = prefix.map_err(AccessProblem::NoNetwork)?;
                    self.list.inside.look_into_nat64(prefix)?;
                }
                _ => return Err(AccessProblem::NoCarrier),
            },
            _ => return Err(AccessProblem::NoStatement),
        }
        match words.next() {
            Some(_) => Err(AccessProblem::TooMuch),
            None => Ok(()),
        }
    }
}

fn action(word: &str) -> Option<Action> {
    match word {
        "allow" => Some(Action::Allow),
        "deny" => Some(Action::Deny),
        _ => None,
    }
}

/// The words of a line, without the comment.
struct Words<'a> {
    line: &'a str,
    /// Where the last word that was taken begins, and where it ends.
    start: usize,
    end: usize,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        Self {
            line: line.split('#').next().unwrap_or_default(),
            start: 0,
            end: 0,
        }
    }

    /// Takes the next word; behind the last one there is an empty word to speak of.
    fn next(&mut self) -> Option<&'a str> {
        let rest = &self.line[self.end..];
        self.start = self.end + (rest.len() - rest.trim_start().len());
        let word = self.line[self.start..].split(char::is_whitespace).next();
        let word = word.filter(|word| !word.is_empty())?;
        self.end = self.start + word.len();
        Some(word)
    }

    fn column(&self) -> u32 {
        let before = self.line[..self.start].chars().count();
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}
