//! Why a frame passes or not: the decision that the live configuration and the credentials known now lead to, for people.

use std::collections::BTreeSet;
use std::net::IpAddr;

use zt_wire::ident::{Address, Mac};
use zt_wire::rules::{Rule, RuleKind};

use super::Network;
use crate::rules::script::explain::statement;
use crate::rules::words::{Ends, Frame, WordsError};
use crate::rules::{Explanation, FrameFacts};

/// What somebody asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The frame in words ([`rules::words`](crate::rules::words)).
    pub frame: String,
    /// The other member.
    pub member: Address,
    /// True: it sends the frame to us. False: we to it.
    pub inbound: bool,
}

/// How the other member stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The network is public: no certificate is asked for.
    Public,
    /// It showed a certificate that counts.
    Member,
    /// Its certificate was revoked.
    Revoked,
    /// It showed one that is of another time than our configuration.
    Outdated,
    /// It has shown none yet.
    Unknown,
}

/// What the decision would need, and nobody has shown or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// A certificate of membership of the other side.
    Certificate,
    /// A tag of the other side.
    Tag(u32),
    /// A tag of our own: the controller has not given us one.
    OwnTag(u32),
    /// A certificate of ownership of the sender for the address that the frame claims.
    Ownership,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The frame that was judged, in words.
    pub frame: String,
    /// How the other member stands.
    pub standing: Standing,
    /// The decision, with everything that led to it.
    pub explanation: Explanation,
    /// The deciding statement in the words of the rule language, if a rule decided.
    pub statement: Option<String>,
    /// What is missing.
    pub missing: Vec<Missing>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// There is no configuration yet.
    #[error("the network has no configuration yet")]
    NotConfigured,
    /// The words say no frame.
    #[error("{0}")]
    Words(WordsError),
}

impl Network {
    /// Judges a frame in words as one of the port, or of a member, would be judged now. Nothing is sent, counted or kept.
    ///
    /// # Errors
    /// Why there is nothing to judge, or nothing to judge it by.
    pub fn why(&self, question: &Question) -> Result<Why, NoAnswer> {
        let (Some(config), Some(policy)) = (&self.held.config, &self.held.policy) else {
            return Err(NoAnswer::NotConfigured);
        };
        let ends = self.ends(question);
        let frame = Frame::read(&question.frame, &ends).map_err(NoAnswer::Words)?;
        let (source, destination) =
            if question.inbound { (question.member, self.own) } else { (self.own, question.member) };
        let facts = FrameFacts::new(question.inbound, source, destination, &frame.ethernet());
        let record = self.members.get(question.member);
        let peer = record.map(|record| record.compile(policy));
        // Where chance decides, the frame is a lucky one.
        let explanation = policy.explain(&facts, peer.as_ref(), &mut || 0);
        let standing = self.standing(question.member);
        let table = |capability: Option<u32>| match capability {
            None => Some(&config.rules),
            Some(id) if question.inbound => record.and_then(|record| record.capabilities.get(&id)).map(|it| &it.rules),
            Some(id) => config.capabilities.iter().find(|capability| capability.id == id).map(|it| &it.rules),
        };
        let asked =
            explanation.tables.iter().filter_map(|trace| table(trace.capability)).flat_map(|rules| rules.iter());
        let missing = missing(&explanation, standing, question.inbound, asked);
        let by = explanation.verdict.by;
        let statement = by.rule.zip(table(by.capability)).map(|(rule, table)| statement(table, rule, &[]));
        Ok(Why { frame: frame.words(&ends), standing, explanation, statement, missing })
    }

    /// What words may leave out: addresses of both ends as far as they are known.
    fn ends(&self, question: &Question) -> Ends {
        let own_ips: Vec<IpAddr> =
            self.held.config.iter().flat_map(|config| &config.addresses).filter_map(|address| address.ip()).collect();
        let ownerships = self.members.get(question.member).into_iter().flat_map(|record| record.ownerships());
        let their_ips: Vec<IpAddr> =
            ownerships.flat_map(|ownership| &ownership.things).filter_map(zt_wire::Thing::ip).collect();
        let (own, theirs) = (self.mac, Mac::for_member(question.member, self.id));
        let out = Ends { source: own, destination: theirs, source_ips: own_ips, destination_ips: their_ips };
        if question.inbound { out.reversed() } else { out }
    }

    /// How a member stands, as far as can be told without its identity.
    fn standing(&self, member: Address) -> Standing {
        if self.held.config.as_ref().is_some_and(|config| config.is_public()) {
            return Standing::Public;
        }
        let record = self.members.get(member);
        match record.and_then(|record| record.membership()) {
            _ if record.is_some_and(|record| record.is_revoked()) => Standing::Revoked,
            None => Standing::Unknown,
            Some(com) if self.held.is_current(com.timestamp()) => Standing::Member,
            Some(_) => Standing::Outdated,
        }
    }
}

/// `rules`: those of the tables that had a say.
fn missing<'r>(
    explanation: &Explanation,
    standing: Standing,
    inbound: bool,
    rules: impl Iterator<Item = &'r Rule>,
) -> Vec<Missing> {
    let mut missing = BTreeSet::new();
    if matches!(standing, Standing::Revoked | Standing::Outdated | Standing::Unknown) {
        missing.insert(Missing::Certificate);
    }
    for rule in rules {
        let Some((id, own, other)) = sides(&rule.kind, inbound) else { continue };
        let Some(tag) = explanation.tags.iter().find(|tag| tag.id == id) else { continue };
        if own && tag.own.is_none() {
            missing.insert(Missing::OwnTag(id));
        }
        if other && tag.other.is_none() {
            missing.insert(Missing::Tag(id));
        }
    }
    let verdict = &explanation.verdict;
    if inbound && !verdict.decision.accepts() && verdict.looked_at_peer && explanation.tags.is_empty() {
        missing.insert(Missing::Ownership);
    }
    missing.into_iter().collect()
}

/// Which tag a match asks for, and whether ours or the other side's counts.
fn sides(kind: &RuleKind, inbound: bool) -> Option<(u32, bool, bool)> {
    let id = kind.tag()?.id;
    Some(match kind {
        RuleKind::TagSender(_) => (id, !inbound, inbound),
        RuleKind::TagReceiver(_) => (id, inbound, !inbound),
        _ => (id, true, true),
    })
}
