//! Reading an index while it is written.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use avalanche_consensus::{Height, Id};
use avalanche_store::{KeyRange, KeyValue, Order};

use super::rows;
use crate::{AddressPage, Cursor, Error};

/// Reads the index of one chain. A clone reads the same. Calls may wait for the disk.
#[derive(Clone, Debug)]
pub struct IndexReader(Arc<dyn KeyValue>);

impl IndexReader {
    /// The most transactions of a page.
    pub const PAGE_MAX: usize = 1_000;

    pub(super) fn new(store: Arc<dyn KeyValue>) -> Self {
        Self(store)
    }

    /// Where a transaction was accepted; `None` if it was not, as far as is indexed.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn transaction(&self, id: &Id) -> Result<Option<Cursor>, Error> {
        let row = self.0.get(&rows::transaction_key(id))?;
        row.map(|value| rows::place(&value).ok_or_else(damaged)).transpose()
    }

    /// The height of the accepted block that has this block of the VM in it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn vm_block(&self, id: &Id) -> Result<Option<Height>, Error> {
        let row = self.0.get(&rows::vm_block_key(id))?;
        row.map(|value| rows::height(&value).ok_or_else(damaged)).transpose()
    }

    /// The accepted transactions that touch an address, newest first: at most `limit`, and
    /// [`PAGE_MAX`](Self::PAGE_MAX). With `before`, those before that place: give [`AddressPage::next`] back to
    /// go on.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn address(
        &self,
        address: &[u8; 32],
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<AddressPage, Error> {
        let limit = limit.min(Self::PAGE_MAX);
        let mut range = KeyRange::prefix(&rows::address_prefix(address));
        if let Some(before) = before {
            range.start = Bound::Included(rows::address_from(address, before.height));
        }
        let mut page = AddressPage::default();
        for row in self.0.range(range, Order::Ascending) {
            let (key, value) = row?;
            let entries = rows::entries(&key, &value).ok_or_else(damaged)?;
            for entry in entries.into_iter().rev() {
                if before.is_some_and(|before| entry.0 >= before) {
                    continue;
                }
                if page.transactions.len() >= limit {
                    page.next = page.transactions.last().map(|(cursor, _)| *cursor);
                    return Ok(page);
                }
                page.transactions.push(entry);
            }
        }
        Ok(page)
    }
}

fn damaged() -> Error {
    Error::Store(avalanche_store::Error::Corrupt {
        path: PathBuf::from("index"),
        offset: 0,
        what: "a row of the index has the wrong length: stop the node and remove the index's \
               folder, and it is built again from the block log",
    })
}
