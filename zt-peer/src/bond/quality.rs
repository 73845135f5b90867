//! How good a path is, by what the peer reported about our packets (03 §15.6) and by our own probes.

use std::time::Duration;

use super::config::QualityLimits;

/// Samples kept.
const SAMPLES: usize = 64;
/// Samples from which a mean is told.
const ENOUGH: usize = 4;

/// The last times that packets took one way, in milliseconds.
#[derive(Debug)]
pub(super) struct Samples {
    ring: [f32; SAMPLES],
    count: usize,
    next: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Self { ring: [0.0; SAMPLES], count: 0, next: 0 }
    }
}

impl Samples {
    pub(super) const fn add(&mut self, millis: f32) {
        self.ring[self.next] = millis;
        self.next = (self.next + 1) % SAMPLES;
        if self.count < SAMPLES {
            self.count += 1;
        }
    }

    /// Mean and standard deviation in milliseconds, once there are enough samples.
    pub(super) fn figures(&self) -> Option<(f32, f32)> {
        let samples = self.ring.get(..self.count).filter(|samples| samples.len() >= ENOUGH)?;
        let n = samples.len() as f32;
        let mean = samples.iter().sum::<f32>() / n;
        let variance = samples.iter().map(|s| (s - mean) * (s - mean)).sum::<f32>() / n;
        Some((mean, variance.sqrt()))
    }
}

/// One way of a sample: the packet left `took` ago, and the peer held its answer for a while. Times of the peer are of
/// 16 bits, in milliseconds, so the difference is taken modulo them.
pub(super) fn one_way(took: Duration, held_ms: u16) -> f32 {
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX) as u16;
    // A rounded holding time may be longer than the whole.
    let both = took.wrapping_sub(held_ms) as i16;
    f32::from(both.max(0)) / 2.0
}

/// What is known of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Mean time one way, in milliseconds.
    pub(super) latency: f32,
    /// Its standard deviation.
    pub(super) jitter: f32,
    /// Share of probes lost.
    pub(super) loss: f32,
}

impl Figures {
    /// Whether the path is to be avoided.
    pub(super) fn is_beyond(&self, limits: &QualityLimits) -> bool {
        self.latency > limits.latency || self.jitter > limits.jitter || self.loss > limits.loss.max(SEEN_LOSS)
    }

    fn scores(&self, limits: &QualityLimits) -> [f32; 4] {
        let score = |value: f32, max: f32| (-4.0 * value / max.max(f32::MIN_POSITIVE)).exp();
        // A share of lost probes below what can be told apart is none.
        let loss = if self.loss < SEEN_LOSS { 0.0 } else { self.loss };
        [score(self.latency, limits.latency), score(self.jitter, limits.jitter), score(loss, limits.loss), 1.0]
    }
}

/// The least loss that probes can show: a single lost one is no sign of anything.
const SEEN_LOSS: f32 = 0.08;

/// The share of each path in what all of them are worth together, by figures and capacity (0 = not said).
///
/// Quirk (03 §15.6) not copied: without any capacity the reference divides by zero; here those count alike.
pub(super) fn relative(paths: &[(Figures, u32)], limits: &QualityLimits) -> Vec<f32> {
    let all: Vec<[f32; 4]> = paths.iter().map(|(figures, _)| figures.scores(limits)).collect();
    let best = |metric: usize| all.iter().map(|s| s[metric]).fold(f32::MIN_POSITIVE, f32::max);
    let bests = [0, 1, 2, 3].map(best);
    let shares = relative_capacities(paths.iter().map(|(_, capacity)| *capacity));
    let worth: Vec<f32> = all
        .iter()
        .zip(&shares)
        .map(|(scores, share)| (0..4).map(|m| limits.weights[m] * scores[m] / bests[m]).sum::<f32>() * share)
        .collect();
    let total = worth.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    worth.into_iter().map(|w| w / total).collect()
}

/// Each capacity against the greatest one; where none is said, all are alike, and one that is not said among others is as
/// great as any.
pub(super) fn relative_capacities(capacities: impl Iterator<Item = u32> + Clone) -> Vec<f32> {
    let greatest = capacities.clone().max().unwrap_or(0);
    let share = |capacity| if capacity == 0 { 1.0 } else { capacity as f32 / greatest as f32 };
    capacities.map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_told_from_four_samples_on_and_of_the_last_ones() {
        let mut samples = Samples::default();
        for _ in 0..3 {
            samples.add(10.0);
        }
        assert_eq!(samples.figures(), None);
        samples.add(20.0);
        let (mean, deviation) = samples.figures().expect("four");
        assert!((mean - 12.5).abs() < 0.01 && (deviation - 4.33).abs() < 0.01);
        for _ in 0..64 {
            samples.add(7.0);
        }
        assert_eq!(samples.figures(), Some((7.0, 0.0)));
    }

    #[test]
    fn the_holding_time_is_taken_off_and_may_exceed_by_rounding() {
        assert_eq!(one_way(Duration::from_millis(150), 90), 30.0);
        assert_eq!(one_way(Duration::from_millis(90), 91), 0.0);
        assert_eq!(one_way(Duration::from_millis(65_536 + 40), 20), 10.0, "sixteen bits");
    }

    #[test]
    fn quality_is_shared_by_latency_loss_and_capacity() {
        let limits = QualityLimits::default();
        let good = Figures { latency: 5.0, jitter: 1.0, loss: 0.0 };
        let halves = relative(&[(good, 0), (good, 0)], &limits);
        assert!(halves.iter().all(|q| (q - 0.5).abs() < 0.001), "no capacity is no division by zero: {halves:?}");
        let by_capacity = relative(&[(good, 100), (good, 300)], &limits);
        assert!((by_capacity[0] - 0.25).abs() < 0.001, "{by_capacity:?}");
        let far = Figures { latency: 300.0, ..good };
        let lossy = Figures { loss: 0.1, ..good };
        let q = relative(&[(good, 0), (far, 0), (lossy, 0)], &limits);
        assert!(q[0] > q[1] && q[0] > q[2], "{q:?}");
        assert!(!good.is_beyond(&limits) && lossy.is_beyond(&limits));
        assert!(Figures { latency: 501.0, ..good }.is_beyond(&limits));
    }
}
