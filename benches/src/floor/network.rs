//! The floor of a network simulation: one byte a node, no instances, no identifiers.
//!
//! Each node counts consecutive polls with `alpha` votes for one colour. With many colours and a
//! high `alpha` such a network never agrees, which the prefix tree exists to solve; as a measure of
//! what a vote costs it serves all the same, so [`Flat::run`] is given a number of polls.

#![expect(clippy::indexing_slicing, reason = "indices are drawn below the length")]

use super::SplitMix;

/// Nodes with flat counters.
#[derive(Debug)]
pub struct Flat {
    preferences: Vec<u8>,
    confidences: Vec<u8>,
    stamps: Vec<u32>,
    running: Vec<u32>,
    stamp: u32,
    random: SplitMix,
    size: u32,
    k: u32,
    alpha: u8,
    beta: u8,
}

impl Flat {
    /// `nodes` nodes with random preferences among `colours` colours, at most 16.
    #[must_use]
    pub fn new(nodes: u32, colours: u8, k: u32, alpha: u8, beta: u8, seed: u64) -> Self {
        let mut random = SplitMix::new(seed);
        let draw = |_| u8::try_from(random.below(u32::from(colours.min(16)))).unwrap_or(0);
        let preferences: Vec<u8> = (0..nodes).map(draw).collect();
        Self {
            confidences: vec![0; preferences.len()],
            stamps: vec![0; preferences.len()],
            running: (0..nodes).collect(),
            preferences,
            stamp: 0,
            random,
            size: nodes,
            k: k.min(nodes),
            alpha,
            beta,
        }
    }

    /// Makes at most `polls` polls and returns how many it made; fewer only when all nodes decided.
    pub fn run(&mut self, polls: u64) -> u64 {
        for done in 0..polls {
            let Ok(running) = u32::try_from(self.running.len()) else {
                return done;
            };
            if running == 0 {
                return done;
            }
            let slot = self.random.below(running) as usize;
            self.poll(slot);
        }
        polls
    }

    /// One poll of the running node in `slot`.
    fn poll(&mut self, slot: usize) {
        let node = self.running[slot] as usize;
        self.stamp = self.stamp.wrapping_add(1);
        let mut counts = [0_u8; 16];
        let mut asked = 0;
        while asked < self.k {
            let peer = self.random.below(self.size) as usize;
            if self.stamps[peer] != self.stamp {
                self.stamps[peer] = self.stamp;
                counts[usize::from(self.preferences[peer]) & 15] += 1;
                asked += 1;
            }
        }
        let winner = (0_u8..16).find(|colour| counts[usize::from(*colour)] >= self.alpha);
        let Some(winner) = winner else {
            self.confidences[node] = 0;
            return;
        };
        if self.preferences[node] != winner {
            self.preferences[node] = winner;
            self.confidences[node] = 0;
        }
        self.confidences[node] += 1;
        if self.confidences[node] >= self.beta {
            self.running.swap_remove(slot);
        }
    }

    /// Whether every node decided.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether all nodes prefer one colour.
    #[must_use]
    pub fn agreed(&self) -> bool {
        self.preferences.windows(2).all(|pair| pair[0] == pair[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_colours_agree_and_runs_repeat() {
        let run = |seed| {
            let mut network = Flat::new(500, 2, 20, 15, 20, seed);
            let polls = network.run(1_000_000);
            assert!(network.finished() && network.agreed());
            polls
        };
        let polls = run(3);
        assert_eq!(polls, run(3));
        assert_ne!(polls, run(4));
        // No node can decide before beta polls.
        assert!(polls >= 500 * 20);
    }
}
