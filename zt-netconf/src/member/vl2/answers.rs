//! What comes from controllers and peers in answer to us: OK and ERROR (02 §6.5, §6.6; 04 §2.7).

use zt_wire::dictionary::Dictionary;
use zt_wire::ident::PacketId;
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ErrorCode, ErrorDetail, ErrorReply, OkBody, OkReply, Verb};

use super::Vl2;
use super::chunks::Carried;
use crate::member::carrier::{Carrier, Verdict};
use crate::member::drop_reason::DropReason;
use crate::member::network::push::Push;
use crate::member::network::{Authentication, Failure};

impl Vl2 {
    /// OK to one of our messages; the reply gate was passed.
    pub(crate) fn handle_ok(
        &mut self,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &OkReply<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        match &message.body {
            OkBody::NetworkConfig(chunk) => self.handle_chunk(now, from, packet_id, chunk, Carried::Answer, c),
            OkBody::MulticastGather(m) => self.take_gathered(now, from.address, (m.network, m.group), &m.results, c),
            OkBody::MulticastFrame(m) => match &m.results {
                Some(result) => self.take_gathered(now, from.address, (m.network, m.group), result, c),
                None => Verdict::Accepted { trust: false },
            },
            // OK(EXT_FRAME) acknowledges a copy; nothing depends on it.
            _ => Verdict::Accepted { trust: false },
        }
    }

    /// ERROR: what it may change depends on who sends it (02 §6.6).
    pub(crate) fn handle_error(
        &mut self,
        now: Now,
        from: &Identity,
        message: &ErrorReply<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let Some(id) = message.network() else { return Verdict::Accepted { trust: false } };
        let (shared, networks) = self.parts();
        let Some(network) = networks.get_mut(&id) else {
            shared.drops.count(DropReason::NotJoined);
            return Verdict::Accepted { trust: false };
        };
        let request = message.in_re_verb == Verb::NETWORK_CONFIG_REQUEST;
        let failure = match message.code {
            ErrorCode::NEED_MEMBERSHIP_CERTIFICATE => {
                network.push_credentials(now, from.address, Push::Demanded, c);
                return Verdict::Accepted { trust: false };
            }
            ErrorCode::UNWANTED_MULTICAST => {
                let gate = network.gate(now, from, c);
                if let (ErrorDetail::Group(_, group), Ok(())) = (message.detail, gate) {
                    shared.subscriptions.remove(id, group, from.address);
                }
                return Verdict::Accepted { trust: false };
            }
            ErrorCode::OBJ_NOT_FOUND | ErrorCode::UNSUPPORTED_OPERATION if request => Failure::NotFound,
            ErrorCode::NETWORK_ACCESS_DENIED => Failure::AccessDenied,
            ErrorCode::NETWORK_AUTHENTICATION_REQUIRED => {
                if message.is_unreadable() {
                    return Verdict::Accepted { trust: false };
                }
                let ErrorDetail::Authentication(_, data) = message.detail else {
                    return Verdict::Accepted { trust: false };
                };
                Failure::AuthenticationRequired(authentication(data))
            }
            _ => return Verdict::Accepted { trust: false },
        };
        if from.address != id.controller() || id.is_ad_hoc() {
            shared.drops.count(DropReason::NotController);
            return Verdict::Accepted { trust: false };
        }
        network.fail(shared, now, failure);
        Verdict::Accepted { trust: false }
    }
}

/// Reads the data of an AUTHENTICATION_REQUIRED error (04 §2.7).
fn authentication(data: Option<&[u8]>) -> Authentication {
    let dictionary = Dictionary::new(data.unwrap_or_default());
    let text = |key: &str, limit: usize| {
        let mut value = dictionary.get(key).unwrap_or_default().into_owned();
        value.truncate(limit);
        String::from_utf8_lossy(&value).into_owned()
    };
    let version = dictionary.u64("aV", 0);
    if version == 0 {
        return Authentication { url: text("aU", 2047), ..Authentication::default() };
    }
    let provider = text("aSSOp", 63);
    Authentication {
        version,
        url: String::new(),
        issuer: text("iU", 2047),
        central: text("aCU", 2047),
        nonce: text("aN", 63),
        state: text("aS", 127),
        client: text("aCID", 255),
        provider: if provider.is_empty() { "default".into() } else { provider },
    }
}
