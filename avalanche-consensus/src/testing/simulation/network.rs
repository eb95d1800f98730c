//! What lies between nodes: delay, loss, repetition, disorder and walls.

use std::time::Duration;

use super::random::Random;

/// How long messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// All equally long.
    Fixed(Duration),
    /// Each as likely as any other between two.
    Uniform {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Most about this long, a few up to a hundred times longer (a Pareto law of index 2).
    LongTailed {
        /// The shortest.
        least: Duration,
    },
    /// Nodes stand in regions, in turns.
    Regions {
        /// Number of regions.
        regions: u32,
        /// Within a region.
        near: Duration,
        /// Between two of them, once for each step in a circle.
        far: Duration,
    },
}

impl Latency {
    /// How long one message travels.
    fn draw(&self, from: u32, to: u32, random: &mut Random) -> Duration {
        match *self {
            Self::Fixed(latency) => latency,
            Self::Uniform { least, most } => random.between(least, most),
            Self::LongTailed { least } => {
                // 1 / sqrt(u), for u uniform over (0, 1].
                let uniform = (random.below(1 << 20) + 1) as f64 / f64::from(1 << 20);
                let times = (1.0 / libm::sqrt(uniform)).min(100.0);
                least.mul_f64(times)
            }
            Self::Regions { regions, near, far } => {
                let regions = regions.max(1);
                let around = (from % regions).abs_diff(to % regions);
                let steps = around.min(regions - around);
                let base = near + far * steps;
                random.between(base, base + base / 4)
            }
        }
    }
}

/// How often something happened to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Messages that were given to the network.
    pub messages: u64,
    /// Those that got lost.
    pub lost: u64,
    /// Those that a partition stopped.
    pub cut: u64,
    /// Those that arrived twice.
    pub duplicated: u64,
    /// Those that were overtaken on purpose.
    pub reordered: u64,
    /// Those that were slowed down at a congested node.
    pub congested: u64,
}

/// The state of the network. Rates are in messages of a thousand.
#[derive(Debug)]
pub(super) struct Network {
    latency: Latency,
    random: Random,
    pub(super) loss: u32,
    pub(super) duplication: u32,
    pub(super) reordering: u32,
    /// A bit for each partition that a node is on the smaller side of.
    walls: Vec<u64>,
    /// Those of the bits whose partition closes connections too.
    seen_walls: u64,
    /// How many times slower messages of a node are.
    congestion: Vec<u32>,
    pub(super) counts: NetworkCounts,
}

/// The extra delay of a message that others shall overtake.
const DISORDER: Duration = Duration::from_millis(400);

impl Network {
    pub(super) fn new(nodes: u32, latency: Latency, seed: u64) -> Self {
        let random = Random::new(seed, "network");
        let (walls, congestion) = (vec![0; nodes as usize], vec![1; nodes as usize]);
        let (loss, duplication, reordering, seen_walls) = (0, 0, 0, 0);
        let counts = NetworkCounts::default();
        Self {
            latency,
            random,
            loss,
            duplication,
            reordering,
            walls,
            seen_walls,
            congestion,
            counts,
        }
    }

    /// How long a message travels, and its copy if there is one; nothing if it does not arrive.
    pub(super) fn carry(&mut self, from: u32, to: u32) -> [Option<Duration>; 2] {
        self.counts.messages += 1;
        if self.walls_of(from) != self.walls_of(to) {
            self.counts.cut += 1;
            return [None, None];
        }
        if self.loss > 0 && self.random.chance(self.loss) {
            self.counts.lost += 1;
            return [None, None];
        }
        let mut delay = self.latency.draw(from, to, &mut self.random);
        let slower = self.congestion_of(from).max(self.congestion_of(to));
        if slower > 1 {
            self.counts.congested += 1;
            delay *= slower;
        }
        if self.reordering > 0 && self.random.chance(self.reordering) {
            self.counts.reordered += 1;
            delay += self.random.between(Duration::ZERO, DISORDER);
        }
        if self.duplication > 0 && self.random.chance(self.duplication) {
            self.counts.duplicated += 1;
            let copy = delay + self.random.between(Duration::ZERO, DISORDER);
            return [Some(delay), Some(copy)];
        }
        [Some(delay), None]
    }

    /// Whether two nodes can keep a connection.
    pub(super) fn connects(&self, one: u32, other: u32) -> bool {
        (self.walls_of(one) ^ self.walls_of(other)) & self.seen_walls == 0
    }

    /// Puts up a wall round some nodes, or takes it down again.
    pub(super) fn set_wall(&mut self, wall: u32, around: &[u32], up: bool, seen: bool) {
        let bit = 1 << (wall % 64);
        for node in around {
            if let Some(walls) = self.walls.get_mut(*node as usize) {
                *walls = if up { *walls | bit } else { *walls & !bit };
            }
        }
        self.seen_walls = if up && seen { self.seen_walls | bit } else { self.seen_walls & !bit };
    }

    /// Makes the messages of a node some times slower.
    pub(super) fn set_congestion(&mut self, node: u32, times: u32) {
        if let Some(congestion) = self.congestion.get_mut(node as usize) {
            *congestion = times;
        }
    }

    fn walls_of(&self, node: u32) -> u64 {
        self.walls.get(node as usize).copied().unwrap_or(0)
    }

    fn congestion_of(&self, node: u32) -> u32 {
        self.congestion.get(node as usize).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn network(latency: Latency) -> Network {
        Network::new(6, latency, 1)
    }

    fn draws(latency: Latency, from: u32, to: u32) -> (Duration, Duration) {
        let mut network = network(latency);
        let drawn = (0..20_000).filter_map(|_| network.carry(from, to)[0]);
        let drawn: Vec<_> = drawn.collect();
        assert_eq!(drawn.len(), 20_000);
        (*drawn.iter().min().unwrap(), *drawn.iter().max().unwrap())
    }

    #[test]
    fn latencies_follow_their_law() {
        assert_eq!(draws(Latency::Fixed(5 * MS), 0, 1), (5 * MS, 5 * MS));
        let (least, most) = draws(Latency::Uniform { least: 5 * MS, most: 9 * MS }, 0, 1);
        assert!(least >= 5 * MS && least < 6 * MS && most > 8 * MS && most <= 9 * MS);
        let (least, most) = draws(Latency::LongTailed { least: 5 * MS }, 0, 1);
        assert!(least >= 5 * MS && least < 6 * MS && most > 200 * MS && most <= 500 * MS);
        let regions = Latency::Regions { regions: 4, near: 10 * MS, far: 30 * MS };
        for (to, base) in [(4, 10 * MS), (1, 40 * MS), (3, 40 * MS), (2, 70 * MS)] {
            let (least, most) = draws(regions, 0, to);
            assert!(least >= base && most <= base + base / 4, "{to}: {least:?} to {most:?}");
        }
    }

    #[test]
    fn rates_are_kept_and_counted() {
        let mut network = network(Latency::Fixed(MS));
        (network.loss, network.duplication, network.reordering) = (100, 200, 300);
        let carried: Vec<_> = (0..10_000).map(|_| network.carry(0, 1)).collect();
        let NetworkCounts { messages, lost, duplicated, reordered, cut, .. } = network.counts;
        let copies = carried.iter().filter(|[_, copy]| copy.is_some()).count();
        let missing = carried.iter().filter(|[first, _]| first.is_none()).count();
        assert_eq!((messages, cut), (10_000, 0));
        assert_eq!((lost, duplicated), (missing as u64, copies as u64));
        assert!((900..1_100).contains(&lost), "{lost}");
        assert!((1_650..1_950).contains(&duplicated), "{duplicated}");
        assert!((2_550..2_850).contains(&reordered), "{reordered}");
    }

    #[test]
    fn walls_stop_messages_between_sides_until_they_come_down() {
        let mut network = network(Latency::Fixed(MS));
        let passes = |network: &mut Network, from, to| network.carry(from, to)[0].is_some();
        network.set_wall(0, &[0, 1], true, false);
        network.set_wall(1, &[1, 2], true, true);
        assert!(passes(&mut network, 3, 4) && !passes(&mut network, 0, 1));
        assert!(!passes(&mut network, 1, 2) && !passes(&mut network, 2, 3));
        // Only the second wall closes connections.
        assert!(network.connects(0, 3) && !network.connects(0, 1) && !network.connects(2, 3));
        network.set_wall(1, &[1, 2], false, true);
        assert!(passes(&mut network, 0, 1) && passes(&mut network, 2, 3));
        assert!(network.connects(0, 1) && !passes(&mut network, 0, 2));
        network.set_wall(0, &[0, 1], false, false);
        assert!(passes(&mut network, 0, 2));
        assert_eq!(network.counts.cut, 4);
    }

    #[test]
    fn congestion_of_either_end_slows_a_message_down() {
        let mut network = network(Latency::Fixed(MS));
        network.set_congestion(2, 7);
        assert_eq!(network.carry(2, 1), [Some(7 * MS), None]);
        assert_eq!(network.carry(1, 2), [Some(7 * MS), None]);
        assert_eq!(network.carry(1, 3), [Some(MS), None]);
        network.set_congestion(2, 1);
        assert_eq!(network.carry(2, 1), [Some(MS), None]);
    }
}
