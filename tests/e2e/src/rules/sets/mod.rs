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

use super::cast::Controller;
use super::plan::RuleSet;

/// Those that a stock controller serves, too.
const BY_BOTH: [&str; 6] = [
    "one TCP port",
    "tag equality",
    "tag of sender, of receiver",
    "a capability of one side",
    "certificates of ownership",
    "a member revoked",
];

/// What 1.2.12 decides in a way of its own: it lets a frame pass a BREAK for a tag it does not know, and takes derived
/// addresses only from whom a certificate names.
const NOT_BY_OLD: [&str; 2] = ["tags alone, BREAK", "spoofed IP refused (ipauth)"];

/// Those in which a member of version 1.2.12 decides as one of 1.14.1.
#[must_use]
pub fn with_old() -> Vec<RuleSet> {
    let mut sets = all();
    sets.retain(|set| !NOT_BY_OLD.contains(&set.name));
    sets
}

/// All of them, in the order of the table.
#[must_use]
pub fn all() -> Vec<RuleSet> {
    let mut all = [
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
    .concat();
    let twice =
        |set: &RuleSet| BY_BOTH.contains(&set.name).then_some(RuleSet { controller: Controller::Stock, ..*set });
    let both: Vec<RuleSet> = all.iter().filter_map(twice).collect();
    all.extend(both);
    all
}
