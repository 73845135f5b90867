//! Credentials that verify, with fields from bytes.

use crate::input::Input;
use crate::stage::{CONTROLLER, MEMBER, Puppet, STRANGER, Stage};
use zt_wire::credential::CredentialKind;
use zt_wire::{
    Address, Capability, Custody, Emit, Membership, Ownership, Qualifier, Reader, Revocation, RuleTable, Signature,
    Tag, Thing,
};

/// NETWORK_CREDENTIALS with one credential of each kind that the bytes ask for.
pub(crate) fn credentials(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Vec<u8> {
    let which = input.u8();
    let mut payload = Vec::new();
    if which & 1 == 1 {
        payload.extend(membership(stage, unix_ms, input));
    }
    payload.push(0);
    let count = |bit: u8| u16::from(which & bit == bit).to_be_bytes();
    payload.extend(count(2));
    if which & 2 == 2 {
        payload.extend(capability(stage, unix_ms, input).to_vec());
    }
    payload.extend(count(4));
    if which & 4 == 4 {
        payload.extend(tag(stage, unix_ms, input).to_vec());
    }
    payload.extend(count(8));
    if which & 8 == 8 {
        payload.extend(revocation(stage, unix_ms, input).to_vec());
    }
    payload.extend(count(16));
    if which & 16 == 16 {
        payload.extend(ownership(stage, unix_ms, input).to_vec());
    }
    payload
}

/// The value of a configuration key that holds credentials; anything for other keys.
pub(crate) fn of_configuration(stage: &Stage, key: &str, input: &mut Input<'_>) -> Vec<u8> {
    match key {
        "C" => membership(stage, stage.unix_ms, input),
        "CAP" => capability(stage, stage.unix_ms, input).to_vec(),
        "TAG" => tag(stage, stage.unix_ms, input).to_vec(),
        "COO" => ownership(stage, stage.unix_ms, input).to_vec(),
        "S" => {
            let who = holder(stage, input).as_u64() | u64::from(input.u8()) << 40;
            who.to_be_bytes().to_vec()
        }
        "R" => vec![37, 2, 8, input.u8(), input.u8() & 0xc0 | 1, 0],
        "DNS" => {
            let mut dns = vec![b'x'; 128];
            dns.extend_from_slice(input.some_bytes());
            dns
        }
        _ => input.some_bytes().to_vec(),
    }
}

fn signer(stage: &Stage) -> &Puppet {
    &stage.puppets[CONTROLLER]
}

fn holder(stage: &Stage, input: &mut Input<'_>) -> Address {
    match input.below(4) {
        0 => stage.own.address(),
        1 => stage.puppets[STRANGER].identity().address,
        _ => stage.puppets[MEMBER].identity().address,
    }
}

fn time(unix_ms: i64, input: &mut Input<'_>) -> i64 {
    unix_ms + (i64::from(input.u8()) - 128) * 60_000
}

fn membership(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Vec<u8> {
    let mut reader = Reader::new(&stage.membership);
    let mut membership: Membership = zt_wire::Parse::parse(&mut reader).expect("made by our controller");
    if let Some(first) = membership.qualifiers.first_mut() {
        first.value = time(unix_ms, input) as u64;
        first.max_delta = u64::from(input.u32()) << (input.u8() & 7);
    }
    if input.below(4) == 3 {
        let value = u64::from(input.u32());
        membership.qualifiers.push(Qualifier { id: 100 + u64::from(input.u8()), value, max_delta: value / 2 });
    }
    membership.signature = signer(stage).secret.sign(&membership.signed_bytes());
    membership.to_vec()
}

fn tag(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Tag {
    let mut tag = Tag {
        network: stage.network,
        timestamp: time(unix_ms, input),
        id: u32::from(input.u8() & 7),
        value: input.u32(),
        issued_to: holder(stage, input),
        signer: signer(stage).identity().address,
        signature: Signature::NONE,
    };
    tag.signature = signer(stage).secret.sign(&tag.signed_bytes());
    tag
}

fn capability(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Capability {
    let rules = RuleTable::parse_blob(input.some_bytes()).unwrap_or_default();
    let mut capability = Capability {
        network: stage.network,
        timestamp: time(unix_ms, input),
        id: u32::from(input.u8() & 7),
        rules,
        max_custody: 1 + (input.u8() & 1),
        custody: Vec::new(),
    };
    let (to, from) = (holder(stage, input), signer(stage).identity().address);
    let signature = signer(stage).secret.sign(&capability.signed_bytes());
    capability.custody.push(Custody { to, from, signature });
    if input.below(4) == 3 {
        let signature = stage.puppets[MEMBER].secret.sign(&capability.signed_bytes());
        capability.custody.push(Custody { to: stage.puppets[STRANGER].identity().address, from: to, signature });
    }
    capability
}

fn ownership(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Ownership {
    let things = (0..input.below(4)).map(|_| {
        let mut value = [0; 16];
        let bytes = input.bytes(6);
        value[..bytes.len()].copy_from_slice(bytes);
        Thing { kind: input.u8() & 3, value }
    });
    let mut ownership = Ownership {
        things: things.collect(),
        network: stage.network,
        timestamp: time(unix_ms, input),
        flags: u64::from(input.u8()),
        id: u32::from(input.u8() & 7),
        issued_to: holder(stage, input),
        signer: signer(stage).identity().address,
        signature: Signature::NONE,
    };
    ownership.signature = signer(stage).secret.sign(&ownership.signed_bytes());
    ownership
}

fn revocation(stage: &Stage, unix_ms: i64, input: &mut Input<'_>) -> Revocation {
    let mut revocation = Revocation {
        id: u32::from(input.u8()),
        network: stage.network,
        credential_id: u32::from(input.u8() & 7),
        threshold: time(unix_ms, input),
        flags: u64::from(input.u8() & 3),
        target: holder(stage, input),
        signer: signer(stage).identity().address,
        credential_kind: CredentialKind(input.u8() % 7),
        signature: Signature::NONE,
    };
    revocation.signature = signer(stage).secret.sign(&revocation.signed_bytes());
    revocation
}
