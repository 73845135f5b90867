//! One joined network, member side: life cycle, status, configuration, announcements.

pub(super) mod announce;
pub(super) mod filing;
mod filter;
pub(super) mod frame;
mod gate;
pub(super) mod multicast;
pub(super) mod push;
mod receive;
pub(super) mod trace;
pub mod why;

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use zt_wire::gate::Gate;
use zt_wire::ident::{Address, Mac, MulticastGroup, NetworkId};
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::time::{Mono, Now};
use zt_wire::verb::NetworkConfigRequest;

use super::adhoc;
use super::assembly::Assembly;
use super::bridge::Bridges;
use super::carrier::{Carrier, SendOptions, Vl2Event};
use super::drop_reason::DropReason;
use super::frame_counts::FrameCounts;
use super::groups::Groups;
use super::held::Held;
use super::managed::{Managed, Settings};
use super::membership::{Member, Members};
use super::pending::Pending;
use super::request::{self, Polling};
use super::rule_counters::RuleCounters;
use super::shared::Shared;
use super::sweep::Effort;
use crate::config::NetworkConfig;
use crate::rules::script::explain::statement;
use announce::Announcing;

/// Status of a network as shown to users (04 §2.2), with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NetworkStatus {
    /// No failure and no configuration yet.
    RequestingConfiguration = 0,
    /// A configuration is present and frames pass.
    Ok = 1,
    /// The controller refused, or our own certificate was revoked.
    AccessDenied = 2,
    /// The controller does not know the network, or is no controller.
    NotFound = 3,
    /// The virtual port could not be made.
    PortError = 4,
    /// The network wants a newer node. Neither the reference nor this implementation ever shows it, but every tool
    /// knows it.
    ClientTooOld = 5,
    /// The controller asks for external sign-on.
    AuthenticationRequired = 6,
}

impl NetworkStatus {
    /// All states, by number.
    pub const ALL: [Self; 7] = [
        Self::RequestingConfiguration,
        Self::Ok,
        Self::AccessDenied,
        Self::NotFound,
        Self::PortError,
        Self::ClientTooOld,
        Self::AuthenticationRequired,
    ];

    /// The text of the status, as in the HTTP API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestingConfiguration => "REQUESTING_CONFIGURATION",
            Self::Ok => "OK",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::PortError => "PORT_ERROR",
            Self::ClientTooOld => "CLIENT_TOO_OLD",
            Self::AuthenticationRequired => "AUTHENTICATION_REQUIRED",
        }
    }
}

impl core::fmt::Display for NetworkStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The last answer of the controller, when it was a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Access denied.
    AccessDenied,
    /// Not found, or the asked node is no controller.
    NotFound,
    /// External sign-on is required.
    AuthenticationRequired(Authentication),
}

/// How to sign on, from an AUTHENTICATION_REQUIRED error (04 §2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// Version of the sign-on scheme, 0 or 1.
    pub version: u64,
    /// Version 0: complete URL to show.
    pub url: String,
    /// Version 1: OIDC issuer URL.
    pub issuer: String,
    /// Version 1: URL of the central endpoint.
    pub central: String,
    /// Version 1: nonce.
    pub nonce: String,
    /// Version 1: state.
    pub state: String,
    /// Version 1: OIDC client ID.
    pub client: String,
    /// Version 1: provider name.
    pub provider: String,
}

/// Where a configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Saved text: taken as outdated.
    Saved,
    /// An answer to our own request.
    Answer,
    /// Pushed by, or on behalf of, the controller.
    Push,
    /// Made here (ad-hoc networks): not saved.
    Own,
}

/// How often groups are announced, and members looked after.
pub(crate) const TICK: Duration = Duration::from_millis(5_000);
/// Least time between two requests to the controller that others' certificates cause: anybody can show old ones.
const DOUBT: Duration = Duration::from_millis(5_000);

/// One joined network.
#[derive(Debug)]
pub struct Network {
    pub(crate) id: NetworkId,
    pub(crate) own: Address,
    pub(crate) mac: Mac,
    pub(crate) held: Held,
    pub(crate) members: Members,
    pending: Pending,
    pub(crate) bridges: Bridges,
    pub(crate) assembly: Assembly,
    failure: Option<Failure>,
    port_error: Option<i32>,
    polling: Polling,
    pub(super) groups: Groups,
    announcing: Announcing,
    doubted: Gate,
    frames: FrameCounts,
}

impl Network {
    pub(crate) fn new(now: Now, id: NetworkId, own: Address) -> Self {
        Self {
            id,
            own,
            mac: Mac::for_member(own, id),
            held: Held::default(),
            members: Members::default(),
            pending: Pending::default(),
            bridges: Bridges::default(),
            assembly: Assembly::default(),
            failure: None,
            port_error: None,
            polling: Polling::new(now.mono),
            groups: Groups::default(),
            announcing: Announcing::new(now.mono + TICK),
            doubted: Gate::OPEN,
            frames: FrameCounts::default(),
        }
    }

    /// The network.
    pub fn id(&self) -> NetworkId {
        self.id
    }

    /// Our MAC on it.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Status to show (04 §2.2).
    pub fn status(&self) -> NetworkStatus {
        if self.port_error.is_some() {
            return NetworkStatus::PortError;
        }
        match &self.failure {
            Some(Failure::AccessDenied) => NetworkStatus::AccessDenied,
            Some(Failure::NotFound) => NetworkStatus::NotFound,
            Some(Failure::AuthenticationRequired(_)) => NetworkStatus::AuthenticationRequired,
            None if self.held.config.is_none() => NetworkStatus::RequestingConfiguration,
            // Deliberate (04 §2.2): a network that passes nothing is not OK.
            None if self.held.is_self_revoked() => NetworkStatus::AccessDenied,
            None => NetworkStatus::Ok,
        }
    }

    /// The configuration in use.
    pub fn config(&self) -> Option<&NetworkConfig> {
        self.held.config.as_ref()
    }

    /// Error code of the virtual port, when it could not be made.
    pub fn port_error(&self) -> Option<i32> {
        self.port_error
    }

    /// The last refusal of the controller.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// True when no frame of this node can pass: neither the rules of the network nor a capability of ours accept any.
    /// The status says nothing of it (04 §2.2): such a network is OK, and useless.
    pub fn passes_nothing(&self) -> bool {
        let accepts = |rule: &Rule| matches!(rule.kind, RuleKind::Accept | RuleKind::Priority | RuleKind::Redirect(_));
        self.held.config.as_ref().is_some_and(|config| {
            let capabilities = config.capabilities.iter().flat_map(|capability| capability.rules.iter());
            !config.rules.iter().chain(capabilities).any(accepts)
        })
    }

    /// The deciding statements of [`rule_counters`](Self::rule_counters) in the words of the rule language.
    pub fn statement(&self, rule: usize) -> String {
        self.held.config.as_ref().map_or_else(String::new, |config| statement(&config.rules, rule, &[]))
    }

    /// How often which rule decided, since the rules changed last.
    pub fn rule_counters(&self) -> &RuleCounters {
        &self.held.decisions
    }

    /// Frames by what the rules said of them, since the network was joined.
    pub fn frame_counts(&self) -> FrameCounts {
        self.frames
    }

    /// When a different configuration was last accepted from the controller; `None` since the start.
    pub fn last_update(&self) -> Option<Mono> {
        self.held.last_update
    }

    /// The groups this node subscribes to: those of the port, those of hosts behind us, and broadcast when enabled.
    pub fn groups(&self) -> impl Iterator<Item = MulticastGroup> + '_ {
        let broadcast = self.hears_broadcast() && !self.groups.contains(MulticastGroup::BROADCAST);
        self.groups.iter().chain(broadcast.then_some(MulticastGroup::BROADCAST))
    }

    /// True when this node wants frames of the group.
    pub(crate) fn is_subscribed(&self, group: MulticastGroup) -> bool {
        self.groups.contains(group) || (group == MulticastGroup::BROADCAST && self.hears_broadcast())
    }

    fn hears_broadcast(&self) -> bool {
        self.held.config.as_ref().is_some_and(NetworkConfig::broadcast_enabled)
    }

    /// What is known of other members, by address.
    pub fn members(&self) -> impl Iterator<Item = (Address, &Member)> {
        self.members.iter()
    }

    /// Number of membership records.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Number of MACs known behind bridges.
    pub fn bridge_route_count(&self) -> usize {
        self.bridges.len()
    }

    /// What the host should have because of this network (04 §10). `online`: the node reaches
    /// a root; `on_port`: addresses that others put on the port.
    pub fn managed(&self, settings: &Settings, on_port: &[IpAddr], online: bool) -> Managed {
        Managed::new(self.mac, self.held.config.as_ref(), settings, on_port, online)
    }

    pub(crate) fn next_timeout(&self) -> (Mono, &'static str) {
        let request = (self.polling.next(), "network configuration request");
        let tick = (self.announcing.next_tick, "network announcements");
        let rest = self.pending.next().map(|at| (at, "credentials of members"));
        let members = self.announcing.due().map(|at| (at, "more members"));
        let bridges = self.bridges.expiry().map(|at| (at, "hosts behind bridges"));
        let all = [Some(request), Some(tick), rest, members, bridges];
        all.into_iter().flatten().min_by_key(|(at, _)| *at).unwrap_or(tick)
    }

    pub(crate) fn handle_timeout(&mut self, shared: &mut Shared, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        effort.spend(1);
        if self.polling.next() <= now.mono {
            self.request(shared, now, c);
        }
        self.push_rest(now, effort, c);
        self.ask_again(shared, now, effort, c);
        if self.announcing.next_tick <= now.mono {
            self.announcing.next_tick = now.mono + TICK;
            self.groups.expire(now.mono);
            self.bridges.begin_expiry(now.mono);
            self.announce(now, effort, c);
        } else {
            self.tend_members(now, effort, c);
        }
        self.tell_news(effort, c);
        let config = self.held.config.as_ref();
        self.bridges.expire(now.mono, |address| config.is_some_and(|c| c.is_active_bridge(address)));
    }

    /// Asks the controller (04 §2.3), or makes the configuration of an ad-hoc network.
    pub(crate) fn request(&mut self, shared: &mut Shared, now: Now, c: &mut dyn Carrier) {
        self.polling.asked(now.mono);
        if self.id.is_ad_hoc() {
            self.polling.accepted(now.mono, self.refresh());
            match adhoc::configuration(self.id, self.own, now.unix_ms) {
                adhoc::AdHoc::Config(config) if self.held.config.is_none() => {
                    // It is for this node and network by construction.
                    let _ = self.apply(shared, now, *config, Origin::Own, c);
                }
                adhoc::AdHoc::Invalid => self.fail(shared, now, Failure::NotFound),
                adhoc::AdHoc::Config(_) | adhoc::AdHoc::Unknown => {}
            }
            return;
        }
        let metadata = request::metadata(shared.version);
        if self.id.controller() == self.own {
            shared.events.push(Vl2Event::RequestOwnController { network: self.id, metadata });
            return;
        }
        let (revision, timestamp) =
            self.held.config.as_ref().map_or((0, 0), |config| (config.revision, config.timestamp as u64));
        let body = NetworkConfigRequest {
            network: self.id,
            metadata: Some(&metadata),
            revision: Some(revision),
            timestamp: Some(timestamp),
            rest: &[],
        };
        c.send(self.id.controller(), &body, SendOptions { compress: true, expect_reply: true });
    }

    /// Takes a configuration (04 §2.6).
    pub(crate) fn apply(
        &mut self,
        shared: &mut Shared,
        now: Now,
        config: NetworkConfig,
        origin: Origin,
        c: &mut dyn Carrier,
    ) -> Result<(), DropReason> {
        if config.issued_to != self.own || config.network != self.id {
            return Err(DropReason::ConfigForOther);
        }
        let current = self.held.config.as_ref();
        if current == Some(&config) {
            if origin == Origin::Answer {
                self.polling.accepted(now.mono, self.refresh());
                self.clear_failure(shared);
            }
            return Ok(());
        }
        // Deliberate (04 §2.6): recorded pushes cannot take us back.
        if origin == Origin::Push && current.is_some_and(|current| config.timestamp < current.timestamp) {
            // But a controller whose clock was set back is believed when asked.
            self.doubt(now);
            return Err(DropReason::ConfigOlder);
        }
        // Groups announced before the controller was reached, from a saved configuration, may have gone nowhere.
        let first = current.is_none() || self.held.last_update.is_none();
        if matches!(origin, Origin::Answer | Origin::Push) {
            shared.events.push(Vl2Event::Persist { network: self.id, text: config.to_text() });
        }
        self.held.replace(config);
        self.failure = None;
        if origin != Origin::Saved {
            self.held.last_update = Some(now.mono);
            self.polling.accepted(now.mono, self.refresh());
        }
        shared.events.push(Vl2Event::ConfigUpdated { network: self.id });
        if first {
            self.announcing.upstream.reopen();
            self.announce(now, &mut Effort::of_a_call(), c);
        }
        Ok(())
    }

    /// Notes a refusal of the controller.
    pub(crate) fn fail(&mut self, shared: &mut Shared, now: Now, failure: Failure) {
        if self.id.is_ad_hoc() {
            // Nobody can answer otherwise.
            self.polling.accepted(now.mono, self.refresh());
        } else {
            self.polling.refused(now.mono);
        }
        if self.failure.as_ref() != Some(&failure) {
            self.failure = Some(failure);
            shared.events.push(Vl2Event::ConfigUpdated { network: self.id });
        }
    }

    fn clear_failure(&mut self, shared: &mut Shared) {
        if self.failure.take().is_some() {
            shared.events.push(Vl2Event::ConfigUpdated { network: self.id });
        }
    }

    pub(crate) fn set_port_error(&mut self, shared: &mut Shared, code: Option<i32>) {
        if self.port_error != code {
            self.port_error = code;
            shared.events.push(Vl2Event::ConfigUpdated { network: self.id });
        }
    }

    /// The node reaches a root, perhaps again: what waited for that is done at once.
    pub(crate) fn handle_online(&mut self, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        self.announcing.upstream.reopen();
        if effort.is_spent() {
            self.announcing.next_tick = now.mono;
        } else {
            self.announce(now, effort, c);
        }
        let stale = self.held.last_update.is_none_or(|at| now.mono.saturating_since(at) >= self.refresh());
        if !self.id.is_ad_hoc() && (stale || self.failure.is_some()) {
            self.polling.hurry(now.mono);
        }
    }

    /// Low-bandwidth mode (03 §14).
    pub(crate) fn set_low_bandwidth(&mut self, now: Now, low: bool) {
        if self.polling.set_low_bandwidth(low) {
            self.polling.within(now.mono, self.refresh());
        }
    }

    pub(super) const fn is_low_bandwidth(&self) -> bool {
        self.polling.is_low_bandwidth()
    }

    /// How long a configuration is taken as fresh. In low-bandwidth mode 64 times longer, but for half of the time for which
    /// members believe each other's certificates at most: then they are renewed before anybody doubts ours.
    fn refresh(&self) -> Duration {
        let usual = request::REFRESH;
        match self.held.window().filter(|_| self.is_low_bandwidth()) {
            Some(window) => Duration::from_millis(window / 2).clamp(usual, usual * 64),
            None => usual,
        }
    }

    /// Something that the controller signed is of another time than our configuration: one of the two is out of date,
    /// and the controller knows which.
    pub(crate) fn doubt(&mut self, now: Now) {
        if self.doubted.pass(now.mono, DOUBT) {
            self.hurry(now);
        }
    }

    /// A hint that the controller may answer otherwise than last time.
    pub(crate) fn hurry(&mut self, now: Now) {
        self.polling.hurry(now.mono);
    }

    /// Takes the groups of the port; new ones are announced at once.
    pub(crate) fn set_tap_groups(&mut self, groups: &[MulticastGroup], c: &mut dyn Carrier) {
        let before: BTreeSet<_> = self.groups().collect();
        self.groups.set_port(groups);
        let new: Vec<_> = self.groups.iter().filter(|group| !before.contains(group)).collect();
        self.announce_new(&new, c);
    }

    /// Notes a group of a host bridged behind us.
    pub(crate) fn note_bridged_group(&mut self, now: Now, group: MulticastGroup, c: &mut dyn Carrier) {
        let new = !self.is_subscribed(group);
        if self.groups.note_bridged(now.mono, group) && new {
            self.announce_new(&[group], c);
        }
    }

    /// Nodes of the configuration with one of these roles.
    pub(crate) fn specialists(&self, roles: u64) -> impl Iterator<Item = Address> + '_ {
        self.held.config.iter().flat_map(move |config| config.specialists_with(roles))
    }
}
