//! What all engine scenarios have in common, made once: keys, a planet, a network with its certificates.

use std::sync::{Arc, OnceLock};
use zt_crypto::{PeerKeys, SecretIdentity};
use zt_netconf::NetworkConfig;
use zt_test_sim::{Lab, NodeId, Place};
use zt_wire::world::WorldKind;
use zt_wire::{Emit, Identity, NetworkId, World};

/// Somebody whose secret the harness has.
pub(crate) struct Puppet {
    pub(crate) secret: Arc<SecretIdentity>,
    /// Keys with the engine under test.
    pub(crate) keys: Arc<PeerKeys>,
}

impl Puppet {
    pub(crate) fn identity(&self) -> &Identity {
        self.secret.identity()
    }
}

/// Number of the root among the puppets.
pub(crate) const ROOT: usize = 0;
/// The controller.
pub(crate) const CONTROLLER: usize = 1;
/// A member of the network.
pub(crate) const MEMBER: usize = 2;
/// Somebody who is valid, but of nothing.
pub(crate) const STRANGER: usize = 3;
/// Somebody whose address does not belong to his keys.
pub(crate) const FORGER: usize = 4;

/// The fixed part of every scenario.
pub(crate) struct Stage {
    pub(crate) own: Arc<SecretIdentity>,
    pub(crate) puppets: Vec<Puppet>,
    pub(crate) planet: World,
    pub(crate) moon: World,
    /// A planet whose only root is the engine under test.
    pub(crate) own_planet: World,
    pub(crate) network: NetworkId,
    /// Configuration of the engine under test, as kept on disk.
    pub(crate) saved: Vec<u8>,
    /// Certificate of the member.
    pub(crate) membership: Vec<u8>,
    /// Unix milliseconds when the certificates were made.
    pub(crate) unix_ms: i64,
}

/// The stage, set up by a short simulation at the first call.
pub(crate) fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(set_up)
}

fn set_up() -> Stage {
    let mut lab = Lab::new("stage of the engine scenarios", 3, &[Place::Public, Place::Public]);
    let text = |lab: &Lab, id: NodeId| -> Vec<u8> {
        lab.sim.node(id).store.networks[&lab.network].clone().expect("a member keeps its configuration")
    };
    let (sut, member) = (lab.members[0], lab.members[1]);
    let (saved, other) = (text(&lab, sut), text(&lab, member));
    let membership = NetworkConfig::from_text(&other).expect("written by ourselves").membership.expect("certified");
    let moon_id = lab.sim.node(member).address().as_u64();
    let moon = lab.sim.world(WorldKind::Moon, moon_id, 0, &[member]);
    let planet = lab.sim.world(WorldKind::Planet, 1, 0, &[lab.root]);
    let own_planet = lab.sim.world(WorldKind::Planet, 2, 0, &[sut]);
    let own = Arc::clone(&lab.sim.node(sut).secret);
    let forged = zt_test_sim::drawn_identity(77);
    let secrets = [lab.root, lab.controller, member].map(|id| Arc::clone(&lab.sim.node(id).secret));
    let secrets = secrets.into_iter().chain([zt_test_sim::identity(50), forged]);
    let puppets = secrets.map(|secret| {
        let keys = Arc::new(PeerKeys::new(secret.agree(own.identity()).expect("not of low order")));
        Puppet { secret, keys }
    });
    Stage {
        puppets: puppets.collect(),
        planet,
        moon,
        own_planet,
        network: lab.network,
        saved,
        membership: membership.to_vec(),
        unix_ms: lab.sim.node(sut).now(lab.sim.time()).unix_ms,
        own,
    }
}
