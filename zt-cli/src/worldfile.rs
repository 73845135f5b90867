//! Planets and moons as files: the JSON template of which one is made, and the signed binary form (01 §10).

use std::net::IpAddr;

use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroizing;
use zt_crypto::{Entropy, KeyPair, sign_world};
use zt_wire::{Identity, InetAddress, Root, Signature, World, WorldKind};

use crate::compat::idtool::{hex, unhex};
use crate::render::json::without_mark;

/// Most roots of a world which readers accept (01 §10.1).
pub const MAX_ROOTS: usize = 4;

/// Most endpoints of a root which readers accept (01 §10.1).
pub const MAX_ENDPOINTS: usize = 32;

/// Why a template cannot be turned into a world.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// The text is no object.
    #[error("must hold one JSON object")]
    NotAnObject,
    /// `id` is missing, zero or not hexadecimal.
    #[error("id must be a hexadecimal number other than 0")]
    Id,
    /// `worldType` is neither `planet` nor `moon`.
    #[error("worldType must be \"planet\" or \"moon\"")]
    Kind,
    /// An identity in `roots` cannot be read.
    #[error("roots[{0}].identity is not an identity")]
    Identity(usize),
    /// An endpoint in `roots` cannot be read.
    #[error("roots[{0}].stableEndpoints: {1}")]
    Endpoint(usize, EndpointError),
    /// A key is missing or has the wrong length.
    #[error("{0} must be 128 hexadecimal digits")]
    Key(&'static str),
    /// The signing key's halves are of two keys; readers would refuse the world.
    #[error("signingKey does not belong to signingKey_SECRET")]
    KeyMismatch,
}

/// Why a text is no endpoint of a root, or none that can be reached. Each names the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is not of this form.
    #[error("\"{0}\" is not an address with its port, such as 192.0.2.1/9993")]
    Form(String),
    /// The number after the slash is none, or too large.
    #[error("\"{0}\": a port is a number from 1 to 65535")]
    Port(String),
    /// Nobody else reaches such an address.
    #[error("\"{0}\": other nodes cannot reach {1}; write the address under which they see the root")]
    Unreachable(String, &'static str),
}

/// Reads `ip/port` as a person writes it; the port must be there. Unlike [`InetAddress`]'s own form nothing wraps (01 §10.5).
pub fn parse_endpoint(text: &str) -> Result<InetAddress, EndpointError> {
    let text = text.trim();
    let (ip, port) = text.split_once('/').ok_or_else(|| EndpointError::Form(text.to_owned()))?;
    let ip: IpAddr = ip.parse().map_err(|_| EndpointError::Form(text.to_owned()))?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port @ 1..) if digits => Ok(InetAddress::new(ip, port)),
        _ => Err(EndpointError::Port(text.to_owned())),
    }
}

/// Checks that others can reach a root at this address.
pub fn check_reachable(endpoint: InetAddress) -> Result<(), EndpointError> {
    let Some(ip) = endpoint.ip() else { return Err(EndpointError::Form(endpoint.to_string())) };
    let ip = ip.to_canonical();
    let why = match ip {
        _ if ip.is_unspecified() => "an unspecified address",
        _ if ip.is_loopback() => "a loopback address",
        _ if ip.is_multicast() => "a multicast address",
        IpAddr::V4(ip) if ip.is_broadcast() => "the broadcast address",
        IpAddr::V4(ip) if ip.octets()[0] == 0 => "an address of \"this network\"",
        IpAddr::V4(ip) if ip.octets()[0] >= 240 => "a reserved address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "a link-local address without its interface",
        _ if endpoint.port() == 0 => return Err(EndpointError::Port(endpoint.to_string())),
        _ => return Ok(()),
    };
    Err(EndpointError::Unreachable(endpoint.to_string(), why))
}

/// What a world is made of: the JSON of `initmoon` and `zt planet create` (01 §10.4).
pub struct Template {
    /// Planet or moon.
    pub kind: WorldKind,
    /// World ID.
    pub id: u64,
    /// Roots with their addresses.
    pub roots: Vec<Root>,
    /// Key which signs this revision.
    pub signing_key: KeyPair,
    /// Public key which must sign the next revision.
    pub update_key: [u8; 64],
}

impl Template {
    /// The template of a moon with one root and a fresh signing key.
    pub fn for_moon(root: &Identity, entropy: &mut dyn Entropy) -> Self {
        let roots = vec![Root { identity: *root, endpoints: Vec::new() }];
        Self::new(WorldKind::Moon, root.address.as_u64(), roots, entropy)
    }

    /// A template with a fresh signing key.
    pub fn new(kind: WorldKind, id: u64, roots: Vec<Root>, entropy: &mut dyn Entropy) -> Self {
        let signing_key = KeyPair::generate(entropy);
        let update_key = *signing_key.public_key();
        Self { kind, id, roots, signing_key, update_key }
    }

    /// Reads the JSON form.
    pub fn parse(text: &[u8]) -> Result<Self, TemplateError> {
        let value: Value =
            serde_json::from_slice(without_mark(text)).map_err(|e| TemplateError::Json(e.to_string()))?;
        if !value.is_object() {
            return Err(TemplateError::NotAnObject);
        }
        let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = u64::from_str_radix(word("id"), 16).ok().filter(|id| *id != 0).ok_or(TemplateError::Id)?;
        let kind = match word("worldType") {
            "planet" => WorldKind::Planet,
            "moon" => WorldKind::Moon,
            _ => return Err(TemplateError::Kind),
        };
        let key = |name: &'static str| -> Result<[u8; 64], TemplateError> {
            unhex(word(name)).and_then(|bytes| bytes.try_into().ok()).ok_or(TemplateError::Key(name))
        };
        let roots = value.get("roots").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let roots = roots.iter().enumerate().filter(|(_, root)| root.is_object());
        let roots = roots.map(|(i, root)| parse_root(i, root)).collect::<Result<_, _>>()?;
        let signing_key = KeyPair::from_secret(&Zeroizing::new(key("signingKey_SECRET")?));
        if *signing_key.public_key() != key("signingKey")? {
            return Err(TemplateError::KeyMismatch);
        }
        Ok(Self { kind, id, roots, signing_key, update_key: key("updatesMustBeSignedBy")? })
    }

    /// The JSON form; holds the secret signing key.
    pub fn to_json(&self) -> Value {
        json!({
            "id": format!("{:010x}", self.id),
            "objtype": "world",
            "roots": self.roots.iter().map(root_json).collect::<Vec<_>>(),
            "signingKey": hex(self.signing_key.public_key()),
            "signingKey_SECRET": hex(self.signing_key.secret_bytes()),
            "updatesMustBeSignedBy": hex(&self.update_key),
            "worldType": kind_word(self.kind),
        })
    }

    /// Makes the signed world with this timestamp (milliseconds since 1970).
    pub fn sign(&self, timestamp: u64) -> World {
        let mut roots = self.roots.clone();
        for root in &mut roots {
            root.endpoints.sort_by_key(endpoint_order);
        }
        roots.sort_by_key(|root| root.identity);
        let mut world = World {
            kind: self.kind,
            id: self.id,
            timestamp,
            update_key: self.update_key,
            signature: Signature([0; 96]),
            roots,
        };
        sign_world(&mut world, &self.signing_key);
        world
    }
}

/// `planet` or `moon`.
pub fn kind_word(kind: WorldKind) -> &'static str {
    match kind {
        WorldKind::Planet => "planet",
        _ => "moon",
    }
}

/// A root as JSON: identity and endpoints.
pub fn root_json(root: &Root) -> Value {
    json!({
        "identity": root.identity.to_string(),
        "stableEndpoints": root.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A signed world as JSON, for people and scripts.
pub fn world_json(world: &World) -> Value {
    json!({
        "id": format!("{:016x}", world.id),
        "roots": world.roots.iter().map(root_json).collect::<Vec<_>>(),
        "signature": hex(&world.signature.0),
        "timestamp": world.timestamp,
        "updatesMustBeSignedBy": hex(&world.update_key),
        "worldType": kind_word(world.kind),
    })
}

fn parse_root(index: usize, root: &Value) -> Result<Root, TemplateError> {
    let text = root.get("identity").and_then(Value::as_str).unwrap_or_default();
    let identity = crate::compat::idtool::IdentityArgument::parse(text).ok_or(TemplateError::Identity(index))?.public;
    let list = root.get("stableEndpoints").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let endpoints = list.iter().map(|item| {
        let text = item.as_str().unwrap_or_default();
        parse_endpoint(text).map_err(|error| TemplateError::Endpoint(index, error))
    });
    Ok(Root { identity, endpoints: endpoints.collect::<Result<_, _>>()? })
}

/// The original's order (01 §10.4): IPv4 before IPv6, then port and IPv4 address as little-endian machines see them.
fn endpoint_order(address: &InetAddress) -> (u8, u16, Vec<u8>) {
    match address {
        InetAddress::None => (0, 0, Vec::new()),
        InetAddress::V4(ip, port) => (4, port.swap_bytes(), ip.octets().iter().rev().copied().collect()),
        InetAddress::V6(ip, port) => (6, port.swap_bytes(), ip.octets().to_vec()),
    }
}
