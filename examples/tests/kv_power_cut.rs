//! The power is cut at any moment: what was acknowledged is there, and nothing is there by half.

use examples::kv::{Durability, DurableOptions};

mod kv_disk_support;

use kv_disk_support::{Disk, Image, Model, Random, Step, apply, contents, write};

/// Histories, and states of the disk that are made up for each.
const HISTORIES: u64 = 10;
const STATES: usize = 40;

fn options() -> DurableOptions {
    DurableOptions {
        cache_len: 1 << 20,
        journal_len: 6000,
        ..DurableOptions::default()
    }
}

/// What was done to a disk, and what it should hold after that many steps.
struct History {
    start: Image,
    steps: Vec<Step>,
    /// The number of steps after which a batch was acknowledged, and all that was acknowledged by then.
    acknowledged: Vec<(usize, Model)>,
}

impl History {
    fn record(seed: u64, options: &DurableOptions) -> Self {
        let mut random = Random(seed);
        let disk = Disk::empty();
        let start = disk.state().image.clone();
        disk.change(|state| state.steps = Some(Vec::new()));
        let mut acknowledged = vec![(0, Model::new())];
        let mut model = Model::new();
        // The storage is closed properly and opened again on the way.
        for _ in 0..2 {
            let storage = disk.open(options).expect("all is well");
            for _ in 0..20 {
                let batch = random.batch();
                examples::kv::Storage::apply(&storage, &batch).expect("all is well");
                apply(&mut model, &batch);
                acknowledged.push((disk.so_far(), model.clone()));
            }
        }
        let steps = disk.state().steps.take().expect("set above");
        Self {
            start,
            steps,
            acknowledged,
        }
    }

    /// What may be found when the power is cut after so many steps: all that was acknowledged, or also
    /// the batch that was about to be.
    fn legal(&self, cut: usize) -> &[(usize, Model)] {
        let next = self.acknowledged.partition_point(|(at, _)| *at <= cut);
        &self.acknowledged[next - 1..self.acknowledged.len().min(next + 1)]
    }
}

impl Disk {
    fn so_far(&self) -> usize {
        self.state().steps.as_ref().map_or(0, Vec::len)
    }
}

/// Makes up what a disk may hold when the power is cut after these steps: all that was synced, and of
/// the rest whatever the dice say.
fn cut_power(start: &Image, steps: &[Step], random: &mut Random) -> Image {
    let mut image = start.clone();
    let synced = [0, 1].map(|file| {
        let is_sync = |step: &Step| matches!(step, Step::Sync(synced) if *synced == file);
        steps.iter().rposition(is_sync).unwrap_or(0)
    });
    let unsynced = |(at, step): &(usize, &Step)| *at > synced[step.file()];
    let count = steps.iter().enumerate().filter(unsynced).count();
    let style = random.below(4);
    let mut prefix = random.below(count + 1);
    for (at, step) in steps.iter().enumerate() {
        if !unsynced(&(at, step)) {
            step.apply(&mut image);
            continue;
        }
        match style {
            // Written in order up to some step, ...
            0 => {
                if prefix == 0 {
                    continue;
                }
                prefix -= 1;
                step.apply(&mut image);
            }
            // ... or in any order, ...
            1 => {
                if random.below(2) == 0 {
                    step.apply(&mut image);
                }
            }
            // ... or nothing at all, ...
            2 => {}
            // ... or some sectors of each.
            _ => tear(step, &mut image, random),
        }
    }
    image
}

const SECTOR: usize = 512;

fn tear(step: &Step, image: &mut Image, random: &mut Random) {
    let Step::Write(file, offset, bytes) = step else {
        return step.apply(image);
    };
    let mut at = *offset as usize;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let len = rest.len().min(SECTOR - at % SECTOR);
        let (sector, after) = rest.split_at(len);
        if random.below(2) == 0 {
            write(&mut image[*file], at, sector);
        }
        at += len;
        rest = after;
    }
}

#[test]
fn what_is_acknowledged_survives_a_power_cut() {
    let mut in_flight = 0;
    for seed in 1..=HISTORIES {
        let history = History::record(seed, &options());
        let mut random = Random(seed << 32);
        for state in 0..STATES {
            let cut = random.below(history.steps.len() + 1);
            let legal = history.legal(cut);
            let image = cut_power(&history.start, &history.steps[..cut], &mut random);
            let disk = Disk::new(image.clone());
            disk.change(|state| state.steps = Some(Vec::new()));
            let storage = disk.open(&options());
            let storage = storage.unwrap_or_else(|error| panic!("{seed} {state} {cut}: {error}"));
            let found = contents(&storage).unwrap();
            let is_legal = |found: &Model| legal.iter().any(|(_, model)| model == found);
            assert!(
                is_legal(&found),
                "history {seed}, state {state}, cut after {cut}"
            );
            in_flight += usize::from(found != legal[0].1);

            // The power is cut again while the storage is opened.
            let steps = disk.state().steps.take().expect("set above");
            let again = cut_power(&image, &steps[..random.below(steps.len() + 1)], &mut random);
            let storage = Disk::new(again).open(&options());
            let storage = storage.unwrap_or_else(|error| panic!("{seed} {state} {cut}: {error}"));
            assert_eq!(contents(&storage).unwrap(), found, "{seed} {state} {cut}");
        }
    }
    // The dice do cut in the middle of batches.
    assert!(in_flight > 0);
}

#[test]
fn a_killed_process_loses_nothing_that_was_handed_to_the_system() {
    let options = DurableOptions {
        durability: Durability::System,
        ..options()
    };
    let history = History::record(99, &options);
    for cut in (0..=history.steps.len()).step_by(7) {
        let mut image = history.start.clone();
        for step in &history.steps[..cut] {
            step.apply(&mut image);
        }
        let storage = Disk::new(image).open(&options).unwrap();
        let found = contents(&storage).unwrap();
        let legal = history.legal(cut);
        assert!(
            legal.iter().any(|(_, model)| *model == found),
            "killed after {cut}"
        );
    }
}

#[test]
fn a_power_cut_leaves_what_was_handed_to_the_system_up_to_some_batch() {
    let options = DurableOptions {
        durability: Durability::System,
        ..options()
    };
    let history = History::record(7, &options);
    let mut random = Random(7);
    for _ in 0..100 {
        let cut = random.below(history.steps.len() + 1);
        let image = cut_power(&history.start, &history.steps[..cut], &mut random);
        let storage = Disk::new(image).open(&options).unwrap();
        let found = contents(&storage).unwrap();
        let models = history.acknowledged.iter().map(|(_, model)| model);
        assert!(
            models.into_iter().any(|model| *model == found),
            "cut after {cut}"
        );
    }
}
