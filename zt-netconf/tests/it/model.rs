//! Certificates and revocations of one member against a model of a few lines (04 §4.8, §5.5).

use proptest::collection::vec;
use proptest::prelude::*;

use zt_netconf::Verdict;
use zt_wire::Verb;
use zt_wire::verb::{Frame, NetworkCredentials};

use crate::world::{A, B, CONTROLLER, NET, START, World};

/// What node A holds of B.
#[derive(Default)]
struct Model {
    held: Option<i64>,
    threshold: i64,
}

impl Model {
    fn certificate(&mut self, time: i64) -> bool {
        // An older one counts when only it agrees: the controller's clock was ahead when it made the other.
        let better = |held| time >= held || (agrees(time) && !agrees(held));
        let good = time > self.threshold && self.held.is_none_or(better);
        if good {
            self.held = Some(time);
        }
        good
    }

    fn revocation(&mut self, threshold: i64) {
        self.threshold = self.threshold.max(threshold);
    }

    fn allowed(&self) -> bool {
        self.held.is_some_and(|held| held > self.threshold && agrees(held))
    }
}

/// Own certificate of `START`, window of 1 800 s.
fn agrees(time: i64) -> bool {
    (time - START).abs() <= 1_800_000
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn certificates_and_revocations(steps in vec((any::<bool>(), -8i64..8), 1..12)) {
        let mut world = World::with_members();
        let mut model = Model::default();
        for (certificate, offset) in steps {
            world.now = world.now.plus(std::time::Duration::from_secs(1));
            let (now, time) = (world.now, START + offset * 450_000);
            let mut body = NetworkCredentials::default();
            if certificate {
                body.memberships.push(world.authority.membership(B, time));
            } else {
                body.revocations.push(world.authority.revocation(B, time));
            }
            let verdict = world.node(A).receive_body(now, if certificate { B } else { CONTROLLER }, &body);
            let taken = if certificate { model.certificate(time) } else { model.revocation(time); true };
            prop_assert_eq!(verdict, Verdict::Accepted { trust: taken });
            let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
            let passed = world.node(A).receive_body(now, B, &frame) == Verdict::Accepted { trust: true };
            prop_assert_eq!(passed, model.allowed());
            world.node(A).take_sent(Verb::ERROR);
        }
    }
}
