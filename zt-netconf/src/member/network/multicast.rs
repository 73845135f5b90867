//! Sending to a group, and finding its members (04 §7.5).

use core::time::Duration;

use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, Mac, MulticastGroup};
use zt_wire::netconf::Specialist;
use zt_wire::time::Now;
use zt_wire::verb::{MulticastFrame, MulticastGather};

use super::Network;
use super::push::Push;
use crate::member::carrier::{Carrier, SendOptions};
use crate::member::drop_reason::DropReason;
use crate::member::gather::{first, shuffle};
use crate::member::outgoing::{Outgoing, Queued};
use crate::member::shared::Shared;
use crate::member::subscriptions::Draw;
use crate::member::sweep::Effort;

/// How often members of one group are asked for.
const GATHER: Duration = Duration::from_millis(60_000);
/// The same while nobody is known.
// Deliberate (04 §7.5): a steady sender would ask for every frame; once a second is enough.
const GATHER_ANYBODY: Duration = Duration::from_millis(1_000);
/// Most nodes asked at once.
const GATHER_TARGETS: usize = 16;
/// Most frames waiting in one group; the oldest makes room.
const QUEUE: usize = 32;
/// Members drawn at a time. A frame does not cost more because a group has more members than it goes to.
const AT_ONCE: usize = 64;
/// Latency from which a replicator counts as unusable.
const REPLICATOR_LATENCY: Duration = Duration::from_millis(0xffff);

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    Sent,
    /// The recipient has to prove itself first.
    Held,
    /// A rule does not let it pass.
    Refused,
}

/// So many were drawn, and so many of them may receive frames.
struct Drawn {
    of: usize,
    members: usize,
}

impl Network {
    /// Sends a frame to a group (04 §7.5); the number of copies that left at once.
    pub(crate) fn send_multicast(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &Outgoing<'_>,
        c: &mut dyn Carrier,
    ) -> usize {
        let Ok(config) = self.held.ready() else { return 0 };
        let limit = config.multicast_limit as usize;
        if let Some(replicator) = self.replicator(c) {
            self.send_to_replicator(now, out, replicator, c);
            return 1;
        }
        let mut recipients = core::mem::take(&mut shared.recipients);
        recipients.clear();
        let mut draw = Draw::from(Address::new(shared.below(1 << 40) as u64));
        let mut members = 0;
        while members < limit
            && let Some(more) = self.draw(shared, out.group, &mut draw, &mut recipients, c)
        {
            // Those who belong here before those who only say so, of all that were drawn.
            let drawn = recipients.len() - more.of;
            recipients[members..drawn + more.members].rotate_right(more.members);
            members += more.members;
        }
        let enough = members >= limit;
        let gather = if enough { 1 } else { (limit - members + 1) as u32 };
        if !enough {
            self.gather_when_due(shared, now, out.group, members, gather, c);
        }
        // Bridges first; a bridge that is a member too gets one copy.
        let (own, config) = (self.own, self.held.ready());
        let bridges = config.into_iter().flat_map(|config| config.active_bridges()).collect::<Vec<_>>();
        recipients.splice(0..0, bridges.iter().copied());
        // Quirk (04 §7.5): the origin counts as one copy when the frame is queued.
        let mut copies = usize::from(!enough && !out.origin.is_nil());
        let (mut sent, mut held, mut next) = (0, 0, 0);
        let mut had = Vec::new();
        while copies < limit && held < limit {
            if next == recipients.len() && self.draw(shared, out.group, &mut draw, &mut recipients, c).is_none() {
                break;
            }
            let to = recipients[next];
            next += 1;
            if to == own || to == out.origin || next > bridges.len() && bridges.contains(&to) {
                continue;
            }
            match self.send_copy(shared, now, out, to, gather, c) {
                Copy::Held => held += 1,
                Copy::Refused => had.push(to),
                Copy::Sent => {
                    had.push(to);
                    copies += 1;
                    sent += 1;
                }
            }
        }
        recipients.clear();
        shared.recipients = recipients;
        if copies < limit && (!enough || held > 0) {
            had.push(out.origin);
            self.queue(shared, now, out, gather, (limit, copies), had);
        }
        sent
    }

    /// Draws some more members of a group, in any order; those who belong to the network before the others.
    fn draw(
        &mut self,
        shared: &mut Shared,
        group: MulticastGroup,
        draw: &mut Draw,
        recipients: &mut Vec<Address>,
        c: &dyn Carrier,
    ) -> Option<Drawn> {
        let before = recipients.len();
        let more = shared.subscriptions.draw((self.id, group), draw, AT_ONCE, recipients);
        let drawn = &mut recipients[before..];
        shuffle(shared, drawn);
        let members = first(drawn, |to| self.may_receive(to, c));
        more.then_some(Drawn { of: drawn.len(), members })
    }

    /// True when a node may get copies of multicast frames.
    // Deliberate (04 §7.5): the reference sends them to whoever is named as a member of the group, and whoever tells a
    // root that it listens to a group of a private network reads along.
    pub(crate) fn may_receive(&mut self, to: Address, c: &dyn Carrier) -> bool {
        let Some(config) = &self.held.config else { return false };
        if config.is_public() {
            return true;
        }
        let record = self.members.get_mut(to);
        record.is_some_and(|record| record.is_allowed_as(config, self.held.generation, || c.identity(to)))
    }

    fn queue(
        &self,
        shared: &mut Shared,
        now: Now,
        out: &Outgoing<'_>,
        gather: u32,
        (limit, copies): (usize, usize),
        had: Vec<Address>,
    ) {
        let Some(group) = shared.subscriptions.group_mut(self.id, out.group) else {
            shared.drops.count(DropReason::TableFull);
            return;
        };
        group.queue.retain(|frame| frame.is_alive(now.mono));
        if group.queue.len() >= QUEUE {
            group.queue.pop_front();
            shared.drops.count(DropReason::TableFull);
        }
        group.queue.push_back(Queued {
            at: now.mono,
            group: out.group,
            source: out.source,
            ethertype: out.ethertype,
            payload: out.payload.into(),
            gather,
            limit,
            copies,
            had,
        });
    }

    /// Sends one copy, when the rules let it pass (04 §7.5 step 5) and the recipient is a member; else that is asked for
    /// its certificate.
    fn send_copy(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &Outgoing<'_>,
        to: Address,
        gather: u32,
        c: &mut dyn Carrier,
    ) -> Copy {
        let frame = EthernetRef {
            destination: out.group.mac,
            source: out.source.unwrap_or(self.mac),
            ethertype: out.ethertype,
            payload: out.payload,
        };
        if let Err(reason) = self.filter_outbound(shared, now, to, &frame, false, c) {
            shared.drops.count(reason);
            if reason == DropReason::PeerRevoked {
                // Two members that were both authorised again would otherwise wait for each other.
                self.ask_for_membership(shared, now, to, c);
                self.pending.await_certificate(now.mono, to);
                return Copy::Held;
            }
            return Copy::Refused;
        }
        if !self.may_receive(to, c) {
            shared.drops.count(DropReason::RecipientUnproven);
            self.ask_for_membership(shared, now, to, c);
            self.pending.await_certificate(now.mono, to);
            return Copy::Held;
        }
        if gather > 0 {
            shared.asked.note(now.mono, self.id, out.group, to, gather);
        }
        self.push_credentials(now, to, Push::BeforeFrame, c);
        let compress = self.held.config.as_ref().is_some_and(|config| !config.multicast_uncompressed());
        let body = self.multicast_body(out, false, out.source, (gather > 0).then_some(gather));
        c.send(to, &body, SendOptions { compress, expect_reply: gather > 0 });
        Copy::Sent
    }

    fn multicast_body<'a>(
        &self,
        out: &Outgoing<'a>,
        replicate: bool,
        source: Option<Mac>,
        gather: Option<u32>,
    ) -> MulticastFrame<'a> {
        MulticastFrame {
            network: self.id,
            flags: if replicate { MulticastFrame::REPLICATE } else { 0 },
            membership: None,
            gather_limit: gather,
            source,
            group: out.group,
            ethertype: out.ethertype,
            payload: out.payload,
        }
    }

    /// The replicator to use, when the network has some and we are neither one nor a bridge.
    fn replicator(&self, c: &dyn Carrier) -> Option<Address> {
        let config = self.held.config.as_ref()?;
        if config.is_active_bridge(self.own) || config.is_replicator(self.own) {
            return None;
        }
        let usable = config.specialists_with(Specialist::MULTICAST_REPLICATOR);
        let usable = usable.filter_map(|address| Some((c.direct_latency(address)?, address)));
        usable.filter(|(latency, _)| *latency < REPLICATOR_LATENCY).min().map(|(_, address)| address)
    }

    fn send_to_replicator(&mut self, now: Now, out: &Outgoing<'_>, to: Address, c: &mut dyn Carrier) {
        self.push_credentials(now, to, Push::BeforeFrame, c);
        let source = Some(out.source.unwrap_or(self.mac));
        let compress = self.held.config.as_ref().is_some_and(|config| !config.multicast_uncompressed());
        let body = self.multicast_body(out, true, source, None);
        c.send(to, &body, SendOptions { compress, expect_reply: false });
    }

    /// Asks who listens to a group, when nobody is known or the last time is long ago.
    fn gather_when_due(
        &mut self,
        shared: &mut Shared,
        now: Now,
        group: MulticastGroup,
        members: usize,
        limit: u32,
        c: &mut dyn Carrier,
    ) {
        let gather = if self.is_low_bandwidth() { GATHER * 3 } else { GATHER };
        let wait = if members == 0 { GATHER_ANYBODY } else { gather };
        let asked = shared.subscriptions.group(self.id, group).map(|group| group.last_gather);
        if asked.is_some_and(|asked| !asked.is_open(now.mono, wait)) {
            return;
        }
        if let Some(group) = shared.subscriptions.group_mut(self.id, group) {
            group.last_gather.note(now.mono);
        }
        let mut targets: Vec<Address> = Vec::new();
        let mut add = |address: Address| {
            if !address.is_nil() && !targets.contains(&address) && targets.len() < GATHER_TARGETS {
                targets.push(address);
            }
        };
        c.roots().first().into_iter().for_each(|root| add(*root));
        if !self.id.is_ad_hoc() {
            add(self.id.controller());
        }
        let mut contacts: Vec<_> = self.held.config.iter().flat_map(|config| config.always_contact()).collect();
        shuffle(shared, &mut contacts);
        contacts.into_iter().for_each(&mut add);
        let membership = self.held.config.as_ref().and_then(|config| config.membership.clone());
        let body = MulticastGather { network: self.id, flags: 0, group, limit, membership, rest: &[] };
        for to in targets {
            if to != self.own {
                shared.asked.note(now.mono, self.id, group, to, limit);
                c.send(to, &body, SendOptions { compress: false, expect_reply: true });
            }
        }
    }

    /// A member of a group became known, or proved itself: it gets what waits (04 §7.5 step 4).
    pub(crate) fn member_learned(
        &mut self,
        shared: &mut Shared,
        now: Now,
        group: MulticastGroup,
        member: Address,
        c: &mut dyn Carrier,
    ) {
        let Some(known) = shared.subscriptions.known_mut(self.id, group) else { return };
        if known.queue.is_empty() || member == self.own {
            return;
        }
        let mut queue = core::mem::take(&mut known.queue);
        queue.retain(|frame| frame.is_alive(now.mono));
        for frame in &mut queue {
            if frame.had.contains(&member) {
                continue;
            }
            match self.send_copy(shared, now, &frame.outgoing(), member, frame.gather, c) {
                Copy::Held => break,
                Copy::Refused => frame.had.push(member),
                Copy::Sent => {
                    frame.had.push(member);
                    frame.copies += 1;
                }
            }
        }
        queue.retain(|frame| frame.is_alive(now.mono));
        if let Some(known) = shared.subscriptions.known_mut(self.id, group) {
            known.queue = queue;
        }
    }

    /// Asks once more for certificates that frames wait for: questions and answers are lost too.
    pub(super) fn ask_again(&mut self, shared: &mut Shared, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        while !effort.is_spent()
            && let Some((member, since)) = self.pending.question_due(now.mono)
        {
            effort.spend(1);
            if !self.may_receive(member, c) {
                self.ask_for_membership(shared, now, member, c);
                self.pending.ask_again(now.mono, member, since);
            }
        }
    }

    /// A node showed a certificate that agrees with ours: frames that were held back for it leave.
    pub(crate) fn member_proved(&mut self, shared: &mut Shared, now: Now, member: Address, c: &mut dyn Carrier) {
        let bridge = self.held.config.as_ref().is_some_and(|config| config.is_active_bridge(member));
        for group in shared.subscriptions.waiting(self.id) {
            if bridge || shared.subscriptions.has(self.id, group, member) {
                self.member_learned(shared, now, group, member, c);
            }
        }
    }
}
