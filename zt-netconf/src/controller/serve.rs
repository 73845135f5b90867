//! Answers configuration requests (05 §5).

use std::sync::Arc;

use zt_wire::dictionary::Dictionary;
use zt_wire::ident::{Address, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ErrorCode, ErrorReply, Verb};

use super::assign;
use super::issue;
use super::member::{Binding, Member};
use super::network::Network;
use super::presence::{Asker, MAX_METADATA, Refused};
use super::{Controller, ControllerOutput, Effect, Encoded, OwnAnswer, Request, SendKind};

/// How the join authorisation of a request (metadata key `a`) begins when it is a token.
const TOKEN_PREFIX: &str = "token:";
/// Data of a sign-on error: version 0 with an empty URL, because this controller has no sign-on data (05 §10).
const SIGN_ON: &[u8] = b"aV=0000000000000000\naU=";

/// Unknown networks that one node may ask for in a second.
const UNKNOWN_PLACES: u64 = 16;

/// Why a request gets no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unserved {
    /// The records are not loaded yet.
    #[error("records not loaded yet")]
    NotReady,
    /// The network belongs to another controller.
    #[error("network of another controller")]
    NotOurs,
    /// The same node asked for the same network less than a second ago.
    #[error("asked less than a second ago")]
    TooFast,
    /// Too many nodes ask at the same time.
    #[error("too many nodes ask")]
    TooMany,
}

/// How the configuration is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// To a request, with the ID of its packet.
    Request(PacketId),
    /// To this node itself.
    Own,
    /// Unasked.
    Push,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    NotFound,
    /// The address belongs to another identity.
    OtherIdentity,
    NotAuthorised,
    SignOn,
}

impl Controller {
    /// Takes a configuration request of an authenticated node. The answer, if any, comes out of
    /// [`poll_output`](Self::poll_output).
    ///
    /// # Errors
    /// The request is dropped silently, for the reason given.
    pub fn handle_request(&mut self, now: Now, request: Request<'_>) -> Result<(), Unserved> {
        let (network, node) = (request.network, request.from.address);
        if network.controller() != self.own.address() {
            return Err(Unserved::NotOurs);
        }
        if !self.ready {
            return Err(Unserved::NotReady);
        }
        self.counts.requests += 1;
        let own = node == self.own.address();
        if !own {
            // Unknown networks share few places, or one node could fill the gate by inventing them.
            let known = self.networks.contains_key(&network);
            let place = if known { network } else { NetworkId(network.0 % UNKNOWN_PLACES) };
            self.presence.pass(now.mono, place, node).map_err(|refused| match refused {
                Refused::TooFast => Unserved::TooFast,
                Refused::TooMany => Unserved::TooMany,
            })?;
        }
        let metadata = request.metadata[..request.metadata.len().min(MAX_METADATA)].to_vec();
        let answer = match request.packet {
            Some(id) if !own => Answer::Request(id),
            _ if own => Answer::Own,
            _ => Answer::Push,
        };
        let asker = Asker { at: now.mono, identity: request.from, metadata };
        let served = self.serve(now, network, &asker, answer);
        if !matches!(served, Err(Denial::NotFound | Denial::OtherIdentity)) {
            // Also of those refused: once authorised they are told at once.
            self.presence.note(network, node, asker, served.is_ok());
        }
        if let Err(denial) = served {
            self.deny(network, node, answer, denial);
        }
        Ok(())
    }

    /// Sends a member that asked lately its configuration again.
    pub(super) fn serve_push(&mut self, now: Now, network: NetworkId, node: Address) {
        let Some(asker) = self.presence.online(now.mono, network, node).cloned() else { return };
        let answer = if node == self.own.address() { Answer::Own } else { Answer::Push };
        if self.networks.get(&network).and_then(|n| n.member(node)).is_some_and(|m| m.authorized) {
            // A refusal is not sent unasked: the next request learns of it.
            _ = self.serve(now, network, &asker, answer);
        }
    }

    fn serve(&mut self, now: Now, network: NetworkId, asker: &Asker, answer: Answer) -> Result<(), Denial> {
        let node = asker.identity.address;
        self.counts.get_summary += 1;
        let state = self.networks.get(&network).ok_or(Denial::NotFound)?;
        let settings = Arc::clone(state.network());
        let held = state.member(node);
        let created = held.is_none();
        let mut member = held.map_or_else(|| Member::new(network, node, now.unix_ms), |held| Member::clone(held));
        pin(&mut member, &asker.identity)?;
        let metadata = Dictionary::new(&asker.metadata);
        authorise(&mut member, &settings, &metadata, now.unix_ms);
        if settings.sign_on && !member.sso_exempt && member.authorized {
            if member.authentication_expiry <= unix(now) {
                self.remember(member);
                return Err(Denial::SignOn);
            }
            self.expiries.insert((member.authentication_expiry, network, node));
        }
        if !member.authorized {
            self.remember(member);
            return Err(Denial::NotAuthorised);
        }
        if answer != Answer::Push {
            member.version = version_of(&asker.metadata);
            // Quirk: every request of a member sets its trace level back.
            member.trace_level = 0;
        }
        let rules_engine = metadata.u64("revr", 0) >= 1;
        if rules_engine {
            complete(&mut member, &settings, created);
        }
        self.answer(now, settings, member, asker, answer, rules_engine);
        Ok(())
    }

    /// Gives addresses, stores the member, and sends the configuration once that is written.
    fn answer(
        &mut self,
        now: Now,
        settings: Arc<Network>,
        mut member: Member,
        asker: &Asker,
        answer: Answer,
        rules_engine: bool,
    ) {
        let Some(state) = self.networks.get(&settings.id) else { return };
        let assigned = assign::assign(&settings, &member, |ip| state.is_allocated(ip), &mut self.entropy);
        member.ips.extend(&assigned.fresh);
        let issue = issue::Issue {
            signer: &self.own,
            network: &settings,
            member: &member,
            identity: &asker.identity,
            bridges: state.active_bridges().collect(),
            assigned: &assigned,
            rules_engine,
            timestamp: self.stamps.issue(now),
        };
        let text = issue.dictionary();
        self.store_member(member, Vec::new(), false);
        match answer {
            Answer::Own => {
                let output = ControllerOutput::Local { network: settings.id, answer: OwnAnswer::Config(text) };
                self.emit(settings.id, output);
            }
            Answer::Request(packet) => self.send_chunks(settings.id, asker, &text, Some(packet)),
            Answer::Push => self.send_chunks(settings.id, asker, &text, None),
        }
    }

    fn send_chunks(&mut self, network: NetworkId, asker: &Asker, text: &[u8], request: Option<PacketId>) {
        let update = self.entropy.next_u64().max(1);
        let kind = if request.is_some() { SendKind::Reply } else { SendKind::Push };
        for body in issue::chunks(&self.own, network, text, update, request) {
            self.emit(network, ControllerOutput::Send { to: asker.identity.address, network, kind, body });
        }
    }

    /// Stores what a refused request taught: this is how candidates become visible to the administrator.
    fn remember(&mut self, member: Member) {
        let (network, node) = (member.network, member.address);
        self.store_member(member, Vec::new(), false);
        let Some(state) = self.networks.get_mut(&network) else { return };
        state.candidate_asked(node);
        if let Some(oldest) = state.candidate_in_excess() {
            self.delete_member(network, oldest);
        }
    }

    fn deny(&mut self, network: NetworkId, node: Address, answer: Answer, denial: Denial) {
        let output = match answer {
            Answer::Push => return,
            Answer::Own => {
                let answer = match denial {
                    Denial::NotFound => OwnAnswer::NotFound,
                    Denial::OtherIdentity | Denial::NotAuthorised => OwnAnswer::Denied,
                    Denial::SignOn => OwnAnswer::AuthenticationRequired,
                };
                ControllerOutput::Local { network, answer }
            }
            Answer::Request(packet) => ControllerOutput::Send {
                to: node,
                network,
                kind: SendKind::Denied,
                body: refusal(network, packet, denial),
            },
        };
        self.emit(network, output);
    }

    /// Voids the certificates of members whose sign-on has ended; the record is looked at again, since the user may
    /// have renewed it (05 §10).
    pub(super) fn expire_sign_ons(&mut self, now: Now) {
        while let Some(&(at, network, member)) = self.expiries.first().filter(|(at, ..)| *at <= unix(now)) {
            self.expiries.remove(&(at, network, member));
            self.counts.sign_on_checks += 1;
            let held = self.networks.get(&network).and_then(|n| n.member(member));
            if held.is_some_and(|m| m.authorized && m.authentication_expiry <= unix(now)) {
                self.counts.sign_on_ends += 1;
                self.perform(now, Effect::Revoke(network, member));
            }
        }
    }
}

fn unix(now: Now) -> u64 {
    u64::try_from(now.unix_ms).unwrap_or(0)
}

/// Binds an address to the first identity that asks with it: 40 bits alone prove nothing.
fn pin(member: &mut Member, identity: &Identity) -> Result<(), Denial> {
    match &member.binding {
        Binding::To(pinned) if pinned == identity => Ok(()),
        Binding::To(_) | Binding::Unreadable => Err(Denial::OtherIdentity),
        Binding::Open => {
            member.binding = Binding::To(*identity);
            Ok(())
        }
    }
}

/// Public networks and tokens authorise by themselves (05 §5 step 7).
fn authorise(member: &mut Member, network: &Network, metadata: &Dictionary<'_>, now_ms: i64) {
    if member.authorized {
        return;
    }
    if !network.private {
        member.authorize("public", None, now_ms);
        return;
    }
    let auth = metadata.text("a").unwrap_or_default();
    let Some(token) = auth.strip_prefix(TOKEN_PREFIX).filter(|t| !t.is_empty()) else { return };
    let expiry = network.tokens.get(token);
    if expiry.is_some_and(|at| *at == 0 || i64::try_from(*at).map_or(true, |at| at > now_ms)) {
        member.authorize("token", Some(token.to_owned()), now_ms);
    }
}

/// Gives a member the network's defaults: capabilities only when this very request made its record, tags always.
fn complete(member: &mut Member, network: &Network, created: bool) {
    if created {
        for capability in network.capabilities.iter().filter(|c| c.default) {
            let id = u64::from(capability.id);
            if !member.capabilities.contains(&id) {
                member.capabilities.push(id);
            }
        }
    }
    for (id, value) in network.tag_defaults() {
        if member.tags.iter().all(|(held, _)| *held != id) {
            member.tags.push((id, value));
        }
    }
}

fn refusal(network: NetworkId, packet: PacketId, denial: Denial) -> Encoded {
    let verb = Verb::NETWORK_CONFIG_REQUEST;
    let error = match denial {
        Denial::NotFound => ErrorReply::network_error(verb, packet, ErrorCode::OBJ_NOT_FOUND, network),
        Denial::OtherIdentity | Denial::NotAuthorised => {
            ErrorReply::network_error(verb, packet, ErrorCode::NETWORK_ACCESS_DENIED, network)
        }
        Denial::SignOn => ErrorReply::authentication_required(packet, network, Some(SIGN_ON)),
    };
    Encoded::of(&error)
}

/// Version and protocol that a request tells.
pub(super) fn version_of(metadata: &[u8]) -> [i64; 4] {
    let metadata = Dictionary::new(metadata);
    ["majv", "minv", "revv", "pv"].map(|key| metadata.u64(key, 0) as i64)
}
