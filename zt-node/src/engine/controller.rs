//! The controller's seat in the engine: requests go in beside the packet loop, answers leave after their commit.

use super::carrier::OverVl1;
use super::{Engine, Outbox, Output};
use std::sync::Arc;
use zt_crypto::Entropy;
use zt_netconf::controller::{
    Answered, ApiOutcome, Change, Command, CommandError, Controller, ControllerOutput, OwnAnswer, Record, Request,
};
use zt_netconf::{Authentication, LocalAnswer};
use zt_peer::{Received, SendOptions};
use zt_wire::ether::{Arp, ETHERTYPE_ARP, EthernetRef};
use zt_wire::time::{Mono, Now};
use zt_wire::verb::Message;
use zt_wire::{MulticastGroup, NetworkId, Parse as _, Reader};

/// Outputs taken from the controller in one round. Making and signing a configuration takes time in which packets wait,
/// so a change of a large network is spread over rounds.
const PER_ROUND: usize = 16;

impl Engine {
    /// Makes this node a controller, if it is none: feed it its records, then start it.
    pub fn enable_controller(&mut self, entropy: Box<dyn Entropy + Send>) {
        self.vl1.hear_traces();
        let identity = &self.identity;
        self.controller.get_or_insert_with(|| Controller::new(Arc::clone(identity), entropy));
    }

    /// Feeds a record of the controller's store, before [`start_controller`](Self::start_controller): networks before their
    /// members. Later news are [`Input::Changed`](super::Input::Changed).
    pub fn feed_controller(&mut self, record: Record) {
        if let Some(controller) = &mut self.controller {
            controller.load(record);
        }
    }

    /// All records are fed: the controller answers from now on.
    pub fn start_controller(&mut self) {
        if let Some(controller) = &mut self.controller {
            controller.start();
            for identity in controller.member_identities() {
                self.vl1.note_known(&identity);
            }
        }
    }

    /// The controller, if this node is one.
    #[must_use]
    pub fn controller(&self) -> Option<&Controller> {
        self.controller.as_ref()
    }

    /// Executes a command of an administrator; `None` when this node is no controller. The answer counts once the commit
    /// that it names is durable.
    pub fn controller_command(&mut self, now: Now, command: Command) -> Option<Result<Answered, CommandError>> {
        Some(self.controller.as_mut()?.command(now, command))
    }

    /// Executes a call of the controller's HTTP interface (05 §1); `None` when this node is no controller.
    /// The answer counts once the commit that it names is durable.
    pub fn controller_api(&mut self, now: Now, method: &str, path: &str, body: &[u8]) -> Option<ApiOutcome> {
        Some(self.controller.as_mut()?.api(now, method, path, body))
    }

    /// As [`Self::controller_api`], but fields that would not be taken as written are refused by name.
    pub fn controller_api_strict(&mut self, now: Now, method: &str, path: &str, body: &[u8]) -> Option<ApiOutcome> {
        Some(self.controller.as_mut()?.api_strict(now, method, path, body))
    }

    /// A configuration request for a network of this node. True when it was taken.
    pub(super) fn controller_request(&mut self, now: Now, received: &Received<'_>) -> bool {
        let Message::NetworkConfigRequest(request) = &received.message else { return false };
        let Some(controller) = &mut self.controller else { return false };
        let from_path = (received.ticket.hops() == 0).then(|| received.ticket.path().remote.inet());
        let result = controller.handle_request(
            now,
            Request {
                network: request.network,
                from: received.identity,
                from_path,
                packet: Some(received.ticket.packet_id()),
                metadata: request.metadata.unwrap_or_default(),
            },
        );
        if let Err(reason) = result {
            tracing::trace!(network = %request.network, from = %received.ticket.from(), %reason, "request not served");
        }
        true
    }

    /// Somebody asks who listens to the address-resolution group of an IPv4 address of a network of ours: the member
    /// that was given the address does, also if a restart made roots and controller forget its announcement.
    pub(super) fn recall_holder(&mut self, now: Now, message: &Message<'_>) {
        if let Message::MulticastGather(gather) = message {
            self.recall(now, gather.network, gather.group);
        }
    }

    /// The same for a question of our own host.
    pub(super) fn recall_asked(&mut self, now: Now, network: NetworkId, frame: &EthernetRef<'_>) {
        if frame.ethertype != ETHERTYPE_ARP || self.controller.is_none() || !frame.destination.is_broadcast() {
            return;
        }
        if let Ok(question) = Arp::parse(&mut Reader::new(frame.payload)) {
            self.recall(now, network, MulticastGroup::for_ip(question.target_ip.into()));
        }
    }

    fn recall(&mut self, now: Now, network: NetworkId, group: MulticastGroup) {
        let Some(controller) = &self.controller else { return };
        if !group.mac.is_broadcast() || group.adi == 0 || network.controller() != self.identity.identity().address {
            return;
        }
        if let Some(holder) = controller.holder(network, std::net::Ipv4Addr::from_bits(group.adi).into()) {
            self.vl2.note_subscriber(now, network, group, holder);
        }
    }

    /// The node itself asks its own controller.
    pub(super) fn own_controller_request(
        &mut self,
        now: Now,
        network: NetworkId,
        metadata: &[u8],
        outbox: &mut Outbox,
    ) {
        let own = *self.identity.identity();
        let served = self.controller.as_mut().is_some_and(|controller| {
            controller
                .handle_request(now, Request { network, from: own, from_path: None, packet: None, metadata })
                .is_ok()
        });
        if !served {
            let mut carrier = OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
            self.vl2.handle_local_config(now, network, LocalAnswer::NotFound, &mut carrier);
        }
    }

    pub(super) fn committed(&mut self, now: Now, seq: u64, durable: bool) {
        if let Some(controller) = &mut self.controller {
            if durable {
                controller.handle_committed(now, seq);
            } else {
                controller.handle_commit_failed(now, seq);
            }
        }
    }

    pub(super) fn changed_elsewhere(&mut self, now: Now, changes: Vec<Change>) {
        if let Some(controller) = &mut self.controller {
            for change in changes {
                controller.handle_change(now, change);
            }
        }
    }

    pub(super) fn controller_timeout(&self, now: Now) -> Option<(Mono, &'static str)> {
        self.controller.as_ref()?.poll_timeout(now)
    }

    /// Takes what the controller has to say; true when there may be more.
    pub(super) fn drain_controller(&mut self, now: Now, outbox: &mut Outbox) -> bool {
        while let Some(told) = self.controller.as_mut().and_then(Controller::poll_decision) {
            let member = told.member().map(tracing::field::display);
            tracing::info!(network = %told.network(), member, "{told}");
        }
        for _ in 0..PER_ROUND {
            let Some(output) = self.controller.as_mut().and_then(|controller| controller.poll_output(now)) else {
                return false;
            };
            self.controller_output(now, output, outbox);
        }
        true
    }

    fn controller_output(&mut self, now: Now, output: ControllerOutput, outbox: &mut Outbox) {
        match output {
            ControllerOutput::Commit { seq, changes } => self.outputs.push_back(Output::Commit { seq, changes }),
            ControllerOutput::Send { to, network, kind, body } => {
                if kind.authorises() {
                    if let Some(identity) = self.vl1.identity_of(to).copied() {
                        self.vl1.note_known(&identity);
                    }
                    self.vl2.set_controller_authorised(now, network, to);
                }
                let options = SendOptions { compress: kind.authorises(), expect_reply: false };
                if let Err(error) = self.vl1.send(now, to, &body, options, &mut outbox.transmits) {
                    tracing::debug!(%to, %network, %error, "the controller's message was not sent");
                }
            }
            ControllerOutput::Local { network, answer } => {
                let answer = match &answer {
                    OwnAnswer::Config(text) => LocalAnswer::Text(text),
                    OwnAnswer::Denied => LocalAnswer::Denied,
                    OwnAnswer::NotFound => LocalAnswer::NotFound,
                    OwnAnswer::AuthenticationRequired => LocalAnswer::AuthenticationRequired(Authentication::default()),
                };
                let mut carrier =
                    OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
                self.vl2.handle_local_config(now, network, answer, &mut carrier);
            }
            ControllerOutput::LocalRevocation { revocation } => {
                let mut carrier =
                    OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
                self.vl2.handle_local_revocation(now, &revocation, &mut carrier);
            }
        }
    }
}
