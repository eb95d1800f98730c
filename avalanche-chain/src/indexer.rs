//! shim
use crate::{AddressPage, ChainBlock, Cursor};
use avalanche_consensus::{Height, Id};
use avalanche_store::{Error, KeyValue, LogReader};
use avalanche_vm::BlockContents;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
#[derive(Debug, Default)]
struct Inner {
    height: Option<Height>,
    txs: HashMap<Id, Cursor>,
    vm: HashMap<Id, Height>,
}
#[derive(Clone, Debug, Default)]
pub struct IndexReader(Arc<Mutex<Inner>>);
#[derive(Debug)]
pub struct Indexer(IndexReader);
impl Indexer {
    pub fn open(_: Arc<dyn KeyValue>) -> Result<(Self, IndexReader), Error> {
        let r = IndexReader::default();
        Ok((Self(r.clone()), r))
    }
    pub fn catch_up(
        &mut self,
        log: &LogReader,
        c: Option<&dyn BlockContents>,
    ) -> Result<u64, Error> {
        for b in log.iter() {
            let b = b?;
            let b = ChainBlock::decode(b.bytes.into()).unwrap();
            self.apply(&b, c)?;
        }
        Ok(0)
    }
    pub fn apply(
        &mut self,
        b: &ChainBlock,
        c: Option<&dyn BlockContents>,
    ) -> Result<Vec<Id>, Error> {
        let mut ids = Vec::new();
        if let Some(c) = c {
            c.transactions(&b.payload(), &mut |id, _| ids.push(id)).unwrap();
        }
        let mut i = self.0.0.lock().unwrap();
        i.height = Some(b.height());
        i.vm.insert(Id::hash(&b.payload()), b.height());
        for (n, id) in ids.iter().enumerate() {
            i.txs.insert(*id, Cursor { height: b.height(), index: n as u32 });
        }
        Ok(ids)
    }
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
impl IndexReader {
    pub fn height(&self) -> Option<Height> {
        self.0.lock().unwrap().height
    }
    pub fn transaction(&self, id: &Id) -> Result<Option<Cursor>, Error> {
        Ok(self.0.lock().unwrap().txs.get(id).copied())
    }
    pub fn vm_block(&self, id: &Id) -> Result<Option<Height>, Error> {
        Ok(self.0.lock().unwrap().vm.get(id).copied())
    }
    pub fn address(&self, _: &[u8; 32], _: Option<Cursor>, _: usize) -> Result<AddressPage, Error> {
        Ok(AddressPage::default())
    }
}
