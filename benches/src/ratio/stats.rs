//! Medians, and how sure they are.

use crate::schedule::Random;

/// The middle value, or the mean of the two in the middle; 0 for no values.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        count if count.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The 95 % interval of the median, by bootstrap: the median of many samples drawn from `values`
/// with replacement. The seed is fixed, so the same rounds give the same interval.
pub(super) fn median_interval(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mut random = Random::new(SEED);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = |_| values[random.below(values.len())];
            median(&(0..values.len()).map(draw).collect::<Vec<_>>())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    (
        medians[RESAMPLES * 25 / 1000],
        medians[RESAMPLES * 975 / 1000],
    )
}

const RESAMPLES: usize = 2000;

const SEED: u64 = 0x6d61_7274_6c65_7421;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_one_outlier_does_not_move_it() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[1.0, 2.0, 1e9]), 2.0);
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_agreement() {
        let agreed: Vec<f64> = (0..10).map(|index| 2.0 + f64::from(index) * 0.01).collect();
        let spread: Vec<f64> = (0..10).map(|index| 1.0 + f64::from(index) * 0.3).collect();
        let width = |values: &[f64]| {
            let (low, high) = median_interval(values);
            assert!(low <= median(values) && median(values) <= high);
            high - low
        };
        assert!(width(&agreed) < 0.1);
        assert!(width(&spread) > 0.5);
    }
}
