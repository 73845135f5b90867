//! `defaultBondingPolicy`, `policies` and `peerSpecificBonds` of `settings` (06 §3.4, 03 §15.9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use zt_peer::{BondConfig, BondLink, BondPolicy, BondTemplate, IpPreference, QualityLimits, Reselect};
use zt_wire::Address;

use super::{boolean, integer, text};

/// Reads the policies, and adds to `remarks` what cannot be used. Remarks that begin with `error:` are those of the
/// original, word by word.
pub(super) fn read(settings: &Map<String, Value>, remarks: &mut Vec<String>) -> BondConfig {
    let mut reader = Reader { remarks, policies: BTreeMap::new() };
    if let Some(policies) = reader.object("settings.policies", settings.get("policies")) {
        // In the order of the original, which keeps objects sorted.
        for (name, policy) in policies.iter().collect::<BTreeMap<_, _>>() {
            reader.policy(name, policy);
        }
    }
    let mut config = BondConfig { in_use: !reader.policies.is_empty(), ..BondConfig::default() };
    let default = settings.get("defaultBondingPolicy").map(|value| text(value, "")).unwrap_or_default();
    if !default.is_empty() {
        config.default = reader.named(&default);
        if config.default.is_none() {
            reader
                .remarks
                .push(format!("error: unknown policy ({default}) specified by defaultBondingPolicy, bond disabled."));
        }
    }
    if let Some(peers) = reader.object("settings.peerSpecificBonds", settings.get("peerSpecificBonds")) {
        for (peer, name) in peers {
            reader.peer(&mut config, peer, name);
        }
    }
    config.in_use |= config.default.is_some() || !config.peers.is_empty();
    config
}

struct Reader<'r> {
    remarks: &'r mut Vec<String>,
    policies: BTreeMap<String, Arc<BondTemplate>>,
}

impl Reader<'_> {
    /// A standard policy, or one of `policies`.
    fn named(&self, name: &str) -> Option<Arc<BondTemplate>> {
        let standard = || BondPolicy::from_name(name).map(|policy| Arc::new(BondTemplate::new(policy)));
        self.policies.get(name).cloned().or_else(standard)
    }

    /// Deliberate: what is no object is named and left out; the original ends here (06 §3.4).
    fn object<'v>(&mut self, field: &str, value: Option<&'v Value>) -> Option<&'v Map<String, Value>> {
        let value = value?;
        let object = value.as_object();
        if object.is_none() && value.as_array().is_none_or(|list| !list.is_empty()) {
            self.remarks.push(format!("{field}: ignored, must be an object"));
        }
        object
    }

    fn peer(&mut self, config: &mut BondConfig, peer: &str, name: &Value) {
        let field = format!("settings.peerSpecificBonds.{peer}");
        let Ok(address) = peer.parse::<Address>() else {
            return self.remarks.push(format!("{field}: ignored, the key must be a node address of 10 digits"));
        };
        match name.as_str().and_then(|name| self.named(name)) {
            Some(template) => drop(config.peers.insert(address, template)),
            None => self.remarks.push(format!("{field}: ignored, {name} is neither a policy nor one of `policies`")),
        }
    }

    fn policy(&mut self, name: &str, value: &Value) {
        if BondPolicy::from_name(name).is_some() || name == BondPolicy::None.name() {
            return self.remarks.push(format!(
                "error: custom policy ({name}) will be ignored, cannot use standard policy names for custom policies."
            ));
        }
        let field = format!("settings.policies.{name}");
        let Some(policy) = self.object(&field, Some(value)) else { return };
        let named = policy.get("basePolicy").map(|value| text(value, "")).unwrap_or_default();
        if named.is_empty() {
            self.remarks.push(format!("error: no base policy was specified for custom policy ({name})"));
        }
        let Some(base) = BondPolicy::from_name(&named) else {
            return self
                .remarks
                .push(format!("error: custom policy ({name}) is invalid, unknown base policy ({named})."));
        };
        let mut template = BondTemplate::new(base);
        for (key, value) in policy {
            self.parameter(&mut template, &field, key, value);
        }
        self.policies.insert(name.to_owned(), Arc::new(template));
    }

    fn parameter(&mut self, template: &mut BondTemplate, policy: &str, key: &str, value: &Value) {
        let field = format!("{policy}.{key}");
        match key {
            "basePolicy" => {}
            "failoverInterval" => {
                let wanted = self.millis(&field, value).unwrap_or(template.failover_interval);
                template.failover_interval = wanted.max(BondTemplate::MIN_FAILOVER);
                if template.failover_interval != wanted {
                    self.remarks.push(format!("{field}: less than 500 ms, 500 is used"));
                }
            }
            "upDelay" => template.up_delay = self.millis(&field, value).unwrap_or(template.up_delay),
            "downDelay" => template.down_delay = self.millis(&field, value).unwrap_or(template.down_delay),
            "packetsPerLink" => match u32::try_from(integer(value, 0)) {
                Ok(packets @ 1..) => template.packets_per_link = packets,
                _ => self.remarks.push(format!("{field}: ignored, write a number of packets of at least 1")),
            },
            "activeReselect" => match Reselect::from_name(&text(value, "")) {
                Some(method) => template.reselect = method,
                None => {
                    let all = Reselect::ALL.map(Reselect::name).join(", ");
                    self.remarks.push(format!("{field}: {value} is none of {all}; \"always\" is used"));
                }
            },
            "allowPathNegotiation" => template.negotiates = boolean(value, false),
            "linkQuality" => self.quality(template, &field, value),
            "links" => {
                for (name, link) in self.object(&field, Some(value)).into_iter().flatten() {
                    let link = self.link(&format!("{field}.{name}"), name, link);
                    template.links.extend(link);
                }
            }
            _ => {}
        }
    }

    /// A time in milliseconds; negative ones are ignored, as by the original.
    fn millis(&mut self, field: &str, value: &Value) -> Option<Duration> {
        let negative = value.as_f64().is_some_and(|n| n < 0.0) || value.as_str().is_some_and(|t| t.starts_with('-'));
        if negative || !(value.is_number() || value.is_string()) {
            self.remarks.push(format!("{field}: ignored, write a number of milliseconds of at least 0"));
            return None;
        }
        Some(Duration::from_millis(integer(value, 0).min(u64::from(u32::MAX))))
    }

    /// All eight numbers, with weights that are 1 together, or none.
    fn quality(&mut self, template: &mut BondTemplate, field: &str, value: &Value) {
        const KEYS: [&str; 8] =
            ["lat_max", "pdv_max", "plr_max", "per_max", "lat_weight", "pdv_weight", "plr_weight", "per_weight"];
        let Some(given) = self.object(field, Some(value)) else { return };
        let numbers: Vec<f32> = KEYS.iter().filter_map(|key| Some(given.get(*key)?.as_f64()? as f32)).collect();
        let whole = given.len() == KEYS.len() && numbers.iter().all(|n| n.is_finite() && *n >= 0.0);
        let Some([latency, jitter, loss, error, w0, w1, w2, w3]) = numbers.try_into().ok().filter(|_: &[f32; 8]| whole)
        else {
            return self.remarks.push(format!("{field}: ignored, write just these numbers: {}", KEYS.join(", ")));
        };
        let weights = [w0, w1, w2, w3];
        if !(0.99..=1.01).contains(&weights.iter().sum::<f32>()) {
            return self.remarks.push(format!("{field}: ignored, the four weights must be 1 together"));
        }
        template.quality = QualityLimits { latency, jitter, loss, error, weights };
    }

    fn link(&mut self, field: &str, name: &str, value: &Value) -> Option<BondLink> {
        let given = self.object(field, Some(value))?;
        // Spare unless it is said (03 §15.9).
        let mut link = BondLink { primary: false, ..BondLink::new(name) };
        for (key, value) in given {
            let field = format!("{field}.{key}");
            match key.as_str() {
                "enabled" => link.enabled = boolean(value, true),
                "capacity" => link.capacity = u32::try_from(integer(value, 0)).unwrap_or(u32::MAX),
                "mtu" => link.mtu = u16::try_from(integer(value, 0)).unwrap_or(u16::MAX),
                "ipvPref" => match IpPreference::from_number(integer(value, 0)) {
                    Some(preference) => link.ip = preference,
                    None => {
                        link.enabled = false;
                        self.remarks
                            .push(format!("{field}: {value} is none of 0, 4, 6, 46, 64; the interface is not used"));
                    }
                },
                "failoverTo" => link.failover_to = Some(text(value, "")).filter(|name| !name.is_empty()),
                "mode" => match text(value, "").as_str() {
                    "primary" => link.primary = true,
                    "spare" => {}
                    _ => self.remarks.push(format!("{field}: {value} is neither primary nor spare; spare is used")),
                },
                _ => {}
            }
        }
        if !link.primary && link.failover_to.is_some() {
            link.enabled = false;
            self.remarks.push(format!("{field}.failoverTo: not for a spare link; the interface is not used"));
        }
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(settings: Value) -> (BondConfig, Vec<String>) {
        let mut remarks = Vec::new();
        let config = read(settings.as_object().expect("an object"), &mut remarks);
        (config, remarks)
    }

    #[test]
    fn the_example_of_the_document_is_taken_as_it_is_written() {
        let (config, remarks) = parse(json!({
            "defaultBondingPolicy": "active-backup",
            "policies": {"my-policy": {
                "basePolicy": "balance-aware", "failoverInterval": 4000, "upDelay": 1, "downDelay": 2,
                "packetsPerLink": 3, "activeReselect": "better",
                "linkQuality": {"lat_max": 400, "pdv_max": 90, "plr_max": 0.01, "per_max": 0.02, "lat_weight": 0.4,
                                "pdv_weight": 0.3, "plr_weight": 0.2, "per_weight": 0.1},
                "links": {"eth0": {"mode": "primary", "ipvPref": 4, "capacity": 1000, "mtu": 1432, "failoverTo": "eth1",
                                   "enabled": true}, "eth1": {"mode": "spare"}}}},
            "peerSpecificBonds": {"0123456789": "my-policy", "0123456780": "broadcast"},
        }));
        assert_eq!(remarks, Vec::<String>::new());
        assert_eq!(config.default.as_deref(), Some(&BondTemplate::new(BondPolicy::ActiveBackup)));
        let mine = &config.peers[&Address::new(0x01_2345_6789)];
        assert_eq!((mine.policy, mine.failover_interval.as_millis()), (BondPolicy::BalanceAware, 4000));
        assert_eq!((mine.up_delay.as_millis(), mine.down_delay.as_millis(), mine.packets_per_link), (1, 2, 3));
        assert_eq!((mine.reselect, mine.quality.latency, mine.quality.weights[3]), (Reselect::Better, 400.0, 0.1));
        let eth0 = BondLink {
            ip: IpPreference::V4,
            mtu: 1432,
            capacity: 1000,
            failover_to: Some("eth1".to_owned()),
            ..BondLink::new("eth0")
        };
        assert_eq!(mine.links, [eth0, BondLink { primary: false, ..BondLink::new("eth1") }]);
        assert_eq!(config.peers[&Address::new(0x01_2345_6780)].policy, BondPolicy::Broadcast);
        assert!(config.in_use);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_rest_is_used() {
        let (config, remarks) = parse(json!({
            "defaultBondingPolicy": "none",
            "policies": {"mine": {
                "basePolicy": "balance-rr", "failoverInterval": 499, "upDelay": -5, "packetsPerLink": 0,
                "activeReselect": "sometimes", "linkQuality": {"lat_max": 1},
                "links": {"eth0": {"ipvPref": 5}, "eth1": {"failoverTo": "eth0"}, "eth2": {"mode": "odd"}, "eth3": 7}},
                "adaptive": {"basePolicy": "broadcast"}, "list": []},
            "peerSpecificBonds": {"xyz": "mine", "0123456789": "nosuch", "0123456788": 5},
        }));
        assert!(config.in_use && config.default.is_none() && config.peers.is_empty());
        let named = [
            "unknown policy (none)",
            "failoverInterval",
            "upDelay",
            "packetsPerLink",
            "activeReselect",
            "linkQuality",
            "eth0.ipvPref",
            "eth1.failoverTo",
            "eth2.mode",
            "eth3",
            "custom policy (adaptive)",
            "xyz",
            "0123456789",
            "0123456788",
        ];
        for name in named {
            assert_eq!(remarks.iter().filter(|r| r.contains(name)).count(), 1, "{name} in {remarks:#?}");
        }
        assert_eq!(remarks.len(), named.len(), "{remarks:#?}");
    }

    #[test]
    fn nothing_said_is_nothing_in_use() {
        for settings in [json!({}), json!({"policies": {}, "peerSpecificBonds": {}}), json!({"policies": []})] {
            assert_eq!(parse(settings), (BondConfig::default(), Vec::new()));
        }
    }
}
