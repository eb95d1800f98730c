//! The book by example, and against random networks that lose, refuse and repeat.

use std::collections::BTreeSet;

use avalanche_vm::payments::{Address, Transfer};

use super::super::draw::Draw;
use super::*;

fn payment(sender: u32, nonce: u64) -> Payment {
    let address = Address::new([u8::try_from(sender).unwrap(); 32]);
    let transfer = Transfer { sender: address, nonce, amount: 1, ..Transfer::default() };
    let transfer = transfer.with_signature(&[0; 64]);
    Payment { id: transfer.id(), sender, transfer }
}

fn refusal(status: u16, code: &str) -> Refusal {
    Refusal { status, code: code.to_owned(), message: format!("it is {code}") }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn book(window: usize, each_sender: usize, apis: usize) -> Book {
    Book::new(Bounds { window, each_sender, resend_after: seconds(5) }, apis)
}

fn nonces(batch: &[Payment]) -> Vec<u64> {
    batch.iter().map(|payment| payment.transfer.view().nonce()).collect()
}

#[test]
fn a_payment_goes_its_way() {
    let mut book = book(10, 10, 1);
    let one = payment(0, 0);
    book.add(one.clone());
    assert_eq!((book.room(), book.counts().submitted), (9, 0));
    assert_eq!(book.take(0, 5, seconds(1)), [one.clone()]);
    assert_eq!(book.counts().submitted, 1);
    book.answered(&one.id, None, seconds(1));
    assert!(book.take(0, 5, seconds(2)).is_empty());
    book.seen([&one.id], seconds(3));
    book.seen([&one.id], seconds(4));
    assert_eq!((book.counts().accepted, book.open()), (1, 0));
    assert_eq!(book.latency().max_us(), 2_000_000);
    assert_eq!(book.span(), seconds(2));
    book.close();
    assert_eq!(book.counts().lost, 0);
}

#[test]
fn a_sender_has_only_so_many_under_way() {
    let mut book = book(10, 2, 1);
    (0..5).for_each(|nonce| book.add(payment(0, nonce)));
    book.add(payment(1, 0));
    assert_eq!(book.room(), 4);
    let batch = book.take(0, 9, seconds(0));
    assert_eq!(nonces(&batch), [0, 1, 0]);
    book.seen([&batch[0].id], seconds(1));
    assert_eq!(nonces(&book.take(0, 9, seconds(1))), [2]);
}

#[test]
fn what_is_not_final_is_sent_again_byte_for_byte_and_ever_later() {
    let mut book = book(10, 10, 1);
    let one = payment(0, 0);
    book.add(one.clone());
    let mut now = 0;
    for rest in [5, 10, 20, 40, 60, 60] {
        assert_eq!(book.take(0, 9, seconds(now)), [one.clone()]);
        // The first answer, and that it is there already.
        let again = refusal(400, "already_pending");
        book.answered(&one.id, (now > 0).then_some(&again), seconds(now));
        book.tick(seconds(now + rest - 1));
        assert!(book.take(0, 9, seconds(now + rest - 1)).is_empty());
        now += rest;
        book.tick(seconds(now));
    }
    assert_eq!((book.counts().submitted, book.counts().resent), (1, 5));
}

#[test]
fn no_room_is_no_refusal() {
    for (status, code) in [(429, "rate_limit"), (503, "mempool_full"), (400, "nonce_too_high")] {
        let mut book = book(10, 10, 1);
        let one = payment(0, 0);
        book.add(one.clone());
        book.take(0, 9, seconds(0));
        book.answered(&one.id, Some(&refusal(status, code)), seconds(0));
        book.tick(Duration::from_millis(99));
        assert!(book.take(0, 9, seconds(0)).is_empty());
        book.tick(Duration::from_millis(100));
        assert_eq!(book.take(0, 9, seconds(0)), [one]);
        let counts = book.counts();
        assert_eq!((counts.pushed_back, counts.rejected, counts.resent), (1, 0, 0), "{code}");
    }
}

#[test]
fn what_stands_behind_a_refused_payment_is_not_lost() {
    let mut book = book(100, 2, 1);
    (0..10).for_each(|nonce| book.add(payment(0, nonce)));
    let batch = book.take(0, 9, seconds(0));
    book.answered(&batch[1].id, None, seconds(0));
    book.answered(&batch[0].id, Some(&refusal(400, "insufficient_funds")), seconds(0));
    assert_eq!(book.refusals()["insufficient_funds"], (1, "it is insufficient_funds".to_owned()));
    book.add(payment(0, 10));
    assert_eq!(book.undecided(), [batch[1].id]);
    book.close();
    let counts = book.counts();
    assert_eq!((counts.submitted, counts.rejected, counts.lost), (2, 2, 0));
    assert_eq!((counts.skipped, counts.sent_sum()), (9, 2));
}

#[test]
fn a_nonce_that_somebody_else_used_leaves_no_gap() {
    let mut book = book(100, 1, 1);
    (0..2).for_each(|nonce| book.add(payment(0, nonce)));
    let batch = book.take(0, 9, seconds(0));
    book.answered(&batch[0].id, Some(&refusal(400, "nonce_too_low")), seconds(0));
    assert_eq!(nonces(&book.take(0, 9, seconds(0))), [1]);
    assert_eq!(book.counts().rejected, 1);
}

/// A node that was killed may have told the others: a refusal after that decides nothing.
#[test]
fn a_refusal_of_what_may_be_taken_is_no_refusal() {
    for first_answered in [true, false] {
        let mut book = book(10, 10, 1);
        let one = payment(0, 0);
        book.add(one.clone());
        book.take(0, 9, seconds(0));
        if first_answered {
            book.answered(&one.id, None, seconds(0));
            book.tick(seconds(5));
        } else {
            book.unanswered(&one.id);
        }
        assert_eq!(book.take(0, 9, seconds(5)), [one.clone()]);
        book.answered(&one.id, Some(&refusal(400, "nonce_too_low")), seconds(5));
        assert_eq!(book.counts().rejected, 0);
        book.seen([&one.id], seconds(6));
        assert_eq!((book.counts().accepted, book.latency().max_us()), (1, 6_000_000));
    }
}

#[test]
fn what_a_dead_api_had_goes_to_one_that_lives() {
    let mut book = book(10, 10, 2);
    (0..4).for_each(|sender| book.add(payment(sender, 0)));
    let first = book.take(0, 1, seconds(0));
    book.answered(&first[0].id, None, seconds(0));
    book.set_alive(0, false, seconds(0));
    assert!(book.take(0, 9, seconds(0)).is_empty());
    assert_eq!(book.take(1, 9, seconds(0)).len(), 3);
    book.tick(seconds(1));
    assert_eq!(book.take(1, 9, seconds(1)), first, "sooner than after five seconds");
    // Without any, everything stays until one is back.
    book.unanswered(&first[0].id);
    book.set_alive(1, false, seconds(2));
    book.add(payment(5, 0));
    book.set_alive(0, true, seconds(3));
    assert_eq!(book.take(0, 9, seconds(3)).len(), 2);
}

#[test]
fn codes_of_refusals_are_bounded() {
    let mut book = book(1_000, 10, 1);
    for sender in 0..100 {
        book.add(payment(sender, 0));
        let batch = book.take(0, 9, seconds(0));
        let code = format!("code_{sender}");
        book.answered(&batch[0].id, Some(&refusal(400, &code)), seconds(0));
    }
    assert_eq!(book.refusals().len(), CODES_MAX + 1);
    assert_eq!(book.refusals()["other"].0, 100 - CODES_MAX as u64);
}

impl Counts {
    fn sent_sum(&self) -> u64 {
        self.accepted + self.rejected + self.lost
    }
}

/// A network that admits, refuses, does not answer, forgets, and makes blocks of what it has.
struct Network {
    draw: Draw,
    /// What it has and what is final, by (sender, nonce).
    pool: BTreeSet<(u32, u64)>,
    next: BTreeMap<u32, u64>,
    ids: BTreeMap<(u32, u64), Id>,
}

impl Network {
    /// What became of one payment, as the client sees it; `None`: no answer.
    fn offer(&mut self, payment: &Payment) -> Option<Option<Refusal>> {
        let (sender, nonce) = (payment.sender, payment.transfer.view().nonce());
        let old = self.ids.insert((sender, nonce), payment.id);
        assert!(old.is_none_or(|old| old == payment.id), "the same bytes each time");
        let next = *self.next.entry(sender).or_default();
        if nonce < next {
            return Some(Some(refusal(400, "nonce_too_low")));
        }
        match self.draw.below(10) {
            0 => return None,
            1 => return Some(Some(refusal(503, "mempool_full"))),
            2 if sender == 0 && nonce == 40 => {
                return Some(Some(refusal(400, "insufficient_funds")));
            }
            _ => {}
        }
        let new = self.pool.insert((sender, nonce));
        let answer = (!new).then(|| refusal(400, "already_pending"));
        if self.draw.below(10) == 0 { None } else { Some(answer) }
    }

    /// The payments of the next block.
    fn block(&mut self) -> Vec<Id> {
        let mut ids = Vec::new();
        for (sender, nonce) in self.pool.clone() {
            let next = self.next.entry(sender).or_default();
            if *next == nonce && self.draw.below(4) > 0 {
                *next += 1;
                self.pool.remove(&(sender, nonce));
                ids.push(self.ids[&(sender, nonce)]);
            }
        }
        ids
    }
}

#[test]
fn every_payment_is_accounted_for_on_random_networks() {
    let (mut accepted, mut resent, mut pushed) = (0, 0, 0);
    for seed in 0..40 {
        let draw = Draw::new(seed);
        let (pool, next, ids) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut network = Network { draw, pool, next, ids };
        let apis = 1 + usize::try_from(seed % 3).unwrap();
        let mut book = book(50, 8, apis);
        let (mut made, mut final_ids) = (BTreeMap::new(), BTreeSet::new());
        for step in 0..600 {
            let now = Duration::from_millis(step * 250);
            while book.room() > 0 && step < 300 {
                let sender = network.draw.below(5);
                let nonce = made.entry(sender).or_insert(0);
                book.add(payment(sender, *nonce));
                *nonce += 1;
            }
            book.tick(now);
            assert!(book.open() <= 50);
            for api in 0..apis {
                if network.draw.below(50) == 0 {
                    book.set_alive(api, false, now);
                } else if network.draw.below(5) == 0 {
                    book.set_alive(api, true, now);
                }
                for payment in book.take(api, 7, now) {
                    match network.offer(&payment) {
                        Some(answer) => book.answered(&payment.id, answer.as_ref(), now),
                        None => book.unanswered(&payment.id),
                    }
                }
            }
            // A node forgets now and then.
            if network.draw.below(40) == 0 {
                let kept = |_: &(u32, u64)| network.draw.below(2) == 0;
                network.pool.retain(kept);
            }
            if network.draw.below(3) == 0 {
                let ids = network.block();
                book.seen(&ids, now);
                final_ids.extend(ids);
            }
            for (number, sender) in &book.senders {
                let mine = book.flights.values().filter(|f| f.payment.sender == *number);
                assert_eq!(sender.under_way, mine.count());
                assert!(sender.under_way <= 8);
            }
            let waiting: usize = book.senders.values().map(|sender| sender.waiting.len()).sum();
            assert_eq!(book.waiting, waiting);
        }
        let open = book.undecided().len() as u64;
        assert_eq!(book.sent_and_open(), open);
        book.close();
        let counts = book.counts();
        assert_eq!(counts.submitted, counts.sent_sum());
        assert_eq!(counts.accepted, final_ids.len() as u64);
        if book.refusals().is_empty() {
            assert_eq!(counts.accepted, counts.submitted, "seed {seed}: {counts:?}");
            assert_eq!(counts.skipped, 0);
        }
        accepted += counts.accepted;
        resent += counts.resent;
        pushed += counts.pushed_back;
    }
    assert!(accepted > 5_000 && resent > 100 && pushed > 100, "{accepted} {resent} {pushed}");
}
