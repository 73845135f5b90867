//! Tests of `local.conf`.

use super::*;
use proptest::prelude::*;
use zt_wire::IpPrefix;

fn conf(text: &str) -> LocalConf {
    LocalConf::parse(text.as_bytes()).expect("usable")
}

#[test]
fn nothing_means_no_settings() {
    for text in ["", " \n", "{}", "\u{feff}{}"] {
        assert_eq!(conf(text), LocalConf::default(), "{text:?}");
    }
}

#[test]
fn unusable_files_are_told_in_the_originals_words() {
    let error = |text: &str| LocalConf::parse(text.as_bytes()).expect_err("unusable");
    assert_eq!(error("nope").to_string(), "ERROR: unable to parse local.conf (invalid JSON)");
    assert!(error("{\n \"a\": }").hint().contains("line 2"));
    assert_eq!(error("[]").to_string(), "ERROR: unable to parse local.conf (root element is not a JSON object)");
    assert_eq!(error("{\"settings\": 5}"), LocalConfError::Settings);
}

#[test]
fn values_are_converted_leniently() {
    assert_eq!(conf(r#"{"settings":{"primaryPort":"12346x"}}"#).settings.primary_port, Some(12346));
    assert_eq!(conf(r#"{"settings":{"primaryPort":77883}}"#).settings.primary_port, Some(12347));
    assert_eq!(conf(r#"{"settings":{"primaryPort":null}}"#).settings.primary_port, None);
    assert!(!conf(r#"{"settings":{"allowSecondaryPort":"false"}}"#).settings.allow_secondary_port);
    assert!(conf(r#"{"settings":{"allowSecondaryPort":"True"}}"#).settings.allow_secondary_port);
    assert!(conf(r#"{"settings":{"allowSecondaryPort":null}}"#).settings.allow_secondary_port);
    let bind = conf(r#"{"settings":{"bind":["88.7.7.4/1111","2a0f:7707::4","nonsense",5,""]}}"#);
    assert_eq!(bind.settings.bind, ["88.7.7.4".parse::<IpAddr>().expect("ip"), "2a0f:7707::4".parse().expect("ip")]);
    assert_eq!(bind.remarks.len(), 3);
    assert_eq!(integer(&json!(-1), 0), u64::MAX);
    assert_eq!(integer(&json!(1.5), 0), 1);
    assert!(boolean(&json!(-1), false));
    assert_eq!(text(&json!(true), ""), "1");
}

#[test]
fn ranges_say_what_they_mean() {
    let allow = |entry: &str| {
        let conf = conf(&format!(r#"{{"settings":{{"allowManagementFrom":["{entry}"]}}}}"#));
        (conf.settings.allow_management_from, conf.remarks)
    };
    // Deliberate: 06 §4.2 tells how the original lets everybody in here.
    let (prefixes, remarks) = allow("1.2.3.4");
    assert_eq!(prefixes[0].to_string(), "1.2.3.4/32");
    assert_eq!(remarks, ["settings.allowManagementFrom: \"1.2.3.4\" is read as 1.2.3.4/32"]);
    assert_eq!(allow("2a0f:7707::4/64").0[0].to_string(), "2a0f:7707::/64");
    assert_eq!(allow("host.example").0, []);
    assert_eq!(allow("1.2.3.4/33").0, []);
    let prefix = |text: &str| read_range(text).expect("range");
    assert!(prefix("88.7.7.0/24").contains("88.7.7.3".parse().expect("ip")));
    assert!(!prefix("88.7.7.0/24").contains("88.7.8.3".parse().expect("ip")));
    assert!(!prefix("0.0.0.0/0").contains("::1".parse().expect("ip")));
    assert!(prefix("::/0").contains("::1".parse().expect("ip")));
}

#[test]
fn physical_and_virtual_are_read() {
    let conf = conf(
        r#"{"physical":{"88.7.7.4/24":{"blacklist":true},"10.0.0.1":{"blacklist":true},"2a0f:7707::/64":{"mtu":1380,
        "trustedPathId":4242},"x":{},"1.1.1.1/32":5},
        "virtual":{"feedbeef11":{"try":["192.0.2.1/9993","bad"],"blacklist":["10.0.0.0/8"]},"short":{}},"other":1}"#,
    );
    let shown: Vec<_> =
        conf.physical.iter().map(|p| (p.prefix.to_string(), p.blacklist, p.trusted_path_id, p.mtu)).collect();
    assert_eq!(
        shown,
        [
            ("88.7.7.0/24".to_owned(), true, 0, 0),
            ("10.0.0.1/32".to_owned(), false, 0, 0),
            ("2a0f:7707::/64".to_owned(), false, 4242, 1400),
        ]
    );
    let peer = &conf.peers[&"feedbeef11".parse().expect("address")];
    assert_eq!(peer.try_addresses, ["192.0.2.1:9993".parse().expect("address")]);
    assert_eq!(peer.blacklist[0].to_string(), "10.0.0.0/8");
    // The MTU of 1380 among them: 1400 is used.
    assert_eq!(conf.remarks.len(), 7, "{:?}", conf.remarks);
}

#[test]
fn no_number_changes_without_a_word() {
    for (text, field) in [
        (r#"{"settings":{"primaryPort":77883}}"#, "primaryPort: 77883 is no port, 12347 is used"),
        (r#"{"settings":{"primaryPort":-1}}"#, "primaryPort: not a number"),
        (r#"{"settings":{"primaryPort":9993.5}}"#, "primaryPort: 9993.5 is read as 9993"),
        (r#"{"settings":{"primaryPort":"9993x"}}"#, "primaryPort: \"9993x\" is read as 9993"),
        (r#"{"settings":{"primaryPort":true}}"#, "primaryPort: true is read as 1"),
        (r#"{"settings":{"secondaryPort":70000}}"#, "secondaryPort: larger than 65535"),
        (r#"{"settings":{"secondaryPort":-5}}"#, "secondaryPort: -5 is read as"),
        (r#"{"settings":{"secondaryPort":null}}"#, "secondaryPort: null is read as 0"),
        (r#"{"physical":{"10.0.0.0/8":{"mtu":99999}}}"#, "mtu: 99999 is outside of 1400 to 10324, 10324 is used"),
        (r#"{"physical":{"10.0.0.0/8":{"mtu":-1}}}"#, "mtu: -1 is read as"),
        (r#"{"physical":{"10.0.0.0/8":{"trustedPathId":-1}}}"#, "trustedPathId: -1 is read as"),
        (r#"{"physical":{"10.0.0.0/33":{}}}"#, "physical.10.0.0.0/33: ignored"),
        (r#"{"physical":{"10.0.0.0/264":{}}}"#, "physical.10.0.0.0/264: ignored"),
        (r#"{"virtual":{"feedbeef11":{"try":["192.0.2.1/99999"]}}}"#, "192.0.2.1/99999"),
        (r#"{"virtual":{"feedbeef11":{"try":["192.0.2.1/0"]}}}"#, "192.0.2.1/0"),
        (r#"{"settings":{"bind":["300.0.0.1"]}}"#, "300.0.0.1"),
        (r#"{"settings":{"allowManagementFrom":["10.0.0.0/40"]}}"#, "10.0.0.0/40"),
    ] {
        let conf = conf(text);
        assert!(conf.remarks.iter().any(|remark| remark.contains(field)), "{text}: {:?}", conf.remarks);
    }
    let exact = r#"{"settings":{"primaryPort":"9993","secondaryPort":0},"physical":{"10.0.0.0/8":{"mtu":1400}}}"#;
    assert_eq!(conf(exact).remarks, Vec::<String>::new());
}

#[test]
fn the_tcp_relay_is_used_as_the_settings_say() {
    let used = |settings: &str| conf(&format!(r#"{{"settings":{{{settings}}}}}"#)).settings.tcp_relay();
    let public = "204.80.128.1:443".parse().expect("an address");
    assert_eq!(used(""), TcpRelaySettings { server: public, used: RelayUse::Fallback });
    assert_eq!(used(r#""forceTcpRelay":true"#), TcpRelaySettings { server: public, used: RelayUse::Always });
    assert_eq!(used(r#""allowTcpFallbackRelay":false"#).used, RelayUse::Never);
    assert_eq!(used(r#""allowTcpFallbackRelay":false,"forceTcpRelay":true"#).used, RelayUse::Always);
    let own = "192.0.2.1:8443".parse().expect("an address");
    assert_eq!(
        used(r#""tcpFallbackRelay":"192.0.2.1/8443""#),
        TcpRelaySettings { server: own, used: RelayUse::Fallback }
    );
    let wrong = conf(r#"{"settings":{"tcpFallbackRelay":"relay.example.com"}}"#);
    assert_eq!(wrong.settings.tcp_relay().used, RelayUse::Never, "nobody asked for the public one");
    assert!(wrong.remarks[0].contains("settings.tcpFallbackRelay") && wrong.remarks[0].contains("192.0.2.1/443"));
}

#[test]
fn settings_are_replaced_one_by_one() {
    let before = conf(r#"{"settings":{"interfacePrefixBlacklist":["foo"]},"physical":{}}"#);
    let Value::Object(changes) = json!({"nosuch": {"a": 1}, "lowBandwidthMode": true}) else { unreachable!() };
    let after = before.with_settings(&changes).expect("usable");
    assert_eq!(
        after.to_text(),
        "{\n    \"physical\": {},\n    \"settings\": {\n        \"interfacePrefixBlacklist\": [\n            \"foo\"\n        \
         ],\n        \"lowBandwidthMode\": true,\n        \"nosuch\": {\n            \"a\": 1\n        }\n    }\n}"
    );
}

#[test]
fn a_changed_file_is_noticed_and_a_removed_one_is_not() {
    let folder = std::env::temp_dir().join(format!("zt-watch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folder");
    let path = folder.join("local.conf");
    let _ = std::fs::remove_file(&path);
    let mut watch = Watch::new(path.clone());
    assert!(watch.poll().is_none());
    std::fs::write(&path, r#"{"settings":{"primaryPort":1}}"#).expect("write");
    assert_eq!(watch.poll().expect("noticed").expect("usable").settings.primary_port, Some(1));
    assert!(watch.poll().is_none());
    std::fs::write(&path, "broken").expect("write");
    assert!(watch.poll().expect("noticed").is_err());
    std::fs::remove_file(&path).expect("remove");
    assert!(watch.poll().is_none());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,200}") {
        let _ = LocalConf::parse(text.as_bytes());
    }

    #[test]
    fn no_value_is_too_strange(key in "[a-zA-Z]{1,12}", number in any::<i64>(), text in "\\PC{0,20}") {
        for section in ["settings", "physical", "virtual"] {
            for value in [json!(number), json!(text), json!([text, number]), json!({&key: number}), json!(null)] {
                let root = json!({section: {&key: value, "primaryPort": number, "10.0.0.0/8": {"mtu": number}}});
                let _ = LocalConf::parse(root.to_string().as_bytes());
            }
        }
    }

    #[test]
    fn a_range_contains_its_own_addresses(ip in any::<u128>(), bits in 0_u8..=128, v4 in any::<bool>()) {
        let ip = if v4 { IpAddr::V4((ip as u32).into()) } else { IpAddr::V6(ip.into()) };
        match IpPrefix::new(ip, bits) {
            Some(prefix) => {
                prop_assert!(prefix.contains(ip));
                prop_assert_eq!(read_range(&prefix.to_string()), Some(prefix.network()));
            }
            None => prop_assert!(v4 && bits > 32),
        }
    }
}

#[test]
fn interfaces_of_raw_ethernet_are_names_and_each_counts_once() {
    let read = conf(r#"{"settings":{"ethernet":["eth1","br0","eth1","a/b","","veryveryverylongname"]}}"#);
    assert_eq!(read.settings.ethernet, ["eth1", "br0"]);
    assert_eq!(read.remarks.len(), 4, "{:?}", read.remarks);
    assert!(read.remarks.iter().all(|remark| remark.starts_with("settings.ethernet: ")));
    let wrong = conf(r#"{"settings":{"ethernet":"eth1"}}"#);
    assert_eq!((wrong.settings.ethernet, wrong.remarks.len()), (Vec::new(), 1));
}

#[test]
fn offload_of_virtual_ports_has_four_levels() {
    let level = |text: &str| {
        let read = conf(&format!(r#"{{"settings":{{"tapOffload":{text}}}}}"#));
        (read.settings.tap_offload, read.remarks.len())
    };
    assert_eq!(level("\"none\""), (Offloads::None, 0));
    assert_eq!(level("\"checksums\""), (Offloads::Checksums, 0));
    assert_eq!(level("\"tcp\""), (Offloads::Tcp, 0));
    assert_eq!(level("\"all\""), (Offloads::All, 0));
    assert_eq!(level("\"some\""), (Offloads::All, 1));
    assert_eq!(level("true"), (Offloads::All, 1));
}

#[test]
fn aes_is_used_unless_somebody_says_otherwise() {
    let read = |text: &str| {
        let read = conf(&format!(r#"{{"settings":{{{text}}}}}"#));
        (read.settings.aes, read.remarks.len())
    };
    assert_eq!(read(""), (true, 0));
    assert_eq!(read(r#""aes":false"#), (false, 0));
    assert_eq!(read(r#""aes":true"#), (true, 0));
    assert_eq!(read(r#""aes":"off""#), (true, 1), "a word that may mean either changes nothing");
}

#[test]
fn offload_of_udp_sockets_is_switched_for_each_direction() {
    let read = |text: &str| {
        let read = conf(&format!(r#"{{"settings":{{"udpOffload":{text}}}}}"#));
        let UdpOffloads { send, receive } = read.settings.udp_offload;
        (send, receive, read.remarks.len())
    };
    assert_eq!(read("\"none\""), (false, false, 0));
    assert_eq!(read("\"send\""), (true, false, 0));
    assert_eq!(read("\"receive\""), (false, true, 0));
    assert_eq!(read("\"all\""), (true, true, 0));
    assert_eq!(read("\"gso\""), (true, true, 1));
    assert_eq!(read("false"), (true, true, 1));
}
