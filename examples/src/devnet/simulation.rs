//! The network between the nodes: one queue in virtual time, one source of chance.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use avalanche_consensus::sampler::{Mt19937x64, Source};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Id, NodeId, Timestamp};

use super::Error;
use super::node::{Message, Node, NodeStatus, Output, Validators};

/// Least time that a message is on its way.
const DELAY_MIN: Duration = Duration::from_millis(10);
/// What chance adds to it at most.
const DELAY_SPREAD: Duration = Duration::from_millis(40);
/// Time for the answers to a query: a round trip at most. A node asks again what was not answered.
const QUERY_TIMEOUT: Duration = Duration::from_millis(110);
/// Every node proposes once a slot, at a time in its first part that chance decides. What was
/// proposed earlier in the slot has reached only some, so most heights have rivals.
const SLOT: Duration = Duration::from_millis(150);
/// See [`SLOT`].
const SLOT_SPREAD: Duration = Duration::from_millis(60);
/// A network that needs longer than this for each height is stuck.
const HEIGHT_MAX: Duration = Duration::from_secs(5);

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Heights to decide.
    pub heights: u64,
    /// Number of nodes, at least one.
    pub nodes: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// Messages between nodes that never arrive, in percent.
    pub loss_percent: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { heights: 50, nodes: 5, seed: 1, loss_percent: 2 }
    }
}

/// How a run stands, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some node has not accepted all heights, and there is time left.
    Running,
    /// Every node accepted the same block at every height.
    Agree,
    /// Two nodes accepted different blocks at one height: consensus is broken.
    Diverged,
    /// Time is over and some node has not accepted all heights.
    NoProgress,
}

impl Verdict {
    /// The verdict in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Agree => "all nodes agree",
            Self::Diverged => "NODES DISAGREE",
            Self::NoProgress => "no progress: not every node accepted every height in time",
        }
    }
}

/// The result of a run, or where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The hash of the blocks that all nodes accepted, lowest first.
    pub hash: Id,
    /// Heights that all nodes have accepted.
    pub heights: u64,
    /// Heights at which some node had to reject a rival of the accepted block: the greatest number
    /// that a node saw.
    pub contested: u64,
    /// Recorded polls of all nodes.
    pub polls: u64,
    /// Rejections of all nodes.
    pub rejected: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// Those of them that were lost.
    pub lost: u64,
    /// Virtual time.
    pub now: Timestamp,
}

/// Something that happens to a node.
#[derive(Clone, Copy, Debug)]
enum Event {
    Build,
    Receive { from: usize, message: Message },
    Deadline { request: u32 },
}

/// An event with its time. Equal times keep the order in which they were scheduled.
#[derive(Clone, Copy, Debug)]
struct Scheduled {
    at: Timestamp,
    sequence: u64,
    node: usize,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// A network of nodes that decides blocks. Equal configurations give equal runs.
#[derive(Debug)]
pub struct Simulation {
    config: Config,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    now: Timestamp,
    random: Mt19937x64,
    messages: u64,
    lost: u64,
    diverged: bool,
    /// The first acceptance at each height, genesis first, which all others must equal.
    chain: Vec<Id>,
}

impl Simulation {
    /// A network at genesis.
    ///
    /// The parameters are those of the network (k = 20, alpha = 15, beta = 20, four polls at a
    /// time). Weights are about a thousand, and differ: with one unit for each vote every poll
    /// would ask all, and without chance two equal camps would never tip.
    ///
    /// # Errors
    ///
    /// [`Error::Node`], which a correct core does not cause.
    pub fn new(config: Config) -> Result<Self, Error> {
        let parameters = Parameters::default();
        let ids = (0..config.nodes).map(|index| {
            let mut id = [0; 20];
            let hash = Id::hash(&index.to_be_bytes());
            id.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
            NodeId::new(id)
        });
        let weights = (0..config.nodes).map(|index| 1_000 + 100 * u64::from(index % 10));
        let validators = Validators { ids: ids.collect(), weights: weights.collect() };
        let nodes = (0..validators.ids.len()).map(|index| {
            let label = format!("avalanche/examples/devnet/v1 {} {index}", config.seed);
            let seed = *Id::hash(label.as_bytes()).as_bytes();
            Node::new(index, validators.clone(), parameters, config.heights, seed)
        });
        let mut simulation = Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            queue: BinaryHeap::new(),
            sequence: 0,
            now: Timestamp::ZERO,
            random: Mt19937x64::new(config.seed),
            messages: 0,
            lost: 0,
            diverged: false,
            chain: vec![Id::EMPTY],
            config,
        };
        for node in 0..simulation.nodes.len() {
            simulation.schedule_build(node);
        }
        Ok(simulation)
    }

    /// What was asked for.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Runs for `duration` of virtual time, or less if the run ends before; true while it goes on.
    ///
    /// # Errors
    ///
    /// An [`Error`] ends the run, and a correct core does not cause one.
    pub fn advance(&mut self, duration: Duration) -> Result<bool, Error> {
        let until = self.now.after(duration);
        while self.verdict() == Verdict::Running {
            match self.queue.peek() {
                Some(Reverse(next)) if next.at <= until => {}
                _ => {
                    self.now = until;
                    return Ok(true);
                }
            }
            if let Some(Reverse(next)) = self.queue.pop() {
                self.now = next.at;
                self.happen(next)?;
            }
        }
        Ok(false)
    }

    /// How the run stands.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let time_max = HEIGHT_MAX * u32::try_from(self.config.heights + 6).unwrap_or(u32::MAX);
        if self.diverged {
            Verdict::Diverged
        } else if self.decided() >= self.config.heights {
            Verdict::Agree
        } else if self.now.since(Timestamp::ZERO) > time_max {
            Verdict::NoProgress
        } else {
            Verdict::Running
        }
    }

    /// The result so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let heights = self.decided();
        let chain = self.chain.iter().skip(1).take(usize::try_from(heights).unwrap_or(usize::MAX));
        let bytes: Vec<u8> = chain.flat_map(|id| *id.as_bytes()).collect();
        let nodes = self.status();
        Outcome {
            verdict: self.verdict(),
            hash: Id::hash(&bytes),
            heights,
            contested: nodes.iter().map(|node| node.contested).max().unwrap_or(0),
            polls: nodes.iter().map(|node| node.polls).sum(),
            rejected: nodes.iter().map(|node| node.rejected).sum(),
            messages: self.messages,
            lost: self.lost,
            now: self.now,
        }
    }

    /// The figures of every node.
    #[must_use]
    pub fn status(&self) -> Vec<NodeStatus> {
        self.nodes.iter().map(Node::status).collect()
    }

    /// Heights that every node has accepted.
    fn decided(&self) -> u64 {
        let shortest = self.nodes.iter().map(|node| node.accepted().len()).min().unwrap_or(1);
        u64::try_from(shortest).unwrap_or(u64::MAX).saturating_sub(1)
    }

    /// Lets one event happen, checks what was accepted, and schedules what follows.
    fn happen(&mut self, Scheduled { node: index, event, .. }: Scheduled) -> Result<(), Error> {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(index) else { return Ok(()) };
        let accepted_before = node.accepted().len();
        match event {
            Event::Build => node.build(now)?,
            Event::Receive { from, message } => node.receive(from, message, now)?,
            Event::Deadline { request } => node.deadline(request)?,
        }
        let outputs = node.outputs();
        for (height, id) in node.accepted().iter().enumerate().skip(accepted_before) {
            match self.chain.get(height) {
                Some(first) => self.diverged |= first != id,
                None => self.chain.push(*id),
            }
        }
        if matches!(event, Event::Build) {
            self.schedule_build(index);
        }
        for output in outputs {
            match output {
                Output::Deadline { request } => {
                    self.schedule(index, QUERY_TIMEOUT, Event::Deadline { request });
                }
                Output::Send { to, message } => self.send(index, to, message),
            }
        }
        Ok(())
    }

    /// Carries a message, or loses it. What a node says to itself arrives at once.
    fn send(&mut self, from: usize, to: usize, message: Message) {
        if from == to {
            self.schedule(to, Duration::ZERO, Event::Receive { from, message });
            return;
        }
        self.messages += 1;
        if self.random.inclusive(99) < u64::from(self.config.loss_percent) {
            self.lost += 1;
            return;
        }
        let delay = self.draw(DELAY_MIN, DELAY_SPREAD);
        self.schedule(to, delay, Event::Receive { from, message });
    }

    fn schedule_build(&mut self, node: usize) {
        let slot = u64::try_from(SLOT.as_nanos()).unwrap_or(u64::MAX);
        let next = (self.now.as_nanos() / slot + 1) * slot;
        let delay = self.draw(Timestamp::from_nanos(next).since(self.now), SLOT_SPREAD);
        self.schedule(node, delay, Event::Build);
    }

    fn schedule(&mut self, node: usize, delay: Duration, event: Event) {
        let at = self.now.after(delay);
        self.queue.push(Reverse(Scheduled { at, sequence: self.sequence, node, event }));
        self.sequence += 1;
    }

    /// A duration from `least` on, at most `spread` longer.
    fn draw(&mut self, least: Duration, spread: Duration) -> Duration {
        let spread = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.random.inclusive(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A correct core cannot show this, so the test pretends that another node was first.
    #[test]
    fn a_node_that_accepts_another_block_is_noticed() {
        let mut simulation = Simulation::new(Config::default()).unwrap();
        simulation.chain.push(Id::hash(b"accepted by somebody else"));
        while simulation.advance(Duration::from_secs(1)).unwrap() {}
        assert_eq!(simulation.verdict(), Verdict::Diverged);
    }
}
