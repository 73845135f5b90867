//! The rules of a network as one member applies them: compiled once for a configuration (04 §6.7, §6.8).

use zt_wire::ident::Address;
use zt_wire::{Capability, Ownership, Tag};

use super::auth::{Derived, Things};
use super::classes::Class;
use super::facts::FrameFacts;
use super::program::{Program, Side, TagKey};
use super::run::{Run, Sink, Walk};
use super::verdict::{By, Copies, Decision, Verdict};
use crate::config::NetworkConfig;

/// Our side: the rules of the network, our capabilities, tags and addresses.
///
/// Both directions are compiled apart: what depends on our own tags or address alone is decided once.
#[derive(Debug)]
pub struct Policy {
    own: Address,
    unknown_matches: bool,
    timestamp: i64,
    window: u64,
    /// Ascending by ID.
    tags: Vec<(u32, u32)>,
    /// The tags that our rules and capabilities ask for, ascending.
    places: Vec<u32>,
    pub(super) things: Things,
    pub(super) derived: Derived,
    base_in: Program,
    base_out: Program,
    /// Ascending by ID; used outbound only.
    capabilities: Vec<(u32, Program)>,
}

/// The other side as our configuration sees it: its valid tags, what it owns, and the capabilities it presented,
/// compiled for frames from it. Void when the record or the configuration changes.
#[derive(Debug, Default)]
pub struct PeerPolicy {
    /// Ascending by ID.
    tags: Vec<(u32, u32)>,
    /// Values of those that have a place in the policy.
    at_places: Vec<Option<u32>>,
    pub(super) things: Things,
    /// Ascending by ID.
    capabilities: Vec<(u32, Program)>,
}

/// Pairs in ascending order; of several with one ID the last counts.
fn sorted<T>(pairs: impl Iterator<Item = (u32, T)>) -> Vec<(u32, T)> {
    pairs.collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

fn tag_values<'a>(tags: impl IntoIterator<Item = &'a Tag>) -> Vec<(u32, u32)> {
    sorted(tags.into_iter().map(|tag| (tag.id, tag.value)))
}

impl Policy {
    /// Compiles what a configuration says. Own credentials count whatever their time (04 §5.7).
    pub fn new(config: &NetworkConfig) -> Self {
        let mut policy = Self {
            own: config.issued_to,
            unknown_matches: config.unknown_rules_match(),
            timestamp: config.timestamp,
            window: config.credential_window.unsigned_abs(),
            tags: tag_values(&config.tags),
            places: tags_asked_for(config),
            things: Things::new(&config.ownerships),
            derived: Derived::new(config),
            base_in: Program::default(),
            base_out: Program::default(),
            capabilities: Vec::new(),
        };
        policy.base_in = Program::new(&config.rules, &policy.side(true));
        policy.base_out = Program::new(&config.rules, &policy.side(false));
        policy.capabilities = policy.compile(&config.capabilities, false);
        policy
    }

    /// This node.
    pub fn own(&self) -> Address {
        self.own
    }

    /// Value of one of our tags.
    pub fn tag(&self, id: u32) -> Option<u32> {
        value_of(&self.tags, id)
    }

    fn side(&self, inbound: bool) -> Side<'_> {
        Side { inbound, own: self.own, tags: &self.tags, places: &self.places, unknown_matches: self.unknown_matches }
    }

    fn compile<'a>(
        &self,
        capabilities: impl IntoIterator<Item = &'a Capability>,
        inbound: bool,
    ) -> Vec<(u32, Program)> {
        let side = self.side(inbound);
        sorted(capabilities.into_iter().map(|capability| (capability.id, Program::new(&capability.rules, &side))))
    }

    /// True when a credential of another member counts: issued close to our configuration and not revoked (04 §5.7).
    /// `revoked_until`: the threshold for its kind and ID, if there is one.
    pub fn counts(&self, timestamp: i64, revoked_until: Option<i64>) -> bool {
        timestamp.abs_diff(self.timestamp) <= self.window && revoked_until.is_none_or(|until| timestamp > until)
    }

    /// Decides about one frame. `peer` is the other side, `None` when there is no record of it; `random` gives the
    /// numbers of MATCH_RANDOM.
    pub fn judge(&self, facts: &FrameFacts<'_>, peer: Option<&PeerPolicy>, random: &mut dyn FnMut() -> u32) -> Verdict {
        self.walk(facts, peer, random, false, &mut ())
    }

    /// As [`Policy::judge`], for a frame to somebody whose tags are not known yet: an unknown tag lets it pass the next
    /// BREAK, as it does the next DROP. The receiver knows both, and decides.
    // Deliberate (04 §6.4): the reference breaks off for a tag that it takes for a match because it does not know it.
    // Where rules tell members apart by such a BREAK, no ARP request ever leaves, so that no tag becomes known.
    pub fn judge_stranger(
        &self,
        facts: &FrameFacts<'_>,
        peer: Option<&PeerPolicy>,
        random: &mut dyn FnMut() -> u32,
    ) -> Verdict {
        self.walk(facts, peer, random, true, &mut ())
    }

    /// The rules of the network, then, when those decide nothing, capabilities in ascending order of their ID: those of
    /// the sender.
    pub(super) fn walk<S: Sink>(
        &self,
        facts: &FrameFacts<'_>,
        peer: Option<&PeerPolicy>,
        random: &mut dyn FnMut() -> u32,
        past_break: bool,
        sink: &mut S,
    ) -> Verdict {
        let base = if facts.inbound { &self.base_in } else { &self.base_out };
        if !S::LISTENS
            && let Some((decision, rule)) = base.sets(Class::of(facts.ethertype)).outright
        {
            let rule = rule as usize;
            let by = By { capability: None, rule: Some(rule), tag: base.tag_of(rule) };
            return Verdict { decision, by, ..Verdict::default() };
        }
        let mut run = Run::new(self, facts, peer, random);
        run.past_break = past_break;
        sink.table(None);
        let mut walk = Walk::new(base);
        run.table(&mut walk, sink);
        let decided = &walk.decided;
        let mut verdict = Verdict {
            decision: decided.decision,
            by: By { capability: None, rule: decided.rule, tag: decided.tag },
            priority: decided.priority,
            ..Verdict::default()
        };
        verdict.copies.base = decided.copy;
        if decided.decision == Decision::NoMatch {
            let presented = peer.map_or(&[][..], |peer| &peer.capabilities);
            let capabilities = if facts.inbound { presented } else { &self.capabilities };
            for (id, program) in capabilities {
                sink.table(Some(*id));
                // A DROP never drops from a capability, and one that is evaded grants nothing.
                let mut walk = Walk::new(program);
                run.table(&mut walk, sink);
                let granted = &walk.decided;
                if granted.decision.accepts() {
                    verdict.decision = granted.decision;
                    verdict.by = By { capability: Some(*id), rule: granted.rule, tag: granted.tag };
                    verdict.priority = granted.priority;
                    verdict.copies.capability = granted.copy;
                    break;
                }
            }
        }
        if !verdict.decision.accepts() {
            verdict.copies = Copies::default();
        }
        verdict.missing_tag = run.missing_tag;
        verdict.looked_at_peer = run.looked_at_peer;
        verdict
    }
}

impl PeerPolicy {
    /// Takes the credentials of another member that count ([`Policy::counts`]).
    pub fn new<'a>(
        policy: &Policy,
        tags: impl IntoIterator<Item = &'a Tag>,
        capabilities: impl IntoIterator<Item = &'a Capability>,
        ownerships: impl IntoIterator<Item = &'a Ownership>,
    ) -> Self {
        let tags = tag_values(tags);
        Self {
            at_places: policy.places.iter().map(|id| value_of(&tags, *id)).collect(),
            tags,
            things: Things::new(ownerships),
            capabilities: policy.compile(capabilities, true),
        }
    }

    /// Value of one of its tags.
    pub fn tag(&self, id: u32) -> Option<u32> {
        value_of(&self.tags, id)
    }

    #[inline]
    pub(super) fn tag_at(&self, tag: TagKey) -> Option<u32> {
        self.at_places.get(tag.place).copied().unwrap_or_else(|| self.tag(tag.id))
    }
}

/// IDs of the tags that the rules and capabilities of a configuration ask for, ascending.
fn tags_asked_for(config: &NetworkConfig) -> Vec<u32> {
    let capabilities = config.capabilities.iter().flat_map(|capability| capability.rules.iter());
    let all = config.rules.iter().chain(capabilities);
    all.filter_map(|rule| Some(rule.kind.tag()?.id)).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Value of a tag in a list that ascends by ID.
pub(super) fn value_of(tags: &[(u32, u32)], id: u32) -> Option<u32> {
    tags.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| tags[at].1)
}
