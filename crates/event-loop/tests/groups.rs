//! Groups that nobody is in are forgotten: a program of one test, since it looks at the process's memory.

use event_loop::sim::Sim;
use event_loop::{Context, EventLoop, LoopOptions, Options, Outgoing, StreamHandler};

/// In a group of its own, which it never leaves by itself.
struct Loner(u64);

impl StreamHandler for Loner {
    fn opened(&mut self, _: &mut Outgoing, cx: &mut Context<'_>) {
        cx.join(self.0);
    }

    fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {}
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("a second column");
    pages.parse::<u64>().expect("a number") * 4096
}

#[test]
fn a_group_ends_with_its_last_member() {
    let sim = Sim::new();
    let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let mut come_and_go = |groups: std::ops::Range<u64>| {
        for group in groups {
            let (socket, mut peer) = sim.stream();
            event_loop
                .add_stream(socket, Options::default(), Loner(group))
                .unwrap();
            event_loop.turn(None).unwrap();
            peer.finish();
            event_loop.turn(None).unwrap();
        }
        assert_eq!(event_loop.stats().open, 0);
    };
    come_and_go(0..1000);
    let before = resident_bytes();
    come_and_go(1000..200_000);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for groups that are gone");
}
