//! Bytes of every format, pinned; and what any bytes decode to.

use std::fmt::Write;

use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_vm::InvalidKind;
use avalanche_vm::payments::{
    Account, Address, BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, BURNED_KEY, BlockRef, Burned, Genesis,
    Header, Receipt, Refusal, SignedTransfer, TRANSFER_BYTES, TRANSFER_DOMAIN, TRANSFERS_MAX,
    Transfer, TransferRef, receipts, transfers_in,
};
use proptest::prelude::*;

/// Bytes that rise from `first`.
fn rising<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

fn transfer() -> Transfer {
    Transfer {
        chain: Id::new(rising(0x10)),
        sender: Address::new(rising(0x30)),
        recipient: Address::new(rising(0x50)),
        amount: 0x0102_0304_0506_0708,
        fee: 0x1112,
        nonce: 0x21,
        expiry: 1_700_000_000,
    }
}

fn signed() -> SignedTransfer {
    transfer().with_signature(&rising(0x80))
}

fn genesis() -> Genesis {
    let allocations =
        vec![(Address::new(rising(0x50)), 7), (Address::new(rising(0x30)), 1_000_000)];
    Genesis::new(1_600_000_000_123, 0x1112, allocations).unwrap()
}

fn block() -> Vec<u8> {
    let header = Header {
        parent: Id::new(rising(0xa0)),
        height: Height::new(5),
        timestamp_ms: 1_650_000_000_456,
        parent_state_root: rising(0xc0),
    };
    header.encode(&[signed(), signed()]).unwrap()
}

/// Bytes as lines of 32.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

/// A change here is a change of format: see CONTRIBUTING.md.
#[test]
fn bytes_and_names_are_pinned() {
    let genesis = genesis();
    let (transfer, block, first) = (signed(), block(), genesis.block().unwrap());
    let account = Account { balance: 0x0102_0304_0506_0708, nonce: 0x21 };
    let mut text = String::new();
    for (name, bytes) in [
        ("transfer", &transfer.as_bytes()[..]),
        ("signing message", &transfer.view().signing_message()),
        ("block", &block),
        ("genesis", &genesis.encode()),
        ("genesis block", &first),
        ("account", &account.encode()),
        ("burned", &Burned(0x1112).encode()),
        ("burned key", &BURNED_KEY),
    ] {
        write!(text, "# {name}, id {:x}\n{}", Id::hash(bytes), hex(bytes)).unwrap();
    }
    let golden = include_str!("../golden/payments.txt");
    assert_eq!(text, golden, "\n{text}");
}

#[test]
fn what_was_encoded_is_read_again() {
    assert_eq!(SignedTransfer::decode(signed().as_bytes()), Ok(signed()));
    assert_eq!(signed().transfer(), transfer());
    assert_eq!(signed().view().signed_bytes(), &transfer().signed_bytes());
    assert_eq!(signed().view().signing_message(), transfer().signing_message());
    assert_eq!(signed().view().signature()[..2], [0x80, 0x81]);
    let message = transfer().signing_message();
    assert_eq!(usize::from(message[0]), TRANSFER_DOMAIN.len());
    assert_eq!(&message[1..31], TRANSFER_DOMAIN.as_bytes());

    let bytes = block();
    let block = BlockRef::decode(&bytes).unwrap();
    assert_eq!(block.header.second(), 1_650_000_000);
    assert_eq!(block.header.timestamp(), Timestamp::from_millis(1_650_000_000_456));
    let transfers: Vec<_> = block.transfers.iter().map(TransferRef::to_owned).collect();
    assert_eq!(transfers, [signed(), signed()]);
    assert_eq!(block.header.encode(&transfers).unwrap(), bytes);
    assert_eq!(block.transfers.get(1), Some(signed().view()));
    assert_eq!((block.transfers.get(2), block.transfers.is_empty()), (None, false));

    let genesis = genesis();
    assert_eq!(Genesis::decode(&genesis.encode()), Ok(genesis.clone()));
    assert_eq!((genesis.supply(), genesis.len(), genesis.is_empty()), (1_000_007, 2, false));
    assert!(genesis.accounts().map(|(address, _)| address).is_sorted());
    let first = genesis.block().unwrap();
    assert_eq!(BlockRef::decode(&first).unwrap().header, genesis.header());
    assert_eq!(genesis.header().parent_state_root, *Id::hash(&genesis.encode()).as_bytes());

    let account = Account { balance: 5, nonce: 0 };
    assert_eq!(Account::decode(&account.encode()), Ok(account));
    assert_eq!(Burned::decode(&Burned(3).encode()), Ok(Burned(3)));
    let address = Address::new(rising(1));
    assert_eq!(address.to_string().parse(), Ok(address));
    assert_eq!(format!("0x{address:x}").parse(), Ok(address));
    assert!("0x12".parse::<Address>().is_err());
}

#[test]
fn other_genesis_bytes_give_another_first_block() {
    let blocks: std::collections::BTreeSet<_> = [(1, 3, 10), (2, 3, 10), (1, 4, 10), (1, 3, 11)]
        .map(|(timestamp, fee, balance)| {
            let allocations = vec![(Address::new([1; 32]), balance)];
            Genesis::new(timestamp, fee, allocations).unwrap().block().unwrap()
        })
        .into();
    assert_eq!(blocks.len(), 4);
}

#[test]
fn receipts_say_what_a_block_did() {
    let bytes = block();
    let id = Id::hash(&bytes);
    let found: Vec<_> = receipts(id, &BlockRef::decode(&bytes).unwrap()).collect();
    let Transfer { sender, recipient, amount, fee, nonce, .. } = transfer();
    let receipt = |index| Receipt {
        id: signed().id(),
        height: Height::new(5),
        index,
        block: id,
        sender,
        recipient,
        amount,
        fee,
        nonce,
    };
    assert_eq!(found, [receipt(0), receipt(1)]);
}

#[test]
fn a_block_holds_what_fits_and_no_more() {
    assert_eq!(TRANSFERS_MAX, 10_526);
    assert_eq!(transfers_in(usize::MAX), TRANSFERS_MAX);
    assert_eq!(transfers_in(84), 0);
    assert_eq!(transfers_in(BLOCK_HEAD_BYTES + 2 * TRANSFER_BYTES - 1), 1);
    let header = genesis().header();
    let full = header.encode(&vec![signed(); TRANSFERS_MAX]).unwrap();
    assert!(full.len() <= BLOCK_BYTES_MAX && full.len() + TRANSFER_BYTES > BLOCK_BYTES_MAX);
    assert_eq!(BlockRef::decode(&full).unwrap().transfers.len(), TRANSFERS_MAX);
    let refusal = header.encode(&vec![signed(); TRANSFERS_MAX + 1]).unwrap_err();
    assert_eq!(refusal.code(), "too_many_transfers");
    let long = [&full[..], &[0; TRANSFER_BYTES]].concat();
    assert_eq!(BlockRef::decode(&long).unwrap_err().code(), "block_too_large");
    let mut counted = block();
    counted[81..85].copy_from_slice(&10_527_u32.to_be_bytes());
    assert_eq!(BlockRef::decode(&counted).unwrap_err().code(), "too_many_transfers");
}

#[test]
fn wrong_bytes_say_what_is_wrong() {
    type Decode = fn(&[u8]) -> Result<(), Refusal>;
    let formats: [(Decode, Vec<u8>); 5] = [
        (|b| SignedTransfer::decode(b).map(drop), signed().as_bytes().to_vec()),
        (|b| BlockRef::decode(b).map(drop), block()),
        (|b| Genesis::decode(b).map(drop), genesis().encode()),
        (|b| Account::decode(b).map(drop), Account { balance: 1, nonce: 1 }.encode().to_vec()),
        (|b| Burned::decode(b).map(drop), Burned(1).encode().to_vec()),
    ];
    for (decode, good) in formats {
        assert_eq!(decode(&good), Ok(()));
        for cut in 0..good.len() {
            assert_eq!(decode(&good[..cut]).unwrap_err().code(), "malformed");
        }
        let long = decode(&[&good[..], &[1]].concat()).unwrap_err();
        assert!(matches!(long.code(), "malformed" | "transfer_too_large"), "{long}");
        for version in [0, 2, 255] {
            let mut wrong = good.clone();
            wrong[0] = version;
            let refusal = decode(&wrong).unwrap_err();
            assert_eq!(refusal.code(), "wrong_version");
            assert!(refusal.to_string().contains(&format!("version {version}, and 1")));
        }
    }
    let mut second = block();
    second[BLOCK_HEAD_BYTES + TRANSFER_BYTES] = 2;
    assert_eq!(BlockRef::decode(&second).unwrap_err().code(), "wrong_version");
    assert_eq!(Account::decode(&Account::ABSENT.encode()).unwrap_err().code(), "malformed");
    assert_eq!(Burned::decode(&Burned(0).encode()).unwrap_err().code(), "malformed");
}

#[test]
fn a_wrong_genesis_says_what_is_wrong() {
    let code = |allocations: &[(u8, u64)]| {
        let allocations = allocations.iter().map(|(n, b)| (Address::new([*n; 32]), *b)).collect();
        Genesis::new(0, 0, allocations).unwrap_err().code()
    };
    assert_eq!(code(&[]), "malformed");
    assert_eq!(code(&[(1, 0)]), "malformed");
    assert_eq!(code(&[(1, 5), (1, 6)]), "not_sorted");
    assert_eq!(code(&[(1, u64::MAX), (2, 1)]), "supply_overflow");
    let mut bytes = genesis().encode();
    let (head, tail) = bytes.split_at_mut(61);
    head[21..].swap_with_slice(tail);
    assert_eq!(Genesis::decode(&bytes).unwrap_err().code(), "not_sorted");
}

#[test]
fn refusals_become_errors_with_code_and_kind() {
    let (sender, nonce) = (Address::new([1; 32]), 4);
    let refusal = Refusal::FeeTooLow { sender, nonce, fee: 2, min: 3 };
    let text = refusal.to_string();
    assert_eq!(text, format!("transfer 4 of {sender} offers fee 2, at least 3 is asked for"));
    let error = avalanche_vm::Error::from(refusal);
    let invalid = error.as_invalid().unwrap();
    assert_eq!((invalid.kind, invalid.code), (InvalidKind::Malformed, "fee_too_low"));
    assert_eq!(invalid.reason, text);
    let signature = Refusal::BadSignature { sender, nonce };
    assert_eq!((signature.kind(), signature.code()), (InvalidKind::Signature, "bad_signature"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    /// Whatever is read from any bytes has exactly these bytes.
    #[test]
    fn any_bytes_that_are_read_are_the_encoding_of_what_was_read(
        mut bytes in prop::collection::vec(any::<u8>(), 0..700),
        count in 0..4_u32,
        version in prop::bool::weighted(0.9),
        whole in prop::bool::weighted(0.7),
    ) {
        if version && !bytes.is_empty() {
            bytes[0] = 1;
        }
        if whole && bytes.len() > 85 {
            bytes.truncate(85 + count as usize * 193);
            bytes[81..85].copy_from_slice(&count.to_be_bytes());
            bytes[85..].chunks_mut(193).for_each(|transfer| transfer[0] = 1);
        }
        if let Ok(block) = BlockRef::decode(&bytes) {
            let transfers: Vec<_> = block.transfers.iter().map(TransferRef::to_owned).collect();
            prop_assert_eq!(block.header.encode(&transfers).unwrap(), bytes.clone());
        }
        for part in [&bytes[..], &bytes[..bytes.len().min(193)], &bytes[..bytes.len().min(17)]] {
            if let Ok(transfer) = SignedTransfer::decode(part) {
                let signature = transfer.view().signature();
                let again = transfer.transfer().with_signature(signature);
                prop_assert_eq!(&again.as_bytes()[..], part);
            }
            if let Ok(account) = Account::decode(part) {
                prop_assert_eq!(&account.encode()[..], part);
            }
            if let Ok(genesis) = Genesis::decode(part) {
                prop_assert_eq!(&genesis.encode()[..], part);
            }
        }
    }
}
