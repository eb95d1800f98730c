//! Any bytes that are read as a block are the encoding of what was read; and whatever transfers a
//! block has, executing it panics never, and neither makes nor loses money.
#![no_main]

use std::collections::BTreeMap;

use avalanche_consensus::{HashKey, Height, Id};
use avalanche_vm::payments::{
    Address, BlockRef, Genesis, Header, Ledger, SignedTransfer, Transfer, TransferRef,
};
use libfuzzer_sys::fuzz_target;

const CHAIN: Id = Id::new([7; 32]);

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut framed = bytes.to_vec();
    if framed.len() >= 85 {
        let count = (framed.len() - 85) / 193;
        framed.truncate(85 + count * 193);
        framed[0] = 1;
        framed[81..85].copy_from_slice(&(count as u32).to_be_bytes());
        framed[85..].chunks_mut(193).for_each(|transfer| transfer[0] = 1);
        assert!(read(&framed), "a block that is whole");
    }
    execute(bytes);
});

/// Whether these are a block.
fn read(bytes: &[u8]) -> bool {
    let Ok(block) = BlockRef::decode(bytes) else { return false };
    let transfers: Vec<_> = block.transfers.iter().map(TransferRef::to_owned).collect();
    assert_eq!(block.header.encode(&transfers).expect("as many as were read"), bytes);
    true
}

/// Six bytes a transfer: sender, recipient, amount, fee, nonce, and what is odd. Blocks of four.
fn execute(bytes: &[u8]) {
    let address = |n: u8| Address::new([n % 8; 32]);
    let accounts = (0..4).map(|n| (address(n), 300)).collect();
    let genesis = Genesis::new(0, 1, accounts).expect("good");
    let key = HashKey::from_seed([1; 32]);
    let mut ledger = Ledger::from_genesis(key, CHAIN, &genesis, Id::EMPTY).expect("few");
    let (pieces, _) = bytes.as_chunks::<6>();
    for (number, pieces) in (1..).zip(pieces.chunks(4)) {
        let transfers: Vec<_> = pieces.iter().map(|piece| transfer(piece, address)).collect();
        let tip = ledger.tip();
        let height = tip.height.next().expect("low");
        let header =
            Header { parent: tip.id, height, timestamp_ms: 0, parent_state_root: [0; 32] };
        let bytes = header.encode(&transfers).expect("four");
        let block = BlockRef::decode(&bytes).expect("just made");
        let before: BTreeMap<_, _> = ledger.accounts().collect();
        if let Ok(layer) = ledger.execute(Id::hash(&[number; 1]), &block) {
            let id = layer.id();
            ledger.hold(layer);
            ledger.accept(&id).expect("a child of the tip");
        } else {
            assert_eq!(ledger.accounts().collect::<BTreeMap<_, _>>(), before);
            assert_eq!(ledger.tip().height, Height::new(height.get() - 1));
        }
        let sum: u128 = ledger.accounts().map(|(_, account)| u128::from(account.balance)).sum();
        assert_eq!(sum + u128::from(ledger.burned()), u128::from(genesis.supply()));
        if number == u8::MAX {
            return;
        }
    }
}

fn transfer(piece: &[u8; 6], address: impl Fn(u8) -> Address) -> SignedTransfer {
    let &[sender, recipient, amount, fee, nonce, odd] = piece;
    let big = |bit: u8| if odd & bit == 0 { 0 } else { u64::MAX - 255 };
    let transfer = Transfer {
        chain: if odd & 1 == 0 { CHAIN } else { Id::EMPTY },
        sender: address(sender),
        recipient: address(recipient),
        amount: u64::from(amount) + big(2),
        fee: u64::from(fee) + big(4),
        nonce: u64::from(nonce) + big(8),
        expiry: 0,
    };
    transfer.with_signature(&[odd; 64])
}
