//! Whether a credential is genuine (04 §4.4, §5.3).

use zt_crypto::verify_credential;
use zt_wire::ident::Address;
use zt_wire::identity::Identity;
use zt_wire::{Credential, Signature};

use super::carrier::Carrier;

/// What became of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was filed.
    New,
    /// It was held already.
    Redundant,
    /// It was refused.
    Rejected,
    /// The signer's identity is not known yet; it was asked for.
    Deferred,
}

/// Checks a signature; the signer's identity is asked for when it is unknown.
fn check(own: &Identity, c: &mut dyn Carrier, signer: Address, signed: &[u8], signature: &Signature) -> Outcome {
    let identity = if signer == own.address { Some(*own) } else { c.identity(signer) };
    match identity {
        Some(identity) if verify_credential(signed, signature, &identity) => Outcome::New,
        Some(_) => Outcome::Rejected,
        None => {
            c.request_identity(signer);
            Outcome::Deferred
        }
    }
}

/// Checks a credential on its own (04 §4.4, §5.3): the controller of its network signed it, and whoever stands between
/// that and the holder.
pub fn verify(credential: &impl Credential, own: &Identity, c: &mut dyn Carrier) -> Outcome {
    if !(1..=credential.max_chain()).contains(&credential.chain().count()) {
        return Outcome::Rejected;
    }
    let signed = credential.signed_bytes();
    let mut holder = credential.network().controller();
    for link in credential.chain() {
        if link.to.is_nil() || link.from.is_nil() || link.from != holder {
            return Outcome::Rejected;
        }
        match check(own, c, link.from, &signed, &link.signature) {
            Outcome::New => holder = link.to,
            other => return other,
        }
    }
    Outcome::New
}
