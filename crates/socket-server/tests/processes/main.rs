//! Both process strategies, with servers that are programs of their own: this very program, started
//! with `--program`. So it has no test harness, but a list of checks; words name those to run.

mod both;
mod prefork;
mod processes;
mod program;
mod support;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{panic, thread};

/// The name of a check and what it does: panics when something is not as it should be.
type Check = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--program") {
        return match program::run(&arguments[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{arguments:?}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let words: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, check) in processes::CHECKS.iter().chain(prefork::CHECKS) {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            let went_well = run(name, *check);
            println!("{} {name}", if went_well { "ok    " } else { "FAILED" });
            failed += u8::from(!went_well);
        }
    }
    ExitCode::from(failed.min(1))
}

fn run(name: &str, check: fn()) -> bool {
    let (done, end) = mpsc::channel::<()>();
    let watchdog = thread::spawn({
        let name = name.to_owned();
        move || {
            if end.recv_timeout(LONGEST_CHECK) == Err(RecvTimeoutError::Timeout) {
                println!("FAILED {name}: hangs");
                std::process::exit(1);
            }
        }
    });
    let result = panic::catch_unwind(check);
    drop(done);
    watchdog.join().expect("does not panic");
    result.is_ok()
}

const LONGEST_CHECK: Duration = Duration::from_secs(60);
