//! How much memory is asked for, counted. One test, so that nothing else is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use bulk_array::blocking::{npy, raw};
use bulk_array::{ByteOrder, Limits};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

#[allow(unsafe_code, reason = "an allocator that counts")]
// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        grown(new_size);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how often `work` asked for memory, and the most bytes it had at a time.
fn count(work: impl FnOnce()) -> (usize, usize) {
    let before = NOW.load(Ordering::Relaxed);
    CALLS.store(0, Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (CALLS.load(Ordering::Relaxed), peak)
}

const MIB: usize = 1 << 20;

#[test]
fn memory() {
    let values = vec![1.5_f64; 4 * MIB]; // 32 MiB
    let wire: &[u8] = bytemuck::cast_slice(&values);

    let sent = |order| {
        count(|| raw::send_slice(&mut std::io::sink(), &values, order).expect("sinks take all"))
    };
    assert_eq!(sent(ByteOrder::Little), (0, 0));
    assert_eq!(sent(ByteOrder::Big), (1, 64 * 1024));

    let (calls, peak) = count(|| {
        raw::recv_vec::<f64>(&mut &*wire, values.len(), ByteOrder::Big).expect("all is there");
    });
    // 1 MiB, doubled until it is 32 MiB: the array and nothing more.
    assert_eq!((calls, peak), (6, 32 * MIB));

    let mut memory = vec![0.0_f64; values.len()];
    let reused = count(|| {
        raw::recv_reusing(&mut &*wire, &mut memory, values.len(), ByteOrder::Big)
            .expect("all is there");
    });
    assert_eq!(reused, (0, 0));
    let into =
        count(|| raw::recv_into(&mut &*wire, &mut memory, ByteOrder::Big).expect("all is there"));
    assert_eq!(into, (0, 0));

    // Whatever is announced, memory follows what came.
    for (arrived, most) in [
        (0, MIB),
        (MIB / 2, MIB),
        (3 * MIB, 8 * MIB),
        (9 * MIB, 20 * MIB),
    ] {
        let (_, peak) = count(|| {
            let result = raw::recv_vec::<u8>(&mut &wire[..arrived], 1 << 40, ByteOrder::Little);
            result.expect_err("it is not all");
        });
        assert!(peak <= most, "{peak} bytes for {arrived}");
    }

    let mut announced = bulk_array::npy::Header::new(
        bulk_array::Dtype::new(bulk_array::Kind::Uint, 1),
        ByteOrder::Little,
        1 << 30,
    )
    .encode();
    announced.extend([0; 100]);
    let (_, peak) = count(|| {
        npy::recv_vec::<u8>(&mut &announced[..], &Limits::default()).expect_err("it is not all");
    });
    assert!(peak < MIB + 4096, "{peak} bytes");

    // A header's length is believed no more than that.
    let (_, peak) = count(|| {
        let begun = b"\x93NUMPY\x02\x00\x00\x00\x01\x00{";
        npy::recv_vec::<u8>(&mut &begun[..], &Limits::default()).expect_err("it is not all");
    });
    assert!(peak < 1024, "{peak} bytes");
}
