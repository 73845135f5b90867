//! The rules engine decides as the reference does, that was written straight from the document.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use zt_test_sim::Dice;
use zt_test_sim::reference::Result as Outcome;
use zt_test_sim::scene::{Bytes, Difference, Scene};

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// But for what [`Difference`] names.
    #[test]
    fn the_engine_decides_as_the_reference(bytes in vec(any::<u8>(), 0..1500)) {
        Scene::draw(&mut Bytes::new(&bytes)).compare();
    }
}

/// A comparison is worth as much as what it reaches.
#[test]
fn scenes_reach_every_result_and_every_rule() {
    let mut dice = Dice::new(10);
    let (mut compared, mut differences) = (0, BTreeSet::new());
    let (mut results, mut deciding) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    let scenes = 6_000;
    for _ in 0..scenes {
        let bytes: Vec<u8> = (0..200 + dice.below(600)).map(|_| dice.roll() as u8).collect();
        let scene = Scene::draw(&mut Bytes::new(&bytes));
        let reasons = scene.compare();
        compared += usize::from(reasons.is_empty());
        differences.extend(reasons);
        let base = zt_test_sim::reference::evaluate(
            scene.decider(),
            &scene.config.rules,
            &scene.frame(),
            &mut || scene.random,
            None,
        );
        *results.entry(format!("{:?}", base.result)).or_default() += 1;
        // Types whose match was the last before what decided.
        if let Some(rule) = base.rule.filter(|rule| *rule > 0 && base.result != Outcome::NoMatch) {
            deciding.insert(scene.config.rules[rule - 1].kind.number());
        }
    }
    assert!(compared * 3 > scenes * 2, "only {compared} of {scenes} are compared");
    assert_eq!(differences, BTreeSet::from(Difference::ALL));
    assert!(results.len() == 5 && results.values().all(|n| *n >= 20), "{results:?}");
    let all: BTreeSet<u8> = zt_wire::rules::RULE_TYPES.iter().map(|known| known.number).filter(|n| *n >= 16).collect();
    assert!(deciding.is_superset(&all), "never in a deciding set: {:?}", all.difference(&deciding));
}
