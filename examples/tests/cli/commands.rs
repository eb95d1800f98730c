//! The client `avalanche` against a node that decides alone: keys, payments, questions, errors.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use crate::node::node;
use avalanche_consensus::engine::Cause;
use avalanche_examples::{cli, demo};
use serde_json::Value;

/// What a command line came to: exit code, output, errors.
fn run(line: &str) -> (u8, String, String) {
    let words = ["avalanche"].into_iter().chain(line.split_whitespace()).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = cli::main(words, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// The JSON of a command that succeeds.
fn good(line: &str) -> Value {
    let (code, out, err) = run(&format!("{line} --json"));
    assert_eq!((code, err.as_str()), (0, ""), "{line}");
    serde_json::from_str(&out).unwrap()
}

/// The code of the error of a command that fails with 1, and its message.
fn bad(line: &str) -> (String, String) {
    let (code, out, err) = run(&format!("{line} --json"));
    assert_eq!((code, out.as_str()), (1, ""), "{line}: {err}");
    let error: Value = serde_json::from_str(&err).unwrap();
    let text = |name: &str| error["error"][name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// A folder that goes when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("avalanche-cli-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_key_is_made_kept_and_used() {
    let folder = Folder::new("keys");
    let pass = folder.file("pass", "open sesame\n");
    let keys = format!("--keys-dir {} --passphrase-file {pass}", folder.0.join("k").display());
    let made = good(&format!("keys create alice {keys}"));
    let address = made["address"].as_str().unwrap().to_owned();
    let shown = good(&format!("keys show alice --secret {keys}"));
    assert_eq!(shown["address"], address);
    assert!(Path::new(made["path"].as_str().unwrap()).exists());
    // The secret goes elsewhere and gives the same address.
    let secret = folder.file("secret", shown["secret"].as_str().unwrap());
    let copy = good(&format!("keys import bob --file {secret} {keys}"));
    assert_eq!(copy["address"], address);
    let listed = good(&format!("keys list {keys}"));
    let names: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["alice", "bob"]);
    let (code, out, _) = run(&format!("keys list {keys}"));
    assert!(code == 0 && out.contains(&format!("alice  {address}")), "{out}");
    assert_eq!(bad(&format!("keys create alice {keys}")).0, "key_exists");
    assert_eq!(bad(&format!("keys show carol {keys}")).0, "no_such_key");
    let wrong = folder.file("wrong", "open barley");
    let keys = format!("--keys-dir {} --passphrase-file {wrong}", folder.0.join("k").display());
    assert_eq!(bad(&format!("keys show alice --secret {keys}")).0, "wrong_passphrase");
    let (code, message) = bad(&format!("keys import eve --file {wrong} {keys}"));
    assert!(code == "secret_key" && !message.contains("barley"), "{message}");
    // The address alone needs no passphrase.
    assert_eq!(good(&format!("keys show alice {keys}"))["address"], address);

    let (_chain, server) = node(2, 1_000);
    let pass = format!("--keys-dir {} --passphrase-file {pass}", folder.0.join("k").display());
    let at = format!("--api {} {pass}", server.url());
    good(&format!("pay --from demo:0 --to alice --amount 50 {at}"));
    let back = good(&format!("pay --from alice --to demo:1 --amount 20 --fee 3 {at}"));
    assert_eq!(back["receipt"]["sender"], address);
    assert_eq!(good(&format!("balance alice {at}"))["balance"], "27");
}

#[test]
fn a_payment_is_final_and_every_question_about_it_is_answered() {
    let (chain, server) = node(2, 1_000);
    let at = format!("--api {}", server.url());
    let paid = good(&format!("pay --from demo:0 --to demo:1 --amount 5 {at}"));
    let (id, receipt) = (paid["id"].as_str().unwrap(), &paid["receipt"]);
    assert_eq!((paid["status"].as_str(), receipt["nonce"].as_str()), (Some("accepted"), Some("0")));
    assert_eq!((receipt["amount"].as_str(), receipt["fee"].as_str()), (Some("5"), Some("1")));
    let (code, out, _) = run(&format!("tx {id} {at}"));
    assert!(code == 0 && out.contains("accepted: final"), "{out}");
    assert!(out.contains(&demo::address(1).to_string()), "{out}");
    assert_eq!(good(&format!("tx {id} {at}"))["height"], "1");
    // The next one counts on.
    let second = good(&format!("pay --from demo:0 --to demo:1 --amount 5 {at}"));
    assert_eq!(second["receipt"]["nonce"], "1");
    let account = good(&format!("balance demo:0 {at}"));
    assert_eq!((account["balance"].as_str(), account["nonce"].as_str()), (Some("988"), Some("2")));

    let block = good(&format!("block 1 {at}"));
    assert_eq!((block["height"].as_str(), block["transactions"].as_u64()), (Some("1"), Some(1)));
    let block_id = block["id"].as_str().unwrap();
    assert_eq!(good(&format!("block {block_id} {at}")), block);
    assert_eq!(good(&format!("block last {at}"))["height"], "2");
    let (code, out, _) = run(&format!("explain {block_id} {at}"));
    assert!(code == 0 && out.contains("of height 1: final"), "{out}");
    let (code, out, _) = run(&format!("explain {id} {at}"));
    assert!(code == 0 && out.contains("accepted: final. It is in the block of height 1"), "{out}");
    let (code, out, _) = run(&format!("explain {at}"));
    assert!(code == 0 && out.contains("of height 2: final"), "the preferred one: {out}");
    let status = good(&format!("status {at} --chain payments"));
    assert_eq!(status["last_accepted"]["height"], "2");
    let (code, out, _) = run(&format!("status {at}"));
    assert!(code == 0 && out.contains("80.0 % of the weight"), "{out}");
    let (code, out, _) = run(&format!("validators {at}"));
    assert!(code == 0 && out.contains("99.90 %") && out.contains("4 of weight 8"), "{out}");
    assert_eq!(chain.accepted(), 2);
}

#[test]
fn a_proof_is_checked_against_the_block_that_carries_the_root() {
    let (chain, server) = node(2, 1_000);
    let at = format!("--api {}", server.url());
    let pay = format!("pay --from demo:0 --to demo:1 --amount 5 {at}");
    good(&pay);
    let ask = format!("balance demo:1 --proof {at}");
    let shown = good(&ask);
    let about = (shown["verified"].as_bool(), shown["balance"].as_str());
    assert_eq!(about, (Some(true), Some("1005")));
    assert!(shown["root_block"].is_null(), "no block carries the newest root yet");
    let (code, out, _) = run(&format!("balance demo:7 --proof {at}"));
    assert!(code == 0 && out.contains("balance       0") && out.contains("holds"), "{out}");

    // The same answer once more, when the next block carries its root.
    good(&pay);
    *chain.account.lock().unwrap() = Some(shown.clone());
    assert_eq!(good(&ask)["root_block"], good(&format!("block 2 {at}"))["id"]);
    let digit = |text: &Value, at: usize| {
        let mut text = text.as_str().unwrap().to_owned();
        let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
        text.replace_range(at..=at, other);
        Value::String(text)
    };
    for (field, value, code) in [
        ("balance", "1006".into(), "wrong_proof"),
        ("nonce", "1".into(), "wrong_proof"),
        // Block 1 carries the root of height 0.
        ("height", "0".into(), "wrong_proof"),
        ("root", digit(&shown["root"], 2), "wrong_proof"),
        ("root", "0x00".into(), "wrong_proof"),
        ("proof", digit(&shown["proof"], 40), "wrong_proof"),
        ("proof", Value::Null, "no_proof"),
        ("address", demo::address(0).to_string().into(), "unexpected"),
    ] {
        let mut forged = shown.clone();
        forged[field] = value;
        *chain.account.lock().unwrap() = Some(forged);
        assert_eq!(bad(&ask).0, code, "{field}");
    }
}

#[test]
fn what_is_refused_says_why() {
    let (chain, server) = node(1, 1_000);
    let at = format!("--api {}", server.url());
    for (line, code, says) in [
        ("pay --from demo:0 --to demo:1 --amount 5000", "insufficient_funds", "1000"),
        ("pay --from demo:0 --to demo:1 --amount 5 --fee 0", "fee_too_low", "1"),
        ("pay --from demo:9 --to demo:1 --amount 5", "unknown_account", ""),
        ("pay --from demo:0 --to demo:1 --amount 5 --nonce 99", "nonce_too_high", "63"),
        ("block 17", "unknown_block", "17"),
        ("status --chain nowhere", "unknown_chain", "nowhere"),
        ("load --accounts 2 --count 1", "unknown_account", "demo:1 has nothing to spend"),
    ] {
        let (found, message) = bad(&format!("{line} {at}"));
        assert_eq!(found, code, "{line}: {message}");
        assert!(message.contains(says), "{line}: {message}");
    }
    let nobody = demo::address(5);
    assert_eq!(bad(&format!("tx {nobody} {at}")).0, "unknown_transaction");
    assert_eq!(bad(&format!("explain {nobody} {at}")).0, "unknown_id");

    // Nothing becomes final: it is said, and where to ask.
    chain.held.store(true, Ordering::SeqCst);
    let (code, message) =
        bad(&format!("pay --from demo:0 --to demo:1 --amount 5 --timeout 1 {at}"));
    assert!(code == "not_final" && message.contains("avalanche explain"), "{message}");
    let admitted =
        good(&format!("pay --from demo:0 --to demo:1 --amount 6 --nonce 1 --no-wait {at}"));
    let id = admitted["id"].as_str().unwrap();
    let (code, out, _) = run(&format!("tx {id} {at}"));
    assert!(code == 0 && out.contains("waits for a block"), "{out}");
    *chain.cause.lock().unwrap() = Cause::WeightUnreachable { connected: 0.4, needed: 0.75 };
    let (code, out, _) = run(&format!("explain {nobody} {at}"));
    assert!(
        code == 0 && out.contains("0.400 of the weight is connected, 0.750 is needed"),
        "{out}"
    );
}

#[test]
fn nobody_at_the_address_is_said_with_what_to_do() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for line in ["status", "validators", "block last", "load --count 1", "balance demo:0"] {
        let (code, message) = bad(&format!("{line} --api {url}"));
        assert_eq!(code, "unreachable", "{line}");
        assert!(message.contains(&url) && message.contains("start a node"), "{message}");
    }
}

#[test]
fn wrong_command_lines_are_exit_code_2_in_both_forms() {
    let (code, out, err) = run("pay --from demo:0");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("--to <ADDRESS|KEY>"), "{err}");
    let (code, out, err) = run("pay --from demo:0 --json");
    assert_eq!((code, out.as_str()), (2, ""));
    let error: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["error"]["code"], "usage");
    let (code, _, err) = run("status --api http://127.0.0.1:1 --api http://127.0.0.1:2");
    assert!(code == 2 && err.contains("only `load`"), "{err}");
    let (code, out, err) = run("--help");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("Exit codes") && out.contains("completion"), "{out}");
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(&format!("completion {shell}"));
        assert!(code == 0 && out.contains("validators"), "{shell}");
    }
}

#[test]
fn the_program_takes_its_passphrase_from_the_environment_and_ends_quietly() {
    let folder = Folder::new("program");
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avalanche"));
        command.env("AVALANCHE_KEYS_DIR", &folder.0).env("AVALANCHE_PASSPHRASE", "secret words");
        command
    };
    let made = program().args(["keys", "create", "a"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let shown = program().args(["keys", "show", "a", "--secret"]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("secret"));
    let wrong = program()
        .env("AVALANCHE_PASSPHRASE", "other words")
        .args(["keys", "show", "a", "--secret"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("passphrase is wrong") && !said.contains("other words"), "{said}");
    // Without a terminal and a passphrase, nobody waits.
    let none = program()
        .env_remove("AVALANCHE_PASSPHRASE")
        .args(["keys", "import", "b"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(1));
    // A reader that goes away is no failure.
    let mut gone = program()
        .args(["completion", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(gone.stdout.take());
    let ended = gone.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}
