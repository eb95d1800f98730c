//! What is stored: states of many pieces, of too many bytes, of another chain, and damaged ones.

use std::any::Any;
use std::sync::Arc;

use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::{Batch, KeyRange, KeyValue, MemoryStore, Order};
use avalanche_vm::machine::{
    BlockFacts, FLUSH_BLOCKS, MachineFactory, MachineVm, STATE_BYTES_MAX, StateMachine,
};
use avalanche_vm::testing::{Chain, ChainOptions, MemoryLog, Stop, run};
use avalanche_vm::{
    BlockReader, BuildRequest, Error, Invalid, TransactionStatus, Vm, VmContext, VmFactory, VmId,
};

use super::support::{codes, of, step, submit};

/// Its state is as many bytes as the last transaction says.
struct Blob;

impl StateMachine for Blob {
    type State = Arc<[u8]>;

    fn id(&self) -> VmId {
        VmId::named("blob")
    }

    fn apply(&self, to: &mut Arc<[u8]>, bytes: &[u8], at: BlockFacts) -> Result<(), Invalid> {
        let (len, _) = bytes.split_first_chunk().ok_or_else(|| super::support::rule("length"))?;
        let fill = at.height.get().to_le_bytes()[0];
        *to = std::iter::repeat_n(fill, u32::from_be_bytes(*len) as usize).collect();
        Ok(())
    }

    fn encode(&self, state: &Arc<[u8]>) -> Vec<u8> {
        state.to_vec()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Arc<[u8]>, Invalid> {
        Ok(bytes.into())
    }
}

fn resize(len: usize, salt: u8) -> Vec<u8> {
    [&u32::try_from(len).unwrap().to_be_bytes()[..], &[salt]].concat()
}

/// An instance on a store of one's own.
struct Node {
    vm: Box<dyn Vm>,
    store: Arc<MemoryStore>,
    log: Arc<MemoryLog>,
    now: Timestamp,
}

async fn create(
    store: &Arc<MemoryStore>,
    log: &Arc<MemoryLog>,
    genesis: &[u8],
) -> Result<Box<dyn Vm>, Error> {
    let context = ChainOptions::new(genesis).context(log);
    let store = Arc::<MemoryStore>::clone(store);
    MachineFactory::new(Blob).create(VmContext { store, ..context }).await
}

impl Node {
    async fn new() -> Self {
        let (store, log) = (Arc::new(MemoryStore::new()), Arc::new(MemoryLog::default()));
        log.push(&MachineFactory::new(Blob).genesis(b"g").unwrap());
        let vm = create(&store, &log, b"g").await.unwrap();
        Self { vm, store, log, now: Timestamp::from_millis(1_000) }
    }

    async fn grow(&mut self, len: usize) {
        let pool = self.vm.transactions().unwrap();
        pool.submit(&[&resize(len, 0)], self.now).await.pop().unwrap().unwrap();
        let request = BuildRequest { now: self.now, bytes_max: 1 << 20, allow_empty: false };
        let block = self.vm.build(request).await.unwrap().expect("a block");
        self.vm.verify(&block, self.now).await.unwrap();
        self.log.push(&block);
        self.vm.accept(&block).await.unwrap();
        self.vm.set_preference(block.id());
    }

    async fn again(&self) -> Result<Box<dyn Vm>, Error> {
        create(&self.store, &self.log, b"g").await
    }

    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.store.range(KeyRange::all(), Order::Ascending).collect::<Result<_, _>>().unwrap()
    }
}

fn blob(vm: &dyn Vm) -> &[u8] {
    let vm: &dyn Any = vm;
    vm.downcast_ref::<MachineVm<Blob>>().expect("a blob").state()
}

#[test]
fn a_state_is_stored_in_pieces_and_old_ones_go() {
    run(async {
        let mut node = Node::new().await;
        assert!(node.rows().is_empty(), "nothing is stored before the first block");
        for (len, rows) in [(40_000, 4), (16_384, 2), (16_385, 3), (0, 1), (65_536, 5), (1, 2)] {
            node.grow(len).await;
            assert_eq!(node.rows().len(), rows, "of {len} bytes");
            assert!(node.rows().iter().all(|(_, value)| value.len() <= 16_384));
            let again = node.again().await.unwrap();
            assert_eq!(again.last_accepted(), node.vm.last_accepted());
            assert_eq!(blob(&*again), blob(&*node.vm));
        }
    });
}

#[test]
fn a_large_state_is_stored_now_and_then() {
    run(async {
        let options = ChainOptions::new(b"g".to_vec());
        let mut chain = Chain::new(Arc::new(MachineFactory::new(Blob)), options).await.unwrap();
        let height = |chain: &Chain| chain.tip().height.get();
        while height(&chain) < FLUSH_BLOCKS + 3 {
            submit(&mut chain, &[resize(100_000, 0)]).await;
            step(&mut chain).await.expect("a block");
        }
        assert!(chain.vm().state_sync().unwrap().last().await.unwrap().is_none());
        let wanted = Arc::clone(of::<Blob>(&mut chain).state());
        assert_eq!(wanted.len(), 100_000);
        chain = chain.restart(Stop::PowerLoss).await.unwrap();
        assert_eq!((chain.report().replayed, of::<Blob>(&mut chain).state()), (3, &wanted));
        // An orderly stop writes it all out, and nothing is left to replay.
        chain = chain.restart(Stop::Shutdown).await.unwrap();
        assert_eq!((chain.report().replayed, of::<Blob>(&mut chain).state()), (3, &wanted));
    });
}

#[test]
fn a_state_above_the_bound_is_refused() {
    run(async {
        let factory = Arc::new(MachineFactory::new(Blob));
        let too_long = vec![0; STATE_BYTES_MAX + 1];
        assert_eq!(factory.genesis(&too_long).unwrap_err().code(), "state_length");
        let mut chain = Chain::new(factory, ChainOptions::new(b"g".to_vec())).await.unwrap();
        let all = [resize(STATE_BYTES_MAX + 1, 0), resize(STATE_BYTES_MAX, 0), resize(5, 0)];
        let answers = submit(&mut chain, &all).await;
        assert_eq!(codes(&answers), ["ok"; 3]);
        // The last one alone would do: the state is within the bound after all three.
        submit(&mut chain, &[resize(STATE_BYTES_MAX + 1, 1)]).await;
        let block = chain.build().await.unwrap().expect("a block");
        let pool = chain.vm().transactions().unwrap();
        assert_eq!((pool.in_block(&block).unwrap().len(), pool.pending()), (2, 2));
        let fate = pool.status(answers[0].as_ref().unwrap());
        let TransactionStatus::Dropped { code: "state_length", reason } = fate else {
            panic!("it is {fate:?}")
        };
        assert!(reason.contains("16777217 bytes; up to 16777216"), "{reason}");

        // A peer's block is refused for the same.
        let one = resize(STATE_BYTES_MAX + 1, 7);
        let length = u32::try_from(one.len()).unwrap().to_be_bytes();
        let empty = BuildRequest { now: chain.now(), bytes_max: 85, allow_empty: true };
        let empty = chain.build_with(empty).await.unwrap().expect("a block");
        let count = 1_u32.to_be_bytes();
        let forged = [&empty.bytes()[..81], &count, &length, &one].concat();
        let forged = chain.parse(&forged).unwrap();
        assert_eq!(chain.verify(&forged).await.unwrap_err().code(), "state_length");
    });
}

#[test]
fn another_genesis_is_fatal() {
    run(async {
        let mut node = Node::new().await;
        node.grow(10).await;
        let text = |answer: Result<Box<dyn Vm>, Error>| {
            let error = answer.err().expect("it is refused");
            assert!(error.is_fatal());
            error.to_string()
        };
        let found = text(create(&node.store, &node.log, b"h").await);
        assert!(found.contains("another genesis"), "{found}");
        // With a log of its own, the store tells.
        let found = text(create(&node.store, &Arc::default(), b"h").await);
        let genesis = Id::hash(&node.log.at(Height::GENESIS).unwrap().unwrap()).to_string();
        assert!(found.contains("began with") && found.contains(&genesis), "{found}");
        // A log in which another block has the height.
        let log = Arc::new(MemoryLog::default());
        let genesis = MachineFactory::new(Blob).genesis(b"g").unwrap();
        log.push(&genesis);
        log.push(&genesis);
        let found = text(create(&node.store, &log, b"g").await);
        assert!(found.contains("at height 1"), "{found}");
    });
}

#[test]
fn a_damaged_store_is_fatal_and_says_so() {
    run(async {
        let mut node = Node::new().await;
        node.grow(40_000).await;
        let rows = node.rows();
        let mut damages = 0;
        for (key, value) in &rows {
            let mut bad = vec![None, Some(Vec::new()), Some(value[1..].to_vec())];
            if value.len() < 16_384 {
                bad.push(Some([&value[..], &[0]].concat()));
            }
            for at in (0..value.len()).step_by(if key == b"head" { 1 } else { 1_000 }) {
                let mut changed = value.clone();
                changed[at] ^= 1;
                bad.push(Some(changed));
            }
            for value in bad {
                let store = Arc::new(MemoryStore::new());
                let mut batch = Batch::new();
                rows.iter().for_each(|(key, value)| batch.put(key.clone(), value.clone()));
                match value {
                    Some(value) => batch.put(key.clone(), value),
                    None => batch.delete(key.clone()),
                }
                store.commit(batch).unwrap();
                let answer = create(&store, &node.log, b"g").await;
                let error = answer.err().expect("it is refused");
                assert!(error.is_fatal());
                let text = error.to_string();
                let clear = text.contains("damaged") && text.contains("remove the VM's store");
                assert!(clear, "{text}");
                damages += 1;
            }
        }
        assert_eq!((rows.len(), damages), (4, 173));
        assert_eq!(blob(&*node.again().await.unwrap()).len(), 40_000);
    });
}
