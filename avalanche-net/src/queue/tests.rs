//! Lanes of the outbound queue: order, shares and bounds.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

/// A frame of a class with a length and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item(Class, usize, u32);

impl Queued for Item {
    fn class(&self) -> Class {
        self.0
    }

    fn len(&self) -> usize {
        self.1
    }
}

const CLASSES: [Class; 4] = [Class::Control, Class::Consensus, Class::Sync, Class::App];

fn queue() -> Outbound<Item> {
    Outbound::new(&OutboundConfig::default())
}

fn drain(queue: &mut Outbound<Item>, max_bytes: usize) -> Vec<Item> {
    let mut out = Vec::new();
    let bytes = queue.drain(max_bytes, &mut out);
    assert_eq!(bytes, out.iter().map(Item::len).sum::<usize>());
    out
}

#[test]
fn lanes_drain_by_importance_and_each_in_its_order() {
    let mut queue = queue();
    for number in 0..3 {
        for class in CLASSES.into_iter().rev() {
            assert_eq!(queue.push(Item(class, 10, number)), Pushed::Queued);
        }
    }
    assert_eq!((queue.len(), queue.bytes()), (12, 120));
    let drained: Vec<_> =
        drain(&mut queue, 1_000).into_iter().map(|item| (item.0, item.2)).collect();
    // Consensus earns as much as control sends, so those two take turns; four of their frames earn
    // one of sync, and eight of all one of app.
    let (control, consensus, sync, app) =
        (Class::Control, Class::Consensus, Class::Sync, Class::App);
    assert_eq!(drained[..4], [(control, 0), (consensus, 0), (control, 1), (consensus, 1)]);
    assert_eq!(drained[4..8], [(sync, 0), (control, 2), (consensus, 2), (sync, 1)]);
    assert_eq!(drained[8..], [(app, 0), (sync, 2), (app, 1), (app, 2)]);
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn a_drain_takes_whole_frames_up_to_its_bytes_and_at_least_one() {
    let mut queue = queue();
    for (number, length) in [(0, 40), (1, 40), (2, 40), (3, 200), (4, 1)] {
        assert_eq!(queue.push(Item(Class::App, length, number)), Pushed::Queued);
    }
    let numbers = |items: Vec<Item>| items.iter().map(|item| item.2).collect::<Vec<_>>();
    assert_eq!(numbers(drain(&mut queue, 80)), [0, 1]);
    assert_eq!(numbers(drain(&mut queue, 79)), [2]);
    assert_eq!(numbers(drain(&mut queue, 79)), [3]);
    assert_eq!(numbers(drain(&mut queue, 0)), [4]);
    assert!(drain(&mut queue, 79).is_empty());
}

#[test]
fn a_full_lane_drops_the_new_frame_and_leaves_the_others_alone() {
    let mut queue = queue();
    let kib = |class, kib: usize, number| Item(class, kib << 10, number);
    // A frame of the largest length passes if it is alone.
    assert_eq!(queue.push(kib(Class::App, 2_048, 0)), Pushed::Queued);
    assert_eq!(queue.push(kib(Class::App, 0, 1)), Pushed::Dropped(DropReason::LaneBytes));
    assert_eq!(queue.push(kib(Class::Consensus, 768, 2)), Pushed::Queued);
    let dropped = queue.push(Item(Class::Consensus, 1, 3));
    assert_eq!(dropped, Pushed::Dropped(DropReason::LaneBytes));
    for number in 0..256 {
        assert_eq!(queue.push(Item(Class::Control, 1, number)), Pushed::Queued);
    }
    let dropped = queue.push(Item(Class::Control, 1, 256));
    assert_eq!(dropped, Pushed::Dropped(DropReason::LaneFrames));
    let refused = queue.offer(Item(Class::Sync, 9, 0), |class, bytes| {
        assert_eq!((class, bytes), (Class::Sync, 9));
        false
    });
    assert_eq!(refused, Pushed::Dropped(DropReason::Budget));
    // The budget is not asked for a frame that its lane refuses.
    let refused = queue.offer(Item(Class::App, 9, 0), |_, _| panic!("asked"));
    assert_eq!(refused, Pushed::Dropped(DropReason::LaneBytes));
    let stats = |queued, dropped, dropped_bytes| LaneStats { queued, dropped, dropped_bytes };
    assert_eq!(queue.stats(Class::Control), stats(256, 1, 1));
    assert_eq!(queue.stats(Class::Consensus), stats(1, 1, 1));
    assert_eq!(queue.stats(Class::Sync), stats(0, 1, 9));
    assert_eq!(queue.stats(Class::App), stats(1, 2, 9));
    assert_eq!(queue.waiting(Class::Control), (256, 256));
    assert_eq!(queue.clear(), (2_048 + 768) * KIB + 256);
    assert!(queue.is_empty() && drain(&mut queue, 100).is_empty());
    assert_eq!(queue.push(kib(Class::App, 1, 0)), Pushed::Queued);
}

#[test]
fn a_lane_under_a_flood_keeps_its_share() {
    // Class of the flood, class below it, bytes of it in bytes of the flood.
    let table = [
        (Class::Control, Class::Consensus, 1.0),
        (Class::Control, Class::App, 0.125),
        (Class::Consensus, Class::Sync, 0.25),
        (Class::Consensus, Class::App, 0.125),
        (Class::Sync, Class::App, 0.125),
    ];
    for (flood, below, share) in table {
        let mut queue = queue();
        let mut sent = BTreeMap::new();
        for number in 0..20_000 {
            for class in [flood, below] {
                while queue.waiting(class).0 < 4 {
                    let length = if class == flood { 300 } else { 1_000 };
                    assert_eq!(queue.push(Item(class, length, number)), Pushed::Queued);
                }
            }
            for item in drain(&mut queue, 1) {
                *sent.entry(item.0).or_insert(0) += item.1;
            }
        }
        let got = sent[&below] as f64 / sent[&flood] as f64;
        assert!((got - share).abs() < 0.01, "{below:?} under {flood:?}: {got}");
    }
}

/// What was pushed and when, to be compared with what comes out.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<Class, Vec<Item>>,
    /// Bytes of each class that were drained so far.
    drained: BTreeMap<Class, usize>,
    /// The same when a frame was pushed.
    at_push: BTreeMap<(Class, u32), BTreeMap<Class, usize>>,
    longest: BTreeMap<Class, usize>,
}

impl Model {
    fn drained_since(&self, item: &Item, class: Class) -> usize {
        let now = self.drained.get(&class).copied().unwrap_or(0);
        now - self.at_push[&(item.0, item.2)].get(&class).copied().unwrap_or(0)
    }

    fn pushed(&mut self, item: Item) {
        self.at_push.insert((item.0, item.2), self.drained.clone());
        self.waiting.entry(item.0).or_default().push(item);
        let longest = self.longest.entry(item.0).or_default();
        *longest = item.1.max(*longest);
    }

    /// The first of its lane, and not behind more of the lanes below than allowed.
    fn came_out(&mut self, item: Item) -> Result<bool, TestCaseError> {
        let lane = self.waiting.get_mut(&item.0).expect("something was pushed");
        prop_assert_eq!(lane.remove(0), item);
        *self.drained.entry(item.0).or_default() += item.1;
        let mut overtaken = false;
        for (class, part) in [(Class::Consensus, 1), (Class::Sync, 4), (Class::App, 8)] {
            if class <= item.0 {
                continue;
            }
            let longest = |class| self.longest.get(&class).copied().unwrap_or(0);
            let above = CLASSES.into_iter().filter(|other| *other < class);
            let sent: usize = above.clone().map(|other| self.drained_since(&item, other)).sum();
            let before = above.map(longest).max().unwrap_or(0);
            let bound = longest(class) + (sent + before) / part + 1;
            let behind = self.drained_since(&item, class);
            prop_assert!(behind <= bound, "{:?} behind {} of {:?}: {}", item, behind, class, bound);
            overtaken |= behind > 0;
        }
        Ok(overtaken)
    }
}

/// Nothing is lost or reordered within a lane, bounds hold, and a frame is not behind more of the
/// lanes below it than documented.
#[test]
fn any_use_keeps_order_bounds_and_importance() {
    let counts = [Cell::new(0_u32), Cell::new(0), Cell::new(0), Cell::new(0)];
    let bump = |at: usize| counts[at].set(counts[at].get() + 1);
    let limit = LaneLimit { bytes: 3_000, frames: 20 };
    let config = OutboundConfig { control: limit, consensus: limit, sync: limit, app: limit };
    let length = prop_oneof![4 => 0_usize..200, 1 => 0_usize..3_500];
    let steps = prop::collection::vec((0_usize..6, length, 0_usize..2_000), 1..150);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&steps, |steps| {
            let mut queue = Outbound::new(&config);
            let mut model = Model::default();
            for (number, (kind, length, max)) in (0_u32..).zip(steps) {
                let items = if let Some(class) = CLASSES.get(kind) {
                    let item = Item(*class, length, number);
                    let lane = queue.waiting(*class);
                    if queue.push(item) == Pushed::Queued {
                        bump(0);
                        model.pushed(item);
                    } else {
                        bump(1);
                        prop_assert!(lane.0 == limit.frames || lane.1 + length > limit.bytes);
                    }
                    let (frames, bytes) = queue.waiting(*class);
                    prop_assert!(frames <= limit.frames);
                    prop_assert!(bytes <= limit.bytes || frames == 1);
                    Vec::new()
                } else {
                    drain(&mut queue, max)
                };
                prop_assert!(items.iter().map(Item::len).sum::<usize>() <= max || items.len() == 1);
                for item in items {
                    bump(2);
                    if model.came_out(item)? {
                        bump(3);
                    }
                }
            }
            for item in drain(&mut queue, usize::MAX) {
                model.came_out(item)?;
            }
            prop_assert!(model.waiting.values().all(Vec::is_empty));
            prop_assert_eq!((queue.len(), queue.bytes()), (0, 0));
            Ok(())
        })
        .expect("the queue is one");
    assert!(counts.iter().all(|count| count.get() > 500), "{counts:?}");
}
