//! Several paths to one peer used together (03 §15).
//!
//! A [`Bond`] knows paths and what is measured on them; it sends nothing and knows neither sockets nor networks. In layers:
//!
//! 1. `config`: what the operator says;
//! 2. `records`, `quality`, `throughput`, `breaker`, `flows`: what is counted, of one path or one flow;
//! 3. `member`: one path; whether it may be used;
//! 4. `balance`, `failover`, `negotiation`: which path takes a packet;
//! 5. this file: time passes, and packets come and go.
//!
//! Nothing is allocated for a packet: a flow finds its path by its number.

mod balance;
mod breaker;
mod config;
mod duplicates;
mod failover;
mod flows;
mod member;
mod negotiation;
mod quality;
mod records;
mod throughput;

use std::sync::Arc;
use std::time::Duration;

use zt_wire::verb::QosRecord;
use zt_wire::{FlowId, Gate, Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::link::Path;

use breaker::Breaker;
use duplicates::Duplicates;
use failover::Active;
use flows::{Flows, MemberId};
use member::Member;
use negotiation::Negotiation;
use records::is_sampled;

pub use config::{BondConfig, BondLink, BondPolicy, BondTemplate, IpPreference, QualityLimits, Reselect};
pub(crate) use member::Fact;

/// While there is traffic each path in use is asked so often: a failure is noticed within half a second.
const HEARTBEAT_IN_USE: Duration = Duration::from_millis(250);
/// The same for a path that is full: its queue loses some of them.
const HEARTBEAT_FULL: Duration = Duration::from_millis(125);
/// The same for paths that wait for their turn.
const HEARTBEAT_WAITING: Duration = Duration::from_secs(1);
/// Quality is estimated so often while there is traffic.
const ESTIMATE: Duration = Duration::from_secs(1);
/// Least time between two reports to one peer: the reference refuses those that come more often (03 §15.7).
const REPORT_SPACING: Duration = Duration::from_millis(170);
/// Honest PATH_NEGOTIATION_REQUESTs come in such periods.
const NEGOTIATION_PERIOD: Duration = Duration::from_secs(60);
/// Most paths of a bond; a peer has no more.
const MAX_MEMBERS: usize = 16;

/// What a bond wants to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BondTask {
    /// Ask whether the peer is there by this path.
    Heartbeat(Path),
    /// Tell the peer by this path what came by it.
    Report(Path, Vec<QosRecord>),
    /// Ask the peer to use this path, as it is better by so much.
    Negotiate(Path, i16),
}

/// The bond with one peer.
#[derive(Debug)]
pub(crate) struct Bond {
    template: Arc<BondTemplate>,
    members: Members,
    active: Active,
    flows: Flows,
    turn: balance::Turn,
    negotiation: Negotiation,
    duplicates: Duplicates,
    reports: Breaker,
    requests: Breaker,
    reported: Gate,
    estimated: Gate,
}

/// Paths of a bond by their number, which is theirs as long as they are there.
#[derive(Debug, Default)]
struct Members(Vec<Option<Box<Member>>>);

/// One path of a bond, as shown to people.
#[derive(Clone, Debug, PartialEq)]
pub struct BondedPath {
    /// Name of our interface, or its address where the name is not known.
    pub interface: String,
    /// Mean time one way in milliseconds, by what the peer reported; 0 = not known.
    pub latency: f32,
    /// Its standard deviation.
    pub jitter: f32,
    /// Share of probes lost.
    pub loss: f32,
    /// Flows that it carries.
    pub flows: usize,
    /// It may carry traffic.
    pub eligible: bool,
    /// It carries traffic.
    pub bonded: bool,
    /// Its other ports stand for the same way: it is the one that is used.
    pub leads: bool,
    /// It answers.
    pub alive: bool,
    /// Configured capacity in Mbit/s; 0 = none.
    pub capacity: u32,
    /// Its share in the quality of all.
    pub quality: f32,
    /// Time since a packet came by it, and since one left.
    pub last_in: Option<Duration>,
    /// The same for the last one that left.
    pub last_out: Option<Duration>,
}

impl Members {
    fn get(&self, id: MemberId) -> Option<&Member> {
        self.0.get(usize::from(id))?.as_deref()
    }

    fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.0.get_mut(usize::from(id))?.as_deref_mut()
    }

    fn entries(&self) -> impl Iterator<Item = (MemberId, &Member)> + Clone + '_ {
        (0..).zip(&self.0).filter_map(|(id, member)| Some((id, member.as_deref()?)))
    }

    fn ids(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.entries().map(|(id, _)| id)
    }

    fn iter(&self) -> impl Iterator<Item = &Member> + Clone + '_ {
        self.0.iter().filter_map(Option::as_deref)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> + '_ {
        self.0.iter_mut().filter_map(Option::as_deref_mut)
    }

    fn id(&self, path: Path) -> Option<MemberId> {
        self.entries().find(|(_, m)| m.path == path).map(|(id, _)| id)
    }

    fn add(&mut self, member: Member) -> bool {
        let member = Some(Box::new(member));
        if let Some(free) = self.0.iter_mut().find(|place| place.is_none()) {
            *free = member;
            return true;
        }
        let fits = self.0.len() < MAX_MEMBERS;
        if fits {
            self.0.push(member);
        }
        fits
    }

    fn remove(&mut self, id: MemberId) {
        if let Some(place) = self.0.get_mut(usize::from(id)) {
            *place = None;
        }
    }
}

impl Bond {
    pub(crate) fn new(template: Arc<BondTemplate>) -> Self {
        Self {
            template,
            members: Members::default(),
            active: Active::new(),
            flows: Flows::default(),
            turn: balance::Turn::default(),
            negotiation: Negotiation::new(),
            duplicates: Duplicates::default(),
            reports: Breaker::new(),
            requests: Breaker::new(),
            reported: Gate::OPEN,
            estimated: Gate::OPEN,
        }
    }

    pub(crate) const fn template(&self) -> &Arc<BondTemplate> {
        &self.template
    }

    /// A path of the peer may take part, if the policy uses its interface; `local`: what the interface is called where its
    /// name is not known.
    pub(crate) fn nominate(&mut self, now: Mono, path: Path, interface: Option<&str>, local: &str) {
        if self.members.id(path).is_some() {
            return;
        }
        let Some(mut link) = self.template.link(interface.unwrap_or_default()) else { return };
        if interface.is_none() {
            local.clone_into(&mut link.interface);
        }
        let member = Member::new(now, path, link);
        if member.link.ip.allows(member.is_ipv4()) {
            self.members.add(member);
        }
    }

    /// A look at all paths, of which these are there: what is to be done now, and when to look again. `busy`: there is
    /// traffic; `active`: there was some in the last minutes.
    pub(crate) fn tend(&mut self, now: Mono, facts: &[Fact], busy: bool, active: bool) -> (Vec<BondTask>, Mono) {
        self.update(now, facts);
        let every = if busy { ESTIMATE } else { 2 * self.template.failover_interval };
        let due = self.estimated.pass(now, every);
        // A path that has come since would get no flow before the next time.
        if due || self.members.iter().any(|m| m.leads && m.eligible && m.share.is_none()) {
            self.estimate(facts);
        }
        if due {
            self.end_period(now);
        }
        let mut tasks = Vec::new();
        let mut next = now + every;
        if active {
            next = next.min(self.heartbeats(now, facts, busy, &mut tasks));
        }
        next = next.min(self.report(now, &mut tasks));
        if let Some((member, utility)) = self.negotiate(now) {
            tasks.extend(self.members.get(member).map(|m| BondTask::Negotiate(m.path, utility)));
        }
        (tasks, next)
    }

    /// What was sent in a second is compared, and traffic goes where it is better off.
    fn end_period(&mut self, now: Mono) {
        for member in self.members.iter_mut() {
            member.end_period(now);
        }
        if self.template.policy.balances() {
            balance::judge(now, &mut self.members, &self.template);
            self.even_out(now);
        } else if self.template.policy == BondPolicy::ActiveBackup {
            self.reconsider(now);
        }
    }

    fn update(&mut self, now: Mono, facts: &[Fact]) {
        let fact = |path: Path| facts.iter().find(|fact| fact.path == path);
        let gone: Vec<MemberId> = self.members.entries().filter(|(_, m)| fact(m.path).is_none()).map(|e| e.0).collect();
        for id in gone {
            self.members.remove(id);
            self.evacuate(now, id);
        }
        for member in self.members.iter_mut() {
            if let Some(fact) = fact(member.path) {
                member.update(now, fact, &self.template);
            }
        }
        balance::form(now, &mut self.members, &self.template);
        if self.template.policy == BondPolicy::ActiveBackup {
            self.choose_active(now);
            let active = self.active.member;
            for id in self.members.ids().collect::<Vec<_>>() {
                if let Some(member) = self.members.get_mut(id) {
                    member.bonded = Some(id) == active;
                }
            }
        }
        let out: Vec<MemberId> = self.members.entries().filter(|(_, m)| !m.bonded).map(|(id, _)| id).collect();
        for id in out {
            self.evacuate(now, id);
        }
    }

    /// Flows of a member that carries no traffic any more go to others.
    fn evacuate(&mut self, now: Mono, from: MemberId) {
        let mut flows = std::mem::take(&mut self.flows);
        flows.evacuate(now, from, |number| self.place(now, number.wrapping_mul(0x9e37_79b9)));
        self.flows = flows;
    }

    fn estimate(&mut self, facts: &[Fact]) {
        for member in self.members.iter_mut() {
            if let Some(fact) = facts.iter().find(|fact| fact.path == member.path) {
                member.estimate(fact);
            }
        }
        let leading: Vec<MemberId> =
            self.members.entries().filter(|(_, m)| m.leads && m.eligible).map(|e| e.0).collect();
        let known: Vec<_> =
            leading.iter().filter_map(|id| self.members.get(*id)).map(|m| (m.figures, m.link.capacity)).collect();
        let shares = quality::relative(&known, &self.template.quality);
        for member in self.members.iter_mut() {
            member.share = None;
        }
        for (id, share) in leading.into_iter().zip(shares) {
            if let Some(member) = self.members.get_mut(id) {
                member.share = Some(share);
            }
        }
    }

    /// Paths are asked whether they work: seldom while there is no traffic, and never when something came by them
    /// anyway.
    fn heartbeats(&mut self, now: Mono, facts: &[Fact], busy: bool, tasks: &mut Vec<BondTask>) -> Mono {
        let monitor = self.template.failover_interval / 3;
        let mut next = Mono::FAR;
        for member in self.members.iter_mut().filter(|m| m.leads) {
            let Some(fact) = facts.iter().find(|fact| fact.path == member.path) else { continue };
            let every = match (busy, member.bonded) {
                (true, true) if member.meters.throughput.has_overflown() => monitor.min(HEARTBEAT_FULL),
                (true, true) => monitor.min(HEARTBEAT_IN_USE),
                (true, false) if member.alive => monitor.min(HEARTBEAT_WAITING),
                _ if member.alive => monitor,
                _ => self.template.failover_interval,
            };
            // While there is traffic, what comes by a path does not say whether ours arrives.
            let since = if busy { now } else { fact.heard };
            let quiet = busy || now.saturating_since(since) >= every;
            if quiet && member.heartbeat.pass(now, every) {
                tasks.push(BondTask::Heartbeat(member.path));
            }
            let due = if quiet { member.heartbeat.last().map_or(now, |last| last + every) } else { since + every };
            next = next.min(due);
        }
        next
    }

    /// What came by each path is told to the peer, by the path that waited longest first.
    fn report(&mut self, now: Mono, tasks: &mut Vec<BondTask>) -> Mono {
        let period = 2 * self.template.failover_interval;
        let due = |m: &Member| match m.meters.reported.last() {
            Some(last) if m.meters.received.len() < records::MAX_RECORDS => last + period,
            _ => now,
        };
        let waiting = self.members.iter_mut().filter(|m| m.alive && m.meters.received.len() > 0);
        let Some(member) = waiting.min_by_key(|m| (due(m), m.meters.reported.last())) else { return Mono::FAR };
        if due(member) > now {
            return due(member);
        }
        if self.reported.pass(now, REPORT_SPACING) {
            member.meters.reported.note(now);
            tasks.push(BondTask::Report(member.path, member.meters.received.take(now)));
        }
        self.reported.last().map_or(now, |last| last + REPORT_SPACING)
    }

    /// The path that all traffic takes, if the policy has one.
    pub(crate) fn active(&self) -> Option<Path> {
        let active = self.active.member.filter(|_| self.template.policy == BondPolicy::ActiveBackup);
        self.members.get(active?).map(|m| m.path)
    }

    /// The path for a frame of a flow; `None`: the ordinary one. With it: largest datagram by its link, 0 = as always.
    pub(crate) fn choose(&mut self, now: Mono, flow: FlowId, len: usize) -> Option<(Path, u16)> {
        let id = match self.template.policy {
            BondPolicy::ActiveBackup => self.active.member,
            BondPolicy::None | BondPolicy::Broadcast => None,
            _ => self.balance(now, flow, len),
        }?;
        let member = self.members.get_mut(id)?;
        member.meters.throughput.count(len);
        Some((member.path, member.link.mtu))
    }

    /// The paths that each frame takes (broadcast), the first of them for itself.
    pub(crate) fn all(&self) -> impl Iterator<Item = Path> + '_ {
        let broadcasts = self.template.policy == BondPolicy::Broadcast;
        self.members.iter().filter(move |m| broadcasts && m.bonded).map(|m| m.path)
    }

    /// Whether frames take several paths at once.
    pub(crate) fn broadcasts(&self) -> bool {
        self.template.policy == BondPolicy::Broadcast
    }

    /// A packet that counts came by a path.
    /// `asked`: it is an answer.
    pub(crate) fn came(&mut self, now: Mono, path: Path, id: PacketId, asked: bool) {
        if let Some(member) = self.members.id(path).and_then(|id| self.members.get_mut(id)) {
            member.meters.came = member.meters.came.saturating_add(1);
            member.meters.last_in.note(now);
            if !asked {
                member.meters.initiated.note(now);
            }
            if is_sampled(id) {
                member.meters.received.note(now, id);
            }
        }
    }

    /// Whether a frame of this ID came before, by another path.
    pub(crate) fn is_copy(&mut self, id: PacketId) -> bool {
        self.broadcasts() && self.duplicates.seen(id)
    }

    /// A packet left by a path, with its ID on the wire.
    pub(crate) fn left(&mut self, now: Mono, path: Path, id: PacketId) {
        if let Some(member) = self.members.id(path).and_then(|id| self.members.get_mut(id)) {
            member.meters.left = member.meters.left.saturating_add(1);
            member.meters.last_out.note(now);
            if is_sampled(id) {
                member.meters.sent.note(now, id);
            }
        }
    }

    /// A frame of a flow came by a path: unless the flow has one already, it goes the same way in the other direction.
    pub(crate) fn flow_came(&mut self, now: Mono, path: Path, flow: FlowId) {
        let spreads = matches!(self.template.policy, BondPolicy::BalanceAware | BondPolicy::Adaptive);
        if spreads && self.flows.is_new(now, flow) {
            let way = self.members.id(path).and_then(|id| self.members.get(id));
            let near = |way| self.members.entries().filter(move |(_, m)| m.bonded && m.is_same_place(way));
            let leading = way.and_then(|way| near(way).max_by_key(|(_, m)| m.is_same_way(way)));
            if let Some(id) = leading.filter(|(_, m)| !m.is_avoided()).map(|(id, _)| id) {
                self.flows.assign(now, flow, id, 0);
            }
        }
    }

    /// The peer reports when packets of ours arrived.
    pub(crate) fn take_report(&mut self, now: Mono, path: Path, records: &[QosRecord]) -> Result<(), DropReason> {
        let period = 2 * self.template.failover_interval;
        if !self.reports.passes(now, period) {
            return Err(DropReason::QosGate);
        }
        // By which of our paths a packet left is what counts, not by which the report came.
        self.members.id(path).ok_or(DropReason::NoBond)?;
        let mut known = false;
        for record in records {
            for member in self.members.iter_mut() {
                if let Some(at) = member.meters.sent.take(now, record.packet, 3 * period) {
                    member.meters.samples.add(quality::one_way(now.saturating_since(at), record.held_ms));
                    known = true;
                }
            }
        }
        if known { Ok(()) } else { Err(DropReason::QosUnknown) }
    }

    /// The peer asks to use the path that its request came by. `greater`: its address is greater than ours.
    pub(crate) fn take_request(
        &mut self,
        now: Mono,
        path: Path,
        utility: i16,
        greater: bool,
    ) -> Result<(), DropReason> {
        if !self.requests.passes(now, NEGOTIATION_PERIOD) {
            return Err(DropReason::NegotiationGate);
        }
        let member = self.members.id(path).ok_or(DropReason::NoBond)?;
        self.asked(member, utility, greater);
        Ok(())
    }

    /// Whether a path has a place in the bond.
    pub(crate) fn knows(&self, path: Path) -> bool {
        self.members.id(path).is_some()
    }

    /// Ways that work, and all of them.
    pub(crate) fn ways(&self) -> (usize, usize) {
        let leading = || self.members.iter().filter(|m| m.leads);
        (leading().filter(|m| m.alive).count(), leading().count())
    }

    /// A path as shown to people.
    pub(crate) fn view(&self, now: Mono, path: Path) -> Option<BondedPath> {
        let id = self.members.id(path)?;
        let member = self.members.get(id)?;
        let (latency, jitter) = member.meters.samples.figures().unwrap_or_default();
        Some(BondedPath {
            interface: member.link.interface.clone(),
            latency,
            jitter,
            loss: member.figures.loss,
            flows: self.flows.count(now, id),
            eligible: member.eligible,
            bonded: member.bonded,
            leads: member.leads,
            alive: member.alive,
            capacity: member.link.capacity,
            quality: member.quality(),
            last_in: member.meters.last_in.since(now),
            last_out: member.meters.last_out.since(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::{Endpoint, LinkId};

    fn path(link: u32, host: u8) -> Path {
        Path { link: LinkId(link), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], 9993))) }
    }

    /// What grows with what comes and goes.
    fn footprint(bond: &Bond) -> [usize; 2] {
        [bond.members.0.len(), bond.flows.len()]
    }

    #[test]
    fn an_hour_of_flows_and_of_paths_that_come_and_go_takes_no_more_memory_than_a_minute() {
        for policy in BondPolicy::ALL.into_iter().skip(1) {
            let mut bond = Bond::new(Arc::new(BondTemplate::new(policy)));
            let mut after_a_minute = [0; 2];
            for second in 0..3600_u64 {
                let now = Mono::from_millis(1000 * (1 + second));
                // Two uplinks that stay, and remotes that change every ten seconds, as behind a bad NAT.
                let paths = [path(1, 1), path(2, 1), path(1, (2 + second / 10 % 200) as u8)];
                let fact = |path| Fact {
                    path,
                    rank: 0,
                    heard: now,
                    usable: true,
                    unanswered: usize::from(path == paths[1] && second % 300 > 290),
                    round_trip: Some((Duration::from_millis(20), Duration::from_millis(1))),
                    loss: 0.0,
                };
                for path in paths {
                    bond.nominate(now, path, Some(if path.link == LinkId(1) { "eth0" } else { "eth1" }), "");
                }
                bond.tend(now, &paths.map(fact), true, true);
                for n in 0..8 {
                    let flow = FlowId(((second * 8 + n) as u32).wrapping_mul(0x9e37_79b9));
                    let taken = bond.choose(now, flow, 1400).map_or(paths[0], |(path, _)| path);
                    let id = PacketId((second * 8 + n) * 2 + 1);
                    bond.left(now, taken, id);
                    bond.came(now, taken, id, n % 2 == 0);
                    bond.is_copy(id);
                }
                if second == 60 {
                    after_a_minute = footprint(&bond);
                }
            }
            assert_eq!(footprint(&bond), after_a_minute, "{policy:?}");
            let records = bond.members.iter().map(|m| m.meters.received.len()).max();
            assert!(records <= Some(records::MAX_RECORDS));
        }
    }
}
