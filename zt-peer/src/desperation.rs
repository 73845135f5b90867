//! How far down the ranks of links we are willing to go (08 §B.5).

use crate::vl1::Vl1;

impl Vl1 {
    /// The worst rank of links that first contact uses: 0, or above while nothing better works (08 §B.5). Links of a
    /// worse rank serve only the paths heard by them. Changes are told by
    /// [`Vl1Event::LevelChanged`](crate::Vl1Event::LevelChanged).
    pub const fn level(&self) -> i32 {
        self.level
    }
}
