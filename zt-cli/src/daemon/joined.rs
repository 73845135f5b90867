//! Networks as the HTTP interface shows them (06 §4.7).

use zt_netconf::NetworkType;
use zt_node::status::{DnsStatus, NetworkStatus, WithheldStatus};
use zt_wire::{InetAddress, MulticastGroup};

use super::decisions::rule_counters;
use crate::api;

/// A network.
pub fn network(status: &NetworkStatus) -> api::Network {
    let via = |address: InetAddress| address.ip().map(|ip| ip.to_string());
    let dns = status.dns.as_ref();
    api::Network {
        allow_dns: status.settings.allow_dns,
        allow_default: status.settings.allow_default,
        allow_global: status.settings.allow_global,
        allow_managed: status.settings.allow_managed,
        clamp_mss: status.settings.clamp_mss,
        allow_managed_list: status.settings.allow_list.iter().map(ToString::to_string).collect(),
        assigned_addresses: status.assigned.iter().map(ToString::to_string).collect(),
        // All three only with sign-on (06 §4.7).
        authentication_expiry_time: status
            .sign_on
            .then(|| i64::try_from(status.authentication_expires).unwrap_or(i64::MAX)),
        authentication_url: status.sign_on.then(|| status.authentication_url.clone().unwrap_or_default()),
        bridge: status.bridge,
        broadcast_enabled: status.broadcast,
        dhcp: false,
        dns: api::Dns {
            domain: dns.map(|(domain, _)| domain.clone()).unwrap_or_default(),
            servers: dns.map(|(_, servers)| servers.iter().filter_map(|s| via(*s)).collect()).unwrap_or_default(),
        },
        dns_problem: match &status.dns_status {
            Some(DnsStatus::Failed(why)) => Some(why.clone()),
            _ => None,
        },
        dns_resolver: match &status.dns_status {
            Some(DnsStatus::Applied(by)) => Some(by.clone()),
            _ => None,
        },
        id: status.id.to_string(),
        mac: status.mac.to_string(),
        mtu: status.mtu.into(),
        // The group of all broadcast goes with `broadcastEnabled` and is not listed.
        multicast_subscriptions: status
            .groups
            .iter()
            .filter(|group| **group != MulticastGroup::BROADCAST)
            .map(|group| api::Group { adi: group.adi, mac: group.mac.to_string() })
            .collect(),
        name: status.name.clone(),
        netconf_revision: status.revision,
        nwid: status.id.to_string(),
        passes_nothing: status.passes_nothing,
        port_device_name: status.device.clone(),
        port_device_problem: status.device_problem.clone(),
        port_error: status.port_error,
        routes: status
            .routes
            .iter()
            .map(|route| api::Route {
                flags: route.flags,
                metric: route.metric,
                target: route.target.to_string(),
                via: via(route.via),
            })
            .collect(),
        rule_counters: rule_counters(&status.rules),
        sso_enabled: status.sign_on.then_some(true),
        status: status.status.into(),
        kind: if status.private { NetworkType::Private } else { NetworkType::Public }.into(),
        withheld: status.withheld.iter().map(withheld).collect(),
    }
}

fn withheld(status: &WithheldStatus) -> api::Withheld {
    api::Withheld {
        kind: if status.is_route { "route" } else { "address" }.to_owned(),
        setting: status.setting.map(str::to_owned),
        target: status.prefix.to_string(),
        via: status.via.map(|via| via.to_string()),
        why: status.why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use zt_wire::{Mac, NetworkId};

    #[test]
    fn sign_on_is_told_with_its_end_and_only_where_there_is_one() {
        let mut status = NetworkStatus {
            id: NetworkId(0x1234_5678_9a00_0001),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            name: "lan".to_owned(),
            status: zt_netconf::NetworkStatus::Ok,
            private: true,
            mtu: zt_wire::packet::DEFAULT_VIRTUAL_MTU,
            bridge: false,
            broadcast: true,
            port_error: 0,
            revision: 1,
            assigned: Vec::new(),
            routes: Vec::new(),
            groups: Vec::new(),
            device: String::new(),
            device_problem: None,
            settings: zt_netconf::Settings::default(),
            dns: None,
            sign_on: false,
            authentication_url: None,
            authentication_expires: 0,
            withheld: Vec::new(),
            dns_status: None,
            passes_nothing: false,
            rules: zt_node::status::RulesStatus::default(),
        };
        let shown = |status: &NetworkStatus| serde_json::to_value(network(status)).expect("an object");
        let keys = ["ssoEnabled", "authenticationExpiryTime", "authenticationURL"];
        let plain = shown(&status);
        assert!(keys.iter().all(|key| plain.get(key).is_none()), "{plain}");
        status.sign_on = true;
        status.authentication_expires = 1_795_493_516_754;
        let signed = shown(&status);
        assert_eq!(
            keys.map(|key| signed[key].clone()),
            [true.into(), 1_795_493_516_754_u64.into(), Value::String(String::new())]
        );
    }
}
