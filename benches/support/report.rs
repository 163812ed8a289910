//! Figures and the tables they are shown in.

use std::fmt;

/// The middle and the ends of some measurements of the same thing.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Half of the measurements are below it.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Sums up `values`; all zero when there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            (at(middle.saturating_sub(1)) + at(middle)) / 2.0
        };
        Self {
            median,
            min: at(0),
            max: at(values.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Summary {
    /// Writes `median (min..max)`, each with the precision asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        let digits = f.precision().unwrap_or(1);
        write!(f, "{median:.digits$} ({min:.digits$}..{max:.digits$})")
    }
}

/// Measures `contenders` of them, one after the other, in each of the rounds, which begin each with another one:
/// so a slow minute of the machine hits all of them. Returns what was measured of each, round by round.
///
/// # Errors
///
/// The first of a measurement; no other is begun.
pub fn take_turns<T, E>(
    rounds: usize,
    contenders: usize,
    mut measure: impl FnMut(usize) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut measured: Vec<Vec<T>> = (0..contenders).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..contenders {
            let index = (round + turn) % contenders;
            measured[index].push(measure(index)?);
        }
    }
    Ok(measured)
}

/// Prints a table: the first column to the left, the others to the right.
pub fn print_table<const N: usize>(title: &str, head: [&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    println!("\n{title}");
    print_row(&head.map(str::to_owned), &widths);
    for row in rows {
        print_row(row, &widths);
    }
}

fn print_row<const N: usize>(row: &[String; N], widths: &[usize; N]) {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.chars().count());
        if column == 0 {
            line.push_str(cell);
            line.push_str(&padding);
        } else {
            line.push_str("  ");
            line.push_str(&padding);
            line.push_str(cell);
        }
    }
    println!("{}", line.trim_end());
}
