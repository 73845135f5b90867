//! A controller by types: its networks and members as structures of C, and commands made of them.

use super::NODES;
use super::abi::*;
use crate::shared::Refused;
use crate::sys::pointers::{char_array, guard, put, structure, structures};
use crate::sys::results::{hold, hold_text};
use crate::sys::{controllers, sockaddr};
use crate::zt::Failure;
use core::ffi::{CStr, c_char, c_uint, c_ulong};
use libc::sockaddr_storage;
use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::ptr;
use zt_netconf::controller::{
    Answer, AssignV6, Command, CommandError, Dns, Member, MemberPatch, Network, NetworkPatch, Pool, Route,
};
use zt_wire::{Address, IpPrefix, NetworkId};

/// Most routes, pools or addresses in one command: more is a mistake of the host.
const MAX_ITEMS: c_uint = 1 << 16;

const NETWORK_FIELDS: c_uint = ZT_CONTROLLER_NETWORK_DNS * 2 - 1;
const MEMBER_FIELDS: c_uint = ZT_CONTROLLER_MEMBER_ADDRESSES * 2 - 1;

/// A field that cannot be as it is.
struct Wrong(CommandError);

fn wrong(field: &str, problem: &str) -> Wrong {
    Wrong(CommandError::Field { field: field.to_owned(), problem: problem.to_owned() })
}

/// Has the controller's node execute a command.
fn ask(controller: *mut ZT_Controller, command: Command) -> Result<Result<Answer, Refused>, Failure> {
    let node = controllers::get(controller).and_then(|master| master.node()).and_then(|node| NODES.get(node));
    node.ok_or(Failure::BadParameter)?.command(command)
}

/// Executes a command, with its answer if all is well.
fn execute(controller: *mut ZT_Controller, command: Command) -> (ZT_ResultCode, Result<Answer, Option<CommandError>>) {
    match ask(controller, command) {
        Ok(Ok(answer)) => (ZT_RESULT_OK, Ok(answer)),
        Ok(Err(Refused::NotStored)) => (ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED, Err(None)),
        Ok(Err(Refused::NoController)) => (ZT_RESULT_ERROR_BAD_PARAMETER, Err(None)),
        Ok(Err(Refused::Command(error))) => match error {
            CommandError::NotReady => (ZT_RESULT_ERROR_UNSUPPORTED_OPERATION, Err(None)),
            CommandError::NoNetwork(_) | CommandError::NoMember { .. } => {
                (ZT_RESULT_ERROR_NETWORK_NOT_FOUND, Err(None))
            }
            CommandError::NoFreeId => (ZT_RESULT_FATAL_ERROR_INTERNAL, Err(None)),
            CommandError::Field { .. } => (ZT_RESULT_ERROR_BAD_PARAMETER, Err(Some(error))),
        },
        Err(failure) => (super::code(failure), Err(None)),
    }
}

/// Executes a command that is made of a structure of C, and says what is wrong with it.
///
/// # Safety
/// `problem` is NULL or may be written.
unsafe fn change(
    controller: *mut ZT_Controller,
    problem: *mut *mut c_char,
    command: Result<Command, Wrong>,
) -> (ZT_ResultCode, Option<Answer>) {
    let (code, answer) = match command {
        Ok(command) => execute(controller, command),
        Err(Wrong(error)) => (ZT_RESULT_ERROR_BAD_PARAMETER, Err(Some(error))),
    };
    if let Err(Some(error)) = &answer
        && !problem.is_null()
    {
        // SAFETY: the caller's promise.
        unsafe { put(problem, hold_text(CString::new(error.to_string()).unwrap_or_default())) };
    }
    (code, answer.ok())
}

/// Asks for something and lets C have it; NULL when there is nothing.
fn give<T, R>(controller: *mut ZT_Controller, command: Command, make: impl FnOnce(Answer) -> Option<Box<T>>) -> *mut R {
    guard(ptr::null_mut(), || {
        let answer = execute(controller, command).1.ok().and_then(make);
        answer.map_or(ptr::null_mut(), |answer| hold(answer).cast())
    })
}

/// Numbers of networks or members. C gets the address of `list`, which is that of the whole.
#[repr(C)]
struct ListAnswer {
    list: ZT_ControllerList,
    ids: Vec<u64>,
}

impl ListAnswer {
    fn new(ids: Vec<u64>) -> Box<Self> {
        let list = ZT_ControllerList { ids: ids.as_ptr(), count: ids.len() as c_ulong };
        Box::new(Self { list, ids })
    }
}

/// A network. C gets the address of `network`, which is that of the whole.
#[repr(C)]
struct NetworkAnswer {
    network: ZT_ControllerNetwork,
    routes: Vec<ZT_VirtualNetworkRoute>,
    pools: Vec<ZT_ControllerPool>,
}

impl NetworkAnswer {
    fn new(network: &Network) -> Box<Self> {
        let routes: Vec<_> = network.routes.iter().map(route_for_c).collect();
        let pool = |pool: &Pool| ZT_ControllerPool { start: ip_for_c(pool.start, 0), end: ip_for_c(pool.end, 0) };
        let pools: Vec<_> = network.pools.iter().map(pool).collect();
        let mut dns = ZT_VirtualNetworkDNS { domain: [0; 128], server_addr: [sockaddr::none(); ZT_MAX_DNS_SERVERS] };
        if let Some(told) = &network.dns {
            dns.domain = char_array(&told.domain);
            for (place, server) in dns.server_addr.iter_mut().zip(&told.servers) {
                *place = ip_for_c(*server, 0);
            }
        }
        let v6 = network.assign_v6;
        let ways = [
            (v6.zt, ZT_CONTROLLER_ASSIGN_V6_POOLS),
            (v6.rfc4193, ZT_CONTROLLER_ASSIGN_V6_RFC4193),
            (v6.sixplane, ZT_CONTROLLER_ASSIGN_V6_6PLANE),
        ];
        let network = ZT_ControllerNetwork {
            nwid: network.id.0,
            creationTime: millis(network.creation_time),
            revision: network.revision,
            name: char_array(&network.name),
            r#type: if network.private { ZT_NETWORK_TYPE_PRIVATE } else { ZT_NETWORK_TYPE_PUBLIC },
            mtu: network.mtu.into(),
            multicastLimit: network.multicast_limit,
            broadcastEnabled: network.broadcast.into(),
            assignV4: network.assign_v4.into(),
            assignV6: ways.iter().filter(|(on, _)| *on).map(|(_, way)| way).sum(),
            routeCount: routes.len() as c_uint,
            poolCount: pools.len() as c_uint,
            routes: first(&routes),
            pools: first(&pools),
            dns,
        };
        Box::new(Self { network, routes, pools })
    }
}

/// A member. C gets the address of `member`, which is that of the whole.
#[repr(C)]
struct MemberAnswer {
    member: ZT_ControllerMember,
    addresses: Vec<sockaddr_storage>,
}

impl MemberAnswer {
    fn new(member: &Member) -> Box<Self> {
        let addresses: Vec<_> = member.ips.iter().map(|ip| ip_for_c(*ip, 0)).collect();
        let member = ZT_ControllerMember {
            nwid: member.network.0,
            address: member.address.as_u64(),
            creationTime: millis(member.creation_time),
            revision: member.revision,
            lastAuthorizedTime: millis(member.last_authorized),
            lastDeauthorizedTime: millis(member.last_deauthorized),
            authorized: member.authorized.into(),
            activeBridge: member.active_bridge.into(),
            noAutoAssignIps: member.no_auto_assign.into(),
            addressCount: addresses.len() as c_uint,
            addresses: first(&addresses),
        };
        Box::new(Self { member, addresses })
    }
}

fn first<T>(items: &[T]) -> *const T {
    if items.is_empty() { ptr::null() } else { items.as_ptr() }
}

fn millis(unix_ms: i64) -> u64 {
    u64::try_from(unix_ms).unwrap_or(0)
}

fn ip_for_c(ip: IpAddr, port: u16) -> sockaddr_storage {
    sockaddr::of_socket_addr(&SocketAddr::new(ip, port))
}

fn route_for_c(route: &Route) -> ZT_VirtualNetworkRoute {
    ZT_VirtualNetworkRoute {
        target: ip_for_c(route.target.address(), route.target.bits().into()),
        via: route.via.map_or_else(sockaddr::none, |via| ip_for_c(via, 0)),
        flags: 0,
        metric: 0,
    }
}

/// The command that a structure of C asks for.
///
/// # Safety
/// As the header says.
unsafe fn network_command(network: &ZT_ControllerNetwork, fields: c_uint) -> Result<Command, Wrong> {
    if fields & !NETWORK_FIELDS != 0 {
        return Err(wrong("fields", "has a bit that means nothing"));
    }
    let given = |field: c_uint| fields & field != 0;
    let mut patch = NetworkPatch {
        private: given(ZT_CONTROLLER_NETWORK_TYPE).then_some(network.r#type != ZT_NETWORK_TYPE_PUBLIC),
        multicast_limit: given(ZT_CONTROLLER_NETWORK_MULTICAST_LIMIT).then_some(network.multicastLimit),
        broadcast: given(ZT_CONTROLLER_NETWORK_BROADCAST).then_some(network.broadcastEnabled != 0),
        assign_v4: given(ZT_CONTROLLER_NETWORK_ASSIGN_V4).then_some(network.assignV4 != 0),
        ..NetworkPatch::default()
    };
    if given(ZT_CONTROLLER_NETWORK_NAME) {
        patch.name = Some(text_of("name", &network.name)?);
    }
    if given(ZT_CONTROLLER_NETWORK_TYPE) && network.r#type > ZT_NETWORK_TYPE_PUBLIC {
        return Err(wrong("type", "is neither private nor public"));
    }
    if given(ZT_CONTROLLER_NETWORK_MTU) {
        // What no frame can have is refused by the controller, with the limits.
        patch.mtu = Some(u16::try_from(network.mtu).unwrap_or(u16::MAX));
    }
    if given(ZT_CONTROLLER_NETWORK_ASSIGN_V6) {
        patch.assign_v6 = Some(assign_v6(network.assignV6)?);
    }
    if given(ZT_CONTROLLER_NETWORK_ROUTES) {
        // SAFETY: the caller's promise.
        let routes = unsafe { items("routes", network.routes, network.routeCount) }?;
        patch.routes = Some(routes.iter().map(route).collect::<Result<_, _>>()?);
    }
    if given(ZT_CONTROLLER_NETWORK_POOLS) {
        // SAFETY: the caller's promise.
        let pools = unsafe { items("pools", network.pools, network.poolCount) }?;
        let pool = |pool: &ZT_ControllerPool| {
            Ok(Pool { start: address("pools.start", &pool.start)?.ip(), end: address("pools.end", &pool.end)?.ip() })
        };
        patch.pools = Some(pools.iter().map(pool).collect::<Result<_, _>>()?);
    }
    if given(ZT_CONTROLLER_NETWORK_DNS) {
        patch.dns = Some(dns(&network.dns)?);
    }
    Ok(match network.nwid {
        0 => Command::create_network(patch),
        id => Command::set_network(NetworkId(id), patch),
    })
}

/// The command that a structure of C asks for.
///
/// # Safety
/// As the header says.
unsafe fn member_command(member: &ZT_ControllerMember, fields: c_uint) -> Result<Command, Wrong> {
    if fields & !MEMBER_FIELDS != 0 {
        return Err(wrong("fields", "has a bit that means nothing"));
    }
    let given = |field: c_uint| fields & field != 0;
    let mut patch = MemberPatch {
        authorized: given(ZT_CONTROLLER_MEMBER_AUTHORIZED).then_some(member.authorized != 0),
        active_bridge: given(ZT_CONTROLLER_MEMBER_ACTIVE_BRIDGE).then_some(member.activeBridge != 0),
        no_auto_assign: given(ZT_CONTROLLER_MEMBER_NO_AUTO_ASSIGN_IPS).then_some(member.noAutoAssignIps != 0),
        ..MemberPatch::default()
    };
    if given(ZT_CONTROLLER_MEMBER_ADDRESSES) {
        // SAFETY: the caller's promise.
        let addresses = unsafe { items("addresses", member.addresses, member.addressCount) }?;
        let ip = |at: &sockaddr_storage| Ok(address("addresses", at)?.ip());
        patch.ips = Some(addresses.iter().map(ip).collect::<Result<_, _>>()?);
    }
    Ok(Command::set_member(NetworkId(member.nwid), Address::new(member.address), patch))
}

/// Items of an array of C.
///
/// # Safety
/// `first` is NULL or points to `count` structures.
unsafe fn items<'a, T>(field: &str, first: *const T, count: c_uint) -> Result<&'a [T], Wrong> {
    let count = Some(count).filter(|count| *count <= MAX_ITEMS).and_then(|count| usize::try_from(count).ok());
    // SAFETY: the caller's promise.
    let items = count.and_then(|count| unsafe { structures(first, count) });
    items.ok_or_else(|| wrong(field, "the array is not there, or has too many items"))
}

fn text_of<const N: usize>(field: &str, array: &[c_char; N]) -> Result<String, Wrong> {
    let bytes: Vec<u8> = array.iter().map(|c| c.to_ne_bytes()[0]).collect();
    let text = CStr::from_bytes_until_nul(&bytes).map_err(|_| wrong(field, "does not end with a NUL"))?;
    text.to_str().map(str::to_owned).map_err(|_| wrong(field, "is no UTF-8"))
}

fn address(field: &str, storage: &sockaddr_storage) -> Result<SocketAddr, Wrong> {
    sockaddr::socket_addr(storage).ok_or_else(|| wrong(field, "is no IP address"))
}

/// An address that may be left out.
fn optional_address(field: &str, storage: &sockaddr_storage) -> Result<Option<IpAddr>, Wrong> {
    if storage.ss_family == 0 { Ok(None) } else { address(field, storage).map(|address| Some(address.ip())) }
}

fn route(route: &ZT_VirtualNetworkRoute) -> Result<Route, Wrong> {
    let target = address("routes.target", &route.target)?;
    let prefix = u8::try_from(target.port()).ok().and_then(|bits| IpPrefix::new(target.ip(), bits));
    let target = prefix.ok_or_else(|| wrong("routes.target", "the port field is no prefix length"))?;
    Ok(Route { target, via: optional_address("routes.via", &route.via)? })
}

fn assign_v6(ways: c_uint) -> Result<AssignV6, Wrong> {
    let all = ZT_CONTROLLER_ASSIGN_V6_POOLS | ZT_CONTROLLER_ASSIGN_V6_RFC4193 | ZT_CONTROLLER_ASSIGN_V6_6PLANE;
    if ways & !all != 0 {
        return Err(wrong("assignV6", "has a bit that means nothing"));
    }
    Ok(AssignV6 {
        zt: ways & ZT_CONTROLLER_ASSIGN_V6_POOLS != 0,
        rfc4193: ways & ZT_CONTROLLER_ASSIGN_V6_RFC4193 != 0,
        sixplane: ways & ZT_CONTROLLER_ASSIGN_V6_6PLANE != 0,
    })
}

fn dns(dns: &ZT_VirtualNetworkDNS) -> Result<Option<Dns>, Wrong> {
    let domain = text_of("dns.domain", &dns.domain)?;
    let servers = dns.server_addr.iter().map(|server| optional_address("dns.server_addr", server));
    let servers: Vec<IpAddr> = servers.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Ok((!domain.is_empty() || !servers.is_empty()).then_some(Dns { domain, servers }))
}

/// IDs of all networks, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_networks(controller: *mut ZT_Controller) -> *mut ZT_ControllerList {
    give(controller, Command::ListNetworks, |answer| {
        let networks = answer.into_networks()?;
        Some(ListAnswer::new(networks.iter().map(|summary| summary.network.id.0).collect()))
    })
}

/// A network, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_network(controller: *mut ZT_Controller, nwid: u64) -> *mut ZT_ControllerNetwork {
    give(controller, Command::GetNetwork(NetworkId(nwid)), |answer| Some(NetworkAnswer::new(&*answer.into_network()?)))
}

/// Changes or makes a network. Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Controller_setNetwork(
    controller: *mut ZT_Controller,
    network: *const ZT_ControllerNetwork,
    fields: c_uint,
    nwid: *mut u64,
    problem: *mut *mut c_char,
) -> ZT_ResultCode {
    guard(ZT_RESULT_FATAL_ERROR_INTERNAL, || {
        // SAFETY: the header's contract.
        let (code, answer) = unsafe {
            put(problem, ptr::null_mut());
            let Some(network) = structure(network) else { return ZT_RESULT_ERROR_BAD_PARAMETER };
            change(controller, problem, network_command(network, fields))
        };
        if let Some(network) = answer.and_then(Answer::into_network) {
            // SAFETY: the header's contract.
            unsafe { put(nwid, network.id.0) };
        }
        code
    })
}

/// Deletes a network. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_deleteNetwork(controller: *mut ZT_Controller, nwid: u64) -> ZT_ResultCode {
    guard(ZT_RESULT_FATAL_ERROR_INTERNAL, || execute(controller, Command::DeleteNetwork(NetworkId(nwid))).0)
}

/// Addresses of all members of a network, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_members(controller: *mut ZT_Controller, nwid: u64) -> *mut ZT_ControllerList {
    give(controller, Command::ListMembers(NetworkId(nwid)), |answer| {
        let members = answer.into_members()?;
        Some(ListAnswer::new(members.iter().map(|member| member.address.as_u64()).collect()))
    })
}

/// A member, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_member(
    controller: *mut ZT_Controller,
    nwid: u64,
    address: u64,
) -> *mut ZT_ControllerMember {
    give(controller, Command::GetMember(NetworkId(nwid), Address::new(address)), |answer| {
        Some(MemberAnswer::new(&*answer.into_member()?))
    })
}

/// Changes or makes a member. Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Controller_setMember(
    controller: *mut ZT_Controller,
    member: *const ZT_ControllerMember,
    fields: c_uint,
    problem: *mut *mut c_char,
) -> ZT_ResultCode {
    guard(ZT_RESULT_FATAL_ERROR_INTERNAL, || {
        // SAFETY: the header's contract.
        unsafe {
            put(problem, ptr::null_mut());
            let Some(member) = structure(member) else { return ZT_RESULT_ERROR_BAD_PARAMETER };
            change(controller, problem, member_command(member, fields)).0
        }
    })
}

/// Deletes a member. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_deleteMember(controller: *mut ZT_Controller, nwid: u64, address: u64) -> ZT_ResultCode {
    let command = Command::DeleteMember(NetworkId(nwid), Address::new(address));
    guard(ZT_RESULT_FATAL_ERROR_INTERNAL, || execute(controller, command).0)
}
