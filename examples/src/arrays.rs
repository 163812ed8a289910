//! What the array server and its client have in common: the recipe's numbers, types that are only known when
//! the array is there, progress, and what is kept of a transfer that was stopped.

mod part_file;

use std::collections::TryReserveError;
use std::fmt::{self, Debug};
use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use bulk_array::{Dtype, Element, Kind, Source};
use clap::ValueEnum;
use indicatif::{DecimalBytes, ProgressBar, ProgressState, ProgressStyle};

pub use part_file::PartFile;

/// How an array crosses the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    /// The elements and nothing else, little-endian: the recipe
    Raw,
    /// As a .npy file, which tells the type and the shape
    Npy,
    /// In chunks with checksums: what broke off can go on where it was
    Chunked,
}

/// The array of the recipe: 0, 1, 2 …
///
/// # Errors
///
/// There is no memory for so many.
pub fn recipe(count: usize) -> Result<Vec<f64>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count)?;
    values.extend((0..count).map(|n| n as f64));
    Ok(values)
}

/// Compares elements with those of the recipe.
///
/// # Errors
///
/// They are other numbers, or numbers of another type.
pub fn check_recipe<T: Element>(values: &[T]) -> Result<(), String> {
    if T::DTYPE != f64::DTYPE {
        return Err(format!("the recipe has f8, not {}", T::DTYPE));
    }
    let values: &[f64] = bytemuck::cast_slice(values);
    for (n, &value) in values.iter().enumerate() {
        if value != n as f64 {
            return Err(format!("number {n} of the recipe came as {value:?}"));
        }
    }
    Ok(())
}

/// What is to be done with an array whose type is only known when it is there.
pub trait ForElement {
    /// What comes out.
    type Output;

    /// Does it.
    fn run<T: Element + Debug + Send + Sync>(self) -> Self::Output;
}

/// Does `work` for this type of elements; `None` if nothing here has such elements.
pub fn for_dtype<W: ForElement>(dtype: Dtype, work: W) -> Option<W::Output> {
    Some(match (dtype.kind(), dtype.item_size()) {
        (Kind::Bool, 1) | (Kind::Uint, 1) => work.run::<u8>(),
        (Kind::Uint, 2) => work.run::<u16>(),
        (Kind::Uint, 4) => work.run::<u32>(),
        (Kind::Uint, 8) => work.run::<u64>(),
        (Kind::Int, 1) => work.run::<i8>(),
        (Kind::Int, 2) => work.run::<i16>(),
        (Kind::Int, 4) => work.run::<i32>(),
        (Kind::Int, 8) => work.run::<i64>(),
        (Kind::Float, 4) => work.run::<f32>(),
        (Kind::Float, 8) => work.run::<f64>(),
        (Kind::Complex, 8) => work.run::<[f32; 2]>(),
        (Kind::Complex, 16) => work.run::<[f64; 2]>(),
        _ => return None,
    })
}

/// The type that a text like `f8` names, for options.
///
/// # Errors
///
/// It names none, or one that nothing here has.
pub fn dtype(text: &str) -> Result<Dtype, String> {
    let found = DTYPES.iter().find(|dtype| dtype.to_string() == text);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = DTYPES.iter().map(Dtype::to_string).collect();
        format!("known are {}", known.join(", "))
    })
}

/// Shows how far a transfer is, on a terminal, and measures it.
#[derive(Debug)]
pub struct Meter {
    bar: ProgressBar,
    since: Instant,
    /// What was there before.
    before: u64,
}

impl Meter {
    /// Begins a transfer of so many bytes, some of which are there already.
    ///
    /// # Panics
    ///
    /// Never: the pattern of the bar is a good one.
    #[must_use]
    pub fn start(total: u64, before: u64) -> Self {
        let style = ProgressStyle::with_template(PATTERN).expect("the pattern is a good one");
        let style = style
            .with_key(
                "rate",
                move |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let rate = DecimalBytes(per_second(state, before) as u64);
                    let _ = write!(out, "{rate}/s");
                },
            )
            .with_key(
                "left",
                move |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let missing = state.len().unwrap_or(0).saturating_sub(state.pos());
                    let seconds = missing as f64 / per_second(state, before).max(1.0);
                    let _ = write!(out, "{seconds:.0} s left");
                },
            );
        let bar = ProgressBar::new(total)
            .with_style(style)
            .with_position(before);
        Self {
            bar,
            since: Instant::now(),
            before,
        }
    }

    /// So many bytes are there now.
    pub fn set(&self, bytes: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(bytes);
    }

    /// Takes the bar away, and tells how it went.
    pub fn finish(&self) {
        let bytes = self.bar.position() - self.before;
        let took = self.since.elapsed();
        self.bar.finish_and_clear();
        tracing::info!("{}", throughput(bytes, took));
    }

    /// Counts what is read from this stream.
    pub fn over<S>(&self, stream: S) -> Metered<'_, S> {
        Metered {
            stream,
            meter: self,
        }
    }
}

/// On average, since the beginning: the estimate of the bar itself takes a quarter of a minute to be one.
fn per_second(state: &ProgressState, before: u64) -> f64 {
    (state.pos() - before) as f64 / state.elapsed().as_secs_f64().max(1e-9)
}

/// What a [`Meter`] counts.
#[derive(Debug)]
pub struct Metered<'m, S> {
    stream: S,
    meter: &'m Meter,
}

impl<S: Source> Source for Metered<'_, S> {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        let read = self.stream.read_spare(spare)?;
        self.meter.bar.inc(read.len() as u64);
        Ok(read)
    }
}

/// So many bytes in this time.
#[must_use]
pub fn throughput(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = bytes as f64 / 1e6 / seconds.max(1e-9);
    format!("{bytes} bytes in {seconds:.3} s, {rate:.0} MB/s")
}

const DTYPES: [Dtype; 12] = [
    u8::DTYPE,
    u16::DTYPE,
    u32::DTYPE,
    u64::DTYPE,
    i8::DTYPE,
    i16::DTYPE,
    i32::DTYPE,
    i64::DTYPE,
    f32::DTYPE,
    f64::DTYPE,
    <[f32; 2]>::DTYPE,
    <[f64; 2]>::DTYPE,
];
const PATTERN: &str = "{wide_bar} {decimal_bytes}/{decimal_total_bytes} {rate} {left}";
