//! What an administrator asks of the controller, by types. The HTTP interface (05 §1) is a shell around this.

use std::sync::Arc;

use zt_wire::ident::{Address, NetworkId};
use zt_wire::time::Now;

use super::check;
use super::member::Member;
use super::network::Network;
use super::patch::{MemberPatch, NetworkPatch};
use super::serve::version_of;
use super::{Controller, NetworkState};

/// Random network IDs tried before giving up.
const MAX_TRIALS: u32 = 100_000;

/// A question or an order. [`Answer`] says what comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// All networks: [`Answer::Networks`].
    ListNetworks,
    /// One network: [`Answer::Network`].
    GetNetwork(NetworkId),
    /// Makes a network with a new ID of this controller: [`Answer::Network`].
    CreateNetwork(Box<NetworkPatch>),
    /// Changes a network, or makes one with this ID: [`Answer::Network`] as it is then.
    SetNetwork(NetworkId, Box<NetworkPatch>),
    /// Removes a network with its members: [`Answer::Network`] as it was.
    DeleteNetwork(NetworkId),
    /// All members of a network: [`Answer::Members`].
    ListMembers(NetworkId),
    /// One member: [`Answer::Member`].
    GetMember(NetworkId, Address),
    /// Changes a member, or makes one before it ever asked: [`Answer::Member`] as it is then.
    SetMember(NetworkId, Address, Box<MemberPatch>),
    /// Removes a member: [`Answer::Member`] as it was.
    DeleteMember(NetworkId, Address),
}

impl Command {
    /// Makes a network with a new ID.
    #[must_use]
    pub fn create_network(patch: NetworkPatch) -> Self {
        Self::CreateNetwork(Box::new(patch))
    }

    /// Changes or makes a network.
    #[must_use]
    pub fn set_network(id: NetworkId, patch: NetworkPatch) -> Self {
        Self::SetNetwork(id, Box::new(patch))
    }

    /// Changes or makes a member.
    #[must_use]
    pub fn set_member(network: NetworkId, address: Address, patch: MemberPatch) -> Self {
        Self::SetMember(network, address, Box::new(patch))
    }

    /// Makes a node a member, or no member any more.
    #[must_use]
    pub fn authorize(network: NetworkId, address: Address, yes: bool) -> Self {
        Self::set_member(network, address, MemberPatch { authorized: Some(yes), ..MemberPatch::default() })
    }
}

/// What a [`Command`] gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Networks, ascending by ID.
    Networks(Vec<NetworkSummary>),
    /// A network.
    Network(Arc<Network>),
    /// Members of a network, ascending by address.
    Members(Vec<Arc<Member>>),
    /// A member.
    Member(Arc<Member>),
}

impl Answer {
    /// The network that commands about one network answer with.
    #[must_use]
    pub fn into_network(self) -> Option<Arc<Network>> {
        match self {
            Self::Network(network) => Some(network),
            _ => None,
        }
    }

    /// The networks of [`Command::ListNetworks`].
    #[must_use]
    pub fn into_networks(self) -> Option<Vec<NetworkSummary>> {
        match self {
            Self::Networks(networks) => Some(networks),
            _ => None,
        }
    }

    /// The member that commands about one member answer with.
    #[must_use]
    pub fn into_member(self) -> Option<Arc<Member>> {
        match self {
            Self::Member(member) => Some(member),
            _ => None,
        }
    }

    /// The members of [`Command::ListMembers`].
    #[must_use]
    pub fn into_members(self) -> Option<Vec<Arc<Member>>> {
        match self {
            Self::Members(members) => Some(members),
            _ => None,
        }
    }
}

/// A network and how many members it has.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSummary {
    /// The network.
    pub network: Arc<Network>,
    /// All members, those that only asked included.
    pub members: usize,
    /// Authorised members.
    pub authorized: usize,
}

/// An answer, and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// It counts only when this commit is written; if that fails, nothing has changed.
    pub commit: Option<u64>,
}

/// Why a command is not executed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The records are not loaded yet.
    #[error("the controller's records are not loaded yet; ask again")]
    NotReady,
    /// There is no such network.
    #[error("there is no network {0}; make it first")]
    NoNetwork(NetworkId),
    /// There is no such member.
    #[error("network {network} has no member {member}")]
    NoMember {
        /// The network.
        network: NetworkId,
        /// The member.
        member: Address,
    },
    /// All IDs that were tried are in use.
    #[error("no free network ID was found; delete a network, or give the ID")]
    NoFreeId,
    /// A field has a value that it cannot have.
    #[error("{field}: {problem}")]
    Field {
        /// The field in the words of 05 §2 and §3, with the place in a list, such as `routes[0].via`.
        field: String,
        /// What is wrong with it, and what is right.
        problem: String,
    },
}

impl CommandError {
    pub(super) fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Field { field: field.into(), problem: problem.to_string() }
    }
}

impl Controller {
    /// Executes a command.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn command(&mut self, now: Now, command: Command) -> Result<Answered, CommandError> {
        match command {
            Command::SetNetwork(NetworkId(0), _) => {
                Err(CommandError::field("id", "network 0 cannot be stored; give another number"))
            }
            Command::SetMember(_, address, _) if address.as_u64() == 0 => {
                Err(CommandError::field("address", "member 0 cannot be stored; give the address of a node"))
            }
            command => {
                self.check(&command)?;
                self.execute(now, command)
            }
        }
    }

    /// Looks at the fields of a command.
    ///
    /// # Errors
    /// The first field that cannot be as it is.
    pub(super) fn check(&self, command: &Command) -> Result<(), CommandError> {
        match command {
            Command::CreateNetwork(patch) => check::network(patch, None),
            Command::SetNetwork(id, patch) => check::network(patch, self.networks.get(id).map(|n| &**n.network())),
            Command::SetMember(id, address, patch) => check::member(patch, self.network(*id)?, *address),
            _ => Ok(()),
        }
    }

    /// Executes a command whose fields were looked at, or made what they can be.
    pub(super) fn execute(&mut self, now: Now, command: Command) -> Result<Answered, CommandError> {
        if !self.ready {
            return Err(CommandError::NotReady);
        }
        self.note_looked_for(&command);
        let read = |answer, commit| Ok(Answered { answer, commit });
        match command {
            Command::ListNetworks => {
                let networks = self.networks.values().map(NetworkState::summary).collect();
                read(Answer::Networks(networks), self.journal.last())
            }
            Command::GetNetwork(id) => {
                let network = Arc::clone(self.network(id)?.network());
                read(Answer::Network(network), self.journal.last_of(id))
            }
            Command::ListMembers(id) => {
                let members = self.network(id)?.members().map(Arc::clone).collect();
                read(Answer::Members(members), self.journal.last_of(id))
            }
            Command::GetMember(id, address) => {
                let member = self.network(id)?.member(address).ok_or(no_member(id, address))?;
                read(Answer::Member(Arc::clone(member)), self.journal.last_of(id))
            }
            Command::CreateNetwork(patch) => {
                let id = self.free_network_id().ok_or(CommandError::NoFreeId)?;
                self.set_network(now, id, *patch)
            }
            Command::SetNetwork(id, patch) => self.set_network(now, id, *patch),
            Command::SetMember(id, address, patch) => self.set_member(now, id, address, *patch),
            Command::DeleteNetwork(id) => {
                let (network, seq) = self.delete_network(id).ok_or(CommandError::NoNetwork(id))?;
                read(Answer::Network(network), Some(seq))
            }
            Command::DeleteMember(id, address) => {
                let (member, seq) = self.delete_member(id, address).ok_or(no_member(id, address))?;
                read(Answer::Member(member), Some(seq))
            }
        }
    }

    /// Counts what the reference would ask its database for.
    const fn note_looked_for(&mut self, command: &Command) {
        let counts = &mut self.counts;
        match command {
            Command::ListNetworks => counts.get_networks += 1,
            Command::GetNetwork(_) => counts.get_network += 1,
            Command::ListMembers(_) => {
                counts.get_network += 1;
                counts.get_members += 1;
            }
            Command::GetMember(..) => counts.get_member += 1,
            // Before the change and after it.
            Command::CreateNetwork(_) | Command::SetNetwork(..) => counts.get_network += 2,
            Command::SetMember(..) | Command::DeleteMember(..) => counts.get_member += 2,
            Command::DeleteNetwork(_) => {
                counts.get_network += 2;
                counts.get_members += 1;
            }
        }
    }

    fn network(&self, id: NetworkId) -> Result<&NetworkState, CommandError> {
        self.networks.get(&id).ok_or(CommandError::NoNetwork(id))
    }

    fn free_network_id(&mut self) -> Option<NetworkId> {
        let base = self.own.address().as_u64() << 24;
        (0..MAX_TRIALS)
            .map(|_| NetworkId(base | (self.entropy.next_u64() & 0xff_ffff).max(1)))
            .find(|id| !self.networks.contains_key(id))
    }

    fn set_network(&mut self, now: Now, id: NetworkId, patch: NetworkPatch) -> Result<Answered, CommandError> {
        let held = self.networks.get(&id).map(|n| Arc::clone(n.network()));
        let mut new = held.as_deref().cloned().unwrap_or_else(|| Network::new(id, now.unix_ms));
        new.apply(patch);
        if let Some(held) = held.filter(|held| held.same_as(&new)) {
            return Ok(Answered { answer: Answer::Network(held), commit: self.journal.last_of(id) });
        }
        let commit = Some(self.store_network(new));
        Ok(Answered { answer: Answer::Network(Arc::clone(self.network(id)?.network())), commit })
    }

    fn set_member(
        &mut self,
        now: Now,
        id: NetworkId,
        address: Address,
        patch: MemberPatch,
    ) -> Result<Answered, CommandError> {
        let held = self.network(id)?.member(address);
        let was_authorized = held.is_some_and(|member| member.authorized);
        let mut new = held.map_or_else(|| Member::new(id, address, now.unix_ms), |held| Member::clone(held));
        new.apply(patch, now.unix_ms);
        // What the member said when it was refused a moment ago counts from now on.
        if new.authorized
            && !was_authorized
            && let Some(asker) = self.presence.online(now.mono, id, address)
        {
            new.version = version_of(&asker.metadata);
        }
        let seq = self.store_member(new, Vec::new(), true);
        let stored = self.network(id)?.member(address).ok_or(no_member(id, address))?;
        Ok(Answered { answer: Answer::Member(Arc::clone(stored)), commit: seq.or_else(|| self.journal.last_of(id)) })
    }
}

fn no_member(network: NetworkId, member: Address) -> CommandError {
    CommandError::NoMember { network, member }
}
