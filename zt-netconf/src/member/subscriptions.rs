//! Who listens to which multicast group: the answers to LIKE and GATHER, and where our own frames go (04 §7.4).
//!
//! A root files what anybody says. So that nobody can be crowded out, the table has two shares: one for members of the
//! networks that this node belongs to or controls, one for strangers. In each, whoever has the most entries gives way.

use core::ops::Bound;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use zt_wire::gate::Gate;
use zt_wire::ident::{Address, Mac, MulticastGroup, NetworkId};
use zt_wire::time::Mono;

use super::outgoing::Queued;
use super::shares::{Holding, Room, Share};
use super::sweep::{Look, Sweep};

/// How long a subscription lasts after the last LIKE or gather result that named it.
const LIFETIME: Duration = Duration::from_secs(600);
/// Places of members of own and authorised networks, and most of one of them.
const KNOWN: (usize, u32) = (131_072, 4_096);
/// Places of strangers (a busy root's table: some 10 MB), and most of one of them.
const STRANGERS: (usize, u32) = (98_304, 512);
/// Most groups with a state of our own (asked for, or with queued frames).
const GROUPS: usize = 65_536;

/// Why a subscription is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The subscriber belongs to a network that this node belongs to or controls.
    Known,
    /// Anybody; roots serve those.
    Stranger,
}

/// What this node itself does with a group of one of its networks.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Frames waiting for members to become known.
    pub(crate) queue: VecDeque<Queued>,
    /// When members were last asked for.
    pub(crate) last_gather: Gate,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    New,
    Known,
    Full,
}

/// Members of a group drawn one after the other, each once, from an address on that is drawn by chance: nobody has to look
/// through all of them to find some.
#[derive(Debug)]
pub(crate) struct Draw {
    start: Address,
    /// Drawn last; `None` at the beginning and when it starts anew with the least address.
    last: Option<Address>,
    /// The largest address was passed.
    is_around: bool,
}

impl Draw {
    pub(crate) const fn from(start: Address) -> Self {
        Self { start, last: None, is_around: false }
    }
}

/// All subscriptions this node knows, also of networks it is not a member of (roots and controllers serve those).
#[derive(Debug)]
pub(crate) struct Subscriptions {
    seen: BTreeMap<Place, Mono>,
    known: Share,
    strangers: Share,
    groups: BTreeMap<(NetworkId, MulticastGroup), Group>,
    expiry: Sweep<Place>,
    group_expiry: Sweep<(NetworkId, MulticastGroup)>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self::with_shares(Share::new(KNOWN.0, KNOWN.1), Share::new(STRANGERS.0, STRANGERS.1))
    }
}

impl Subscriptions {
    const fn with_shares(known: Share, strangers: Share) -> Self {
        Self {
            seen: BTreeMap::new(),
            known,
            strangers,
            groups: BTreeMap::new(),
            expiry: Sweep::over(),
            group_expiry: Sweep::over(),
        }
    }

    fn share(&mut self, standing: Standing) -> &mut Share {
        match standing {
            Standing::Known => &mut self.known,
            Standing::Stranger => &mut self.strangers,
        }
    }

    /// Adds or refreshes a subscription.
    pub(crate) fn add(
        &mut self,
        now: Mono,
        network: NetworkId,
        group: MulticastGroup,
        member: Address,
        standing: Standing,
    ) -> Added {
        let (place, holding) = (place(network, group, member), holding(network, group, member));
        let held = self.seen.contains_key(&place);
        let moves = held && standing == Standing::Known && self.strangers.contains(&holding);
        if held && !moves {
            // Who was known and no longer is gets no more time on the places of the known.
            if standing == Standing::Known || self.strangers.contains(&holding) {
                self.seen.insert(place, now);
            }
            return Added::Known;
        }
        match self.share(standing).room(member) {
            Room::Free => {}
            Room::Instead(other) => self.displace(standing, &other),
            Room::None => return if held { Added::Known } else { Added::Full },
        }
        if moves {
            self.strangers.remove(&holding);
        }
        self.share(standing).insert(holding);
        self.seen.insert(place, now);
        if held { Added::Known } else { Added::New }
    }

    fn displace(&mut self, standing: Standing, other: &Holding) {
        self.share(standing).remove(other);
        self.seen.remove(&place_of(other));
    }

    /// Removes one subscription.
    pub(crate) fn remove(&mut self, network: NetworkId, group: MulticastGroup, member: Address) {
        self.drop_place(&place(network, group, member));
    }

    fn drop_place(&mut self, place: &Place) {
        if self.seen.remove(place).is_some() {
            self.leave_share(place);
        }
    }

    fn leave_share(&mut self, place: &Place) {
        let holding = holding_of(place);
        let _ = self.known.remove(&holding) || self.strangers.remove(&holding);
    }

    /// Subscribers of a group in order of address.
    pub(crate) fn members(&self, network: NetworkId, group: MulticastGroup) -> impl Iterator<Item = Address> + '_ {
        let first = place(network, group, Address::new(0));
        let last = place(network, group, Address::new(u64::MAX));
        self.seen.range(first..=last).map(|(place, _)| subscriber(place))
    }

    /// Draws the next members of a group: at most so many, put to the end of `list`. False: everybody was drawn.
    pub(crate) fn draw(
        &self,
        (network, group): (NetworkId, MulticastGroup),
        draw: &mut Draw,
        most: usize,
        list: &mut Vec<Address>,
    ) -> bool {
        let before = list.len();
        let at = |address| place(network, group, address);
        if !draw.is_around {
            let first = draw.last.map_or(Bound::Included(at(draw.start)), |last| Bound::Excluded(at(last)));
            let rest = self.seen.range((first, Bound::Included(at(Address::new(u64::MAX)))));
            list.extend(rest.map(|(place, _)| subscriber(place)).take(most));
            draw.is_around = list.len() - before < most;
            draw.last = if draw.is_around { None } else { list.last().copied() };
        }
        if draw.is_around {
            let first = draw.last.map_or(Bound::Included(at(Address::new(0))), |last| Bound::Excluded(at(last)));
            if first_is_before(&first, &at(draw.start)) {
                let rest = self.seen.range((first, Bound::Excluded(at(draw.start))));
                let room = most - (list.len() - before);
                let begin = list.len();
                list.extend(rest.map(|(place, _)| subscriber(place)).take(room));
                if list.len() > begin {
                    draw.last = list.last().copied();
                }
            }
        }
        list.len() > before
    }

    /// True when the subscriber was more than a stranger when it said so.
    pub(crate) fn is_known(&self, network: NetworkId, group: MulticastGroup, member: Address) -> bool {
        self.known.contains(&holding(network, group, member))
    }

    /// True when this member listens to the group.
    pub(crate) fn has(&self, network: NetworkId, group: MulticastGroup, member: Address) -> bool {
        self.seen.contains_key(&place(network, group, member))
    }

    /// What we do with a group.
    pub(crate) fn group(&self, network: NetworkId, group: MulticastGroup) -> Option<&Group> {
        self.groups.get(&(network, group))
    }

    /// The same, made when there is none; `None` when the table is full.
    pub(crate) fn group_mut(&mut self, network: NetworkId, group: MulticastGroup) -> Option<&mut Group> {
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&(network, group)) {
            return None;
        }
        Some(self.groups.entry((network, group)).or_default())
    }

    /// The same if there is one.
    pub(crate) fn known_mut(&mut self, network: NetworkId, group: MulticastGroup) -> Option<&mut Group> {
        self.groups.get_mut(&(network, group))
    }

    /// Groups of a network in which frames wait.
    pub(crate) fn waiting(&self, network: NetworkId) -> Vec<MulticastGroup> {
        let first = MulticastGroup { mac: Mac::ZERO, adi: 0 };
        let last = MulticastGroup { mac: Mac::BROADCAST, adi: u32::MAX };
        let all = self.groups.range((network, first)..=(network, last));
        all.filter(|(_, state)| !state.queue.is_empty()).map(|((_, group), _)| *group).collect()
    }

    /// What was not refreshed is to be forgotten, and what is of no use any more: [`Subscriptions::expire`] does it, in parts.
    pub(crate) fn begin_expiry(&mut self, now: Mono) {
        self.expiry.begin(now);
        self.group_expiry.begin(now);
    }

    /// Since when the next part is due.
    pub(crate) fn expiry(&self) -> Option<Mono> {
        self.expiry.due().or(self.group_expiry.due())
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        let old = |seen: Mono| now.saturating_since(seen) >= LIFETIME;
        let gone = self.expiry.part(&mut self.seen, |_, seen| if old(*seen) { Look::Goes } else { Look::Stays });
        for (place, _) in gone {
            self.leave_share(&place);
        }
        self.group_expiry.part(&mut self.groups, |_, group| {
            group.queue.retain(|frame| frame.is_alive(now));
            let is_used = !group.last_gather.is_open(now, LIFETIME) || !group.queue.is_empty();
            if is_used { Look::Stays } else { Look::Goes }
        });
    }

    /// Forgets a network that was left (its own queued frames with it).
    pub(crate) fn forget(&mut self, network: NetworkId) {
        let first = place(network, MulticastGroup { mac: Mac::ZERO, adi: 0 }, Address::new(0));
        let gone = self.seen.range(first..).map(|(place, _)| *place);
        let gone: Vec<_> = gone.take_while(|place| place[..8] == first[..8]).collect();
        for place in gone {
            self.drop_place(&place);
        }
        self.groups.retain(|(id, _), _| *id != network);
    }

    /// Number of subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn first_is_before(first: &Bound<Place>, end: &Place) -> bool {
    match first {
        Bound::Included(first) | Bound::Excluded(first) => first < end,
        Bound::Unbounded => true,
    }
}

/// Network, group and member in 23 bytes, so that the subscribers of a group stand together.
type Place = [u8; 23];

fn place(network: NetworkId, group: MulticastGroup, member: Address) -> Place {
    let mut place = [0; 23];
    place[..8].copy_from_slice(&network.0.to_be_bytes());
    place[8..14].copy_from_slice(&group.mac.0);
    place[14..18].copy_from_slice(&group.adi.to_be_bytes());
    place[18..].copy_from_slice(&member.to_bytes());
    place
}

fn holding(network: NetworkId, group: MulticastGroup, member: Address) -> Holding {
    holding_of(&place(network, group, member))
}

fn holding_of(place: &Place) -> Holding {
    let mut holding = *place;
    holding.rotate_right(5);
    holding
}

fn place_of(holding: &Holding) -> Place {
    let mut place = *holding;
    place.rotate_left(5);
    place
}

fn subscriber(place: &Place) -> Address {
    Address::from_bytes(place[18..].try_into().expect("five bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NET: NetworkId = NetworkId(0x6250_c6cc_f300_0001);
    const FOREIGN: NetworkId = NetworkId(0x1122_3344_5500_0001);

    fn group(adi: u32) -> MulticastGroup {
        MulticastGroup { adi, ..MulticastGroup::BROADCAST }
    }

    fn expire(table: &mut Subscriptions, now: Mono) {
        table.begin_expiry(now);
        while table.expiry().is_some() {
            table.expire(now);
        }
    }

    #[test]
    fn subscriptions_last_600_seconds() {
        let mut table = Subscriptions::default();
        let member = Address::new(5);
        let add = |table: &mut Subscriptions, at| table.add(Mono(at), NET, group(0), member, Standing::Known);
        assert_eq!(add(&mut table, 0), Added::New);
        assert_eq!(add(&mut table, 1_000_000), Added::Known);
        expire(&mut table, Mono(600_500_000));
        assert_eq!(table.len(), 1);
        expire(&mut table, Mono(601_000_000));
        assert_eq!((table.len(), table.known.len()), (0, 0));
    }

    #[test]
    fn one_member_has_a_limit() {
        for (standing, each) in [(Standing::Known, KNOWN.1), (Standing::Stranger, STRANGERS.1)] {
            let mut table = Subscriptions::default();
            for adi in 0..each {
                assert_eq!(table.add(Mono(0), NET, group(adi), Address::new(5), standing), Added::New);
            }
            assert_eq!(table.add(Mono(0), NET, group(each), Address::new(5), standing), Added::Full);
            assert_eq!(table.add(Mono(0), NET, group(each), Address::new(6), standing), Added::New);
            table.remove(NET, group(each), Address::new(6));
            assert_eq!(table.members(NET, group(0)).collect::<Vec<_>>(), [Address::new(5)]);
            table.forget(NET);
            assert_eq!((table.len(), table.known.len(), table.strangers.len()), (0, 0, 0));
        }
    }

    /// What was seen in use: 70 identities filled the one table of then, and members that came later were unreachable.
    #[test]
    fn a_crowd_of_strangers_takes_nothing_from_members_and_newcomers() {
        let mut table = Subscriptions::default();
        for member in 0..400 {
            for adi in 0..STRANGERS.1 {
                table.add(Mono(0), FOREIGN, group(adi), Address::new(0x1000 + member), Standing::Stranger);
            }
        }
        assert_eq!(table.len(), STRANGERS.0, "bounded, whatever comes");
        // Strangers that come later, each with a few groups, as a root has them.
        for member in 0..500 {
            for adi in 0..8 {
                let added = table.add(Mono(0), FOREIGN, group(adi), Address::new(member), Standing::Stranger);
                assert_eq!(added, Added::New, "{member} {adi}");
            }
        }
        // Members of own and authorised networks do not even notice.
        for member in 0..4_000 {
            let added = table.add(Mono(0), NET, group(member), Address::new(u64::from(member)), Standing::Known);
            assert_eq!(added, Added::New);
        }
        assert_eq!(table.len(), STRANGERS.0 + 4_000);
    }

    #[test]
    fn who_becomes_known_moves_to_the_other_share() {
        let mut table = Subscriptions::default();
        let member = Address::new(5);
        table.add(Mono(0), NET, group(0), member, Standing::Stranger);
        assert!(!table.is_known(NET, group(0), member));
        assert_eq!(table.add(Mono(1), NET, group(0), member, Standing::Known), Added::Known);
        assert!(table.is_known(NET, group(0), member));
        assert_eq!((table.strangers.len(), table.known.len()), (0, 1));
        // And does not stay there by what it says as a stranger.
        table.add(Mono(500_000_000), NET, group(0), member, Standing::Stranger);
        expire(&mut table, Mono(600_000_001));
        assert_eq!(table.len(), 0);
    }

    proptest! {
        /// Small shares, so that they are full most of the time.
        #[test]
        fn shares_are_fair_and_bounded(
            steps in proptest::collection::vec((0_u64..12, 0_u32..12, any::<bool>(), 0_u8..10), 1..400),
        ) {
            let mut table = Subscriptions::with_shares(Share::new(24, 8), Share::new(24, 8));
            let mut time = 0;
            for (member, adi, known, what) in steps {
                time += 1_000_000;
                let (member, now) = (Address::new(member), Mono(time));
                let standing = if known { Standing::Known } else { Standing::Stranger };
                let others = if known { table.strangers.len() } else { table.known.len() };
                match what {
                    0 => table.remove(NET, group(adi), member),
                    _ => {
                        let held = |t: &Subscriptions, m| {
                            let all = (0..12).filter(|adi| t.share_of(standing).contains(&holding(NET, group(*adi), m)));
                            all.count()
                        };
                        let before = held(&table, member);
                        let added = table.add(now, NET, group(adi), member, standing);
                        if added == Added::Full {
                            let most = (0..12).map(|m| held(&table, Address::new(m))).max().unwrap_or(0);
                            prop_assert!(before == 8 || most <= before + 1, "{before} refused, {most} kept");
                        }
                        if !known {
                            prop_assert_eq!(table.known.len(), others, "strangers displace nobody who is known");
                        }
                        prop_assert!(added == Added::Full || table.has(NET, group(adi), member));
                    }
                }
                prop_assert!(table.known.len() <= 24 && table.strangers.len() <= 24);
                prop_assert_eq!(table.known.len() + table.strangers.len(), table.len());
            }
        }
    }

    impl Subscriptions {
        fn share_of(&self, standing: Standing) -> &Share {
            if standing == Standing::Known { &self.known } else { &self.strangers }
        }
    }

    #[test]
    fn everybody_is_drawn_once_wherever_it_starts_and_however_many_at_a_time() {
        let mut table = Subscriptions::default();
        for n in 1..=100u64 {
            for group in [group(1), group(2)] {
                table.add(Mono(1), NET, group, Address::new(n * 10), Standing::Known);
            }
        }
        for (start, most) in
            [(0, 1), (5, 7), (500, 100), (500, 101), (505, 33), (1000, 10), (1001, 64), ((1 << 40) - 1, 3)]
        {
            let (mut draw, mut list) = (Draw::from(Address::new(start)), Vec::new());
            loop {
                let before = list.len();
                let more = table.draw((NET, group(1)), &mut draw, most, &mut list);
                assert!(list.len() - before <= most && more == (list.len() > before));
                if !more {
                    break;
                }
            }
            assert!(list.len() == 100 && list[0].as_u64() >= start.min(10), "from {start}, {most} at a time");
            list.sort_unstable();
            assert_eq!(list, table.members(NET, group(1)).collect::<Vec<_>>());
        }
    }
}
