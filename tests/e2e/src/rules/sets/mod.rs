//! The rule sets.

mod adhoc;
mod authentic;
mod bridge;
mod capabilities;
mod copies;
mod headers;
mod revoked;
mod route;
mod tags;

use super::plan::RuleSet;

/// All of them, in the order of the table.
#[must_use]
pub fn all() -> Vec<RuleSet> {
    [
        headers::SETS,
        tags::SETS,
        capabilities::SETS,
        authentic::SETS,
        copies::SETS,
        route::SETS,
        revoked::SETS,
        adhoc::SETS,
        // A stock member tells its controller and roots only once a minute that it takes broadcasts.
        headers::LAST,
        bridge::SETS,
    ]
    .concat()
}
