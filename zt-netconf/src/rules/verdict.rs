//! What the rules say about one frame (04 §6.4, §6.7, §6.8).

use zt_wire::ident::Address;

/// Whether a frame may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It passes.
    Accept,
    /// It came in for this node to watch, and is taken although it may be meant for somebody else.
    SuperAccept,
    /// It goes to this node instead, and nowhere else.
    Redirect(Address),
    /// A rule drops it.
    Drop,
    /// A rule asked for something that the frame hides from it, as fragments made for that do.
    // Deliberate (04 §6.5, §6.6): the reference reads on, and lets it pass rules about ports.
    Evasive,
    /// No rule decides: it is dropped.
    #[default]
    NoMatch,
}

impl Decision {
    /// True for what lets a frame go somewhere.
    pub const fn accepts(self) -> bool {
        matches!(self, Self::Accept | Self::SuperAccept | Self::Redirect(_))
    }
}

/// Who decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct By {
    /// ID of the capability that accepted; `None` for the rules of the network.
    pub capability: Option<u32>,
    /// Index in the rules of the network or of that capability: the action, or the match that was evaded; with
    /// `NoMatch` the BREAK that ended the rules of the network, if one did.
    pub rule: Option<usize>,
    /// ID of the last tag that the set of this rule looks at.
    pub tag: Option<u32>,
}

/// A copy of the frame for somebody else (TEE, WATCH).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameCopy {
    /// Receiver.
    pub to: Address,
    /// How many bytes of the payload it gets; never more than there are.
    pub length: usize,
    /// True for WATCH, false for TEE.
    pub watch: bool,
}

/// The copies that go out when the frame is accepted: at most one that the rules of the network made, and one that the
/// accepting capability made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Copies {
    /// Made by the rules of the network.
    pub base: Option<FrameCopy>,
    /// Made by the capability that accepted.
    pub capability: Option<FrameCopy>,
}

impl Copies {
    /// Both, in the order they are sent: that of the capability first (04 §6.7).
    pub fn iter(&self) -> impl Iterator<Item = FrameCopy> {
        self.capability.into_iter().chain(self.base)
    }
}

/// One decision about one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What happens to it.
    pub decision: Decision,
    /// Who decided.
    pub by: By,
    /// Copies to send; none unless the decision accepts.
    pub copies: Copies,
    /// Queue of ACTION_PRIORITY, when that accepted. Quirk (04 §6.2): always 0, the number is not transported.
    pub priority: Option<u8>,
    /// The first tag of the other side that was asked for and that no valid credential tells, whatever the decision.
    pub missing_tag: Option<u32>,
    /// Tags or certificates of ownership of the other side were looked at: if it held others, the decision might be another.
    pub looked_at_peer: bool,
}
