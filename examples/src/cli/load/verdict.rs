//! What a node's refusal means for a payment of a load.

/// Why a node did not admit a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status that goes with it.
    pub(super) status: u16,
    /// The rule.
    pub(super) code: String,
    /// What was wrong.
    pub(super) message: String,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The node has it.
    UnderWay,
    /// There is no room, or the node is not ready: later.
    NoRoom,
    /// It is refused.
    Refused {
        /// Whether its nonce stays unused, so that none of the sender's later payments can be in a
        /// block.
        leaves_gap: bool,
    },
}

impl Refusal {
    /// What it means.
    pub(super) fn verdict(&self) -> Verdict {
        match (self.code.as_str(), self.status) {
            ("already_pending", _) => Verdict::UnderWay,
            // A node that is behind counts from a lower nonce than the others.
            ("mempool_full" | "nonce_too_high" | "not_ready", _) | (_, 408 | 429 | 503) => {
                Verdict::NoRoom
            }
            // Somebody else's payment has the nonce.
            ("nonce_too_low" | "replacement_fee_too_low", _) => {
                Verdict::Refused { leaves_gap: false }
            }
            _ => Verdict::Refused { leaves_gap: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_told_from_refusal() {
        let refused = |leaves_gap| Verdict::Refused { leaves_gap };
        for (code, status, verdict) in [
            ("already_pending", 400, Verdict::UnderWay),
            ("mempool_full", 503, Verdict::NoRoom),
            ("mempool_full", 400, Verdict::NoRoom),
            ("nonce_too_high", 400, Verdict::NoRoom),
            ("rate_limit", 429, Verdict::NoRoom),
            ("busy", 503, Verdict::NoRoom),
            ("nonce_too_low", 400, refused(false)),
            ("replacement_fee_too_low", 400, refused(false)),
            ("insufficient_funds", 400, refused(true)),
            ("bad_signature", 400, refused(true)),
            ("expired", 400, refused(true)),
            ("no_such_code", 400, refused(true)),
        ] {
            let refusal = Refusal { status, code: code.to_owned(), message: String::new() };
            assert_eq!(refusal.verdict(), verdict, "{code} {status}");
        }
    }
}
