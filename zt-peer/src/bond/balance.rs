//! Which paths carry traffic together, and which of them takes a packet (03 §15.4, §15.5).

use std::time::Duration;

use zt_wire::{FlowId, Mono};

use super::config::{BondPolicy, BondTemplate};
use super::flows::MemberId;
use super::member::{BAD, Member};
use super::quality::relative_capacities;
use super::{Bond, Members};

/// A path that was bad gets new flows again below this.
const GOOD: f32 = 40.0;
/// A difference of cost from which on a flow is moved; a quarter of the lower cost is added.
const WORTH_MOVING: f32 = 30.0;
/// Difference of cost up to which paths take turns packet by packet: more, and packets overtake each other too far.
const IN_STEP: f32 = 20.0;

/// A flow leaves a full path if it is so many times better off by another one.
const BETTER_OFF: f32 = 1.25;
/// How turns become shorter and longer, once a second, and by what a queue must be longer than twice another one.
const SHORTER: f32 = 0.8;
const MUCH_SHORTER: f32 = 0.4;
const LONGER: f32 = 1.1;
const AHEAD: Duration = Duration::from_millis(20);
/// A path with shorter turns than this part of the others' holds up more than it carries.
const SHORTEST: f32 = 0.3;
/// Such a path is tried again after this time, as a try costs all flows some of their order.
const SLOW: Duration = Duration::from_secs(60);
/// Milliseconds by which delays vary from one packet to the next.
const SPREAD: f32 = 10.0;
const BYTES_PER_MEGABIT: f32 = 125_000.0;

/// What a member has to offer to flows (adaptive).
#[derive(Debug)]
struct Room {
    id: MemberId,
    /// What it carries, and what it does now, in bytes in a second.
    carries: f32,
    rate: f32,
    /// Flows that send now.
    flows: f32,
    /// Those of them that have begun in this period, so that the rate says nothing of them.
    new: f32,
    full: bool,
    cost: f32,
}

impl Room {
    /// What one more flow would get: what is left, or its part.
    fn for_one_more(&self) -> f32 {
        let part = self.carries / (self.flows + 1.0);
        if self.full { part } else { part.max((self.carries - self.rate) / (self.new + 1.0)) }
    }

    /// What each of its flows gets.
    fn for_each(&self) -> f32 {
        self.rate / self.flows.max(1.0)
    }
}

/// Whose turn it is among paths that take turns.
#[derive(Debug, Default)]
pub(super) struct Turn {
    member: MemberId,
    left: u32,
}

/// Decides which members lead and which of them are bonded.
pub(super) fn form(now: Mono, members: &mut Members, template: &BondTemplate) {
    let policy = template.policy;
    lead(now, members, template);
    let leading = |m: &&Member| m.leads && m.eligible;
    let rank = members.iter().filter(leading).map(|m| m.rank).min();
    let near = |m: &Member| m.leads && m.eligible && Some(m.rank) == rank;
    let primary = members.iter().any(|m| near(m) && m.link.primary);
    let spread = policy.balances() || policy == BondPolicy::Broadcast;
    // With a preferred family, the other one only where that does not work.
    let preferring: Vec<String> = members
        .iter()
        .filter(|m| near(m) && m.link.ip.prefers(m.is_ipv4()))
        .map(|m| m.link.interface.clone())
        .collect();
    for member in members.iter_mut() {
        let preferred = member.link.ip.prefers(member.is_ipv4()) || !preferring.contains(&member.link.interface);
        member.bonded = spread && near(member) && (member.link.primary || !primary) && preferred;
    }
}

/// Of the paths between the same two addresses one leads: a live one before others, then by rank and number of the link.
/// Of several ports of the peer at one address those lead that it uses by itself, as two modems behind one NAT are; else one.
fn lead(now: Mono, members: &mut Members, template: &BondTemplate) {
    let order = |(id, m): &(MemberId, &Member)| (!m.alive, m.rank, m.path.link, *id);
    let leads = |(_, this): (MemberId, &Member)| {
        let place = || members.entries().filter(|(_, m)| m.is_same_place(this));
        let used = |way: &Member| place().any(|(_, m)| m.is_same_way(way) && m.is_used_by_peer(now, template));
        let some = place().any(|(_, m)| m.alive && used(m));
        let rivals = place().filter(|(_, m)| if some { m.is_same_way(this) && used(m) } else { true });
        rivals.min_by_key(order).is_some_and(|(_, m)| m.path == this.path)
    };
    let leading: Vec<(MemberId, bool)> = members.entries().map(|entry| (entry.0, leads(entry))).collect();
    for (id, leads) in leading {
        if let Some(member) = members.get_mut(id) {
            member.leads = leads;
        }
    }
}

/// Says which members get no new flows.
pub(super) fn judge(now: Mono, members: &mut Members, template: &BondTemplate) {
    let turns = template.policy == BondPolicy::BalanceRr;
    let Some(best) = members.iter().filter(|m| m.bonded).map(Member::cost).min_by(f32::total_cmp) else { return };
    let aware = matches!(template.policy, BondPolicy::BalanceAware | BondPolicy::Adaptive);
    // What a queue of our own packets does to the figures is no fault of the path.
    let is_beyond = |m: &Member| !m.meters.throughput.is_full() && m.figures.is_beyond(&template.quality);
    let within = members.iter().any(|m| m.bonded && !is_beyond(m));
    let reach = if turns { IN_STEP } else { BAD };
    for member in members.iter_mut().filter(|m| m.bonded) {
        let more = member.cost() - best;
        let slow = turns && member.meters.turn < SHORTEST;
        if slow {
            // For when it is tried again.
            member.meters.turn = SHORTEST;
            member.keep_out(now + SLOW);
        }
        let beyond = aware && within && is_beyond(member) || slow;
        member.judge(now, more > reach + best / 2.0 || beyond, more < reach * GOOD / BAD + best / 4.0 && !beyond);
    }
}

impl Bond {
    /// The path for a packet of a flow, by the policy; `None`: the ordinary one.
    pub(super) fn balance(&mut self, now: Mono, flow: FlowId, len: usize) -> Option<MemberId> {
        if self.template.policy == BondPolicy::BalanceRr {
            return self.take_turn();
        }
        if let Some(member) = self.flows.carrier(now, flow, len)
            && self.members.get(member).is_some_and(|m| m.bonded)
        {
            return Some(member);
        }
        let member = self.place(now, flow.0)?;
        self.flows.assign(now, flow, member, len);
        Some(member)
    }

    /// Where a new flow of this number goes.
    pub(super) fn place(&mut self, now: Mono, number: u32) -> Option<MemberId> {
        match self.template.policy {
            BondPolicy::BalanceAware => self.place_by_quality(number),
            BondPolicy::Adaptive => self.place_by_room(now),
            _ => {
                let open: Vec<MemberId> = self.open().collect();
                open.get(number as usize % open.len().max(1)).copied()
            }
        }
    }

    /// Members that get new flows: bonded, and not avoided unless all of them are.
    fn open(&self) -> impl Iterator<Item = MemberId> + Clone + '_ {
        let some = self.members.iter().any(|m| m.bonded && !m.is_avoided());
        let open = move |m: &Member| m.bonded && (!m.is_avoided() || !some);
        self.members.entries().filter(move |(_, m)| open(m)).map(|(id, _)| id)
    }

    /// A draw, weighted by quality and capacity. The number of the flow draws, so that a flow draws the same again.
    fn place_by_quality(&self, number: u32) -> Option<MemberId> {
        let weight = |id: &MemberId| self.members.get(*id).map_or(0.0, |m| m.quality().max(0.001));
        let total: f32 = self.open().map(|id| weight(&id)).sum();
        let mut draw = (number.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (u32::MAX >> 8) as f32 * total;
        let mut last = None;
        for id in self.open() {
            draw -= weight(&id);
            last = Some(id);
            if draw <= 0.0 {
                break;
            }
        }
        last
    }

    /// Where there is most room: the greatest part of what the link carries for one more flow, and the least cost among
    /// those.
    fn place_by_room(&self, now: Mono) -> Option<MemberId> {
        let rooms = self.rooms(now);
        let better =
            |a: &&Room, b: &&Room| a.for_one_more().total_cmp(&b.for_one_more()).then(b.cost.total_cmp(&a.cost));
        let open = self.open();
        let some: Vec<&Room> = rooms.iter().filter(|room| open.clone().any(|id| id == room.id)).collect();
        some.into_iter().max_by(better).map(|room| room.id)
    }

    /// What is known of the room on each bonded member. What a link carries is what was seen, else what is configured, else
    /// as much as the others; where nothing is known of any, all are alike.
    fn rooms(&self, now: Mono) -> Vec<Room> {
        let bonded = || self.members.entries().filter(|(_, m)| m.bonded);
        let known = |m: &Member| {
            let configured = (m.link.capacity > 0).then_some(m.link.capacity as f32 * BYTES_PER_MEGABIT);
            m.meters.throughput.carries(now).or(configured)
        };
        let most = bonded().filter_map(|(_, m)| known(m)).fold(1.0, f32::max);
        let room = |(id, m): (MemberId, &Member)| Room {
            id,
            carries: known(m).unwrap_or(most).max(m.meters.throughput.rate()),
            rate: m.meters.throughput.rate(),
            flows: self.flows.busy(now, id) as f32,
            new: self.flows.begun(now, id) as f32,
            full: m.meters.throughput.is_full(),
            cost: m.cost(),
        };
        bonded().map(room).collect()
    }

    /// What a member carries against the others, as configured.
    fn carries(&self, id: MemberId) -> f32 {
        let (ids, capacities): (Vec<MemberId>, Vec<u32>) =
            self.members.entries().filter(|(_, m)| m.bonded).map(|(id, m)| (id, m.link.capacity)).unzip();
        let shares = relative_capacities(capacities.into_iter());
        let at = ids.iter().position(|other| *other == id);
        at.and_then(|at| shares.get(at)).map_or(1.0, |share| share * 100.0)
    }

    /// Paths take turns; one with less capacity, or that lags behind, has shorter turns or none.
    fn take_turn(&mut self) -> Option<MemberId> {
        let Turn { member, left } = self.turn;
        let may = |id: MemberId| self.open().any(|other| other == id);
        if left > 0 && may(member) {
            self.turn.left -= 1;
            return Some(member);
        }
        let next = self.open().find(|id| *id > member).or_else(|| self.open().next())?;
        let turn = self.members.get(next).map_or(1.0, |m| m.meters.turn);
        let packets = self.template.packets_per_link.max(1) as f32 * turn * self.carries(next) / 100.0;
        self.turn = Turn { member: next, left: (packets as u32).saturating_sub(1) };
        Some(next)
    }

    /// Once a second: a flow leaves the path that costs most for the one that costs least, if that is worth it. One at a
    /// time, as its leaving and coming changes both.
    pub(super) fn even_out(&mut self, now: Mono) {
        self.flows.next_period();
        if self.template.policy == BondPolicy::BalanceRr {
            return self.fit_turns();
        }
        if self.make_room(now) {
            return;
        }
        let cost = |m: &Member| m.cost();
        let bonded = || self.members.entries().filter(|(_, m)| m.bonded);
        let least = bonded().filter(|(_, m)| !m.is_avoided()).min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)));
        let Some((to, low)) = least.map(|(id, m)| (id, m.cost())) else { return };
        let loaded = bonded().filter(|(id, _)| *id != to && self.flows.mover(now, *id, u32::MAX).is_some());
        let Some((from, high)) = loaded.map(|(id, m)| (id, m.cost())).max_by(|a, b| a.1.total_cmp(&b.1)) else {
            return;
        };
        if high - low < WORTH_MOVING + low / 4.0 {
            return;
        }
        if let Some(mover) = self.flows.mover(now, from, u32::MAX) {
            self.flows.move_to(now, mover, to, self.pause(from, to));
        }
    }

    /// Turns of a path become shorter while its queue is longer than that of another, and longer again when it has none: else
    /// all of them would carry what the slowest does.
    fn fit_turns(&mut self) {
        let in_turn = |m: &Member| m.bonded && !m.is_avoided();
        let queue = |m: &Member| m.meters.throughput.queue();
        let Some(least) = self.members.iter().filter(|m| in_turn(m)).map(queue).min() else { return };
        for member in self.members.iter_mut().filter(|m| in_turn(m)) {
            let queue = queue(member);
            let turn = &mut member.meters.turn;
            if queue > 2 * least + AHEAD {
                *turn *= if queue > 4 * (least + AHEAD) { MUCH_SHORTER } else { SHORTER };
            } else if queue.is_zero() {
                *turn = (*turn * LONGER).min(1.0);
            }
        }
    }

    /// A flow leaves a full path on which flows get least for the one where it would get most. True: one does.
    fn make_room(&mut self, now: Mono) -> bool {
        let rooms = self.rooms(now);
        let full = rooms.iter().filter(|room| room.full && room.flows > 0.0);
        let Some(from) = full.min_by(|a, b| a.for_each().total_cmp(&b.for_each())) else { return false };
        let avoided = |room: &Room| self.members.get(room.id).is_none_or(Member::is_avoided);
        let others = rooms.iter().filter(|room| room.id != from.id && !avoided(room));
        let Some(to) = others.max_by(|a, b| a.for_one_more().total_cmp(&b.for_one_more())) else { return false };
        if to.for_one_more() < BETTER_OFF * from.for_each() {
            return false;
        }
        // One that sends more than fits there would fill that one in turn.
        let most = if to.full { u32::MAX } else { (to.carries - to.rate).max(from.for_each()) as u32 };
        let Some(mover) = self.flows.mover(now, from.id, most) else { return false };
        self.flows.move_to(now, mover, to.id, self.pause(from.id, to.id));
        true
    }

    /// How long a flow must be silent for no packet by another path to overtake the last one by this.
    fn pause(&self, from: MemberId, to: MemberId) -> Duration {
        let delay = |id: MemberId| self.members.get(id).map_or(0.0, Member::delay);
        Duration::from_secs_f32(((delay(from) - delay(to) + SPREAD) / 1000.0).clamp(0.001, 10.0))
    }
}
