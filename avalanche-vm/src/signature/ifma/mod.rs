//! The verifier for processors with AVX-512-IFMA: eight field elements at once.
//!
//! The arithmetic here is our own, and only for checking: it takes variable time, and no secret
//! ever comes near it. What is hashed, scalars modulo the order, coefficients and the search for
//! bad signatures are those of the portable verifier.

mod buckets;
mod digits;
mod eight;
mod field;
mod lanes;
mod point;
mod read;
mod sum;
#[cfg(test)]
mod testing;

use std::ops::Range;

use curve25519_dalek::scalar::Scalar;

use super::equation::{Statement, draw};
use super::search::{self, Equations};
use super::{BadSignatures, Item, Portable, Verifier};
use digits::Digits;
use point::{Entry, Point};
use sum::{Term, sum};

/// The most signatures in one equation.
const EQUATION_MAX: usize = 1_024;

/// Up to so many signatures are checked each for itself, eight at once: a sum takes as long.
const SINGLY_MAX: usize = 16;

/// The verifier that uses AVX-512-IFMA, for batches; single signatures are left to [`Portable`].
/// There is one only where the processor has the instructions: see [`Ifma::detect`].
#[derive(Debug)]
pub struct Ifma(());

static IFMA: Ifma = Ifma(());

impl Ifma {
    /// The verifier, if this processor and its system can run it.
    #[must_use]
    pub fn detect() -> Option<&'static Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512ifma");
        all.then_some(&IFMA)
    }
}

impl Verifier for Ifma {
    fn name(&self) -> &'static str {
        "ifma"
    }

    fn verify(&self, item: &Item<'_>) -> bool {
        Portable.verify(item)
    }

    #[expect(unsafe_code, reason = "the processor was asked whether it has the instructions")]
    fn verify_batch(&self, items: &[Item<'_>]) -> Result<(), BadSignatures> {
        let mut bad = Vec::new();
        for (start, chunk) in (0..).step_by(EQUATION_MAX).zip(items.chunks(EQUATION_MAX)) {
            // SAFETY: The only `Ifma` is handed out by `detect`, after it found all features that
            // `culprits` enables. The functions below it enable the same and are safe.
            let found = unsafe { culprits(chunk) };
            bad.extend(found.into_iter().map(|index| start + index));
        }
        BadSignatures::verdict(bad, items.len())
    }
}

/// The claims of the items whose `s` is below the order and whose bytes are points. What is at one
/// place in each list belongs together.
#[derive(Default)]
struct Claims {
    /// Where the item was.
    places: Vec<usize>,
    statements: Vec<Statement>,
    terms: Vec<Term>,
}

/// The indices of all items that are not valid.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn culprits(items: &[Item<'_>]) -> Vec<usize> {
    let mut claims = Claims::default();
    let mut bad = Vec::new();
    let mut eight = Vec::with_capacity(8);
    for (place, item) in items.iter().enumerate() {
        match Statement::read(item) {
            Some(statement) => eight.push((place, item, statement)),
            None => bad.push(place),
        }
        if eight.len() == 8 {
            claims.read(&mut eight, &mut bad);
        }
    }
    claims.read(&mut eight, &mut bad);
    if claims.places.len() <= SINGLY_MAX {
        let found = claims.bad_in(0..claims.places.len());
        bad.extend(found.into_iter().filter_map(|at| claims.places.get(at)));
        bad.sort_unstable();
        return bad;
    }
    let bases = claims.draw();
    let equations = Equations {
        sum: |range| claims.sum(&bases, range),
        without: |sum: &Point, part: &Point| sum.minus(part),
        holds: |sum: &Point| sum.of_small_order() == u8::MAX,
        singly: |range| claims.bad_in(range),
    };
    let found = search::culprits(claims.places.len(), &equations);
    bad.extend(found.into_iter().filter_map(|at| claims.places.get(at)));
    bad.sort_unstable();
    bad
}

impl Claims {
    /// Takes up to eight items over, or their places to the bad ones.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn read(&mut self, eight: &mut Vec<(usize, &Item<'_>, Statement)>, bad: &mut Vec<usize>) {
        let (mut keys, mut rs) = ([[0; 32]; 8], [[0; 32]; 8]);
        for ((key, r), (_, item, _)) in keys.iter_mut().zip(&mut rs).zip(&*eight) {
            *key = item.key.to_bytes();
            (*r, _) = item.signature.halves();
        }
        let [(keys, good_keys), (rs, good_rs)] = read::read([&keys, &rs]);
        let points = keys.entries().into_iter().zip(rs.entries());
        for (lane, ((place, _, statement), (key, r))) in eight.drain(..).zip(points).enumerate() {
            if good_keys & good_rs & 1 << lane == 0 {
                bad.push(place);
                continue;
            }
            self.places.push(place);
            self.statements.push(statement);
            self.terms.push(Term::new(key, r));
        }
    }

    /// Gives each term its coefficient z, and returns those times `s`.
    fn draw(&mut self) -> Vec<Scalar> {
        let drawn = draw(self.statements.iter());
        let mut bases = Vec::with_capacity(drawn.len());
        for ((term, statement), drawn) in self.terms.iter_mut().zip(&self.statements).zip(drawn) {
            let (digits, z) = Digits::drawn(drawn);
            term.z = digits;
            term.zk = Digits::of(&(z * statement.k));
            bases.push(z * statement.s);
        }
        bases
    }

    /// The sum of a range's equations, `[-sum zs]B + sum [z]R + sum [zk]A`, in all lanes.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn sum(&self, bases: &[Scalar], range: Range<usize>) -> Point {
        let terms = self.terms.iter().take(range.end).skip(range.start);
        let base: Scalar = bases.iter().take(range.end).skip(range.start).sum();
        sum(&terms, &Entry::BASE, &Digits::of(&-base))
    }

    /// The bad ones of a range, each checked for itself, eight at once.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn bad_in(&self, range: Range<usize>) -> Vec<usize> {
        let mut bad = Vec::new();
        let statements = self.statements.iter().zip(&self.terms);
        let equations = statements
            .map(|(Statement { s, k, .. }, Term { key, r, .. })| eight::Equation { key, r, k, s });
        let equations: Vec<_> = equations.take(range.end).skip(range.start).collect();
        for (start, equations) in range.step_by(8).zip(equations.chunks(8)) {
            let holding = eight::holding(equations);
            bad.extend(
                (0..equations.len())
                    .filter(|lane| holding >> lane & 1 == 0)
                    .map(|lane| start + lane),
            );
        }
        bad
    }
}

#[cfg(test)]
mod tests;
