//! The links alone: ranks and the level, sizes, and which addresses may be paths.

use std::time::Duration;

use super::*;

const T: Mono = Mono(60_000_000);
const PEER: Address = Address::new(5);

fn at(text: &str) -> Endpoint {
    Endpoint::Ip(text.parse().unwrap())
}

fn link(id: u32, rank: i32) -> Link {
    let local = at(&format!("10.0.{id}.1:9993"));
    Link { id: LinkId(id), kind: LinkKind::Udp, rank, role: LinkRole::Full, local, mtu: 0 }
}

fn links(ranks: &[i32]) -> Links {
    let mut links = Links::new(false, Asks::default());
    for (id, rank) in ranks.iter().enumerate() {
        links.insert(link(u32::try_from(id).unwrap(), *rank));
    }
    links
}

fn by(links: &Links) -> Vec<u32> {
    links.paths_to(at("1.2.3.4:9993")).iter().map(|p| p.link.0).collect()
}

#[test]
fn the_level_climbs_the_ranks_one_by_one_and_an_answer_by_a_better_one_brings_it_down() {
    let mut links = links(&[0, 1, 2]);
    assert_eq!((links.level(), by(&links)), (0, vec![0]));
    links.asked(T);
    let rises = T + Duration::from_secs(5);
    assert!(!links.is_judged(T + Duration::from_millis(4999)) && links.is_judged(rises));
    assert_eq!(links.judge(rises, Outlook::Silent), Some(1));
    assert_eq!((by(&links), links.of_the_level().len()), (vec![0, 1], 1));
    assert_eq!(links.judge(rises + Duration::from_secs(5), Outlook::Silent), Some(2));
    assert_eq!(links.link_to_look_up(at("1.2.3.4:1")), Some(LinkId(2)));
    assert_eq!(links.answered(LinkId(1)), Some(1));
    assert_eq!(links.answered(LinkId(9)), None, "no such link");
    assert_eq!(links.answered(LinkId(0)), Some(0));
    assert_eq!(by(&links), [0]);
}

#[test]
fn a_link_that_goes_takes_its_level_along() {
    let mut links = links(&[0, 1]);
    links.asked(T);
    assert_eq!(links.judge(T + Duration::from_secs(5), Outlook::Silent), Some(1));
    assert_eq!(links.remove(LinkId(1)), Some(Some(0)));
    assert_eq!(links.remove(LinkId(1)), None);
    assert!(!links.may_rise());
}

#[test]
fn a_new_size_is_no_new_link_but_a_new_rank_is() {
    let mut links = links(&[0]);
    let path = Path { link: LinkId(0), remote: at("1.2.3.4:9993") };
    links.learn_mtu(T, path, 1000);
    assert_eq!(links.mtu(path), 1000);
    assert_eq!(links.insert(Link { mtu: 1400, ..link(0, 0) }), LinkChange::Size);
    assert_eq!(links.mtu(path), 1400, "what was learnt by the old size is forgotten");
    let change = links.insert(Link { mtu: 1400, ..link(0, -1) });
    assert_eq!(change, LinkChange::Link { rank_changed: true, level: None });
}

#[test]
fn links_that_only_answer_greet_nobody() {
    let mut links = links(&[]);
    links.insert(Link { role: LinkRole::AnswerOnly, ..link(1, 0) });
    assert!(by(&links).is_empty());
}

#[test]
fn our_own_addresses_and_our_own_networks_are_no_paths() {
    let mut links = links(&[0]);
    assert!(links.may_be_path(PEER, &at("1.2.3.4:9993"), None));
    assert!(!links.may_be_path(PEER, &at("10.0.0.1:9993"), None), "that is us");
    links.set_routed(vec!["192.168.20.0/24".parse().unwrap()], Vec::new());
    let inside = at("192.168.20.7:9993");
    assert!(!links.may_be_path(PEER, &inside, None) && links.may_stay_path(PEER, &inside, None));
    let named = ["192.168.20.7".parse().unwrap()];
    assert!(links.may_be_path(PEER, &inside, Some(&named)), "a world names it");
}

#[test]
fn the_owner_is_asked_only_if_it_wants_to_be_and_its_answer_expires() {
    let path = Path { link: LinkId(0), remote: at("1.2.3.4:9993") };
    assert_eq!(links(&[0]).consent(T, PEER, path, false), Verdict::Allowed);
    let mut links = Links::new(false, Asks { paths: true, addresses: true });
    assert_eq!(links.consent(T, PEER, path, true), Verdict::Ask);
    assert_eq!(links.answer(T, PEER, path, false), Some(true), "the peer was heard there");
    assert_eq!(links.consent(T, PEER, path, true), Verdict::Refused);
    assert!(!links.expire(T + Duration::from_secs(60)), "no size was learnt");
    assert_eq!(links.consent(T + Duration::from_secs(60), PEER, path, true), Verdict::Ask);
    assert!(links.asks_for_addresses());
}

#[test]
fn what_is_told_to_peers_are_usable_addresses_of_links_that_are_in_use() {
    let mut links = links(&[0, 1]);
    links.insert(Link { local: at("127.0.0.1:9993"), ..link(7, 0) });
    links.insert(Link { kind: LinkKind::TcpOut, ..link(8, 0) });
    assert_eq!(links.told().collect::<Vec<_>>(), ["10.0.0.1:9993".parse().unwrap()]);
}
