//! A machine that folds numbers into one, and a chain that runs it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::Id;
use avalanche_vm::machine::{BlockFacts, MachineFactory, MachineVm, StateMachine};
use avalanche_vm::testing::{Chain, ChainOptions, Fixture};
use avalanche_vm::{Block, Error, Invalid, InvalidKind, Vm, VmFactory, VmId};

/// Numbers from 1 to 1,000 are folded into the state, which depends on their order. A transaction
/// is the number and any bytes. Numbers from 900 on are good only for a state that has seen none
/// of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folder;

/// What was folded, how often, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) value: u64,
    pub(crate) count: u64,
    pub(crate) large: u64,
    pub(crate) height: u64,
    pub(crate) nanos: u64,
}

pub(crate) fn rule(code: &'static str) -> Invalid {
    Invalid::new(InvalidKind::State, code, format!("the rule {code} of the folder"))
}

impl StateMachine for Folder {
    type State = Folded;

    fn id(&self) -> VmId {
        VmId::named("folder")
    }

    fn apply(&self, to: &mut Folded, bytes: &[u8], block: BlockFacts) -> Result<(), Invalid> {
        // Leaves a trace on purpose: whoever calls has to forget a refused state.
        to.count += 1;
        let (number, _) = bytes.split_first_chunk().ok_or_else(|| rule("length"))?;
        let number = u64::from_be_bytes(*number);
        if !(1..=1000).contains(&number) {
            return Err(rule("range"));
        }
        if number >= 900 {
            to.large += 1;
            if to.large > 1 {
                return Err(rule("one_large"));
            }
        }
        to.value = to.value.wrapping_mul(31).wrapping_add(number);
        (to.height, to.nanos) = (block.height.get(), block.timestamp.as_nanos());
        Ok(())
    }

    fn encode(&self, state: &Folded) -> Vec<u8> {
        let Folded { value, count, large, height, nanos } = *state;
        [value, count, large, height, nanos].map(u64::to_be_bytes).concat()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Folded, Invalid> {
        let words: Vec<_> = bytes.as_chunks().0.iter().map(|it| u64::from_be_bytes(*it)).collect();
        match (words.as_slice(), bytes.len()) {
            ([value, count, large, height, nanos], 40) => Ok(Folded {
                value: *value,
                count: *count,
                large: *large,
                height: *height,
                nanos: *nanos,
            }),
            _ => Err(rule("state")),
        }
    }
}

pub(crate) fn genesis(value: u64) -> Vec<u8> {
    Folder.encode(&Folded { value, ..Folded::default() })
}

pub(crate) async fn chain() -> Chain {
    let options = ChainOptions::new(genesis(7));
    Chain::new(Arc::new(MachineFactory::new(Folder)), options).await.expect("a chain")
}

pub(crate) fn of<M: StateMachine>(chain: &mut Chain) -> &mut MachineVm<M> {
    (chain.vm() as &mut dyn Any).downcast_mut().expect("a machine's VM")
}

pub(crate) fn folded(chain: &mut Chain) -> Folded {
    *of::<Folder>(chain).state()
}

pub(crate) async fn submit(chain: &mut Chain, all: &[Vec<u8>]) -> Vec<Result<Id, Error>> {
    let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
    let now = chain.now();
    chain.vm().transactions().expect("transactions").submit(&all, now).await
}

pub(crate) fn codes(answers: &[Result<Id, Error>]) -> Vec<&'static str> {
    answers.iter().map(|it| it.as_ref().err().map_or("ok", Error::code)).collect()
}

/// Builds, verifies and accepts what waits, a second later.
pub(crate) async fn step(chain: &mut Chain) -> Option<Block> {
    chain.advance(Duration::from_secs(1));
    let block = chain.build().await.expect("no failure")?;
    chain.verify(&block).await.expect("a valid block");
    chain.accept(&block).await.expect("no failure");
    Some(block)
}

pub(crate) fn number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Fixture for Folder {
    fn factory(&self) -> Arc<dyn VmFactory> {
        Arc::new(MachineFactory::new(Self))
    }

    fn genesis(&self) -> Vec<u8> {
        genesis(7)
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        Some(genesis(8))
    }

    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        (0..=number % 3).map(|part| [number + 1, part].map(u64::to_be_bytes).concat()).collect()
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        let vm: &mut dyn Any = vm;
        let vm: &mut MachineVm<Self> = vm.downcast_mut().expect("a folder");
        Ok(self.encode(vm.state()))
    }

    fn too_new(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }

    fn forged(&self, block: &Block) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = block.bytes();
        let mut state = bytes.to_vec();
        state[49] ^= 1;
        let mut before = bytes.to_vec();
        before[41..49].fill(0);
        let mut zero = bytes.to_vec();
        zero[89..97].fill(0);
        let counted = [&bytes[..81], &u32::MAX.to_be_bytes(), &bytes[85..]].concat();
        let mut late = bytes.to_vec();
        late[41..49].fill(0xff);
        vec![
            ("another state of its parent", state),
            ("a time before the parent's", before),
            ("a transaction that the machine refuses", zero),
            ("more transactions than there are", counted),
            ("a time beyond all", late),
        ]
    }
}
