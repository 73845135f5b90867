//! Figures of several rounds.

/// What several rounds measured of one thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds the figure of a round; what is no number is left out.
    pub fn push(&mut self, value: f64) {
        if value.is_finite() {
            self.0.push(value);
        }
    }

    /// In the order of the rounds.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The one in the middle, or the mean of the two that are.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        quantile(&self.0, 0.5)
    }

    /// The smallest and the largest.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let least = self.0.iter().copied().min_by(f64::total_cmp)?;
        let most = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((least, most))
    }

    /// Half of what lies between the smallest and the largest, in percent of the median; none for one figure.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let (least, most) = self.range()?;
        let median = self.median().filter(|median| *median != 0.0 && self.0.len() > 1)?;
        Some((most - least) / 2.0 / median * 100.0)
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut series = Self::default();
        values.into_iter().for_each(|value| series.push(value));
        series
    }
}

/// What this part of the figures is at most, between 0 and 1; between two figures, what lies between.
#[must_use]
pub fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().checked_sub(1)?) as f64 * part.clamp(0.0, 1.0);
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ranges_and_spreads() {
        let odd: Series = [5.0, 1.0, 3.0].into_iter().collect();
        assert_eq!((odd.median(), odd.range()), (Some(3.0), Some((1.0, 5.0))));
        let even: Series = [1.0, 2.0, 4.0, 100.0].into_iter().collect();
        assert_eq!(even.median(), Some(3.0));
        let near: Series = [90.0, 100.0, 110.0].into_iter().collect();
        assert_eq!(near.spread(), Some(10.0));
    }

    #[test]
    fn nothing_has_no_median_and_one_figure_no_spread() {
        let none: Series = [f64::NAN, f64::INFINITY].into_iter().collect();
        assert_eq!((none.median(), none.range(), none.spread()), (None, None, None));
        let one: Series = [7.0].into_iter().collect();
        assert_eq!((one.median(), one.spread()), (Some(7.0), None));
        let zeros: Series = [0.0, 0.0].into_iter().collect();
        assert_eq!(zeros.spread(), None);
    }

    #[test]
    fn quantiles_lie_between_figures() {
        let hundred: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
