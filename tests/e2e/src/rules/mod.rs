//! Rule sets with real members: what must pass in a network passes, what must not is dropped, whoever plays the members.
//!
//! One laboratory serves all sets of a pairing: each set is a network of its own between the same three members.

pub mod cast;
pub mod frame;
pub mod plan;
pub mod report;
pub mod scene;
pub mod sets;

use std::time::Instant;

use anyhow::Result;

pub use cast::{Cast, Role};
pub use plan::{Plan, RuleSet};
pub use report::{Outcome, table};
pub use scene::Scene;
pub use sets::{all, with_old};

use crate::Program;

/// Who plays A and B, the other of the two being C unless both are the same.
#[derive(Debug, Clone)]
pub struct Pairing {
    /// As `ours–stock`.
    pub name: String,
    /// A, B and C.
    pub programs: [Program; 3],
}

impl Pairing {
    /// C is of B's kind: so a member of another kind than A hears A's copies.
    #[must_use]
    pub fn new(a: (&str, &Program), b: (&str, &Program)) -> Self {
        Self { name: format!("{}–{}", a.0, b.0), programs: [a.1.clone(), b.1.clone(), b.1.clone()] }
    }

    /// Both kinds with themselves and with each other.
    #[must_use]
    pub fn all(ours: &Program, stock: &Program) -> Vec<Self> {
        let (ours, stock) = (("ours", ours), ("stock", stock));
        [(stock, stock), (ours, ours), (ours, stock), (stock, ours)].map(|(a, b)| Self::new(a, b)).into()
    }

    /// Plays rule sets; networks are controlled by `ours`, and by `stock`, where a set wants it. `None` where the machine
    /// offers no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn play(
        &self,
        ours: &Program,
        stock: Option<&Program>,
        sets: &[RuleSet],
        tell: &mut dyn FnMut(&Outcome),
    ) -> Result<Option<Vec<Outcome>>> {
        let Some(cast) = Cast::new("rules", ours, self.programs.each_ref(), stock)? else { return Ok(None) };
        play(&cast, &self.name, sets, tell).map(Some)
    }
}

/// Plays rule sets in one laboratory, and tells of each when it is done.
///
/// # Errors
/// A network cannot be made.
pub fn play(cast: &Cast, pairing: &str, sets: &[RuleSet], tell: &mut dyn FnMut(&Outcome)) -> Result<Vec<Outcome>> {
    let mut networks = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let plan = set.network();
        let network = cast.open(&plan, number)?;
        networks.push((plan, network));
    }
    let mut outcomes = Vec::new();
    for (set, (plan, network)) in sets.iter().zip(networks) {
        let start = Instant::now();
        let (checks, error) = match Scene::open(cast, plan, network) {
            Ok(scene) => {
                let error = (set.act)(&scene).err().map(|error| format!("{error:#}"));
                (scene.into_checks(), error)
            }
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        let outcome = Outcome { set: set.title(), pairing: pairing.to_owned(), checks, error, time: start.elapsed() };
        tell(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
