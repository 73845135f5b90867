use proptest::prelude::*;

use super::*;
use crate::rules::script::Options;

const NETWORK: NetworkId = NetworkId(0x8056_c2e2_1c00_0001);

fn script(text: &str) -> Script {
    Script::compile(text, Options::default()).unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}"))
}

fn party(n: u64, name: &str, tags: &[(u32, u32)], capabilities: &[u32]) -> Party {
    Party {
        name: name.to_owned(),
        address: Address::new(0x10_0000_0000 + n),
        ips: vec![[10, 0, (n >> 8) as u8, n as u8].into(), format!("fd00::{n}").parse().unwrap()],
        tags: tags.iter().copied().collect(),
        capabilities: capabilities.iter().copied().collect(),
        active_bridge: false,
    }
}

/// The changes, one a line.
fn diff(old: &str, new: &str, members: &[Party]) -> Vec<String> {
    let (old, new) = (script(old), script(new));
    let sets = [&RuleSet::of(&old), &RuleSet::of(&new)];
    let difference = compare(NETWORK, sets, members, &Names::of(&new), &mut |_, _| ());
    assert_eq!(difference.left_out, Vec::<String>::new());
    assert!(difference.tried > 0 || members.len() < 2);
    // What is the same the other way round is the opposite.
    let back = compare(NETWORK, [sets[1], sets[0]], members, &Names::of(&new), &mut |_, _| ());
    assert_eq!(back.lines.len(), difference.lines.len());
    let words = |line: &Line| {
        let [change, between] = difference.words(line, members);
        format!("{change} | {between} | {}", line.frames.join("; "))
    };
    difference.lines.iter().map(words).collect()
}

fn three() -> Vec<Party> {
    vec![party(1, "a", &[], &[]), party(2, "b", &[], &[]), party(3, "c", &[], &[])]
}

#[test]
fn nothing_changes_where_rules_mean_the_same() {
    let open = "accept;";
    assert_eq!(diff(open, open, &three()), Vec::<String>::new());
    assert_eq!(diff("accept ipprotocol 6; accept;", open, &three()), Vec::<String>::new());
    assert_eq!(diff("drop ipprotocol 6 and not ipprotocol 6; accept;", "accept;", &three()), Vec::<String>::new());
    let halves = "accept dport 0-99; accept dport 100-65535; accept;";
    assert_eq!(diff(halves, open, &three()), Vec::<String>::new());
}

#[test]
fn everything_and_single_kinds() {
    for (old, new, lines) in [
        ("drop and; accept;", "accept;", vec!["opened | between any two members | everything"]),
        ("accept;", "drop and; accept;", vec!["cut | between any two members | everything"]),
        (
            "accept;",
            "drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6; accept;",
            vec!["cut | between any two members | other ethertypes"],
        ),
        ("accept;", "drop ethertype ipv6; accept;", vec!["cut | between any two members | IPv6"]),
        ("accept;", "drop ipprotocol tcp; accept;", vec!["cut | between any two members | tcp"]),
        ("accept;", "drop ipprotocol tcp and dport 22; accept;", vec!["cut | between any two members | tcp 22"]),
        (
            "drop not ipprotocol tcp; drop not dport 22; accept;",
            "drop not ipprotocol tcp; drop not dport 22 and not dport 80-443 and not dport 444; accept;",
            vec!["opened | between any two members | tcp 80-444"],
        ),
        ("accept;", "drop dport 53; accept;", vec!["cut | between any two members | tcp 53; udp 53"]),
        (
            "accept;",
            "drop ethertype ipv4 and ipprotocol udp and sport 53; accept;",
            vec!["cut | between any two members | IPv4 udp from port 53"],
        ),
        (
            "accept;",
            "drop chr tcp_syn and not chr tcp_ack; accept;",
            vec!["cut | between any two members | tcp new connections (syn)"],
        ),
        ("accept;", "drop icmp 8 -1; accept;", vec!["cut | between any two members | IPv4 icmp echo-request"]),
        ("accept;", "drop ethertype arp; accept;", vec!["cut | between any two members | arp"]),
        (
            "accept;",
            "drop chr broadcast; accept;",
            vec!["cut | between any two members | any kind broadcast; arp questions"],
        ),
    ] {
        assert_eq!(diff(old, new, &three()), lines, "{old} -> {new}");
    }
}

#[test]
fn groups_are_those_that_rules_tell_apart() {
    let tags = "tag department id 1 enum 1 finance enum 2 sales enum 3 lab default lab;";
    let members = vec![
        party(1, "anna", &[(1, 1)], &[]),
        party(2, "ben", &[(1, 1)], &[]),
        party(3, "carl", &[(1, 2)], &[]),
        party(4, "dora", &[(1, 2)], &[]),
        party(5, "eve", &[], &[]),
    ];
    let open = format!("{tags} accept;");
    assert_eq!(
        diff(&open, &format!("{tags} drop not tdiff department 0; accept;"), &members),
        ["cut | between any two groups | everything"]
    );
    assert_eq!(
        diff(&open, &format!("{tags} drop tseq department finance and not treq department finance; accept;"), &members),
        ["cut | department=finance -> department=sales; eve | everything"]
    );
    assert_eq!(
        diff(&open, &format!("{tags} drop teq department finance; accept;"), &members),
        ["cut | within department=finance | everything"]
    );
    assert_eq!(diff(&open, &open.replace("default lab", "default sales"), &members), Vec::<String>::new());
    let told = format!("{tags} drop ipprotocol tcp and treq department lab; accept;");
    assert_eq!(
        diff(&told, &told.replace("default lab", "default sales"), &members),
        ["opened | department=finance; department=sales -> eve | tcp"]
    );
}

#[test]
fn capabilities_addresses_and_nodes_make_groups() {
    let members =
        vec![party(1, "a", &[], &[7]), party(2, "b", &[], &[7]), party(3, "c", &[], &[]), party(4, "d", &[], &[])];
    let admin = "cap admin id 7 accept ipprotocol tcp and dport 22; ; accept not ipprotocol tcp;";
    assert_eq!(
        diff("accept not ipprotocol tcp;", admin, &members),
        ["opened | capability admin -> the others | tcp 22", "opened | within capability admin | tcp 22"]
    );
    assert_eq!(
        diff("accept;", "drop ipdest 10.0.0.2/32; accept;", &members),
        ["cut | between any two members | IPv4 to 10.0.0.2/32"; 1]
    );
    assert_eq!(diff("accept;", "drop ztsrc 1000000003; accept;", &members), ["cut | c -> the others | everything"; 1]);
}

#[test]
fn copies_and_redirects_are_told() {
    let mut members = three();
    members.push(party(9, "probe", &[], &[]));
    assert_eq!(
        diff("accept;", "tee -1 1000000009 ipprotocol tcp; accept;", &members),
        [
            "copied to probe | within the others | tcp",
            "copied to probe | the others -> probe | tcp broadcast and multicast"
        ]
    );
    assert_eq!(
        diff("accept;", "redirect 1000000009 ipprotocol tcp; accept;", &members),
        [
            "to probe instead | within the others | tcp",
            "to probe instead | the others -> probe | tcp broadcast and multicast"
        ]
    );
    assert_eq!(
        diff("accept;", "drop random 0.5; accept;", &members),
        ["by chance | between any two members | everything"]
    );
}

#[test]
fn spoofed_addresses_are_tried_where_rules_ask_for_them() {
    assert_eq!(
        diff("accept;", "drop not chr ipauth and ethertype ipv4; accept;", &three()),
        ["cut | between any two members | IPv4 from an address that is not the sender's"]
    );
}

/// Hundreds of departments of which the rules name none but that of the servers: a few stand for all.
#[test]
fn values_that_no_rule_names_stand_for_one_another() {
    let tags = "tag department id 1 enum 0 servers;";
    let members: Vec<Party> = (0..2000)
        .map(|n| {
            let held: &[u32] = if n % 7 == 0 { &[7] } else { &[] };
            Party { ips: vec![], ..party(n, "", &[(1, (n % 500) as u32)], held) }
        })
        .collect();
    let cap = "cap admin id 7 accept ipprotocol tcp; ;";
    let text = format!(
        "{tags} {cap} accept tdiff department 0; accept treq department servers; accept tseq department servers;"
    );
    let (old, new) = (script(&format!("{tags} {cap} accept;")), script(&text));
    let sets = [&RuleSet::of(&old), &RuleSet::of(&new)];
    let difference = compare(NETWORK, sets, &members, &Names::of(&new), &mut |_, _| ());
    assert_eq!(difference.left_out, Vec::<String>::new());
    let alike: usize = difference.alike.iter().map(|group| group.members.len()).sum();
    let tried: usize = difference.groups.iter().map(|group| group.members.len()).sum();
    assert_eq!(alike + tried, 2000);
    assert!(difference.groups.len() < 30 && difference.alike.len() > 400, "{}", difference.groups.len());
    // Nothing is cut within a department, nor with the servers.
    for line in &difference.lines {
        let departments = |at: &usize| members[difference.groups[*at].members[0]].tags[&1];
        for (from, to) in line.from.iter().flat_map(|from| line.to.iter().map(move |to| (from, to))) {
            if line.ways == Ways::AnyTwo && from == to {
                continue;
            }
            let (from, to) = (departments(from), departments(to));
            assert!(from != to && from != 0 && to != 0, "{line:?}");
        }
    }
}

#[test]
fn thousands_of_members_are_a_few_groups() {
    let tags = "tag department id 1 enum 1 finance enum 2 sales;";
    let members: Vec<Party> =
        (0..3000).map(|n| Party { ips: vec![], ..party(n, "", &[(1, (n % 2) as u32 + 1)], &[]) }).collect();
    assert_eq!(
        diff(&format!("{tags} accept;"), &format!("{tags} drop not tdiff department 0; accept;"), &members),
        ["cut | department=finance <-> department=sales | everything"]
    );
}

/// One match of the language.
fn any_match() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        prop_oneof![Just("ipv4"), Just("ipv6"), Just("arp"), Just("0x88cc")].prop_map(|e| format!("ethertype {e}")),
        prop_oneof![Just("tcp"), Just("udp"), Just("1"), Just("58"), Just("sctp"), Just("47")]
            .prop_map(|p| format!("ipprotocol {p}")),
        (0..30u16, 0..5u16).prop_map(|(a, n)| format!("dport {a}-{}", a + n)),
        (0..30u16).prop_map(|a| format!("sport {a}")),
        prop_oneof![Just("8 -1"), Just("3 1"), Just("135 -1"), Just("128 0")].prop_map(|i| format!("icmp {i}")),
        prop_oneof![
            Just("tcp_syn"),
            Just("tcp_ack"),
            Just("multicast"),
            Just("broadcast"),
            Just("ipauth"),
            Just("inbound")
        ]
        .prop_map(|c| format!("chr {c}")),
        (0..3u32).prop_map(|v| format!("tseq department {v}")),
        (0..3u32).prop_map(|v| format!("treq department {v}")),
        (0..2u32).prop_map(|v| format!("tdiff department {v}")),
        (0..2u32).prop_map(|v| format!("teq department {v}")),
        prop_oneof![
            Just("10.0.0.0/30"),
            Just("10.0.0.2/32"),
            Just("fd00::/64"),
            Just("fd00::2/128"),
            Just("0.0.0.0/0")
        ]
        .prop_map(|p| format!("ipdest {p}")),
        prop_oneof![Just("10.0.0.0/30"), Just("10.0.0.0/8"), Just("fd00::1/128")].prop_map(|p| format!("ipsrc {p}")),
        prop_oneof![Just("ztsrc 1000000001"), Just("ztdest 1000000002")].prop_map(str::to_owned),
        (60..100u16).prop_map(|n| format!("framesize {n}-2000")),
        (0..3u8).prop_map(|n| format!("iptos 0xff {n}-{}", n + 1)),
    ];
    (any::<bool>(), prop::bool::weighted(0.2), text)
        .prop_map(|(not, or, text)| format!("{}{}{text}", if not { "not " } else { "" }, if or { "or " } else { "" }))
}

fn any_statement() -> impl Strategy<Value = String> {
    let action = prop_oneof![4 => Just("accept"), 4 => Just("drop"), 1 => Just("break"), 1 => Just("tee -1 1000000004"), 1 => Just("redirect 1000000003")];
    (action, prop::collection::vec(any_match(), 1..3))
        .prop_map(|(action, matches)| format!("{action} {};", matches.join(" and ")))
}

fn any_rules() -> impl Strategy<Value = String> {
    (prop::collection::vec(any_statement(), 0..3), prop::collection::vec(any_statement(), 0..2), any::<bool>())
        .prop_map(|(base, granted, open)| {
            let end = if open { "accept and;" } else { "" };
            format!("tag department id 1 default 0;\ncap c id 7 {} ;\n{}\n{end}\n", granted.join(" "), base.join("\n"))
        })
}

/// A frame in words, of the kinds that rules tell apart.
fn any_frame() -> impl Strategy<Value = String> {
    let ports = (prop_oneof![Just("tcp"), Just("udp"), Just("tcp6"), Just("udp6"), Just("sctp")], 1..40u16, 1..40u16);
    let flags = prop_oneof![Just("syn"), Just("ack"), Just("syn ack"), Just("fin ack")];
    let kind = prop_oneof![
        (ports, flags).prop_map(|((kind, from, to), flags)| {
            format!("{kind} :{from} > :{to} {}", if kind.starts_with("tcp") { flags } else { "" })
        }),
        prop_oneof![
            Just("icmp 8"),
            Just("icmp 3/1"),
            Just("icmp 3/2"),
            Just("icmp 17"),
            Just("ping6"),
            Just("icmp6 1"),
            Just("ndp solicit"),
            Just("ndp advertise"),
            Just("arp"),
            Just("ethertype lldp"),
            Just("ethertype 0x9999"),
            Just("ipv4 47"),
            Just("ipv6 47"),
            Just("ipv4 99"),
            Just("icmp 8 > 10.0.0.9"),
            Just("icmp 8 10.0.0.77 > 10.0.0.2"),
            Just("tcp > 192.0.2.99:22"),
            Just("ping6 fd00::77 > fd00::2")
        ]
        .prop_map(str::to_owned),
    ];
    let more = prop_oneof![6 => Just(""), 1 => Just(" 100 bytes"), 1 => Just(" broadcast"), 1 => Just(" multicast 33:33:00:00:00:09")];
    (kind, more).prop_map(|(kind, more)| format!("{kind}{more}"))
}

proptest! {
    // Each case is a whole difference, and thousands of frames.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    /// Whatever frame ends otherwise under the new rules, a line of that change names its sender and receiver.
    #[test]
    fn no_change_of_a_frame_is_left_untold(old in any_rules(), new in any_rules(), frames in prop::collection::vec(any_frame(), 1..40)) {
        let members = vec![
            party(1, "a", &[(1, 1)], &[7]), party(2, "b", &[(1, 1)], &[]), party(3, "c", &[(1, 2)], &[]), party(4, "d", &[], &[7]),
        ];
        let compiled = |text: &str| Script::compile(text, Options::default());
        let (Ok(old), Ok(new)) = (compiled(&old), compiled(&new)) else { return Ok(()) };
        let sets = [&RuleSet::of(&old), &RuleSet::of(&new)];
        let difference = compare(NETWORK, sets, &members, &Names::default(), &mut |_, _| ());
        prop_assume!(difference.left_out.is_empty());
        let group = |at: usize| difference.groups.iter().position(|group| group.members.contains(&at)).expect("in a group");
        let seats = sets.map(|set| members.iter().map(|party| Seat::new(NETWORK, set, party)).collect::<Vec<_>>());
        for (from, to) in (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to) {
            let ends = trial::ends(NETWORK, &members[from], &members[to]);
            for words in &frames {
                let frame = crate::rules::words::Frame::read(words, &ends).expect("words");
                let [before, after] = [0, 1].map(|at| Link::new(&seats[at][from], &seats[at][to]).fate(&frame, false).0);
                if before == after {
                    continue;
                }
                let change = match after {
                    Fate::Accepted => Change::Opened,
                    Fate::Dropped => Change::Cut,
                    Fate::Redirected(to) => Change::Redirected(to),
                    Fate::ByChance => Change::ByChance,
                };
                let told = difference.lines.iter().filter(|line| line.change == change).any(|line| {
                    let one_way = |from: usize, to: usize| line.from.contains(&group(from)) && line.to.contains(&group(to));
                    one_way(from, to) || line.ways != Ways::One && one_way(to, from)
                });
                prop_assert!(told, "{} > {}: {words}: {before:?} -> {after:?}\n{:?}", from + 1, to + 1, difference.lines);
            }
        }
    }
}
