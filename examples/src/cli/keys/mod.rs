//! Keys of one's own, encrypted at rest, and the demo keys that everybody has.

mod command;
mod file;
mod folder;

use std::path::Path;
use std::str::FromStr;

use avalanche_vm::payments::Address;
use ed25519_dalek::SigningKey;

pub(super) use self::command::run;
use self::folder::{Folder, check_name};
use super::CliError;
use super::passphrase::Passphrase;
use crate::demo;

/// The name of a key: one of the user's own, or a demo key as `demo:0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// A demo key, with its index.
    Demo(u32),
    /// A key in the folder of keys.
    Own(String),
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(demo::PREFIX) {
            let index = demo::index(text);
            return index.map(Self::Demo).ok_or_else(|| {
                format!("{text:?} is no demo key: demo:0 to demo:{} are", u32::MAX)
            });
        }
        check_name(text).map(|()| Self::Own(text.to_owned()))
    }
}

/// Whose account: a key's, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of a key.
    Key(KeyName),
    /// This one.
    Address(Address),
}

impl FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No address is as short as the longest name.
        if let Ok(name) = text.parse() {
            return Ok(Self::Key(name));
        }
        text.parse().map(Self::Address).map_err(|error| {
            format!(
                "{text:?} is no address ({error}) and no name of a key; an address is CB58 or 64 \
                 hexadecimal digits, a name 1 to 32 lower-case letters, digits, hyphens and \
                 underscores, or demo:0, demo:1 and so on"
            )
        })
    }
}

/// Where keys and passphrases come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring<'a> {
    /// The folder of keys, if one was named.
    pub(super) folder: Option<&'a Path>,
    /// The file with the passphrase, if one was named.
    pub(super) passphrase_file: Option<&'a Path>,
}

impl<'a> Ring<'a> {
    const fn passphrase(self) -> Passphrase<'a> {
        Passphrase { file: self.passphrase_file }
    }

    /// The key of that name, for signing.
    pub(super) fn key(self, name: &KeyName) -> Result<SigningKey, CliError> {
        match name {
            KeyName::Demo(index) => Ok(demo::key(*index)),
            KeyName::Own(name) => {
                let file = Folder::find(self.folder)?.read(name)?;
                file.open(&self.passphrase().existing(name)?)
                    .map_err(|error| CliError::failed(error.code(), format!("key {name}: {error}")))
            }
        }
    }

    /// The address; it needs no passphrase.
    pub(super) fn address(self, whose: &Whose) -> Result<Address, CliError> {
        match whose {
            Whose::Address(address) => Ok(*address),
            Whose::Key(KeyName::Demo(index)) => Ok(demo::address(*index)),
            Whose::Key(KeyName::Own(name)) => Folder::find(self.folder)?.read(name)?.address(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let address = demo::address(3);
        for text in [address.to_string(), format!("{address:x}"), format!("0x{address:x}")] {
            assert_eq!(text.parse(), Ok(Whose::Address(address)), "{text}");
        }
        assert_eq!("demo:3".parse(), Ok(Whose::Key(KeyName::Demo(3))));
        assert_eq!("alice".parse(), Ok(Whose::Key(KeyName::Own("alice".to_owned()))));
        for wrong in ["", "Alice", "demo:x", "demo:03"] {
            assert!(wrong.parse::<Whose>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn demo_keys_need_no_folder() {
        let ring = Ring { folder: Some(Path::new("/nowhere")), passphrase_file: None };
        assert_eq!(ring.key(&KeyName::Demo(1)).unwrap(), demo::key(1));
        let whose = Whose::Key(KeyName::Demo(1));
        assert_eq!(ring.address(&whose).unwrap(), demo::address(1));
    }
}
