//! Bounds and habits of gossip.

use std::time::Duration;

/// Bounds and habits of a [`Gossip`](super::Gossip). The defaults are AvalancheGo's where it has
/// them (`network/p2p/gossip/system.go`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GossipConfig {
    /// The handler that messages are for. Default: 0, transactions.
    pub handler: u64,
    /// Items that are kept. Default: 65,536. More remember more, and make filters longer.
    pub items_max: usize,
    /// Bytes of the items that are kept. Default: 64 MiB.
    pub bytes_max: usize,
    /// Bytes of one item. Default: 64 KiB, AvalancheGo's largest transaction. At most 2 MiB less 64
    /// KiB, so that it fits into a message.
    pub item_bytes_max: usize,
    /// Items of a message, from a peer or to one. Default: 4,096.
    pub message_items_max: usize,
    /// Bytes of items after which a push or an answer ends. One item more may exceed it. Default:
    /// 20 KiB.
    pub target_bytes: usize,
    /// Items that are looked at for one answer; the next answer goes on from there. Default: 8,192,
    /// about 2 ms.
    pub scan_max: usize,
    /// Own items that are pushed, now or again. Default: 16,384. Others are only pulled.
    pub push_max: usize,
    /// Peers that a new item is pushed to, by stake. Default: 8. More are reached sooner;
    /// AvalancheGo takes 100 and those that have 90% of the stake.
    pub push_peers: usize,
    /// Peers that an item is pushed to again, by stake, among those that are not known to have it.
    /// Default: 4. AvalancheGo takes 10 of all.
    pub regossip_peers: usize,
    /// An item is not pushed again while so many connected validators said themselves that they
    /// have it: from them it is pulled. Default: 4. Where nobody has stake, all peers count.
    pub regossip_until: usize,
    /// The time after which an item that is still kept is pushed again. Default: 30 s.
    pub regossip_period: Duration,
    /// Answers to one peer a second, over a while. Default: 1, and 8 at once.
    pub pulls_per_second: u64,
    /// Peers whose requests are counted. Default: 4,096.
    pub pullers_max: usize,
    /// The filter of what this node has.
    pub filter: FilterConfig,
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            handler: super::prefix::TX_GOSSIP,
            items_max: 1 << 16,
            bytes_max: 64 << 20,
            item_bytes_max: 64 << 10,
            message_items_max: 1 << 12,
            target_bytes: 20 << 10,
            scan_max: 1 << 13,
            push_max: 1 << 14,
            push_peers: 8,
            regossip_peers: 4,
            regossip_until: 4,
            regossip_period: Duration::from_secs(30),
            pulls_per_second: 1,
            pullers_max: 1 << 12,
            filter: FilterConfig::default(),
        }
    }
}

/// The filter of what a node has (AvalancheGo `network/p2p/gossip/set.go`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterConfig {
    /// It is made for twice the items at the time, and for so many at least. Default: 1,000.
    pub items_min: usize,
    /// How likely an item that is not there seems to be, when as many are there as it is made for.
    /// Default: 0.01.
    pub false_positives: f64,
    /// How likely it is when the filter is made anew. Default: 0.05.
    pub false_positives_max: f64,
    /// The time after which the filter is made anew in any case: an item that seemed to be there is
    /// never sent until then. Default: 60 s, as for peer lists. AvalancheGo only makes it anew when
    /// it is full.
    pub period: Duration,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            items_min: 1_000,
            false_positives: 0.01,
            false_positives_max: 0.05,
            period: Duration::from_mins(1),
        }
    }
}
