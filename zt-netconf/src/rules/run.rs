//! One frame against compiled tables (04 §6.4, §6.5).

use core::ops::Range;
use std::net::IpAddr;

use zt_wire::ether::claimed_source;
use zt_wire::ident::Address;

use super::facts::FrameFacts;
use super::policy::{PeerPolicy, Policy};
use super::program::{Entry, Op, Program, characteristic};
use super::transport::{Evasive, Network, Transport};
use super::verdict::{Decision, FrameCopy};

/// Hears what happens; `()` does not listen.
pub(super) trait Sink {
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

impl Sink for () {}

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

/// One frame, with what was found out about it so far.
pub(super) struct Run<'a> {
    policy: &'a Policy,
    facts: &'a FrameFacts<'a>,
    peer: Option<&'a PeerPolicy>,
    random: &'a mut dyn FnMut() -> u32,
    network: Network<'a>,
    transport: Option<Transport<'a>>,
    ipauth: Option<bool>,
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
            network,
            transport: None,
            ipauth: None,
            missing_tag: None,
            looked_at_peer: false,
        }
    }

    /// Evaluates one table.
    pub(super) fn table<S: Sink>(&mut self, program: &Program, sink: &mut S) -> Decided {
        let mut decided = Decided::default();
        let mut state = State::default();
        let (mut set, mut at) = (true, 0);
        while let Some(entry) = program.entries.get(at) {
            let decision = match entry.op {
                Op::Drop if set => {
                    if !core::mem::take(&mut state.skip_drop) {
                        Some(Decision::Drop)
                    } else {
                        None
                    }
                }
                Op::Accept if set => Some(if state.observed { Decision::SuperAccept } else { Decision::Accept }),
                Op::Break if set => Some(Decision::NoMatch),
                Op::Priority if set => {
                    decided.priority = Some(0);
                    Some(Decision::Accept)
                }
                Op::Observed if set => (self.facts.source != self.policy.own()).then_some(Decision::SuperAccept),
                Op::Observed => {
                    state.observed = true;
                    None
                }
                Op::Copy { to, limit, watch } if set && self.is_third(to) => {
                    let all = self.facts.payload.len();
                    let length = if limit == 0 { all } else { all.min(limit.into()) };
                    decided.copy = Some(FrameCopy { to, length, watch });
                    None
                }
                Op::Redirect { to } if set => self.is_third(to).then_some(match to.is_nil() {
                    // To nobody: the frame goes on (04 §6.7).
                    true => Decision::Accept,
                    false => Decision::Redirect(to),
                }),
                Op::Drop
                | Op::Accept
                | Op::Break
                | Op::Priority
                | Op::Copy { .. }
                | Op::Redirect { .. }
                | Op::Nothing => None,
                _ => {
                    let Ok(holds) = self.matches(entry, &mut state) else {
                        sink.evaded(at, set);
                        decided.decision = Decision::Evasive;
                        decided.rule = Some(at);
                        break;
                    };
                    sink.matched(program, at, set, holds);
                    set = holds || (entry.or && set);
                    if set {
                        at += 1;
                    } else {
                        sink.skipped(program, at + 1..entry.link as usize);
                        (at, set) = (entry.link as usize, entry.fresh);
                    }
                    continue;
                }
            };
            sink.acted(at, set);
            if let Some(decision) = decision {
                decided.decision = decision;
                decided.rule = Some(at);
                decided.tag = program.tag_of(at);
                break;
            }
            set = true;
            at += 1;
        }
        sink.decided(&decided);
        decided
    }

    /// True when a copy or redirection to this node is no circle.
    fn is_third(&self, to: Address) -> bool {
        to != self.facts.source && to != self.facts.destination
    }

    /// One match, after NOT.
    fn matches(&mut self, entry: &Entry, state: &mut State) -> Result<bool, Evasive> {
        let facts = self.facts;
        let plain = match &entry.op {
            Op::Always(matches) => *matches,
            Op::EtherType(ethertype) => facts.ethertype == *ethertype,
            Op::Source(address) => facts.source == *address,
            Op::Destination(address) => facts.destination == *address,
            Op::MacSource(mac) => facts.source_mac == *mac,
            Op::MacDestination(mac) => facts.destination_mac == *mac,
            Op::Ipv4 { source, mask, network } => match self.network {
                Network::V4(packet) => {
                    let ip = if *source { packet.source() } else { packet.destination() };
                    ip.to_bits() & mask == *network
                }
                other => return no_ip(other),
            },
            Op::Ipv6 { source, prefix } => match self.network {
                Network::V6(packet) => {
                    prefix.contains(if *source { packet.source() } else { packet.destination() }.to_bits())
                }
                other => return no_ip(other),
            },
            Op::IpTos(tos) => {
                let found = match self.network {
                    Network::V4(packet) => packet.tos(),
                    Network::V6(packet) => packet.traffic_class(),
                    other => return no_ip(other),
                };
                (tos.first..=tos.last).contains(&(found & tos.mask))
            }
            Op::IpProtocol(protocol) => match self.transport()? {
                Some(transport) => match transport.is_protocol(*protocol)? {
                    Some(matches) => matches,
                    None => return Ok(false),
                },
                None => return Ok(false),
            },
            Op::Icmp { kind, code } => {
                let Some(transport) = self.transport()? else { return Ok(false) };
                match (transport.icmp()?, code) {
                    // Quirk (04 §6.5): NOT inverts only the comparison of codes.
                    (Some((found, _)), None) => return Ok(found == *kind),
                    (Some((found, has)), Some(code)) if found == *kind => has == *code,
                    _ => return Ok(false),
                }
            }
            Op::Port { source, first, last } => {
                let Some(transport) = self.transport()? else { return Ok(false) };
                match transport.port(*source)? {
                    // Quirk (04 §6.5): "not port 22" is true of what has no ports.
                    Some(port) => port.is_some_and(|port| (*first..=*last).contains(&port)),
                    None => return Ok(false),
                }
            }
            Op::Characteristics(mask) => self.characteristics(*mask)?,
            Op::FrameSize { first, last } => (usize::from(*first)..=usize::from(*last)).contains(&facts.payload.len()),
            Op::Random(probability) => (self.random)() <= *probability,
            Op::Tags { id, own, value, how } => match self.other_tag(*id) {
                Some(other) => how.holds(*own, other, *value),
                None => return Ok(self.is_lenient(!facts.inbound, state)),
            },
            Op::OtherTag { id, value, receiver } => {
                if state.observed {
                    return Ok(self.is_lenient(true, state));
                }
                match self.other_tag(*id) {
                    Some(other) => other == *value,
                    None => return Ok(self.is_lenient(*receiver, state)),
                }
            }
            Op::OwnTag { matches, .. } => match matches {
                _ if state.observed => return Ok(self.is_lenient(true, state)),
                Some(matches) => *matches,
                None => return Ok(false),
            },
            Op::Integer(integer) => integer.matches(facts.payload),
            Op::LackedTag { .. } => return Ok(false),
            Op::Drop
            | Op::Accept
            | Op::Break
            | Op::Priority
            | Op::Copy { .. }
            | Op::Redirect { .. }
            | Op::Observed
            | Op::Nothing => true,
        };
        Ok(plain != entry.not)
    }

    /// A tag of the other side is not known: whoever does not decide alone lets the frame pass, even the next DROP.
    fn is_lenient(&self, lenient: bool, state: &mut State) -> bool {
        let lenient = lenient || state.observed;
        state.skip_drop |= lenient;
        lenient
    }

    fn other_tag(&mut self, id: u32) -> Option<u32> {
        self.looked_at_peer = true;
        let found = self.peer.and_then(|peer| peer.tag(id));
        if found.is_none() {
            self.missing_tag.get_or_insert(id);
        }
        found
    }

    /// The transport layer of an IP packet, found once.
    fn transport(&mut self) -> Result<Option<&Transport<'a>>, Evasive> {
        if self.transport.is_none() {
            if self.network == Network::PriorityTagged {
                return Err(Evasive);
            }
            self.transport = Transport::new(self.network);
        }
        Ok(self.transport.as_ref())
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
        if mask & characteristic::TCP == 0 {
            return Ok(false);
        }
        match self.transport()? {
            Some(transport) => Ok(transport.tcp_bits()? & mask != 0),
            None => Ok(false),
        }
    }

    fn is_mac_authentic(&mut self) -> bool {
        let mac = self.facts.source_mac;
        if !self.facts.inbound {
            return self.policy.things.owns_mac(mac);
        }
        let owns = self.peer.is_some_and(|peer| peer.things.owns_mac(mac));
        self.looked_at_peer = true;
        owns
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
        let advertised = match self.transport()? {
            Some(transport) => transport.advertised()?.map(IpAddr::from),
            None => None,
        };
        let claimed = advertised.or_else(|| claimed_source(facts.ethertype, facts.payload));
        let authentic = match (claimed, facts.inbound) {
            _ if solicitation => true,
            (None, _) => false,
            (Some(ip), false) => self.policy.things.owns_ip(ip),
            (Some(ip), true) => {
                let derived = matches!(ip, IpAddr::V6(ip) if self.policy.derived.owns(facts.source, ip));
                let owns = derived || self.peer.is_some_and(|peer| peer.things.owns_ip(ip));
                self.looked_at_peer = true;
                owns
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
