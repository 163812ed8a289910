use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much a program says on standard error.
#[derive(Clone, Debug, clap::Args)]
pub struct Logging {
    /// Say more on standard error; twice for everything. RUST_LOG, where set, decides instead
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Logging {
    /// Starts to write what is logged to standard error. Call it once.
    ///
    /// # Panics
    ///
    /// When called twice.
    pub fn start(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (_, 0) => LevelFilter::INFO,
            (_, 1) => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let wished = std::env::var("RUST_LOG").ok();
        let targets = wished
            .and_then(|wished| wished.parse::<Targets>().ok())
            .unwrap_or_else(|| Targets::new().with_default(level));
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            // Nobody reads standard error any more: no reason to panic.
            .log_internal_errors(false)
            .with_writer(io::stderr);
        tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .init();
    }
}
