//! An acceptor that writes its calls down, and the order that they must have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Acceptance, Difference, compare, demand};
use crate::snowman::{Acceptor, AcceptorCall};
use crate::{Height, Id};

/// One call on an acceptor: which, for which block, at which height.
pub type Call = (AcceptorCall, Id, Height);

/// Writes calls down, and refuses one of them if it is told to.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallLog {
    calls: Vec<Call>,
    refuse: Option<usize>,
}

/// What [`CallLog`] refuses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the acceptor was told to refuse this call")
    }
}

impl std::error::Error for Refused {}

impl CallLog {
    /// Refuses the call of that number, counted from zero over the whole life of the log.
    pub(crate) fn refusing(call: Option<u16>) -> Self {
        Self { calls: Vec::new(), refuse: call.map(usize::from) }
    }

    /// All calls, the refused one included.
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The call that was refused.
    pub(crate) fn refused(&self) -> Option<&Call> {
        self.refuse.and_then(|at| self.calls.get(at))
    }

    fn note(&mut self, call: Call) -> Result<(), Refused> {
        let index = self.calls.len();
        self.calls.push(call);
        if self.refuse == Some(index) { Err(Refused) } else { Ok(()) }
    }
}

impl Acceptor for CallLog {
    type Error = Refused;

    fn notify_accepted(&mut self, id: Id, height: Height) -> Result<(), Refused> {
        self.note((AcceptorCall::Notify, id, height))
    }

    fn accept(&mut self, id: Id, height: Height) -> Result<(), Refused> {
        self.note((AcceptorCall::Accept, id, height))
    }

    fn reject(&mut self, id: Id, height: Height) -> Result<(), Refused> {
        self.note((AcceptorCall::Reject, id, height))
    }
}

/// The calls of one poll must be those of `acceptances`: for each of them notify, accept, every
/// sibling of the accepted block, every descendant of those after its parent. If `cut`, the
/// acceptor refused the last of the calls and the rest must be missing.
pub(crate) fn check_order(
    calls: &[Call],
    acceptances: &[Acceptance],
    cut: bool,
) -> Result<(), Difference> {
    let mut rest = calls.iter();
    for Acceptance { id, height, siblings, descendants } in acceptances {
        for call in [AcceptorCall::Notify, AcceptorCall::Accept] {
            match rest.next() {
                Some(actual) => compare("call", &(call, *id, *height), actual)?,
                None => return demand("end of the calls", cut, || format!("no {call:?} {id:?}")),
            }
        }
        // What is rejected with its height, and what waits for its parent's rejection.
        let mut gone: BTreeMap<Id, Height> = BTreeMap::new();
        let mut open: BTreeSet<Id> = siblings.iter().copied().collect();
        let mut waiting: BTreeMap<Id, Id> =
            descendants.iter().map(|(parent, child)| (*child, *parent)).collect();
        while !open.is_empty() || !waiting.is_empty() {
            let Some((call, rejected, at)) = rest.next() else {
                return demand("end of the calls", cut, || format!("left: {open:?} {waiting:?}"));
            };
            compare("call", &AcceptorCall::Reject, call)?;
            let expected = if open.remove(rejected) {
                Some(*height)
            } else if open.is_empty() {
                waiting.remove(rejected).and_then(|parent| gone.get(&parent)?.next())
            } else {
                None
            };
            compare("height at which this block may be rejected now", &expected, &Some(*at))?;
            gone.insert(*rejected, *at);
        }
    }
    demand("no further calls", rest.len() == 0, || format!("{:?}", rest.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use AcceptorCall::{Accept, Notify, Reject};

    #[test]
    fn every_wrong_order_is_refused() {
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|byte| Id::new([byte; 32]));
        let height = Height::new;
        let acceptances = [Acceptance {
            id: a,
            height: height(1),
            siblings: vec![b, c],
            descendants: vec![(b, d), (d, e)],
        }];
        let right = [
            (Notify, a, height(1)),
            (Accept, a, height(1)),
            (Reject, b, height(1)),
            (Reject, c, height(1)),
            (Reject, d, height(2)),
            (Reject, e, height(3)),
        ];
        let check = |calls: &[Call]| check_order(calls, &acceptances, false).is_ok();
        assert!(check(&right));
        for (one, other) in [(0, 1), (1, 2), (3, 4), (4, 5)] {
            let mut calls = right;
            calls.swap(one, other);
            assert!(!check(&calls), "{one} and {other} swapped");
        }
        let mut siblings = right;
        siblings.swap(2, 3);
        assert!(check(&siblings));
        let mut wrong_height = right;
        wrong_height[5].2 = height(2);
        assert!(!check(&wrong_height));
        assert!(!check(&right[..5]));
        assert!(check_order(&right[..5], &acceptances, true).is_ok());
        assert!(check_order(&right, &[], false).is_err());
    }
}
