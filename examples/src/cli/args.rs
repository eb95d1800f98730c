//! The command line of `avalanche`.

use std::path::PathBuf;

use avalanche_consensus::Id;
use avalanche_gateway::client::{BlockAt, Client};
use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

use super::keys::{KeyName, Whose};
use super::load::LoadArgs;

/// Keys, payments and questions, for a node's HTTP API.
#[derive(Clone, Debug, Parser)]
#[command(name = "avalanche", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 refused or failed, 2 wrong command line.
Demo accounts, whose keys everybody has, are named demo:0, demo:1 and so on.";

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
pub struct Global {
    /// Print JSON; errors, too.
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the node's API is. `load` takes several and spreads over them.
    #[arg(
        long = "api",
        global = true,
        env = "AVALANCHE_API",
        value_name = "URL",
        value_delimiter = ',',
        default_value = Client::DEFAULT_URL,
        value_parser = url
    )]
    pub apis: Vec<String>,
    /// The chain, by name or identifier. By default the one that the node names first.
    #[arg(long, global = true, value_name = "NAME|ID", value_parser = chain)]
    pub chain: Option<String>,
    /// The folder of keys. By default .avalanche/keys in the folder of the user.
    #[arg(long, global = true, env = "AVALANCHE_KEYS_DIR", value_name = "FOLDER")]
    pub keys_dir: Option<PathBuf>,
    /// A file with the passphrase of the key. Without it AVALANCHE_PASSPHRASE is taken, and
    /// without that you are asked.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make, import and show keys, which rest encrypted
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Pay, and wait until it is final
    Pay(PayArgs),
    /// What an account has
    Balance(BalanceArgs),
    /// What became of a payment
    Tx(IdArgs),
    /// A block
    Block(BlockArgs),
    /// What the chain is at
    Status,
    /// Why a block or a payment is final, or is not yet
    Explain(ExplainArgs),
    /// The validators of the chain
    Validators,
    /// Pay many times, and measure
    Load(LoadArgs),
    /// Print the completions of a shell
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a new key
    Create(NewKeyArgs),
    /// Show a key's address
    Show(ShowArgs),
    /// Keep a key that was made elsewhere
    Import(ImportArgs),
    /// List the keys
    List,
}

/// A key that is to be.
#[derive(Clone, Debug, ClapArgs)]
pub struct NewKeyArgs {
    /// Its name: lower-case letters, digits, hyphens and underscores.
    #[arg(value_name = "NAME", value_parser = new_name)]
    pub name: String,
}

/// Which key to show.
#[derive(Clone, Debug, ClapArgs)]
pub struct ShowArgs {
    /// The key.
    #[arg(value_name = "KEY")]
    pub name: KeyName,
    /// Print the secret, too: who sees it can spend the money.
    #[arg(long)]
    pub secret: bool,
}

/// Which key to import.
#[derive(Clone, Debug, ClapArgs)]
pub struct ImportArgs {
    /// Its name here.
    #[command(flatten)]
    pub new: NewKeyArgs,
    /// A file with the secret, 64 hexadecimal digits. Without it you are asked.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Whom to pay, and how much.
#[derive(Clone, Debug, ClapArgs)]
pub struct PayArgs {
    /// The key that pays: one of yours, or a demo key as demo:0.
    #[arg(long, value_name = "KEY")]
    pub from: KeyName,
    /// Who is paid: an address, or a key.
    #[arg(long, value_name = "ADDRESS|KEY")]
    pub to: Whose,
    /// How much, in the smallest unit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub amount: u64,
    /// What is burned on top, in the smallest unit.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub fee: u64,
    /// The payment's place among the sender's, from 0. By default the next one that is not final;
    /// while earlier ones wait, count on by hand.
    #[arg(long, value_name = "N")]
    pub nonce: Option<u64>,
    /// After how many seconds no block may hold it any more.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..=YEAR)
    )]
    pub expires_in: u64,
    /// Wait until it is final: the default.
    #[arg(long, overrides_with = "no_wait")]
    pub wait: bool,
    /// Do not wait: it is admitted, which promises nothing.
    #[arg(long, overrides_with = "wait")]
    pub no_wait: bool,
    /// How many seconds to wait.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub timeout: u64,
}

/// Seconds.
const YEAR: u64 = 366 * 24 * 60 * 60;

/// Whose balance.
#[derive(Clone, Debug, ClapArgs)]
pub struct BalanceArgs {
    /// An address, or a key.
    #[arg(value_name = "ADDRESS|KEY")]
    pub whose: Whose,
    /// Ask for a proof, and check it against the root of the state here.
    #[arg(long)]
    pub proof: bool,
}

/// What is asked about.
#[derive(Clone, Debug, ClapArgs)]
pub struct IdArgs {
    /// Its identifier, in CB58 or hexadecimal.
    #[arg(value_name = "ID", value_parser = id)]
    pub id: Id,
}

/// Which block.
#[derive(Clone, Debug, ClapArgs)]
pub struct BlockArgs {
    /// Its height or identifier, or `last`.
    #[arg(value_name = "HEIGHT|ID|last", value_parser = block)]
    pub at: BlockAt,
}

/// What is to be explained.
#[derive(Clone, Debug, ClapArgs)]
pub struct ExplainArgs {
    /// The block or the payment, in CB58 or hexadecimal. By default the tip of the preferred
    /// branch, which is what the chain is deciding, if it is deciding anything.
    #[arg(value_name = "ID", value_parser = id)]
    pub id: Option<Id>,
}

fn url(text: &str) -> Result<String, String> {
    Client::new(text).map(|client| client.url().to_owned()).map_err(|error| error.to_string())
}

fn id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error| format!("{error}; CB58 or 64 hexadecimal digits are allowed"))
}

fn chain(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("letters, digits and hyphens are allowed, 100 at most".to_owned())
}

fn new_name(text: &str) -> Result<String, String> {
    match text.parse()? {
        KeyName::Own(name) => Ok(name),
        KeyName::Demo(_) => Err("demo keys are there already".to_owned()),
    }
}

fn block(text: &str) -> Result<BlockAt, String> {
    if text == "last" {
        return Ok(BlockAt::Last);
    }
    if let Ok(height) = text.parse() {
        return Ok(BlockAt::Height(height));
    }
    text.parse().map(BlockAt::Id).map_err(|error| {
        format!("{error}; a height, CB58, 64 hexadecimal digits, or `last` are allowed")
    })
}

#[cfg(test)]
mod tests;
