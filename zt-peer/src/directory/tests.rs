//! The directory alone: who is looked up where, and whose turn is next.

use zt_crypto::SeededEntropy;

use super::*;
use crate::link::{Endpoint, LinkId, Path};

const T: Mono = Mono(600_000_000);
const HERE: Source = Source::Prefix(7);

fn fake(n: u64) -> Identity {
    Identity { address: Address::new(0x10_0000_0000 + n), public_key: [n as u8; 64] }
}

fn named(identity: Identity) -> Admission {
    Admission { identity, record: None, vouched: false, via: None, since: T }
}

fn ticket(source: Address, n: u64) -> Ticket {
    let path = Path { link: LinkId(1), remote: Endpoint::Ip("10.0.0.9:9993".parse().unwrap()) };
    Ticket::new(source, path, 0, PacketId(n), T)
}

fn hello(directory: &mut Directory, identity: Identity, n: u64) {
    let challenge = directory.hello(T, HERE, ticket(identity.address, n), identity, &[0; 40], false);
    assert_eq!(challenge, Ok(None), "nobody is challenged before the check");
}

#[test]
fn the_cache_is_asked_first_and_the_roots_when_it_knows_nothing() {
    let own = SecretIdentity::generate(&mut SeededEntropy::new(1));
    let mut directory = Directory::new(true);
    let address = fake(1).address;
    assert_eq!(directory.ask(T, address, Asker::Own), None);
    assert!(matches!(directory.poll_job(), Some(Job::LoadPeer { address: a }) if a == address));
    assert!(matches!(directory.loaded(T, address, None, &own), Loaded::Unknown));
    assert!(matches!(directory.loaded(T, address, None, &own), Loaded::Nothing), "answered once");
    assert_eq!(directory.ask(T, address, Asker::Own), None, "asked just now");
    assert_eq!(directory.ask(T + Duration::from_millis(500), address, Asker::Own), Some(1));
}

#[test]
fn a_list_of_records_spares_questions_to_the_cache() {
    let mut directory = Directory::new(true);
    directory.note_cached([fake(1).address]);
    assert_eq!(directory.ask(T, fake(2).address, Asker::Own), Some(0));
    assert_eq!(directory.ask(T, fake(1).address, Asker::Own), None);
    directory.note_persisted(fake(3).address);
    assert_eq!(directory.ask(T, fake(3).address, Asker::Own), None, "it has a record by now");
}

#[test]
fn roots_go_first_and_capacity_bounds_all_others() {
    let mut directory = Directory::new(false);
    for n in 1..=4 {
        assert_eq!(directory.admit(Asker::Own, named(fake(n)), false), Ok(()));
    }
    assert_eq!(directory.admit(Asker::Own, named(fake(9)), true), Ok(()));
    let order: Vec<Address> = std::iter::from_fn(|| match directory.poll_job()? {
        Job::Admit { identity, validate: true } => Some(identity.address),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(order, [fake(9), fake(1)].map(|i| i.address), "two at a time");
    assert!(matches!(directory.admitted(&fake(9), true), Admitted::Valid(a) if a.identity == fake(9)));
    assert!(matches!(directory.poll_job(), Some(Job::Admit { identity, .. }) if identity == fake(2)));
    assert!(matches!(directory.admitted(&fake(1), false), Admitted::Invalid));
    assert!(matches!(directory.admitted(&fake(1), true), Admitted::Nothing), "it came back before");
}

#[test]
fn a_flood_of_hellos_is_bounded_and_does_not_stop_what_we_want_ourselves() {
    let mut directory = Directory::new(false);
    let mut refused = 0;
    for n in 0..20_000 {
        let identity = fake(n);
        let made = directory.hello(T, HERE, ticket(identity.address, n), identity, &[0; 40], false);
        refused += u64::from(made.is_err());
    }
    assert!(refused > 10_000, "one source has a share of the places: {refused}");
    assert_eq!(directory.admit(Asker::Own, named(fake(77_777)), false), Ok(()));
    assert!(matches!(directory.poll_job(), Some(Job::Admit { identity, .. }) if identity == fake(77_777)));
    assert!(matches!(directory.poll_job(), Some(Job::Introduce { .. })), "and strangers after it");
    directory.expire(T + Duration::from_secs(3600));
    directory.judged(0, &fake(0), None, false);
    assert!(directory.poll_job().is_none(), "nobody waits for ever");
}

#[test]
fn a_job_that_never_comes_back_is_given_up() {
    let mut directory = Directory::new(false);
    for n in 1..=3 {
        hello(&mut directory, fake(n), n);
    }
    assert!(directory.poll_job().is_some() && directory.poll_job().is_some() && directory.poll_job().is_none());
    directory.expire(T);
    assert!(directory.poll_job().is_none(), "not at the first housekeeping");
    directory.expire(T);
    assert!(directory.poll_job().is_some());
}

#[test]
fn who_became_a_peer_is_asked_for_no_more_and_brings_its_hellos() {
    let mut directory = Directory::new(false);
    let identity = fake(5);
    assert_eq!(directory.ask(T, identity.address, Asker::Own), Some(0));
    hello(&mut directory, identity, 1);
    assert_eq!(directory.arrived(&identity).len(), 1);
    assert_eq!(directory.asker(identity.address), None);
    assert!(directory.poll_job().is_none());
}
