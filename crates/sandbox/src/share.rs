//! What one customer may have of something that a node has once, for all of them.

/// The part of what the others leave that one customer may have, in hundredths.
///
/// It is a part of what is left and not of the whole, so that no number of customers can take everything: with a half, one has a
/// half at most, two have a third each, and as much as one of them has is always left for whoever comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    percent: u8,
}

impl Share {
    /// More than a hundred is a hundred.
    pub(crate) fn of_percent(percent: u8) -> Self {
        Self { percent: percent.min(100) }
    }

    /// How much of `whole` a customer may have while others have `others` of it.
    pub(crate) fn of(self, whole: u64, others: u64) -> u64 {
        let left = u128::from(whole.saturating_sub(others));
        // A part of a number of 64 bits fits into them.
        u64::try_from(left * u128::from(self.percent) / 100).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_customers_take_what_they_may_something_is_left_for_the_next() {
        let (half, whole) = (Share::of_percent(50), 1_000);
        let mut held = [0_u64; 9];

        for _ in 0..1_000 {
            for customer in 0..held.len() {
                let others = held.iter().sum::<u64>() - held[customer];
                if held[customer] < half.of(whole, others) {
                    held[customer] += 1;
                }
            }
        }

        let left = whole - held.iter().sum::<u64>();
        assert!(held.iter().all(|bytes| (95..=105).contains(bytes)), "a tenth for each of nine: {held:?}");
        assert!(half.of(whole, whole - left) >= left / 2 && left >= 90, "{left} are left");
    }

    #[test]
    fn a_share_of_the_largest_number_does_not_wrap() {
        assert_eq!(Share::of_percent(100).of(u64::MAX, 0), u64::MAX);
        assert_eq!(Share::of_percent(50).of(10, 11), 0);
    }
}
