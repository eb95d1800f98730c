//! Any bytes that are read as a transfer, an account or a genesis are the encoding of what was
//! read, and say the same through every accessor.
#![no_main]

use avalanche_vm::payments::{Account, Burned, Genesis, SignedTransfer, TransferRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The version is right in every other input, so that more than one byte is looked at.
    let mut versioned = bytes.to_vec();
    if let Some(first) = versioned.first_mut() {
        *first = 1;
    }
    // The target may be given fewer or more bytes than a transfer has.
    let mut whole = versioned.clone();
    whole.resize(193, 0);
    for bytes in [bytes, &versioned, &whole] {
        check(bytes);
    }
});

fn check(bytes: &[u8]) {
    if let Ok(transfer) = SignedTransfer::decode(bytes) {
        let view = TransferRef::decode(bytes).expect("read once");
        assert_eq!(view.to_owned(), transfer);
        let fields = transfer.transfer();
        assert_eq!(fields.with_signature(view.signature()).as_bytes(), bytes);
        assert_eq!(view.signing_message(), fields.signing_message());
        assert_eq!(view.signing_message().len(), 160);
    }
    if let Ok(account) = Account::decode(bytes) {
        assert_eq!(&account.encode()[..], bytes);
    }
    if let Ok(burned) = Burned::decode(bytes) {
        assert_eq!(&burned.encode()[..], bytes);
    }
    if let Ok(genesis) = Genesis::decode(bytes) {
        assert_eq!(genesis.encode(), bytes);
        assert!(genesis.accounts().map(|(address, _)| address).is_sorted());
        genesis.block().expect("short");
    }
}
