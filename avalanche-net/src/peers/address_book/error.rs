//! Why an address book cannot be read or written.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::AddressBook;

/// What is wrong with the bytes of an address book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressBookDamage {
    /// More bytes than any address book has.
    TooLarge,
    /// The bytes do not begin as an address book does.
    NotAnAddressBook,
    /// Written by another release.
    Version {
        /// The version that it states.
        found: u16,
        /// The version that this release reads.
        supported: u16,
    },
    /// The checksum is not that of the bytes: some were changed, or are missing.
    Checksum,
    /// The checksum is right, but the bytes do not follow the format.
    Malformed {
        /// Where, in bytes from the start.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Why an address book cannot be loaded or saved.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddressBookError {
    /// The operating system refused.
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be used. Nothing but known addresses and bans is lost with it.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: AddressBookDamage,
        /// Where it was moved to; `None` if it was left where it is.
        set_aside: Option<PathBuf>,
    },
}

impl fmt::Display for AddressBookDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                write!(f, "it has more than the {} bytes allowed", AddressBook::FILE_BYTES_MAX)
            }
            Self::NotAnAddressBook => f.write_str("it is no address book"),
            Self::Version { found, supported } => {
                write!(f, "it has version {found}; this release reads version {supported}")
            }
            Self::Checksum => f.write_str("its checksum is wrong"),
            Self::Malformed { offset, what } => write!(f, "at byte {offset}: {what}"),
        }
    }
}

impl error::Error for AddressBookDamage {}

impl fmt::Display for AddressBookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} the address book {}: {source}", path.display())
            }
            Self::Damaged { path, damage, set_aside } => {
                write!(f, "the address book {} cannot be used: {damage}; ", path.display())?;
                match set_aside {
                    Some(aside) => write!(
                        f,
                        "it was moved to {}, and the node starts without known peers and bans",
                        aside.display()
                    ),
                    None => f.write_str("move it away to start without known peers and bans"),
                }
            }
        }
    }
}

impl error::Error for AddressBookError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { damage, .. } => Some(damage),
        }
    }
}
