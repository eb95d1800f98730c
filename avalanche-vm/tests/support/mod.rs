//! A VM that does what a test tells it to, and the chain around it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Height, Id, NodeId, Timestamp};
use avalanche_store::{Batch, KeyValue, MemoryStore};
use avalanche_vm::{
    AppSender, Block, BlockReader, BuildRequest, Error, InvalidKind, Place, ToEngine, Vm,
    VmContext, VmFactory, VmId, VmVersion,
};

/// What a VM is to do instead of a call, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Panic,
    Fatal,
    Invalid,
    NotReady,
    /// Does not return for so long, as a computation would.
    Block(Duration),
}

/// What a test and all instances of a VM share.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) troubles: Mutex<BTreeMap<&'static str, Vec<Trouble>>>,
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn on(&self, call: &'static str, trouble: Trouble) {
        self.troubles.lock().unwrap().entry(call).or_default().push(trouble);
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn enter(&self, call: &'static str) -> Result<(), Error> {
        self.calls.lock().unwrap().push(call.to_owned());
        let trouble = {
            let mut troubles = self.troubles.lock().unwrap();
            troubles.get_mut(call).filter(|left| !left.is_empty()).map(|left| left.remove(0))
        };
        match trouble {
            None => Ok(()),
            Some(Trouble::Panic) => panic!("as the script says"),
            Some(Trouble::Fatal) => Err(Error::fatal("as the script says")),
            Some(Trouble::Invalid) => {
                Err(Error::invalid(InvalidKind::State, "scripted", "as the script says"))
            }
            Some(Trouble::NotReady) => Err(Error::not_ready("as the script says")),
            Some(Trouble::Block(time)) => {
                std::thread::sleep(time);
                Ok(())
            }
        }
    }
}

/// Blocks are parent and height; the state is the last accepted block.
pub(crate) struct Scripted {
    script: Arc<Script>,
    store: Arc<dyn KeyValue>,
    tip: Tip,
}

pub(crate) fn block(parent: Id, height: u64) -> Block {
    let mut bytes = parent.as_bytes().to_vec();
    bytes.extend(height.to_be_bytes());
    let place = Place { parent, height: Height::new(height), timestamp: Timestamp::ZERO };
    Block::new(place, bytes, ())
}

#[async_trait]
impl Vm for Scripted {
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error> {
        self.script.enter("parse")?;
        let (parent, height) = bytes
            .split_first_chunk::<32>()
            .and_then(|(parent, rest)| Some((parent, rest.try_into().ok()?)))
            .ok_or_else(|| Error::invalid(InvalidKind::Malformed, "length", "40 bytes"))?;
        Ok(block(Id::new(*parent), u64::from_be_bytes(height)))
    }

    async fn build(&mut self, _request: BuildRequest) -> Result<Option<Block>, Error> {
        self.script.enter("build")?;
        Ok(Some(block(self.tip.id, self.tip.height.get() + 1)))
    }

    async fn verify(&mut self, _block: &Block, _now: Timestamp) -> Result<(), Error> {
        self.script.enter("verify")
    }

    async fn accept(&mut self, block: &Block) -> Result<(), Error> {
        self.script.enter("accept")?;
        if block.height() > self.tip.height {
            self.tip = Tip { id: block.id(), height: block.height() };
            let mut batch = Batch::new();
            batch.put("tip", block.bytes());
            self.store.commit(batch)?;
        }
        Ok(())
    }

    async fn reject(&mut self, _block: &Block) -> Result<(), Error> {
        self.script.enter("reject")
    }

    fn set_preference(&mut self, _block: Id) {
        self.script.enter("set_preference").unwrap();
    }

    fn last_accepted(&self) -> Tip {
        self.tip
    }

    async fn shutdown(&mut self) -> Result<(), Error> {
        self.script.enter("shutdown")
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.script.enter("drop").unwrap();
    }
}

pub(crate) struct ScriptedFactory {
    pub(crate) script: Arc<Script>,
    pub(crate) id: VmId,
    pub(crate) version: VmVersion,
}

pub(crate) const VERSION: VmVersion = VmVersion { major: 1, minor: 2, patch: 3 };

impl ScriptedFactory {
    pub(crate) fn new(script: &Arc<Script>) -> Self {
        Self { script: Arc::clone(script), id: VmId::named("scripted"), version: VERSION }
    }
}

#[async_trait]
impl VmFactory for ScriptedFactory {
    fn id(&self) -> VmId {
        self.id
    }

    fn version(&self) -> VmVersion {
        self.version
    }

    fn genesis(&self, _genesis: &[u8]) -> Result<Block, Error> {
        Ok(block(Id::EMPTY, 0))
    }

    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error> {
        self.script.enter("create")?;
        let genesis = self.genesis(&context.genesis)?;
        let mut tip = Tip { id: genesis.id(), height: Height::GENESIS };
        if let Some(bytes) = context.store.get(b"tip")? {
            let height = u64::from_be_bytes(bytes[32..].try_into().unwrap());
            tip = Tip { id: Id::hash(&bytes), height: Height::new(height) };
        }
        Ok(Box::new(Scripted { script: Arc::clone(&self.script), store: context.store, tip }))
    }
}

/// Accepted blocks in memory.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Mutex<Vec<Block>>);

impl BlockReader for Log {
    fn last_height(&self) -> Option<Height> {
        self.0.lock().unwrap().last().map(Block::height)
    }

    fn at(&self, height: Height) -> Result<Option<Vec<u8>>, Error> {
        let blocks = self.0.lock().unwrap();
        let found = blocks.iter().find(|block| block.height() == height);
        Ok(found.map(|block| block.bytes().to_vec()))
    }

    fn by_id(&self, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        let blocks = self.0.lock().unwrap();
        Ok(blocks.iter().find(|block| block.id() == *id).map(|block| block.bytes().to_vec()))
    }
}

pub(crate) struct Deaf;

impl ToEngine for Deaf {
    fn pending_transactions(&self) {}
    fn state_sync_done(&self) {}
}

impl AppSender for Deaf {
    fn request(&self, _to: NodeId, _request: u64, _deadline: Duration, _bytes: Vec<u8>) {}
    fn gossip(&self, _bytes: Vec<u8>) {}
}

pub(crate) fn context(chain: u8, log: &Arc<Log>) -> VmContext {
    VmContext {
        network_id: 1,
        chain_id: Id::new([chain; 32]),
        node_id: NodeId::default(),
        genesis: Arc::from([]),
        config: Arc::from([]),
        store: Arc::new(MemoryStore::new()),
        blocks: Arc::clone(log) as Arc<dyn BlockReader>,
        to_engine: Arc::new(Deaf),
        app_sender: Arc::new(Deaf),
        hash_key: HashKey::from_seed([7; 32]),
        threads: std::num::NonZeroUsize::MIN,
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
