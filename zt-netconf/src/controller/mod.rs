//! The network controller: decides who is a member of which network, and signs configurations (05).
//!
//! A machine beside the packet loop. Requests and calls of the API go in; what is to be written and sent comes out
//! of [`Controller::poll_output`]. Whoever owns the disk writes each [`ControllerOutput::Commit`] and confirms it with
//! [`Controller::handle_committed`]; nothing that depends on a change leaves before that. The records found in
//! the store at start, and what somebody else changes there, go in through [`Controller::load`] and
//! [`Controller::handle_change`].
//!
//! ```text
//! load(record)* → start() → handle_request / command / handle_change / handle_timeout
//!                           poll_output → Commit → (written) → handle_committed → poll_output → Send, Local
//! ```
//!
//! | File | What it holds |
//! |---|---|
//! | `command`, `check` | what an administrator asks, by types |
//! | `network`, `member`, `patch`, `verbatim` | networks and members by their types, changes of them |
//! | `record`, `journal`, `elsewhere` | what is stored, changes not yet written, changes made by others |
//! | `state`, `candidates`, `presence` | records in memory, who asks to be a member, who asked when |
//! | `serve`, `assign`, `issue`, `revoke` | what a request is answered |
//! | `stamps`, `counts` | the clock of what is signed; what is counted |
//! | `json`, `rules_json` | the HTTP interface as a function, its objects, how its values are coerced |

mod assign;
mod candidates;
mod check;
mod command;
mod counts;
mod decision;
mod elsewhere;
mod issue;
mod journal;
pub(crate) mod json;
mod member;
mod network;
mod patch;
mod presence;
mod record;
mod revoke;
pub(crate) mod rules_json;
mod serve;
mod stamps;
mod state;
mod verbatim;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{Entropy, SecretIdentity};
use zt_wire::credential::revocation::Revocation;
use zt_wire::cursor::{Emit, Writer};
use zt_wire::error::BufferFull;
use zt_wire::ident::{Address, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::inet::InetAddress;
use zt_wire::time::{Mono, Now};
use zt_wire::verb::{Body, Verb};

pub use command::{Answer, Answered, Command, CommandError, NetworkSummary};
pub use counts::ControllerCounts;
pub use decision::Decision;
pub use json::ApiOutcome;
pub use member::{Binding, Member};
pub use network::{AssignV6, Dns, MAX_RULES_SOURCE, Network, NetworkCapability, NetworkTag, Pool, Route};
pub use patch::{MemberPatch, NetworkPatch};
pub use record::{Change, Key, Record, Version};
pub use serve::Unserved;
pub use verbatim::Verbatim;

use journal::{Before, Journal};
use presence::Presence;
use revoke::Revocations;
use stamps::Stamps;
use state::NetworkState;

/// How often who went offline is forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// How often the clock is looked at for a step while members are online.
const LOOK: Duration = Duration::from_secs(2);

/// A configuration request that arrived (04 §2.3).
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The network asked for.
    pub network: NetworkId,
    /// The authenticated sender.
    pub from: Identity,
    /// Where the packet came from, when it came directly.
    pub from_path: Option<InetAddress>,
    /// ID of the request packet; `None` for a request of this node itself.
    pub packet: Option<PacketId>,
    /// Metadata dictionary (04 §2.4); only the first 1,023 bytes are read.
    pub metadata: &'a [u8],
}

/// Something the owner has to do.
#[derive(Clone, Debug)]
pub enum ControllerOutput {
    /// Write these objects durably, in the order of the numbers; then call [`Controller::handle_committed`], or
    /// [`Controller::handle_commit_failed`].
    Commit {
        /// Number of the commit, ascending.
        seq: u64,
        /// What to write.
        changes: Vec<Change>,
    },
    /// Send a packet to a node.
    Send {
        /// The receiver, never this node.
        to: Address,
        /// The network it is about.
        network: NetworkId,
        /// What it is.
        kind: SendKind,
        /// The packet's payload.
        body: Encoded,
    },
    /// The answer for this node itself, which is a member of its own network.
    Local {
        /// The network.
        network: NetworkId,
        /// Configuration or refusal.
        answer: OwnAnswer,
    },
    /// A revocation for this node itself.
    LocalRevocation {
        /// The signed revocation.
        revocation: Revocation,
    },
}

/// What kind of packet the controller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SendKind {
    /// One chunk of a configuration in answer to a request: the receiver is authorised.
    Reply,
    /// One chunk of a configuration sent unasked: the receiver is authorised.
    Push,
    /// A refusal.
    Denied,
    /// Revocations of members.
    Revocations,
}

impl SendKind {
    /// True when the receiver was found to be authorised: it may use the multicast service of this node for 180 s
    /// (05 §5, 04 §7.4).
    #[must_use]
    pub fn authorises(self) -> bool {
        matches!(self, Self::Reply | Self::Push)
    }
}

/// The answer to a request of this node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnAnswer {
    /// Dictionary text of the configuration.
    Config(Vec<u8>),
    /// Access denied.
    Denied,
    /// No such network.
    NotFound,
    /// External sign-on is required.
    AuthenticationRequired,
}

/// A finished payload and its verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    verb: Verb,
    bytes: Vec<u8>,
}

impl Encoded {
    fn of(body: &dyn Body) -> Self {
        Self { verb: body.verb(), bytes: body.to_vec() }
    }

    /// The payload bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Emit for Encoded {
    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&self.bytes)
    }
}

impl Body for Encoded {
    fn verb(&self) -> Verb {
        self.verb
    }
}

/// Most decisions that wait to be told.
const MOST_DECISIONS: usize = 1024;

/// What happens once a commit is written.
#[derive(Debug)]
enum Effect {
    Output(ControllerOutput),
    PushNetwork(NetworkId),
    PushMember(NetworkId, Address),
    /// Void the certificates of a member, for everybody who is online.
    Revoke(NetworkId, Address),
    /// The same for all members of a network that goes away.
    Dissolve(NetworkId, Vec<Address>),
    Tell(Decision),
}

/// The controller of all networks whose ID begins with this node's address.
pub struct Controller {
    own: Arc<SecretIdentity>,
    entropy: Box<dyn Entropy + Send>,
    ready: bool,
    networks: BTreeMap<NetworkId, NetworkState>,
    presence: Presence,
    journal: Journal<Effect>,
    /// Changes made elsewhere that wait for a commit of ours.
    elsewhere: VecDeque<Change>,
    outputs: VecDeque<ControllerOutput>,
    pushes: BTreeSet<(NetworkId, Address)>,
    revocations: Revocations,
    stamps: Stamps,
    /// End of a sign-on (Unix milliseconds) and whose.
    expiries: BTreeSet<(u64, NetworkId, Address)>,
    /// What an operator is to hear of.
    decisions: VecDeque<Decision>,
    next_sweep: Option<Mono>,
    looked: Mono,
    counts: ControllerCounts,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller")
            .field("own", &self.own)
            .field("ready", &self.ready)
            .field("networks", &self.networks.len())
            .finish_non_exhaustive()
    }
}

impl Controller {
    /// A controller without records that answers nothing until [`start`](Self::start).
    #[must_use]
    pub fn new(own: Arc<SecretIdentity>, entropy: Box<dyn Entropy + Send>) -> Self {
        Self {
            own,
            entropy,
            ready: false,
            networks: BTreeMap::new(),
            presence: Presence::default(),
            journal: Journal::new(),
            elsewhere: VecDeque::new(),
            outputs: VecDeque::new(),
            pushes: BTreeSet::new(),
            revocations: Revocations::default(),
            stamps: Stamps::default(),
            expiries: BTreeSet::new(),
            decisions: VecDeque::new(),
            next_sweep: None,
            looked: Mono::ZERO,
            counts: ControllerCounts::default(),
        }
    }

    /// Takes a record found in the store at start, networks before their members. Nothing is sent or written.
    /// `false`: it was ignored, because the network of a member is unknown.
    pub fn load(&mut self, record: Record) -> bool {
        match record {
            Record::Network(network) => {
                self.put_network(network.id, Some(network));
                true
            }
            Record::Member(member) => {
                let Some(state) = self.networks.get_mut(&member.network) else { return false };
                self.stamps.remember_member(&member);
                state.set_member(member.address, Some(member));
                true
            }
        }
    }

    /// Forgets a record that was removed before the start.
    fn unload(&mut self, key: Key) -> bool {
        match key {
            Key::Network(id) => self.networks.remove(&id).is_some(),
            Key::Member(id, address) => {
                self.networks.get_mut(&id).is_some_and(|n| n.set_member(address, None).is_some())
            }
        }
    }

    /// All stored objects are loaded: from now on requests are answered.
    pub fn start(&mut self) {
        self.ready = true;
    }

    /// True after [`start`](Self::start).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// All commits up to `seq` are written: what waited for them may leave.
    pub fn handle_committed(&mut self, now: Now, seq: u64) {
        for effect in self.journal.written(seq) {
            self.perform(now, effect);
        }
        self.take_waiting(now);
    }

    /// A commit could not be written: its changes are taken back, and what depended on them is not sent. The caller
    /// of the API, if it was one, must get an error (see [`ApiOutcome::not_stored`]).
    pub fn handle_commit_failed(&mut self, now: Now, seq: u64) {
        for (key, before) in self.journal.failed(seq) {
            match (key, before) {
                (Key::Network(id), Before::Network(object)) => _ = self.put_network(id, object),
                (Key::Member(id, address), Before::Member(member)) => match self.networks.get_mut(&id) {
                    Some(state) => _ = state.set_member(address, member),
                    None => self.journal.owe(key, Before::Member(member)),
                },
                _ => {}
            }
        }
        self.take_waiting(now);
    }

    /// The next thing that an operator is to hear of, which is written. What nobody takes is forgotten, the oldest first.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// The next thing to do. A configuration that is to be pushed is made and signed in this call, one per call, so
    /// that a change of a large network does not hold up the caller for long.
    pub fn poll_output(&mut self, now: Now) -> Option<ControllerOutput> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some((to, network, body)) = self.revocations.poll(now.mono) {
                return Some(ControllerOutput::Send { to, network, kind: SendKind::Revocations, body });
            }
            let (network, member) = self.pushes.pop_first()?;
            self.serve_push(now, network, member);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.next_sweep.is_some_and(|at| at <= now.mono) {
            self.presence.sweep(now.mono);
            self.next_sweep = None;
        }
        if self.next_sweep.is_none() {
            self.next_sweep = Some(now.mono + SWEEP);
        }
        self.look_at_clock(now);
        self.expire_sign_ons(now);
    }

    /// A clock that was set forward: members that got their certificates before and after would not agree, so all
    /// get new ones.
    fn look_at_clock(&mut self, now: Now) {
        self.looked = now.mono;
        if self.stamps.stepped(now) {
            let networks: Vec<_> = self.networks.keys().copied().collect();
            for network in networks {
                self.perform(now, Effect::PushNetwork(network));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`poll_output`](Self::poll_output) want to be called again,
    /// and why.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<(Mono, &'static str)> {
        if !self.outputs.is_empty() || !self.pushes.is_empty() {
            return Some((now.mono, "output"));
        }
        let sweep = self.next_sweep.map(|at| (at, "sweep"));
        let revocation = self.revocations.next_due().map(|at| (at, "revocation"));
        let expiry = self.expiries.first().map(|(at, ..)| {
            let wait = u64::try_from(now.unix_ms).map_or(*at, |t| at.saturating_sub(t));
            (now.mono + Duration::from_millis(wait), "sign-on expiry")
        });
        let clock = (!self.presence.is_empty()).then(|| (self.looked + LOOK, "clock"));
        [sweep, revocation, expiry, clock].into_iter().flatten().min()
    }

    /// The authorised member of a network that was given an address: who will answer when it is asked for, also if a
    /// restart made everybody forget who listens to what.
    #[must_use]
    pub fn holder(&self, network: NetworkId, ip: std::net::IpAddr) -> Option<Address> {
        self.networks.get(&network)?.holder(ip)
    }

    /// True when this controller asked a member for its traces (05 §9): its configuration of the network, or of any when none is
    /// named, names this node as their target.
    #[must_use]
    pub fn traces(&self, network: Option<NetworkId>, member: Address) -> bool {
        let own = self.own.address();
        let asked = |state: &NetworkState| {
            let member = state.member(member).filter(|member| member.authorized);
            member.is_some_and(|member| issue::trace(state.network(), member).is_some_and(|(target, _)| target == own))
        };
        match network {
            Some(network) => self.networks.get(&network).is_some_and(asked),
            None => self.networks.values().any(asked),
        }
    }

    /// Identities of all authorised members, as far as they are known.
    pub fn member_identities(&self) -> impl Iterator<Item = Identity> {
        let members = self.networks.values().flat_map(NetworkState::members).filter(|m| m.authorized);
        members.filter_map(|m| m.binding.identity().copied())
    }

    /// Number of networks, and of members of all networks.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.networks.len(), self.networks.values().map(NetworkState::member_count).sum())
    }

    /// What was done since the start.
    #[must_use]
    pub fn done(&self) -> ControllerCounts {
        self.counts
    }

    /// Configurations that wait to be made.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.pushes.len()
    }

    fn perform(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Output(output) => self.outputs.push_back(output),
            Effect::PushNetwork(network) => {
                let online: Vec<_> = self.presence.online_in(now.mono, network).map(|a| (network, a)).collect();
                self.pushes.extend(online);
            }
            Effect::PushMember(network, member) => {
                if self.presence.online(now.mono, network, member).is_some() {
                    self.pushes.insert((network, member));
                }
            }
            Effect::Revoke(network, member) => self.revoke(now, network, &[member]),
            Effect::Dissolve(network, members) => self.revoke(now, network, &members),
            Effect::Tell(decision) => {
                if self.decisions.len() == MOST_DECISIONS {
                    self.decisions.pop_front();
                }
                self.decisions.push_back(decision);
            }
        }
    }

    /// Sends an output now, or after the last change of its network is written.
    fn emit(&mut self, network: NetworkId, output: ControllerOutput) {
        let effect = Effect::Output(output);
        let left = match self.journal.last_of(network) {
            Some(seq) => self.journal.wait(seq, effect),
            None => Some(effect),
        };
        if let Some(Effect::Output(output)) = left {
            self.outputs.push_back(output);
        }
    }

    /// Replaces a network in memory; its members stay.
    fn put_network(&mut self, id: NetworkId, network: Option<Arc<Network>>) -> Option<Arc<Network>> {
        let Some(network) = network else {
            return self.networks.remove(&id).map(|n| Arc::clone(n.network()));
        };
        match self.networks.get_mut(&id) {
            Some(n) => Some(n.set_network(network)),
            None => {
                self.networks.insert(id, NetworkState::new(network));
                None
            }
        }
    }

    fn commit(&mut self, mut changes: Vec<Change>, before: Vec<(Key, Before)>, effects: Vec<Effect>) -> u64 {
        for change in &mut changes {
            let key = change.key();
            if let Key::Member(id, _) = key {
                change.set_within(self.networks.get(&id).map(|n| n.network().creation_time));
            }
            change.set_built_on(self.journal.undecided(key));
        }
        let seq = self.journal.add(before, effects);
        self.outputs.push_back(ControllerOutput::Commit { seq, changes });
        seq
    }

    /// Stores a network that differs from the one held (the caller has looked), and pushes it to its members.
    fn store_network(&mut self, mut new: Network) -> u64 {
        let id = new.id;
        let replaces = self.networks.get(&id).map(|n| n.network().record_version());
        new.set_revision(new.revision.max(replaces.map_or(0, |v| v.revision) + 1));
        self.counts.stored_networks += 1;
        self.counts.network_changes += u64::from(replaces.is_some());
        let new = Arc::new(new);
        let change = Change::Put { record: Record::Network(Arc::clone(&new)), replaces, within: None, built_on: None };
        let before = self.put_network(id, Some(new));
        let created = replaces.is_none().then_some(Effect::Tell(Decision::Created(id)));
        let effects = [Effect::PushNetwork(id)].into_iter().chain(created).collect();
        self.commit(vec![change], vec![(Key::Network(id), Before::Network(before))], effects)
    }

    /// Stores a member if it differs from the one held; `push` tells it the news (a request is answered anyway).
    fn store_member(&mut self, mut new: Member, mut effects: Vec<Effect>, push: bool) -> Option<u64> {
        let (id, address) = (new.network, new.address);
        let state = self.networks.get_mut(&id)?;
        let held = state.member(address);
        if held.is_some_and(|h| h.same_as(&new)) {
            return None;
        }
        let replaces = held.map(|h| h.record_version());
        new.revision = new.revision.max(replaces.map_or(0, |v| v.revision) + 1);
        effects.extend(Self::news_of_member(held.map(|h| &**h), &new, push));
        self.counts.member_stored(held.map(|h| h.authorized), new.authorized);
        let key = Key::Member(id, address);
        let new = Arc::new(new);
        let change = Change::Put { record: Record::Member(Arc::clone(&new)), replaces, within: None, built_on: None };
        let before = state.set_member(address, Some(new));
        Some(self.commit(vec![change], vec![(key, Before::Member(before))], effects))
    }

    /// Who has to hear of a change of a member; `push` tells the member itself.
    fn news_of_member(held: Option<&Member>, new: &Member, push: bool) -> Vec<Effect> {
        let mut news = Vec::new();
        if held.is_some_and(|h| h.authorized) && !new.authorized {
            news.push(Effect::Revoke(new.network, new.address));
        }
        if held.is_some_and(|h| h.active_bridge) != new.active_bridge {
            news.push(Effect::PushNetwork(new.network));
        } else if push && new.authorized {
            news.push(Effect::PushMember(new.network, new.address));
        }
        news.extend(Decision::of_member(held, new).map(Effect::Tell));
        news
    }

    /// Who has to hear that a member is gone.
    fn news_of_removal(old: &Member) -> Vec<Effect> {
        let revoked = old.authorized.then_some(Effect::Revoke(old.network, old.address));
        let push = old.active_bridge.then_some(Effect::PushNetwork(old.network));
        let told = Effect::Tell(Decision::Forgotten(old.network, old.address));
        revoked.into_iter().chain(push).chain([told]).collect()
    }

    /// Removes a member; its last state, and the number of the commit.
    fn delete_member(&mut self, id: NetworkId, address: Address) -> Option<(Arc<Member>, u64)> {
        let key = Key::Member(id, address);
        let old = self.networks.get_mut(&id)?.set_member(address, None)?;
        self.counts.member_removed(old.authorized);
        let effects = Self::news_of_removal(&old);
        let before = vec![(key, Before::Member(Some(Arc::clone(&old))))];
        let seq = self.commit(vec![Change::remove(key, old.record_version())], before, effects);
        Some((old, seq))
    }

    /// Removes a network with all members; its last object, and the number of the commit.
    fn delete_network(&mut self, id: NetworkId) -> Option<(Arc<Network>, u64)> {
        let state = self.networks.remove(&id)?;
        self.counts.stored_networks += 1;
        self.counts.dissolved_members += state.member_count() as u64;
        let network = Key::Network(id);
        let mut changes = vec![Change::remove(network, state.network().record_version())];
        let mut before = vec![(network, Before::Network(Some(Arc::clone(state.network()))))];
        let mut authorized = Vec::new();
        for m in state.members() {
            let key = Key::Member(id, m.address);
            changes.push(Change::remove(key, m.record_version()));
            before.push((key, Before::Member(Some(Arc::clone(m)))));
            if m.authorized {
                authorized.push(m.address);
            }
        }
        let seq =
            self.commit(changes, before, vec![Effect::Dissolve(id, authorized), Effect::Tell(Decision::Removed(id))]);
        Some((Arc::clone(state.network()), seq))
    }
}
