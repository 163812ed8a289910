/// One line on what happened to the connections of a server, leaving out what never happened.
#[must_use]
pub fn summary(totals: impl Into<Totals>) -> String {
    let Totals {
        served,
        finished,
        rare,
    } = totals.into();
    let mut line = format!("{served} connections served, {finished} finished");
    for (count, what) in rare {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    line
}

/// What a [`summary`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    served: u64,
    finished: u64,
    rare: [(u64, &'static str); 6],
}

impl From<&event_loop::Stats> for Totals {
    fn from(stats: &event_loop::Stats) -> Self {
        Self {
            served: stats.accepted,
            finished: stats.finished,
            rare: [
                (stats.refused, "refused"),
                (stats.timed_out, "timed out"),
                (stats.failed, "failed"),
                (stats.overflowed, "too slow"),
                (stats.panicked, "panicked"),
                (stats.cut_off, "cut off"),
            ],
        }
    }
}

impl From<&socket_server::Stats> for Totals {
    fn from(stats: &socket_server::Stats) -> Self {
        Self {
            served: stats.accepted - stats.refused,
            finished: stats.finished,
            rare: [
                (stats.refused, "refused"),
                (stats.timed_out, "timed out"),
                (stats.failed, "failed"),
                (stats.panicked, "panicked"),
                (stats.cut_off, "cut off"),
                (0, ""),
            ],
        }
    }
}
