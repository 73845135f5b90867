//! The public benchmark: our tunnel beside every other one that a machine has; see docs/performance.md.
//!
//! What decides is values: figures of rounds (`series`), the search for a rate (`rate`), what is wanted (`targets`), and
//! a report with its forms (`table`, `json`, `svg`). Around them stand the programs (`peers`), the load (`traffic`) and
//! the rounds (`run`).

pub mod json;
pub mod machine;
pub mod measure;
mod options;
pub mod peers;
pub mod rate;
pub mod report;
mod run;
pub mod series;
pub mod svg;
pub mod table;
pub mod targets;
pub mod traffic;
pub mod usage;

pub use options::{HELP, Options};
pub use run::{Found, Say, choose, run};
