//! What rules decided, and why, as the interface tells it.

use zt_netconf::rules::{Decision, TagTrace};
use zt_netconf::{Decisions, Missing, Question, Standing, Why};
use zt_node::status::RulesStatus;
use zt_wire::Address;

use crate::api;

const fn count(decisions: Decisions) -> api::Count {
    api::Count { inbound: decisions.inbound, outbound: decisions.outbound }
}

/// What decided about frames, if something did.
pub(super) fn rule_counters(rules: &RulesStatus) -> Option<api::RuleCounters> {
    let counted = *rules != RulesStatus::default();
    counted.then(|| api::RuleCounters {
        capabilities: (rules.capabilities.iter())
            .map(|(id, decisions)| api::CapabilityCounter { count: count(*decisions), id: *id })
            .collect(),
        no_rule: count(rules.undecided),
        rules: (rules.rules.iter())
            .map(|(index, statement, decisions)| api::RuleCounter {
                count: count(*decisions),
                index: *index,
                statement: statement.clone(),
            })
            .collect(),
    })
}

/// An answer about a frame as the interface tells it.
pub(super) fn told_why(question: &Question, why: &Why) -> api::Why {
    let verdict = &why.explanation.verdict;
    let redirected_to = match verdict.decision {
        Decision::Redirect(to) => Some(to.to_string()),
        _ => None,
    };
    let tag = |tag: &TagTrace| api::TagValues {
        decided: verdict.by.tag == Some(tag.id),
        id: tag.id,
        other: tag.other,
        own: tag.own,
    };
    api::Why {
        accepted: verdict.decision.accepts() && redirected_to.is_none() && is_let_in(question, why.standing),
        capability: verdict.by.capability,
        copies: verdict.copies.iter().map(|copy| copy.to.to_string()).collect(),
        decision: match verdict.decision {
            Decision::Accept => "accept",
            Decision::SuperAccept => "super-accept",
            Decision::Redirect(_) => "redirect",
            Decision::Drop => "drop",
            Decision::Evasive => "evasive",
            Decision::NoMatch => "no rule",
        }
        .to_owned(),
        frame: why.frame.clone(),
        inbound: question.inbound,
        member: question.member.to_string(),
        missing: why.missing.iter().map(|missing| missing_words(*missing, question.member)).collect(),
        redirected_to,
        rule: verdict.by.rule,
        standing: match why.standing {
            Standing::Public => "public",
            Standing::Member => "member",
            Standing::Revoked => "revoked",
            Standing::Outdated => "outdated",
            Standing::Unknown => "unknown",
        }
        .to_owned(),
        statement: why.statement.clone(),
        tags: why.explanation.tags.iter().map(tag).collect(),
    }
}

/// False for what stops a frame before its rules.
fn is_let_in(question: &Question, standing: Standing) -> bool {
    match standing {
        Standing::Public | Standing::Member => true,
        Standing::Revoked => false,
        Standing::Outdated | Standing::Unknown => !question.inbound,
    }
}

fn missing_words(missing: Missing, member: Address) -> String {
    match missing {
        Missing::Certificate => format!("a certificate of membership of {member} that counts now"),
        Missing::Tag(id) => format!("tag {id} of {member}: it has shown none that counts now"),
        Missing::OwnTag(id) => format!("tag {id} of this node: the controller has given it none"),
        Missing::Ownership => format!("a certificate of ownership of {member} for the address that it sends from"),
    }
}
