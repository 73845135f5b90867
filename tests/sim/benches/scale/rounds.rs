//! Rounds of work that are timed.

use crate::sys;

/// Rounds that count; one before them does not.
const ROUNDS: usize = 9;

/// What a round cost for each of its packets.
pub(crate) struct Cost {
    /// Median of the rounds, and half of what the middle half of them spreads over, in nanoseconds.
    pub(crate) time: (f64, f64),
    /// Times that memory was asked for, in all rounds that count.
    pub(crate) allocations: f64,
}

/// Times rounds of so many packets each.
pub(crate) fn time(packets: usize, mut round: impl FnMut()) -> Cost {
    round();
    let asked = sys::asked();
    let mut each: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = sys::spent();
            round();
            (sys::spent() - begin).as_nanos() as f64 / packets as f64
        })
        .collect();
    let allocations = (sys::asked() - asked) as f64 / (ROUNDS * packets) as f64;
    each.sort_by(f64::total_cmp);
    Cost { time: (each[ROUNDS / 2], (each[ROUNDS * 3 / 4] - each[ROUNDS / 4]) / 2.0), allocations }
}
