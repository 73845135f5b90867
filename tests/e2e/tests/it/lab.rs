//! The laboratory itself, without daemons.

use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::{Cut, Lab, Masquerade, Ping, multicast, tcp};

fn quick() -> Ping {
    Ping { patience: Duration::from_secs(2), ..Ping::default() }
}

#[test]
fn hosts_on_a_switch() -> Result<()> {
    let Some(lab) = Lab::new("switch")? else { return Ok(()) };
    let a = lab.host("a", &["10.0.0.1/24", "fd00::1/64"])?;
    let b = lab.host("b", &["10.0.0.2/24", "fd00::2/64"])?;
    for target in ["10.0.0.2", "fd00::2"] {
        for payload in [56, 2700, 9000] {
            a.ping(target.parse()?, Ping { payload, ..quick() })?;
        }
        tcp(&a, &b, target.parse()?, 1_000_000)?;
    }
    multicast((&a, "10.0.0.1".parse()?), (&b, "10.0.0.2".parse()?), Duration::from_secs(2))?;

    b.delete_address("eth0", "10.0.0.2/24")?;
    a.silent("10.0.0.2".parse()?, Duration::from_millis(200))?;
    b.add_address("eth0", "10.0.0.3/24")?;
    a.ping("10.0.0.3".parse()?, quick())?;
    assert!(a.silent("10.0.0.3".parse()?, Duration::from_millis(200)).is_err());
    Ok(())
}

#[test]
fn cuts_and_loss_that_no_host_sees() -> Result<()> {
    let Some(lab) = Lab::new("cuts")? else { return Ok(()) };
    let a = lab.host("a", &["10.0.0.1/24"])?;
    let b = lab.host("b", &["10.0.0.2/24"])?;
    let _c = lab.host("c", &["10.0.0.3/24"])?;
    let (to_b, to_c) = ("10.0.0.2".parse()?, "10.0.0.3".parse()?);
    a.ping(to_b, quick())?;
    lab.internet().cut(&Cut::between("10.0.0.1", "10.0.0.2")?)?;
    a.silent(to_b, Duration::from_millis(300))?;
    a.ping(to_c, quick())?;
    lab.internet().cut(&[Cut::one_way("10.0.0.2", "10.0.0.1")?])?;
    b.silent("10.0.0.1".parse()?, Duration::from_millis(300))?;
    lab.internet().cut(&[])?;
    a.ping(to_b, quick())?;
    lab.internet().lose(100)?;
    a.silent(to_b, Duration::from_millis(300))?;
    lab.internet().lose(0)?;
    a.ping(to_b, quick())?;
    Ok(())
}

#[test]
fn hosts_behind_nats() -> Result<()> {
    let Some(lab) = Lab::new("nats")? else { return Ok(()) };
    let server = lab.host("server", &["203.0.113.1/24"])?;
    for (number, kind) in [(1, Masquerade::PortPreserving), (2, Masquerade::RandomPorts)] {
        let outside = format!("203.0.113.1{number}/24");
        let nat = lab.nat(&outside, "192.168.1.1/24", kind)?;
        let host = nat.host("host", "192.168.1.2/24")?;
        host.ping("203.0.113.1".parse()?, quick())?;
        tcp(&host, &server, "203.0.113.1".parse()?, 100_000)?;
        server.silent("192.168.1.2".parse()?, Duration::from_millis(100))?;
        nat.rebind(20_000, 20_100)?;
        tcp(&host, &server, "203.0.113.1".parse()?, 100_000)?;
    }
    Ok(())
}

#[test]
fn devices_come_and_go() -> Result<()> {
    let Some(lab) = Lab::new("devices")? else { return Ok(()) };
    let a = lab.host("a", &["10.0.0.1/24"])?;
    let b = lab.host("b", &["10.0.0.2/24"])?;
    a.plug("eth1", lab.internet(), &["10.0.1.1/24"])?;
    b.add_address("eth0", "10.0.1.2/24")?;
    a.unplug("eth0")?;
    a.silent("10.0.0.2".parse()?, Duration::from_millis(100))?;
    a.ping("10.0.1.2".parse()?, quick())?;
    Ok(())
}
