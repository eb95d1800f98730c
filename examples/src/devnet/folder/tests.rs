//! What a folder may hold, and what a second start makes of it.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use avalanche_chain::Genesis;
use avalanche_vm::payments;

use super::*;
use crate::devnet::ports;

/// A folder that is gone at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("devnet-folder-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn validators(count: u16) -> Wanted {
    Wanted { validators: Some(count), store: None }
}

/// That opening fails, and its message says all of it.
fn refused(path: &Path, wanted: Wanted, says: &[&str]) {
    let error = Folder::open(path, wanted).unwrap_err().to_string();
    for says in says {
        assert!(error.contains(says), "{says:?} is not in {error}");
    }
}

#[test]
fn a_second_start_goes_on_with_keys_genesis_and_ports() {
    let temporary = Temporary::new();
    let path = temporary.join("new/er");
    let folder = Folder::open(&path, validators(3)).unwrap();
    assert!(!folder.known());
    let first = plan(&folder).unwrap();
    let genesis = fs::read(folder.path().join(GENESIS)).unwrap();
    drop(folder);

    for wanted in [Wanted::default(), validators(3)] {
        let folder = Folder::open(&path, wanted).unwrap();
        assert!(folder.known());
        assert_eq!(plan(&folder).unwrap(), first);
        assert_eq!(fs::read(folder.path().join(GENESIS)).unwrap(), genesis);
    }
}

#[test]
fn configurations_are_read_as_they_were_written_and_name_all_others() {
    let temporary = Temporary::new();
    let wanted = Wanted { store: Some(StoreKind::Redb), ..validators(3) };
    let folder = Folder::open(&temporary.join("new"), wanted).unwrap();
    let plans = plan(&folder).unwrap().nodes;
    for one in &plans {
        let read =
            avalanche_chain::node::NodeConfig::load(Some(&one.config_path), [], &[]).unwrap();
        assert_eq!(read, one.config);
        assert_eq!(read.store, StoreKind::Redb);
        assert_eq!(read.genesis_path(), folder.path().join(GENESIS));
        let others = plans.iter().filter(|other| other.number != one.number);
        let others: Vec<_> = others.map(|one| (one.node_id, one.config.listen)).collect();
        let bootstrap: Vec<_> =
            read.bootstrap.iter().map(|peer| (peer.node_id, peer.address)).collect();
        assert_eq!(bootstrap, others);
        assert!(read.listen.ip().is_loopback() && read.api.ip().is_loopback());
    }
}

#[test]
fn genesis_has_the_keys_the_accounts_and_more_stake_than_a_poll_asks() {
    let temporary = Temporary::new();
    let folder = Folder::open(&temporary.join("new"), validators(2)).unwrap();
    let plans = plan(&folder).unwrap().nodes;
    let genesis = Genesis::parse(&fs::read(folder.path().join(GENESIS)).unwrap()).unwrap();
    let known: Vec<_> = genesis.validators.iter().map(|one| one.node_id).collect();
    assert_eq!(known, plans.iter().map(|one| one.node_id).collect::<Vec<_>>());
    assert!(genesis.peer_validators().unwrap().iter().all(|one| one.bls_key.is_some()));
    assert_eq!(genesis.chains.len(), 1);
    let vm = payments::Genesis::decode(&genesis.chains[0].vm_genesis().unwrap()).unwrap();
    assert_eq!(vm.len(), 10_000);
    let last = crate::demo::address(9_999);
    assert!(vm.accounts().any(|(address, account)| address == last && account.balance == BALANCE));
    for (validators, each) in [(1, 1_000), (2, 1_000), (4, 1_000), (5, 5), (20, 5), (100, 5)] {
        assert_eq!(weight(validators), each, "{validators}");
    }
}

#[test]
fn one_folder_is_one_devnets() {
    let temporary = Temporary::new();
    let path = temporary.join("new");
    let folder = Folder::open(&path, validators(1)).unwrap();
    let pid = std::process::id().to_string();
    refused(&path, Wanted::default(), &["a devnet runs on it", &pid, "--data-dir"]);
    drop(folder);
    Folder::open(&path, Wanted::default()).unwrap();
}

#[test]
fn another_number_of_validators_is_refused_with_both() {
    let temporary = Temporary::new();
    let path = temporary.join("new");
    Folder::open(&path, validators(2)).unwrap();
    refused(&path, validators(3), &["2 validators", "wants 3", "--validators 2"]);
}

#[test]
fn other_formats_and_broken_files_are_refused_by_name() {
    let temporary = Temporary::new();
    for (at, (text, says)) in [
        ("{\"format\":0,\"anything\":1}", "format is 0"),
        ("{\"format\":2}", "which reads 1"),
        ("{}", "no devnet.json: missing field `format`"),
        ("not json", "no devnet.json"),
        ("{\"format\":1,\"store\":\"oracle\",\"nodes\":[]}", "oracle"),
        ("{\"format\":1,\"store\":\"sled\",\"nodes\":[]}", "0 validators"),
        ("{\"format\":1,\"store\":\"sled\",\"nodes\":[],\"more\":1}", "more"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = temporary.join(&format!("broken-{at}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LAYOUT), text).unwrap();
        refused(&path, Wanted::default(), &[says, LAYOUT, "begin anew"]);
        assert_eq!(fs::read_to_string(path.join(LAYOUT)).unwrap(), text);
    }
}

#[test]
fn places_that_are_no_folder_of_ours_are_refused() {
    let temporary = Temporary::new();
    let file = temporary.join("file");
    fs::write(&file, "mine").unwrap();
    refused(&file, Wanted::default(), &["it is a file", "--data-dir"]);
    refused(&file.join("below"), Wanted::default(), &["cannot be made", "--data-dir"]);
    refused(&temporary.0, Wanted::default(), &["holds other files, as file", "--data-dir"]);
    assert_eq!(fs::read_dir(&temporary.0).unwrap().count(), 1);
}

#[test]
fn keys_that_genesis_does_not_know_are_refused() {
    let temporary = Temporary::new();
    let path = temporary.join("new");
    let folder = Folder::open(&path, validators(2)).unwrap();
    plan(&folder).unwrap();
    fs::remove_dir_all(folder.path().join("node-2")).unwrap();
    let error = plan(&folder).unwrap_err().to_string();
    assert!(error.contains("validator 2 is NodeID-") && error.contains(GENESIS), "{error}");
}

#[test]
fn ports_that_were_taken_since_are_replaced_and_others_stay() {
    let temporary = Temporary::new();
    let path = temporary.join("new");
    let before = Folder::open(&path, validators(2)).unwrap().layout().clone();
    let _held = TcpListener::bind(ports::local(before.nodes[1].peer)).unwrap();
    let after = Folder::open(&path, Wanted::default()).unwrap().layout().clone();
    assert_ne!(after.nodes[1].peer, before.nodes[1].peer);
    assert_eq!(after.nodes[0], before.nodes[0]);
    assert_eq!(after.nodes[1].api, before.nodes[1].api);
}

#[test]
fn the_default_folder_is_the_users() {
    let path = |pairs: &[(&str, &str)]| {
        default_path(|name| Some(pairs.iter().find(|(known, _)| *known == name)?.1.to_owned()))
    };
    let data = [("XDG_DATA_HOME", "/data"), ("HOME", "/me")];
    assert_eq!(path(&data), Path::new("/data/avalanche-devnet"));
    assert_eq!(path(&data[1..]), Path::new("/me/.local/share/avalanche-devnet"));
    assert_eq!(path(&[("XDG_DATA_HOME", "data")]), std::env::temp_dir().join("avalanche-devnet"));
}
