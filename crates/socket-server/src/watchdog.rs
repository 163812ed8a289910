use std::sync::{Arc, PoisonError};
use std::time::Duration;
use std::{io, thread};

use crate::failure::Cut;
use crate::gate::{Gate, NEVER, Wait};
use crate::registry::{Registry, State};

/// Starts the thread that cuts connections whose deadline has passed.
///
/// It need not be told of deadlines: one that is set after it has looked is at least the shortest
/// timeout away, so it looks again after that time, or at the nearest deadline it has seen. While
/// nothing is open it sleeps.
pub(crate) fn start(registry: &Arc<Registry>, gate: &Arc<Gate>) -> io::Result<()> {
    let (registry, gate) = (Arc::clone(registry), Arc::clone(gate));
    thread::Builder::new()
        .name("socket-server watchdog".into())
        .spawn(move || watch(&registry, &gate))?;
    Ok(())
}

fn watch(registry: &Registry, gate: &Gate) {
    let mut state = registry.state();
    while !state.is_closed {
        let next = look(&mut state, gate);
        if state.is_asleep {
            let woken = registry.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.is_asleep = false;
            continue;
        }
        let pause = Duration::from_micros(next).max(SHORTEST);
        if std::mem::take(&mut state.is_hurried) {
            continue;
        }
        let woken = registry.changed.wait_timeout(state, pause);
        state = woken.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Cuts what is overdue and says in how many microseconds to look again.
fn look(state: &mut State, gate: &Gate) -> u64 {
    let waits = [Wait::FirstByte, Wait::Idle, Wait::Handshake, Wait::Total];
    let now = gate.now();
    let soonest = waits.map(|wait| gate.timeout(wait)).into_iter().min();
    let mut next = soonest.map_or(NEVER, |soonest| now.saturating_add(soonest));
    let mut open = 0;
    for connection in state.slots.iter().flatten() {
        open += 1;
        if let Some(timeout) = connection.overdue(now, &mut next) {
            connection.cut(Cut::TimedOut(timeout));
        }
    }
    let newcomers = std::mem::take(&mut state.newcomers);
    state.is_asleep = open == 0 && newcomers == 0;
    next - now
}

/// The watchdog looks at most this often, so a deadline may be this much late.
const SHORTEST: Duration = Duration::from_millis(5);
