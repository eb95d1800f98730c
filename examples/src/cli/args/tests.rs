//! Command lines: every command, and a table of wrong ones.

use clap::CommandFactory;

use super::*;
use crate::demo;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(["avalanche"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn every_command_is_read() {
    let address = demo::address(1);
    for line in [
        "keys create alice",
        "keys show demo:0",
        "keys show alice --secret",
        "keys import alice --file key.txt",
        "keys list --json",
        "--json balance demo:0 --proof",
        &format!("balance {address:x} --api http://127.0.0.1:9"),
        &format!("pay --from demo:0 --to {address} --amount 1"),
        "pay --from a --to b --amount 1 --fee 2 --nonce 3 --no-wait --chain payments",
        &format!("tx {address}"),
        "block 0",
        "block last",
        &format!("block {address}"),
        &format!("explain {address}"),
        "explain",
        "status",
        "validators",
        "load",
        "load --rate 10 --duration 5 --accounts 7 --zipf 1.1 --batch 3 --seed 4",
        "load --count 5 --api http://127.0.0.1:1 --api http://127.0.0.1:2",
        "completion bash",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_lines_say_what_is_wrong() {
    for (line, says) in [
        ("", "Usage: avalanche"),
        ("pays", "unrecognized subcommand 'pays'"),
        ("keys create", "<NAME>"),
        ("keys create Alice", "lower-case letters"),
        ("keys create ../alice", "lower-case letters"),
        ("keys create demo:0", "demo keys are there already"),
        ("keys show demo:00", "demo:0 to demo:4294967295"),
        ("pay --from demo:0 --to demo:1", "--amount <N>"),
        ("pay --from demo:0 --to demo:1 --amount 0", "0 is not in 1.."),
        ("pay --from demo:0 --to demo:1 --amount -1", "-1"),
        ("pay --from demo:0 --to demo:1 --amount 1.5", "1.5"),
        ("pay --from demo:0 --to demo:1 --amount 18446744073709551616", "18446744073709551616"),
        ("pay --from demo:0 --to NoSuchAddress --amount 1", "is no address"),
        ("pay --from demo:0 --to demo:1 --amount 1 --expires-in 0", "0 is not in"),
        ("balance", "<ADDRESS|KEY>"),
        ("balance 1!", "is no address"),
        ("tx 17", "CB58 or 64 hexadecimal digits"),
        ("block -1", "unexpected argument '-1'"),
        ("block first", "or `last`"),
        ("status --api ftp://x", "http://"),
        ("status --api 127.0.0.1:8000", "http://"),
        ("status --chain a/b", "letters, digits and hyphens"),
        ("status extra", "unexpected argument 'extra'"),
        ("load --count 0", "0 is not in"),
        ("load --count 5 --duration 5", "cannot be used with"),
        ("load --rate 0", "0 is not in"),
        ("load --batch 0", "0 is not in"),
        ("load --accounts 0", "0 is not in"),
        ("load --accounts 1", "1 is not in"),
        ("load --zipf -1", "-1"),
        ("load --zipf nan", "0 to 10"),
        ("load --zipf 11", "0 to 10"),
        ("completion tcl", "tcl"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        let text = error.to_string();
        assert!(text.contains(says), "{line}: {says:?} in {text}");
    }
}

#[test]
fn the_last_of_wait_and_no_wait_counts() {
    let pay = "pay --from demo:0 --to demo:1 --amount 1";
    for (flags, no_wait) in [("", false), ("--no-wait", true), ("--no-wait --wait", false)] {
        let Command::Pay(args) = parse(&format!("{pay} {flags}")).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(args.no_wait, no_wait, "{flags}");
    }
}

#[test]
fn several_addresses_are_read() {
    let apis = |line: &str| parse(line).unwrap().global.apis;
    assert_eq!(apis("load --api http://a:1,http://b:2/").join(" "), "http://a:1 http://b:2");
    assert_eq!(apis("load --api http://a:1 --api http://b:2").len(), 2);
}
