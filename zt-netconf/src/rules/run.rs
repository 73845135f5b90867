//! One frame against compiled tables (04 §6.4, §6.5).

use core::ops::Range;
use std::net::IpAddr;

use zt_wire::ether::claimed_source;
use zt_wire::ident::Address;

use super::classes::{Class, Sets};
use super::facts::FrameFacts;
use super::fields::{Fields, group};
use super::policy::{PeerPolicy, Policy};
use super::program::{Action, Match, Op, Program, TagKey, characteristic};
use super::transport::{Evasive, Network, Transport};
use super::verdict::{Decision, FrameCopy};

/// Hears what happens; `()` does not listen.
pub(super) trait Sink {
    /// True when it has to hear of each entry.
    const LISTENS: bool = true;

    /// A table begins: the rules of the network, or a capability's.
    fn table(&mut self, _capability: Option<u32>) {}
    /// A match was evaluated: the state of its set before, and its result after NOT.
    fn matched(&mut self, _program: &Program, _rule: usize, _set: bool, _holds: bool) {}
    /// A match could not be evaluated.
    fn evaded(&mut self, _rule: usize, _set: bool) {}
    /// These entries were passed by, because their set is false.
    fn skipped(&mut self, _program: &Program, _rules: Range<usize>) {}
    /// An action was reached, with its set in this state.
    fn acted(&mut self, _rule: usize, _set: bool) {}
    /// A table ended.
    fn decided(&mut self, _decided: &Decided) {}
}

impl Sink for () {
    const LISTENS: bool = false;
}

/// Result of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// The deciding entry.
    pub(super) rule: Option<usize>,
    pub(super) tag: Option<u32>,
    /// Whatever the decision.
    pub(super) copy: Option<FrameCopy>,
    pub(super) priority: Option<u8>,
}

/// The state of one table.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The next DROP is skipped.
    skip_drop: bool,
    /// This node watches the frame.
    observed: bool,
}

/// One table on its way.
pub(super) struct Walk<'a> {
    program: &'a Program,
    state: State,
    pub(super) decided: Decided,
}

impl<'a> Walk<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        Self { program, state: State::default(), decided: Decided::default() }
    }

    fn decide(&mut self, decision: Decision, rule: usize, tag: Option<u32>) {
        self.decided.decision = decision;
        self.decided.rule = Some(rule);
        self.decided.tag = tag;
    }
}

/// One frame, with what was found out about it so far.
pub(super) struct Run<'a> {
    policy: &'a Policy,
    facts: &'a FrameFacts<'a>,
    peer: Option<&'a PeerPolicy>,
    random: &'a mut dyn FnMut() -> u32,
    class: Class,
    network: Network<'a>,
    fields: Fields,
    transport: Option<Transport<'a>>,
    ipauth: Option<bool>,
    /// An unknown tag lets a frame pass BREAK, too.
    pub(super) past_break: bool,
    pub(super) missing_tag: Option<u32>,
    pub(super) looked_at_peer: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        facts: &'a FrameFacts<'a>,
        peer: Option<&'a PeerPolicy>,
        random: &'a mut dyn FnMut() -> u32,
    ) -> Self {
        let network = Network::new(facts.ethertype, facts.payload);
        Self {
            policy,
            facts,
            peer,
            random,
            class: Class::of(facts.ethertype),
            network,
            fields: Fields::new(facts),
            transport: None,
            ipauth: None,
            past_break: false,
            missing_tag: None,
            looked_at_peer: false,
        }
    }

    /// Evaluates one table.
    pub(super) fn table<S: Sink>(&mut self, walk: &mut Walk<'_>, sink: &mut S) {
        let program = walk.program;
        if !S::LISTENS {
            let sets = program.sets(self.class);
            self.read(sets.groups);
            if self.fields.shows_all() {
                self.sets(walk, sets);
                return;
            }
        }
        self.read(program.groups);
        let mut next = Some(0);
        while let Some(at) = next {
            next = self.set(walk, (at, true), sink);
        }
        sink.decided(&walk.decided);
    }

    /// Evaluates a table by those of its sets that can be true.
    fn sets(&mut self, walk: &mut Walk<'_>, sets: &Sets) {
        // Few at a time: the first one that is true mostly decides.
        for some in sets.begins.chunks(32) {
            let mut live = self.fields.live(some);
            while live != 0 {
                let begin = &some[live.trailing_zeros() as usize];
                live &= live - 1;
                if self.set(walk, (begin.at as usize, begin.set), &mut ()).is_none() {
                    return;
                }
            }
        }
    }

    /// Evaluates one set, from an entry and its state there. Returns where the next one begins, nothing when there is none
    /// or the frame is decided.
    #[inline(always)]
    fn set<S: Sink>(&mut self, walk: &mut Walk<'_>, begin: (usize, bool), sink: &mut S) -> Option<usize> {
        let (program, (mut at, mut set)) = (walk.program, begin);
        loop {
            let entry = program.entries.get(at)?;
            let asked = match &entry.op {
                Op::Compare(range) => self.fields.compare(range),
                Op::Match(asked) => self.holds(asked, entry.not, &mut walk.state),
                Op::Action(action) => {
                    sink.acted(at, set);
                    if !set {
                        walk.state.observed |= matches!(action, Action::Observed);
                    } else if let Some(decision) = self.act(*action, &mut walk.state, &mut walk.decided) {
                        walk.decide(decision, at, program.tag_of(at));
                        return None;
                    }
                    return Some(at + 1);
                }
            };
            let Ok(holds) = asked else {
                sink.evaded(at, set);
                walk.decide(Decision::Evasive, at, None);
                return None;
            };
            sink.matched(program, at, set, holds);
            set = holds || (entry.or && set);
            if set {
                at += 1;
            } else {
                let next = entry.link as usize;
                sink.skipped(program, at + 1..next);
                if entry.fresh {
                    return Some(next);
                }
                at = next;
            }
        }
    }

    /// One action of a set that is true; `None`: the next entry.
    fn act(&self, action: Action, state: &mut State, decided: &mut Decided) -> Option<Decision> {
        match action {
            Action::Drop if core::mem::take(&mut state.skip_drop) => None,
            Action::Drop => Some(Decision::Drop),
            Action::Accept if state.observed => Some(Decision::SuperAccept),
            Action::Accept => Some(Decision::Accept),
            Action::Break if self.past_break && core::mem::take(&mut state.skip_drop) => None,
            Action::Break => Some(Decision::NoMatch),
            Action::Priority => {
                decided.priority = Some(0);
                Some(Decision::Accept)
            }
            Action::Observed => (self.facts.source != self.policy.own()).then_some(Decision::SuperAccept),
            Action::Copy { to, limit, watch } => {
                if self.is_third(to) {
                    let all = self.facts.payload.len();
                    let length = if limit == 0 { all } else { all.min(limit.into()) };
                    decided.copy = Some(FrameCopy { to, length, watch });
                }
                None
            }
            Action::Redirect { to } => self.is_third(to).then_some(match to.is_nil() {
                // To nobody: the frame goes on (04 §6.7).
                true => Decision::Accept,
                false => Decision::Redirect(to),
            }),
            Action::Nothing => None,
        }
    }

    /// Reads what a table asks for, once.
    fn read(&mut self, groups: u8) {
        if !self.fields.lacks(groups) {
            return;
        }
        if groups & group::TRANSPORT != 0 && self.transport.is_none() {
            self.transport = Some(Transport::new(self.network));
        }
        let transport = self.transport.as_ref().unwrap_or(&Transport::NOTHING);
        self.fields.read(groups, self.facts, self.network, transport);
    }

    /// What the transport header says; the table asks for it.
    fn transport(&self) -> &Transport<'a> {
        self.transport.as_ref().unwrap_or(&Transport::NOTHING)
    }

    /// True when a copy or redirection to this node is no circle.
    fn is_third(&self, to: Address) -> bool {
        to != self.facts.source && to != self.facts.destination
    }

    /// One match, after NOT.
    fn holds(&mut self, asked: &Match, not: bool, state: &mut State) -> Result<bool, Evasive> {
        let facts = self.facts;
        let plain = match asked {
            Match::Ipv6 { source, prefix } => match self.network {
                Network::V6(packet) => {
                    prefix.contains(if *source { packet.source() } else { packet.destination() }.to_bits())
                }
                other => return no_ip(other),
            },
            Match::IpProtocol(protocol) => match self.transport().is_protocol(*protocol)? {
                Some(matches) => matches,
                None => return Ok(false),
            },
            // Quirk (04 §6.5): NOT inverts only the comparison of codes.
            Match::Icmp { kind, code } => match self.transport().icmp()? {
                Some((found, has)) if found == *kind => has == *code,
                _ => return Ok(false),
            },
            Match::Characteristics(mask) => self.characteristics(*mask)?,
            Match::Random(probability) => (self.random)() <= *probability,
            Match::Tags { tag, own, value, how } => match self.other_tag(*tag) {
                Some(other) => how.holds(*own, other, *value),
                None => return Ok(self.is_lenient(!facts.inbound, state)),
            },
            Match::OtherTag { tag, value, receiver } => {
                if state.observed {
                    return Ok(self.is_lenient(true, state));
                }
                match self.other_tag(*tag) {
                    Some(other) => other == *value,
                    None => return Ok(self.is_lenient(*receiver, state)),
                }
            }
            Match::OwnTag { matches, .. } => match matches {
                _ if state.observed => return Ok(self.is_lenient(true, state)),
                Some(matches) => *matches,
                None => return Ok(false),
            },
            Match::Integer(integer) => integer.matches(facts.payload),
            Match::LackedTag { .. } => return Ok(false),
        };
        Ok(plain != not)
    }

    /// A tag of the other side is not known: whoever does not decide alone lets the frame pass, even the next DROP.
    fn is_lenient(&self, lenient: bool, state: &mut State) -> bool {
        let lenient = lenient || state.observed;
        state.skip_drop |= lenient;
        lenient
    }

    fn other_tag(&mut self, tag: TagKey) -> Option<u32> {
        self.looked_at_peer = true;
        let found = self.peer.and_then(|peer| peer.tag_at(tag));
        if found.is_none() {
            self.missing_tag.get_or_insert(tag.id);
        }
        found
    }

    /// True when one of the bits is set. What costs most comes last.
    fn characteristics(&mut self, mask: u64) -> Result<bool, Evasive> {
        let facts = self.facts;
        if (mask & characteristic::MULTICAST != 0 && facts.destination_mac.is_multicast())
            || (mask & characteristic::BROADCAST != 0 && facts.destination_mac.is_broadcast())
            || (mask & characteristic::MACAUTH != 0 && self.is_mac_authentic())
        {
            return Ok(true);
        }
        if mask & characteristic::IPAUTH != 0 && self.is_ip_authentic()? {
            return Ok(true);
        }
        Ok(mask & characteristic::TCP != 0 && self.transport().tcp_bits()? & mask != 0)
    }

    fn is_mac_authentic(&mut self) -> bool {
        let mac = self.facts.source_mac;
        if !self.facts.inbound {
            return self.policy.things.owns_mac(mac);
        }
        self.looked_at_peer = true;
        self.peer.is_some_and(|peer| peer.things.owns_mac(mac))
    }

    fn is_ip_authentic(&mut self) -> Result<bool, Evasive> {
        if let Some(known) = self.ipauth {
            return Ok(known);
        }
        let facts = self.facts;
        // Quirk (04 §6.5): a solicitation claims nothing.
        let solicitation = matches!(
            self.network,
            Network::V6(packet) if packet.neighbor().is_some_and(|neighbor| !neighbor.advertisement)
        );
        // Deliberate (04 §6.5): an advertisement claims its target behind extension headers too.
        let advertised = self.transport().advertised()?.map(IpAddr::from);
        let claimed = advertised.or_else(|| claimed_source(facts.ethertype, facts.payload));
        let authentic = match (claimed, facts.inbound) {
            _ if solicitation => true,
            (None, _) => false,
            (Some(ip), false) => self.policy.things.owns_ip(ip),
            (Some(ip), true) => {
                let derived = matches!(ip, IpAddr::V6(ip) if self.policy.derived.owns(facts.source, ip));
                self.looked_at_peer = true;
                derived || self.peer.is_some_and(|peer| peer.things.owns_ip(ip))
            }
        };
        self.ipauth = Some(authentic);
        Ok(authentic)
    }
}

/// A match that needs an IP header: a hard no, whatever NOT says.
fn no_ip(network: Network<'_>) -> Result<bool, Evasive> {
    match network {
        Network::PriorityTagged => Err(Evasive),
        _ => Ok(false),
    }
}
