//! Which release a peer runs, and whether it can be talked to.

use std::cmp::Ordering;
use std::fmt;

/// The name and the number of a release, as a handshake states them (AvalancheGo
/// `version/application.go`).
///
/// ```
/// use avalanche_net::peers::Version;
///
/// assert_eq!(Version::new("avalanchego", 1, 14, 2).to_string(), "avalanchego/1.14.2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    name: String,
    /// Raised when peers of the older number are locked out.
    pub major: u32,
    /// Raised with a network upgrade.
    pub minor: u32,
    /// Raised with every release.
    pub patch: u32,
}

impl Version {
    /// Bytes of a name that are kept; AvalancheGo keeps all.
    pub const NAME_BYTES_MAX: usize = 64;

    /// A version. A peer chooses its name, which ends up in logs and APIs: bytes that are no
    /// visible ASCII are shown as `?`, and those over [`Version::NAME_BYTES_MAX`] are left out.
    #[must_use]
    pub fn new(name: &str, major: u32, minor: u32, patch: u32) -> Self {
        let visible = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { '?' };
        let name = name.bytes().take(Self::NAME_BYTES_MAX).map(visible).collect();
        Self { name, major, minor, patch }
    }

    /// The release whose rules this crate follows: `avalanchego/1.14.2`.
    #[must_use]
    pub fn current() -> Self {
        Self::new("avalanchego", 1, 14, 2)
    }

    /// The name of the program.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The order of two releases, whatever their names.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }

    const fn numbers(&self) -> (u32, u32, u32) {
        (self.major, self.minor, self.patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}.{}", self.name, self.major, self.minor, self.patch)
    }
}

/// Which versions can be talked to (AvalancheGo `version/compatibility.go`).
///
/// A peer may be of any later minor version, but not of a later major one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// The version that this node states.
    pub current: Version,
    /// The oldest version that is accepted before the upgrade.
    pub minimum_before: Version,
    /// The oldest version that is accepted from the upgrade on.
    pub minimum_after: Version,
    /// When the upgrade happens, in Unix seconds.
    pub upgrade_unix: u64,
}

impl Compatibility {
    /// The rule of AvalancheGo 1.14.2: 1.13.0 or later before the upgrade, 1.14.0 or later from it
    /// on. For that release the upgrade is Granite, whose time is that of the network.
    #[must_use]
    pub fn v1_14_2(upgrade_unix: u64) -> Self {
        Self {
            current: Version::current(),
            minimum_before: Version::new("avalanchego", 1, 13, 0),
            minimum_after: Version::new("avalanchego", 1, 14, 0),
            upgrade_unix,
        }
    }

    /// Whether a peer of this version can be talked to at `unix` seconds.
    #[must_use]
    pub fn is_compatible(&self, peer: &Version, unix: u64) -> bool {
        let minimum =
            if unix < self.upgrade_unix { &self.minimum_before } else { &self.minimum_after };
        peer.major <= self.current.major && peer.compare(minimum).is_ge()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatibility_depends_on_the_numbers_and_the_upgrade_but_not_on_the_name() {
        let rule = Compatibility::v1_14_2(1_000);
        let check = |(major, minor, patch), before: bool, after: bool| {
            for name in ["avalanchego", "", "other"] {
                let peer = Version::new(name, major, minor, patch);
                assert_eq!(rule.is_compatible(&peer, 999), before, "{peer} before");
                assert_eq!(rule.is_compatible(&peer, 1_000), after, "{peer} at the upgrade");
                assert_eq!(rule.is_compatible(&peer, u64::MAX), after, "{peer} after");
            }
        };
        check((0, 0, 0), false, false);
        check((0, 99, 99), false, false);
        check((1, 12, 99), false, false);
        check((1, 13, 0), true, false);
        check((1, 13, u32::MAX), true, false);
        check((1, 14, 0), true, true);
        check((1, 14, 2), true, true);
        check((1, 15, 0), true, true);
        check((1, u32::MAX, 0), true, true);
        check((2, 0, 0), false, false);
        check((u32::MAX, 0, 0), false, false);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let ordered = [(0, 9, 9), (1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)];
        for (at, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                let of = |(major, minor, patch)| Version::new("x", major, minor, patch);
                assert_eq!(of(*a).compare(&of(*b)), at.cmp(&other));
            }
        }
    }

    #[test]
    fn a_name_cannot_break_a_line_or_fill_memory() {
        assert_eq!(Version::new("a\nb\u{1b}[2J c", 1, 2, 3).to_string(), "a?b?[2J?c/1.2.3");
        assert_eq!(Version::new("é", 1, 2, 3).name(), "??");
        let long = "x".repeat(Version::NAME_BYTES_MAX + 1);
        assert_eq!(Version::new(&long, 0, 0, 0).name().len(), Version::NAME_BYTES_MAX);
        assert_eq!(Version::current().to_string(), "avalanchego/1.14.2");
    }
}
