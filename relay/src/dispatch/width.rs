//! How many calls may be under way at once: fewer after a platform asked for patience, and again more while it serves.
//!
//! Twilio limits concurrent requests, by a number that it does not publish (Twilio: error 20429): each refusal halves
//! what is tried, a whole round of answers without one adds a place. Pure.

/// How many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    most: usize,
    now: usize,
    answered: usize,
}

impl Width {
    /// Begins with the most.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            now: most,
            answered: 0,
        }
    }

    /// So many may be under way.
    pub fn get(self) -> usize {
        self.now
    }

    /// The platform asked for patience while `under_way` calls, this one included, were under way.
    pub fn throttled(&mut self, under_way: usize) {
        self.now = (self.now.min(under_way.max(1)) / 2).max(1);
        self.answered = 0;
    }

    /// A call ended in another way.
    pub fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= self.now {
            self.answered = 0;
            self.now = (self.now + 1).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_halves_it_and_a_whole_round_of_answers_adds_one() {
        let mut width = Width::new(16);
        width.throttled(16);
        assert_eq!(width.get(), 8);
        for _ in 0..7 {
            width.answered();
        }
        assert_eq!(width.get(), 8);
        width.answered();
        assert_eq!(width.get(), 9);
    }

    #[test]
    fn it_stays_between_one_and_the_most() {
        let mut width = Width::new(4);
        for under_way in [4, 1, 1] {
            width.throttled(under_way);
        }
        assert_eq!(width.get(), 1);
        for _ in 0..100 {
            width.answered();
        }
        assert_eq!(width.get(), 4);
    }

    #[test]
    fn what_counts_is_what_was_under_way_not_what_was_allowed() {
        let mut width = Width::new(16);
        width.throttled(4);
        assert_eq!(width.get(), 2);
    }
}
