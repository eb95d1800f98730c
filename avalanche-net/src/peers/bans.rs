//! Nodes that are not talked to.

use std::collections::BTreeMap;

use avalanche_consensus::NodeId;

/// Why a node is not talked to, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The first Unix second in which it may come back; [`u64::MAX`] for never.
    pub until_unix: u64,
    reason: String,
}

impl Ban {
    /// Bytes of a reason that are kept.
    pub const REASON_BYTES_MAX: usize = 128;

    /// A ban. A reason longer than [`Ban::REASON_BYTES_MAX`] is cut.
    #[must_use]
    pub fn new(reason: &str, until_unix: u64) -> Self {
        let end = reason.floor_char_boundary(Self::REASON_BYTES_MAX);
        Self { until_unix, reason: reason.get(..end).unwrap_or_default().to_owned() }
    }

    /// The words of whoever banned the node, or those of a
    /// [`CloseReason`](crate::CloseReason).
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Who is banned. Times are Unix seconds, so that bans outlive the process (see
/// [`AddressBook`](super::AddressBook)).
///
/// # Limits
///
/// At most [`Bans::MAX`]; one more takes the place of the ban that ends first, unless it would be
/// that one itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bans {
    nodes: BTreeMap<NodeId, Ban>,
}

impl Bans {
    /// Bans that are kept: 1,024.
    pub const MAX: usize = 1 << 10;

    /// Nobody is banned.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: BTreeMap::new() }
    }

    /// Bans a node, or replaces its ban. Returns `false` if the ban was not taken, because it is
    /// over already or because there is no room.
    pub fn ban(&mut self, node: NodeId, ban: Ban, unix: u64) -> bool {
        if ban.until_unix <= unix {
            return false;
        }
        if !self.nodes.contains_key(&node) && self.nodes.len() >= Self::MAX {
            let first = self.nodes.iter().min_by_key(|(_, other)| other.until_unix);
            match first.map(|(node, other)| (*node, other.until_unix)) {
                Some((ends_first, until)) if until < ban.until_unix => {
                    self.nodes.remove(&ends_first);
                }
                _ => return false,
            }
        }
        self.nodes.insert(node, ban);
        true
    }

    /// Lifts a ban and returns it, even if it was over.
    pub fn lift(&mut self, node: &NodeId) -> Option<Ban> {
        self.nodes.remove(node)
    }

    /// The ban of a node that is not over.
    #[must_use]
    pub fn get(&self, node: &NodeId, unix: u64) -> Option<&Ban> {
        self.nodes.get(node).filter(|ban| unix < ban.until_unix)
    }

    /// Forgets the bans that are over.
    pub fn expire(&mut self, unix: u64) {
        self.nodes.retain(|_, ban| unix < ban.until_unix);
    }

    /// All bans by node, those included that are over and not yet forgotten.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&NodeId, &Ban)> {
        self.nodes.iter()
    }

    /// Number of bans.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: usize) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        NodeId::new(bytes)
    }

    #[test]
    fn a_ban_holds_until_its_time_or_until_it_is_lifted() {
        let mut bans = Bans::new();
        assert!(bans.ban(node(1), Ban::new("spam", 100), 50));
        assert!(!bans.ban(node(2), Ban::new("late", 50), 50), "it is over already");
        assert_eq!(bans.get(&node(1), 99).map(Ban::reason), Some("spam"));
        assert_eq!(bans.get(&node(1), 100), None);
        assert!(bans.ban(node(1), Ban::new("more spam", u64::MAX), 60), "a ban is replaced");
        bans.expire(100);
        assert_eq!(bans.get(&node(1), u64::MAX - 1).map(Ban::reason), Some("more spam"));
        assert_eq!(bans.lift(&node(1)), Some(Ban::new("more spam", u64::MAX)));
        assert_eq!((bans.lift(&node(1)), bans.get(&node(1), 0)), (None, None));
        bans.ban(node(3), Ban::new("x", 100), 0);
        bans.expire(100);
        assert!(bans.is_empty());
    }

    #[test]
    fn the_ban_that_ends_first_makes_room() {
        let mut bans = Bans::new();
        for n in 0..Bans::MAX {
            assert!(bans.ban(node(n), Ban::new("x", 1_000 + n as u64), 0));
        }
        assert!(!bans.ban(node(Bans::MAX), Ban::new("x", 1_000), 0), "it would be the first");
        assert!(bans.ban(node(5), Ban::new("y", 9_000), 0), "a known one needs no room");
        assert!(bans.ban(node(Bans::MAX), Ban::new("x", 1_001), 0));
        assert_eq!((bans.len(), bans.get(&node(0), 0)), (Bans::MAX, None));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let ban = Ban::new(&"é".repeat(100), 1);
        assert_eq!(ban.reason(), "é".repeat(Ban::REASON_BYTES_MAX / 2));
        let ban = Ban::new(&format!("a{}", "é".repeat(100)), 1);
        assert_eq!(ban.reason().len(), Ban::REASON_BYTES_MAX - 1);
    }
}
