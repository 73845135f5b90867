//! What a controller counts, for the metrics of 06 §10, in the ways of the reference.

/// Numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControllerCounts {
    /// Changes of networks. Quirk: not their creation.
    pub network_changes: u64,
    /// Members made and changed. Quirk: not those that were authorised by that, or are so no longer.
    pub member_changes: u64,
    /// Quirk: two for each authorisation.
    pub authorizations: u64,
    /// Authorisations that ended, by the loss of the member, too.
    pub deauthorizations: u64,
    /// Configuration requests.
    pub requests: u64,
    /// Sign-ons whose end had come.
    pub sign_on_checks: u64,
    /// Members that did not sign on again until then.
    pub sign_on_ends: u64,
    /// Looked for: a network.
    pub get_network: u64,
    /// A member of a network.
    pub get_member: u64,
    /// A member, with all that a configuration needs.
    pub get_summary: u64,
    /// All members of a network.
    pub get_members: u64,
    /// All networks.
    pub get_networks: u64,
    /// Records of members written or removed.
    pub stored_members: u64,
    /// Records of networks written or removed.
    pub stored_networks: u64,
    /// Members of networks that were deleted. Quirk: the gauge of members goes on counting them.
    pub dissolved_members: u64,
}

impl ControllerCounts {
    /// A member is stored: was it authorised before (`None`: there was none), and is it now?
    pub(super) const fn member_stored(&mut self, before: Option<bool>, now: bool) {
        self.stored_members += 1;
        match (before, now) {
            (None | Some(false), true) => self.authorizations += 2,
            (Some(true), false) => self.deauthorizations += 1,
            (None | Some(false), false) | (Some(true), true) => self.member_changes += 1,
        }
    }

    pub(super) const fn member_removed(&mut self, was_authorized: bool) {
        self.stored_members += 1;
        self.deauthorizations += was_authorized as u64;
    }
}
