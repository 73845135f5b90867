//! Routing rules: which table a packet is routed by.

use std::io;
use std::net::IpAddr;
use zt_wire::IpPrefix;

use netlink_packet_route::route::{RouteHeader, RouteProtocol};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Netlink;

/// A rule: packets from one address, or all, look into one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Rules are tried in ascending order.
    pub priority: u32,
    /// The source address of the packets; `None`: all packets.
    pub from: Option<IpAddr>,
    /// Number of the table.
    pub table: u32,
    /// What the table says is not taken when it is a default route.
    pub but_default: bool,
}

/// What marks a rule as ours (`FRA_PROTOCOL`): no other program is known to use the number.
const OURS: RouteProtocol = RouteProtocol::Other(122);

impl Netlink {
    /// The rules of one family that [`Netlink::add_rule`] made, whichever process called it.
    ///
    /// # Errors
    /// Of the kernel: `EOPNOTSUPP` where it has no rules.
    pub fn rules(&mut self, ipv6: bool) -> io::Result<Vec<Rule>> {
        let mut message = RuleMessage::default();
        message.header.family = family(ipv6);
        let answers = self.dump(RouteNetlinkMessage::GetRule(message))?;
        let ours = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRule(rule) if rule.header.family == family(ipv6) => parse(&rule),
            _ => None,
        });
        Ok(ours.collect())
    }

    /// Adds a rule and marks it as ours.
    ///
    /// # Errors
    /// `EEXIST` when it is there; else of the kernel.
    pub fn add_rule(&mut self, ipv6: bool, rule: &Rule) -> io::Result<()> {
        self.create(RouteNetlinkMessage::NewRule(message(ipv6, rule)))
    }

    /// Removes a rule of ours.
    ///
    /// # Errors
    /// `ENOENT` when it is not there; else of the kernel.
    pub fn delete_rule(&mut self, ipv6: bool, rule: &Rule) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelRule(message(ipv6, rule)), 0)?;
        Ok(())
    }
}

fn family(ipv6: bool) -> AddressFamily {
    if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

fn message(ipv6: bool, rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header = RuleHeader {
        family: family(ipv6),
        src_len: rule.from.map_or(0, |from| IpPrefix::host(from).bits()),
        // A longer number stands in an attribute only.
        table: u8::try_from(rule.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC),
        action: RuleAction::ToTable,
        ..RuleHeader::default()
    };
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.push(RuleAttribute::Table(rule.table));
    attributes.push(RuleAttribute::Protocol(OURS));
    attributes.extend(rule.from.map(RuleAttribute::Source));
    attributes.extend(rule.but_default.then_some(RuleAttribute::SuppressPrefixLen(0)));
    message
}

fn parse(message: &RuleMessage) -> Option<Rule> {
    let mut rule = Rule { priority: 0, from: None, table: message.header.table.into(), but_default: false };
    let mut is_ours = false;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Source(from) => rule.from = Some(*from),
            RuleAttribute::SuppressPrefixLen(0) => rule.but_default = true,
            RuleAttribute::Protocol(protocol) => is_ours = *protocol == OURS,
            _ => {}
        }
    }
    is_ours.then_some(rule)
}
