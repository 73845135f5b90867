//! What the controller gave this node for a network, and took back (04 §2.6, §4.5, §5.5).

use zt_wire::Membership;
use zt_wire::gate::Pace;
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::time::Mono;

use super::drop_reason::DropReason;
use super::rule_counters::RuleCounters;
use crate::config::NetworkConfig;
use crate::rules::Policy;

/// The configuration in use, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) config: Option<NetworkConfig>,
    /// Its rules, compiled; present exactly when the configuration is.
    pub(crate) policy: Option<Policy>,
    /// Frames of ours pass by what we hold besides our certificate: tags, capabilities, things owned.
    pub(crate) tells_apart: bool,
    /// How often which of them decided.
    pub(crate) decisions: RuleCounters,
    /// Counts configurations: cached results of older ones are void.
    pub(crate) generation: u64,
    /// When a different configuration was last accepted from the controller.
    pub(crate) last_update: Option<Mono>,
    /// Our certificates up to this time (controller's clock) are void.
    pub(crate) own_threshold: i64,
    /// At which its target is told what happens.
    pub(crate) pace: Pace,
}

impl Held {
    /// Puts another configuration in the place of the one held.
    pub(crate) fn replace(&mut self, config: NetworkConfig) {
        if self.config.as_ref().is_none_or(|held| held.rules != config.rules) {
            self.decisions = RuleCounters::new(config.rules.len());
        }
        self.tells_apart = tells_apart(&config);
        self.policy = Some(Policy::new(&config));
        self.config = Some(config);
        self.generation += 1;
    }

    /// The configuration, when frames may pass at all.
    pub(crate) fn ready(&self) -> Result<&NetworkConfig, DropReason> {
        let config = self.config.as_ref().ok_or(DropReason::NotConfigured)?;
        if self.is_self_revoked() {
            return Err(DropReason::SelfRevoked);
        }
        Ok(config)
    }

    /// True when our own certificate was revoked and no newer one came.
    pub(crate) fn is_self_revoked(&self) -> bool {
        let held = self.config.as_ref().and_then(|config| config.membership.as_ref());
        self.own_threshold > 0 && held.is_some_and(|com| com.timestamp() <= self.own_threshold)
    }

    /// True when a credential of this time was issued close enough to our configuration to count (04 §4.5, §5.7).
    pub(crate) fn is_current(&self, timestamp: i64) -> bool {
        let Some(config) = &self.config else { return false };
        config.timestamp.abs_diff(timestamp) <= window(config)
    }

    /// How far apart credentials of two members may be made for both to count, in milliseconds.
    pub(crate) fn window(&self) -> Option<u64> {
        self.config.as_ref().map(window)
    }

    /// Whether a credential may take the place of one that is held.
    // Deliberate (04 §4.8): the reference takes newer ones only. When its controller's clock was ahead and is set
    // right, members refuse each other's new certificates until they restart.
    pub(crate) fn supersedes(&self, timestamp: i64, held: i64) -> bool {
        timestamp >= held || (self.is_current(timestamp) && !self.is_current(held))
    }
}

fn window(config: &NetworkConfig) -> u64 {
    // Old controllers tell the window in the certificate alone.
    let com = config.membership.as_ref().and_then(|com| com.qualifiers.iter().find(|q| q.id == Membership::TIMESTAMP));
    com.map_or(0, |q| q.max_delta).max(config.credential_window.unsigned_abs())
}

/// True when others judge our frames by more than our certificate of membership.
fn tells_apart(config: &NetworkConfig) -> bool {
    const AUTHENTIC: u64 = (1 << 60) | (1 << 59);
    let asks = |rule: &Rule| match &rule.kind {
        RuleKind::TagReceiver(_) => false,
        RuleKind::Characteristics(mask) => mask & AUTHENTIC != 0,
        other => other.tag().is_some(),
    };
    !config.capabilities.is_empty() || config.rules.iter().any(asks)
}
