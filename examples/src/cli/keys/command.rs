//! `avalanche keys`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use avalanche_vm::payments::Address;
use ed25519_dalek::SigningKey;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::file::{Cost, KeyFile, hex, unhex_bytes};
use super::folder::{Folder, check_name};
use super::{KeyName, Ring, Whose};
use crate::cli::args::{ImportArgs, KeysCommand, NewKeyArgs, ShowArgs};
use crate::cli::output::{Fields, Output, Table};
use crate::cli::secret::Secret;
use crate::cli::{CliError, passphrase};

/// Carries out a command about keys.
pub(in crate::cli) fn run(
    command: &KeysCommand,
    ring: Ring<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match command {
        KeysCommand::Create(args) => create(args, ring, output),
        KeysCommand::Import(args) => import(args, ring, output),
        KeysCommand::Show(args) => show(args, ring, output),
        KeysCommand::List => list(ring, output),
    }
}

fn create(args: &NewKeyArgs, ring: Ring<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| CliError::failed("random", "the system gives no random bytes"))?;
    let key = SigningKey::from_bytes(&seed);
    keep(&args.name, &key, ring, output)
}

fn import(args: &ImportArgs, ring: Ring<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    // Before a person types anything.
    prepare(&args.new.name, ring)?;
    let secret = match &args.file {
        Some(path) => read_secret(path)?,
        None => rpassword::prompt_password("Secret key, 64 hexadecimal digits: ")
            .map(|typed| Secret::new(typed.into_bytes()))
            .map_err(|error| {
                let reason = format!("there is no terminal to ask on ({error}); use --file");
                CliError::failed("secret_key", reason)
            })?,
    };
    let text = std::str::from_utf8(secret.bytes()).unwrap_or_default().trim();
    let seed = unhex_bytes::<32>(text).ok_or_else(|| {
        // What was given is not repeated: it may be a secret with a slip in it.
        let reason = "this is no secret key: 64 hexadecimal digits are, the seed of ed25519";
        CliError::failed("secret_key", reason)
    })?;
    keep(&args.new.name, &SigningKey::from_bytes(&seed), ring, output)
}

fn read_secret(path: &Path) -> Result<Secret, CliError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(passphrase::BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| CliError::failed("secret_key", format!("{}: {error}", path.display())))?;
    Ok(Secret::new(bytes))
}

/// Checks a name and that it is free.
fn prepare(name: &str, ring: Ring<'_>) -> Result<Folder, CliError> {
    check_name(name).map_err(CliError::usage)?;
    let folder = Folder::find(ring.folder)?;
    folder.check_free(name)?;
    Ok(folder)
}

/// Encrypts a new key and writes it.
fn keep(
    name: &str,
    key: &SigningKey,
    ring: Ring<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let folder = prepare(name, ring)?;
    let passphrase = ring.passphrase().new(name)?;
    let path = folder.add(name, &KeyFile::seal(key, &passphrase, Cost::NEW)?)?;
    let address = Address::new(key.verifying_key().to_bytes());
    let path = path.display().to_string();
    let json = json!({ "name": name, "address": address.to_string(), "path": path });
    let text = Fields::default().with("name", name).with("address", address).with("path", path);
    output.result(&json, text)
}

fn show(args: &ShowArgs, ring: Ring<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let name = match &args.name {
        KeyName::Demo(index) => crate::demo::name(*index),
        KeyName::Own(name) => name.clone(),
    };
    let address = ring.address(&Whose::Key(args.name.clone()))?;
    let mut json = json!({
        "name": name, "address": address.to_string(), "address_hex": format!("0x{address:x}"),
    });
    let mut text = Fields::default()
        .with("name", &name)
        .with("address", address)
        .with("hexadecimal", format!("0x{address:x}"));
    if args.secret {
        let secret = hex(&ring.key(&args.name)?.to_bytes());
        text = text.with("secret", &secret);
        if let Some(fields) = json.as_object_mut() {
            fields.insert("secret".to_owned(), secret.into());
        }
    }
    output.result(&json, text)
}

fn list(ring: Ring<'_>, output: &mut Output<'_>) -> Result<(), CliError> {
    let folder = Folder::find(ring.folder)?;
    let mut table = Table::new(["name", "address"]);
    let mut keys = Vec::new();
    for name in folder.names()? {
        // A key that cannot be read is listed with what is wrong, and hides no other.
        let read = folder.read(&name).and_then(|file| file.address());
        match read {
            Ok(address) => {
                keys.push(json!({ "name": name, "address": address.to_string() }));
                table.row([name, address.to_string()]);
            }
            Err(error) => {
                keys.push(json!({ "name": name, "error": error.to_string() }));
                table.row([name, error.to_string()]);
            }
        }
    }
    let empty = keys.is_empty();
    let json = json!({ "keys": keys });
    if empty {
        return output.result(&json, "no keys; `avalanche keys create NAME` makes one");
    }
    output.result(&json, table)
}
