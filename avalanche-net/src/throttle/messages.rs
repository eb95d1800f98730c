//! How many messages of one peer are in work at once.

/// Counts the messages of one peer between their being read and their being handled; owned by its
/// connection (AvalancheGo's `network/throttling/inbound_msg_buffer_throttler.go`).
#[derive(Clone, Copy, Debug)]
pub struct MessageThrottle {
    processing: u32,
    max: u32,
}

impl MessageThrottle {
    /// Messages in work unless the caller says otherwise: 1,024.
    pub const PROCESSING_MAX: u32 = 1_024;

    /// None in work, and at most `max` at once. Zero counts as one.
    #[must_use]
    pub const fn new(max: u32) -> Self {
        Self { processing: 0, max: if max == 0 { 1 } else { max } }
    }

    /// Takes a place; false if there is none, and then nothing is read until one is released.
    #[must_use = "a message without a place is not to be read"]
    pub const fn try_acquire(&mut self) -> bool {
        let free = self.processing < self.max;
        if free {
            self.processing += 1;
        }
        free
    }

    /// Gives a place back: the message was handled, or dropped. More often than taken does nothing.
    pub const fn release(&mut self) {
        self.processing = self.processing.saturating_sub(1);
    }

    /// Messages in work.
    #[must_use]
    pub const fn processing(&self) -> u32 {
        self.processing
    }
}

impl Default for MessageThrottle {
    fn default() -> Self {
        Self::new(Self::PROCESSING_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_taken_once_and_each_release_gives_one() {
        let mut throttle = MessageThrottle::default();
        let taken = (0..5_000).filter(|_| throttle.try_acquire()).count();
        assert_eq!(taken, 1_024);
        throttle.release();
        assert!(throttle.try_acquire());
        assert!(!throttle.try_acquire());
        for _ in 0..2_000 {
            throttle.release();
        }
        assert_eq!(throttle.processing(), 0);
        let mut one = MessageThrottle::new(0);
        assert!(one.try_acquire() && !one.try_acquire());
    }
}
