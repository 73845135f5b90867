//! One table (04 §6.4).

use super::{Decider, Frame, matches};
use zt_wire::Address;
use zt_wire::rules::{Forward, Rule, RuleKind};

/// Result of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// Nothing decided.
    NoMatch,
    /// Dropped.
    Drop,
    /// To another node.
    Redirect,
    /// Accepted.
    Accept,
    /// Accepted without the checks of 04 §7.3.
    SuperAccept,
}

/// Where a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Receiver.
    pub to: Address,
    /// Bytes of the payload.
    pub length: usize,
    /// WATCH, not TEE.
    pub watch: bool,
}

/// What a table gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its result.
    pub result: Result,
    /// ZT destination afterwards.
    pub destination: Address,
    /// The last copy.
    pub copy: Option<Copy>,
    /// QoS bucket.
    pub bucket: Option<u8>,
    /// Index of the action that decided.
    pub rule: Option<usize>,
}

/// Four bits for each rule (04 §8): the result of the match before NOT, and the state of the set before it; 0 for an action.
pub type RuleLog = Vec<u8>;

/// State of a table while it is walked.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// The set matches so far.
    pub set: bool,
    /// The next DROP is skipped.
    pub skip_drop: bool,
    /// This node is where a TEE, WATCH or REDIRECT went.
    pub super_: bool,
}

/// Walks one table. `log` gets one entry for each rule.
pub fn evaluate(
    decider: Decider<'_>,
    rules: &[Rule],
    frame: &Frame<'_>,
    random: &mut dyn FnMut() -> u32,
    mut log: Option<&mut RuleLog>,
) -> Base {
    let mut state = State { set: true, skip_drop: false, super_: false };
    let mut base =
        Base { result: Result::NoMatch, destination: frame.destination, copy: None, bucket: None, rule: None };
    if let Some(log) = log.as_deref_mut() {
        log.clear();
        log.resize(rules.len(), 0);
    }
    for (index, rule) in rules.iter().enumerate() {
        if rule.kind.number() <= 15 {
            if let Some(result) = action(decider, &rule.kind, frame, &mut state, &mut base) {
                return Base { result, rule: Some(index), ..base };
            }
            continue;
        }
        let before = if state.set { 2 } else { 1 };
        let mut high = 0;
        if state.set || rule.or {
            let x = matches::result(decider, rule, frame, random, &mut state);
            state.set = if rule.or { state.set || x } else { state.set && x };
            high = if x != rule.not { 2 } else { 1 };
        }
        if let Some(log) = log.as_deref_mut() {
            log[index] = high << 2 | before;
        }
    }
    base
}

/// One action; a result ends the table.
fn action(
    decider: Decider<'_>,
    kind: &RuleKind,
    frame: &Frame<'_>,
    state: &mut State,
    base: &mut Base,
) -> Option<Result> {
    if !state.set {
        if let RuleKind::Tee(to) | RuleKind::Watch(to) | RuleKind::Redirect(to) = kind
            && frame.inbound
            && to.address == decider.own
        {
            state.super_ = true;
        }
        state.set = true;
        return None;
    }
    match kind {
        RuleKind::Priority => {
            // The bucket is not transported: it is 0 (04 §6.2).
            base.bucket = Some(0);
            Some(Result::Accept)
        }
        RuleKind::Drop if state.skip_drop => {
            state.skip_drop = false;
            None
        }
        RuleKind::Drop => Some(Result::Drop),
        RuleKind::Accept if state.super_ => Some(Result::SuperAccept),
        RuleKind::Accept => Some(Result::Accept),
        RuleKind::Break => Some(Result::NoMatch),
        RuleKind::Tee(to) | RuleKind::Watch(to) | RuleKind::Redirect(to) => forward(decider, kind, to, frame, base),
        _ => None,
    }
}

/// TEE, WATCH or REDIRECT of a set that matches.
fn forward(decider: Decider<'_>, kind: &RuleKind, to: &Forward, frame: &Frame<'_>, base: &mut Base) -> Option<Result> {
    if to.address == frame.source {
        return None;
    }
    if to.address == decider.own {
        return frame.inbound.then_some(Result::SuperAccept);
    }
    if to.address == frame.destination {
        return None;
    }
    if let RuleKind::Redirect(_) = kind {
        base.destination = to.address;
        return Some(Result::Redirect);
    }
    let whole = frame.payload.len();
    let length = if to.length == 0 { whole } else { whole.min(usize::from(to.length)) };
    base.copy = Some(Copy { to: to.address, length, watch: matches!(kind, RuleKind::Watch(_)) });
    None
}
