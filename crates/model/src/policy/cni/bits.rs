//! Sets of small numbers, one bit each.

/// A set of numbers below a bound that is fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BitSet {
    words: Box<[u64]>,
}

impl BitSet {
    /// The empty set of numbers below `bound`.
    #[must_use]
    pub fn none(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)].into_boxed_slice() }
    }

    /// All numbers below `bound`.
    #[must_use]
    pub fn all(bound: usize) -> Self {
        let mut set = Self { words: vec![u64::MAX; bound.div_ceil(64)].into_boxed_slice() };
        if let (Some(last), extra @ 1..) = (set.words.last_mut(), bound % 64) {
            *last = (1 << extra) - 1;
        }
        set
    }

    /// The numbers below `bound` that `holds` picks.
    #[must_use]
    pub fn of(bound: usize, holds: impl Fn(usize) -> bool) -> Self {
        let mut set = Self::none(bound);
        (0..bound).filter(|number| holds(*number)).for_each(|number| set.insert(number));
        set
    }

    /// Adds a number.
    pub fn insert(&mut self, number: usize) {
        self.words[number / 64] |= 1 << (number % 64);
    }

    /// Whether it has a number.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether it has none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Takes in all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
    }

    /// What both have, and what only this one has; none if one of the two is empty.
    #[must_use]
    pub fn split(&self, by: &Self) -> Option<(Self, Self)> {
        let pairs = || self.words.iter().zip(&by.words);
        if pairs().all(|(word, by)| word & by == 0) || pairs().all(|(word, by)| word & !by == 0) {
            return None;
        }
        let inside = Self { words: pairs().map(|(word, by)| word & by).collect() };
        let outside = Self { words: pairs().map(|(word, by)| word & !by).collect() };
        Some((inside, outside))
    }

    /// Its numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let lowest = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(index * 64 + lowest)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::BitSet;

    #[test]
    fn a_split_covers_the_set_once() {
        let (even, small) = (BitSet::of(130, |n| n % 2 == 0), BitSet::of(130, |n| n < 70));
        let (inside, outside) = even.split(&small).unwrap();
        assert_eq!(inside.iter().chain(outside.iter()).collect::<Vec<_>>(), even.iter().collect::<Vec<_>>());
        assert!(inside.iter().all(|n| n < 70) && outside.iter().all(|n| n >= 70));
        assert!(BitSet::all(130).split(&BitSet::none(130)).is_none());
        assert!(small.split(&BitSet::all(130)).is_none());
        assert_eq!(BitSet::all(130).iter().count(), 130);
        assert!(BitSet::none(0).is_empty() && BitSet::all(0).is_empty());
    }
}
