//! The VM hears what the engine decides, in its order and by its own names.

use std::sync::Mutex;

use async_trait::async_trait;
use avalanche_consensus::validators::{Validator, ValidatorSet};
use avalanche_store::{BlockLog, LogConfig, MemoryStore, OsDisk};
use avalanche_vm::testing::{ChainOptions, MemoryLog};
use avalanche_vm::{
    InvalidKind, ManagerConfig, Place, Vm, VmContext, VmFactory, VmId, VmManager, VmRegistry,
    VmVersion,
};

use super::*;
use crate::ProposerRules;

type Calls = Arc<Mutex<Vec<String>>>;

/// A VM that writes down what it is told. Its blocks are a parent, a height and a word; those of
/// the word `bad` are invalid.
struct Scribe(Calls);

fn inner(parent: Id, height: u64, word: &str) -> Block {
    let bytes = [&parent.as_bytes()[..], &height.to_be_bytes(), word.as_bytes()].concat();
    let place = Place { parent, height: Height::new(height), timestamp: Timestamp::ZERO };
    Block::new(place, bytes, word.to_owned())
}

impl Scribe {
    fn note(&self, call: &str, block: &Block) -> Result<(), Error> {
        let word: &String = block.content()?;
        self.0.lock().unwrap().push(format!("{call} {word}"));
        Ok(())
    }
}

#[async_trait]
impl Vm for Scribe {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        let refusal = || Error::invalid(InvalidKind::Malformed, "short", "it is too short");
        let (parent, rest) = bytes.split_first_chunk::<32>().ok_or_else(refusal)?;
        let (height, word) = rest.split_first_chunk::<8>().ok_or_else(refusal)?;
        let word = String::from_utf8_lossy(word);
        Ok(inner(Id::new(*parent), u64::from_be_bytes(*height), &word))
    }

    async fn build(&mut self, _: BuildRequest) -> Result<Option<Block>, Error> {
        Ok(Some(inner(genesis().id(), 1, "built")))
    }

    async fn verify(&mut self, block: &Block, _: Timestamp) -> Result<(), Error> {
        self.note("verify", block)?;
        match block.content::<String>()?.as_str() {
            "bad" => Err(Error::invalid(InvalidKind::State, "bad", "it is bad")),
            _ => Ok(()),
        }
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        self.note("accept", block)
    }

    async fn reject(&mut self, block: &Block) -> Result<(), Error> {
        self.note("reject", block)
    }

    fn set_preference(&mut self, block: Id) {
        self.0.lock().unwrap().push(format!("prefer {block}"));
    }

    fn last_accepted(&self) -> Tip {
        Tip { id: genesis().id(), height: Height::GENESIS }
    }
}

struct Scribes(Calls);

#[async_trait]
impl VmFactory for Scribes {
    fn id(&self) -> VmId {
        VmId::named("scribe")
    }

    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    fn genesis(&self, _: &[u8]) -> Result<Block, Error> {
        Ok(genesis())
    }

    async fn create(&self, _: VmContext) -> Result<Box<dyn Vm>, Error> {
        Ok(Box::new(Scribe(Arc::clone(&self.0))))
    }
}

fn genesis() -> Block {
    inner(Id::EMPTY, 0, "genesis")
}

struct Bench {
    executor: Executor,
    processing: Processing,
    done: mpsc::UnboundedReceiver<Done>,
    told: mpsc::Receiver<Tell>,
    first: ChainBlock,
    calls: Calls,
    dir: std::path::PathBuf,
}

impl Bench {
    async fn new(name: &str) -> Self {
        let calls = Calls::default();
        let mut registry = VmRegistry::new();
        registry.register(Arc::new(Scribes(Arc::clone(&calls))), &["scribe"]).unwrap();
        let vms = VmManager::new(registry, ManagerConfig::default()).unwrap();
        let blocks = Arc::new(MemoryLog::default());
        blocks.push(&genesis());
        let context = ChainOptions::new(Vec::new()).context(&blocks);
        let instance = vms.create("scribe", context).unwrap();
        instance.start().await.unwrap();
        let identity = Arc::new(Identity::generate().unwrap());
        let own = Validator { node_id: identity.node_id(), weight: 1 };
        let set = ValidatorSet::try_from(vec![own]).unwrap();
        let proposers = Proposers::new(Id::EMPTY, ProposerRules::default(), &set).unwrap();
        let dir = std::env::temp_dir().join(format!("executor-{name}-{}", std::process::id()));
        let (log, _) = BlockLog::open(OsDisk, &dir, LogConfig::default()).unwrap();
        let first = ChainBlock::genesis(Id::EMPTY, Timestamp::ZERO, genesis().bytes()).unwrap();
        let (tell, told) = mpsc::channel(TELL_MAX);
        let (sender, done) = mpsc::unbounded_channel();
        let executor = Executor {
            instance,
            log: Arc::new(LogWriter::start(log, name).unwrap()),
            fetched: Fetched::new(Arc::new(MemoryStore::new())),
            proposers,
            identity,
            clock: Arc::new(Clock::default()),
            build: BuildConfig::default(),
            last: first.clone(),
            last_vm: genesis().id(),
            tell,
            done: sender,
            built: None,
        };
        Self { executor, processing: Processing::new(), done, told, first, calls, dir }
    }

    fn block(&self, parent: &ChainBlock, vm_parent: Id, height: u64, word: &str) -> ChainBlock {
        let time = Timestamp::from_millis(height);
        let payload = inner(vm_parent, height, word);
        let identity = &self.executor.identity;
        ChainBlock::build(parent.id(), Height::new(height), time, payload.bytes(), identity)
            .unwrap()
    }

    async fn work(&mut self, work: Work) {
        self.executor.carry_out(work, &mut self.processing).await.unwrap();
    }

    /// Whether a block on genesis is found valid.
    async fn verdict(&mut self, block: &ChainBlock) -> Verdict<ChainBlock> {
        let parent = self.first.clone();
        self.work(Work::Verify { call: CallId(1), block: block.clone(), parent }).await;
        match self.done.recv().await.unwrap() {
            Done::Verdict { verdict, block: id, .. } => {
                assert_eq!(id, block.id());
                verdict
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

#[tokio::test]
async fn decisions_reach_the_vm_in_their_order() {
    let mut bench = Bench::new("order").await;
    let below = genesis().id();
    let one = bench.block(&bench.first, below, 1, "one");
    let two = bench.block(&bench.first, below, 1, "two");
    assert_eq!(bench.verdict(&one).await, Verdict::Valid);
    assert_eq!(bench.verdict(&two).await, Verdict::Valid);
    bench.work(Work::SetPreference(two.id())).await;
    bench.work(Work::Accept { block: two.clone(), finality: None }).await;
    bench.work(Work::Reject(one.clone())).await;
    // Nobody was told of it twice, and what is decided is not there any more.
    bench.work(Work::Reject(one)).await;
    assert!(bench.processing.is_empty());
    let preferred = format!("prefer {}", inner(below, 1, "two").id());
    let told = ["verify one", "verify two", &preferred, "accept two", "reject one"];
    assert_eq!(*bench.calls.lock().unwrap(), told);
    assert!(matches!(bench.told.recv().await, Some(Tell::Accepted { block, .. }) if block == two));
    // The next block stands on the accepted one, by the VM's own name.
    let next = bench.block(&two, inner(below, 1, "two").id(), 2, "next");
    bench.work(Work::Verify { call: CallId(2), block: next, parent: two }).await;
    let verdict = bench.done.recv().await.unwrap();
    assert!(matches!(verdict, Done::Verdict { verdict: Verdict::Valid, .. }), "{verdict:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_invalid_and_no_reason_to_stop() {
    let mut bench = Bench::new("invalid").await;
    let below = genesis().id();
    let bad = bench.block(&bench.first, below, 1, "bad");
    let elsewhere = bench.block(&bench.first, Id::new([8; 32]), 1, "elsewhere");
    let stranger = Identity::generate().unwrap();
    let payload = inner(below, 1, "stranger");
    let time = Timestamp::from_millis(1);
    let stranger =
        ChainBlock::build(bench.first.id(), Height::new(1), time, payload.bytes(), &stranger)
            .unwrap();
    let identity = Arc::clone(&bench.executor.identity);
    let junk =
        ChainBlock::build(bench.first.id(), Height::new(1), time, b"junk", &identity).unwrap();
    for block in [bad, elsewhere, stranger, junk] {
        assert_eq!(bench.verdict(&block).await, Verdict::Invalid, "{:?}", block.payload());
    }
    // Of these only one came as far as the VM's verification.
    assert_eq!(*bench.calls.lock().unwrap(), ["verify bad"]);
    assert!(bench.processing.is_empty());
}

#[tokio::test]
async fn a_block_is_built_on_the_parent_that_the_vm_builds_on() {
    let mut bench = Bench::new("build").await;
    let parent = bench.first.clone();
    bench.work(Work::Build { call: CallId(1), parent }).await;
    let Some(Done::Built { block: Some(built), turn: true, .. }) = bench.done.recv().await else {
        panic!("nothing was built");
    };
    assert_eq!(bench.verdict(&built).await, Verdict::Valid);
    // The VM builds on genesis still, and this node is to build on another block: not now.
    bench.work(Work::Build { call: CallId(2), parent: built }).await;
    let answer = bench.done.recv().await.unwrap();
    assert!(matches!(answer, Done::Built { block: None, turn: false, .. }), "{answer:?}");
}

#[tokio::test]
async fn downloaded_blocks_are_verified_logged_and_accepted_in_order() {
    let mut bench = Bench::new("execute").await;
    let (mut parent, mut below) = (bench.first.clone(), genesis().id());
    let mut blocks = Vec::new();
    for (height, word) in (1..).zip(["one", "two", "three"]) {
        let block = bench.block(&parent, below, height, word);
        below = inner(below, height, word).id();
        blocks.push(block.clone());
        parent = block;
    }
    bench.executor.fetched.put(&blocks).unwrap();
    let first = (Height::GENESIS, bench.first.id(), bench.first.bytes().clone());
    bench.executor.log.append(vec![first]).await.unwrap();
    let work = Work::Execute { call: CallId(1), low: Height::new(1), high: Height::new(3) };
    bench.work(work).await;
    let told =
        ["verify one", "verify two", "verify three", "accept one", "accept two", "accept three"];
    assert_eq!(*bench.calls.lock().unwrap(), told);
    let done = bench.done.recv().await.unwrap();
    assert!(matches!(done, Done::Executed { last, .. } if last == parent));
    assert!(bench.executor.fetched.get(Height::new(2)).unwrap().is_none());
    // One that is missing stops the chain, and says which.
    let work = Work::Execute { call: CallId(2), low: Height::new(4), high: Height::new(4) };
    let error = bench.executor.carry_out(work, &mut bench.processing).await.unwrap_err();
    assert!(error.to_string().contains("block 4 is missing"), "{error}");
}
