//! UPnP, Internet Gateway Device: what is looked for, described, asked and answered, as text.
//!
//! The texts come from a device that may be broken or hostile: they are bounded by whoever reads them, and only looked
//! through for a few elements, never built into a tree.

use std::net::Ipv4Addr;

use super::{Refused, Wanted};

/// What searches look for: services and devices of which one is in every gateway.
pub(super) const TARGETS: [&str; 3] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
];
const SERVICES: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// Where something is at the gateway: port and path, for the address is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) port: u16,
    pub(super) path: String,
}

/// The service that maps ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) kind: &'static str,
    pub(super) place: Place,
}

/// A search for `target`, to be sent to port 1900.
pub(super) fn search(target: &str) -> String {
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n"
    )
}

/// Where the answer to a search says that the description is. Only at the gateway itself: an answer must not lead us to
/// anybody else.
pub(super) fn found(answer: &[u8], gateway: Ipv4Addr) -> Option<Place> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?;
    if !status.starts_with("HTTP/1.") || status.split(' ').nth(1) != Some("200") {
        return None;
    }
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("location").then(|| value.trim())
    })?;
    place(location, gateway, None)
}

/// Takes a URL apart; one without a host is at `base`.
fn place(url: &str, gateway: Ipv4Addr, base: Option<&Place>) -> Option<Place> {
    let clean = |path: &str| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()) && path.len() < 1024;
    let Some(rest) = url.strip_prefix("http://") else {
        let path = if url.starts_with('/') { url.to_owned() } else { format!("/{url}") };
        let port = base?.port;
        return (clean(&path) && !url.contains("://")).then_some(Place { port, path });
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let (host, port) = (host.parse::<Ipv4Addr>().ok()?, port.parse::<u16>().ok()?);
    (host == gateway && port != 0 && clean(path)).then(|| Place { port, path: path.to_owned() })
}

/// The service that a description names.
pub(super) fn service(description: &str, at: &Place, gateway: Ipv4Addr) -> Option<Service> {
    let all: Vec<&str> = description.split("<service>").skip(1).collect();
    SERVICES.into_iter().find_map(|kind| {
        let text = all.iter().find(|text| element(text, "serviceType") == Some(kind))?;
        Some(Service { kind, place: place(element(text, "controlURL")?, gateway, Some(at))? })
    })
}

/// The text of the first element of a name, whatever its namespace.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let open = rest.find('<')?;
        rest = &rest[open + 1..];
        let end = rest.find('>')?;
        let tag = rest[..end].split_ascii_whitespace().next().unwrap_or_default();
        rest = &rest[end + 1..];
        if tag == name || tag.rsplit_once(':').is_some_and(|(_, local)| local == name) {
            return Some(rest[..rest.find('<')?].trim());
        }
    }
}

/// An action with its arguments, as the body of a POST.
fn action(service: &Service, name: &str, arguments: &str) -> (String, String) {
    let kind = service.kind;
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{name} xmlns:u=\"{kind}\">{arguments}\
         </u:{name}></s:Body></s:Envelope>\r\n"
    );
    (format!("\"{kind}#{name}\""), body)
}

/// Asks for the external address: the value of the header `SOAPAction`, and the body.
pub(super) fn ask_address(service: &Service) -> (String, String) {
    action(service, "GetExternalIPAddress", "")
}

/// Asks for a mapping of `seconds`, 0 = for good.
pub(super) fn ask_mapping(service: &Service, wanted: &Wanted, name: &str, seconds: u32) -> (String, String) {
    let Wanted { inside, outside } = wanted;
    let arguments = format!(
        "<NewRemoteHost></NewRemoteHost><NewExternalPort>{outside}</NewExternalPort><NewProtocol>UDP</NewProtocol>\
         <NewInternalPort>{}</NewInternalPort><NewInternalClient>{}</NewInternalClient><NewEnabled>1</NewEnabled>\
         <NewPortMappingDescription>{name}</NewPortMappingDescription><NewLeaseDuration>{seconds}</NewLeaseDuration>",
        inside.port(),
        inside.ip()
    );
    action(service, "AddPortMapping", &arguments)
}

/// Withdraws a mapping.
pub(super) fn ask_end(service: &Service, outside: u16) -> (String, String) {
    let arguments = format!(
        "<NewRemoteHost></NewRemoteHost><NewExternalPort>{outside}</NewExternalPort><NewProtocol>UDP</NewProtocol>"
    );
    action(service, "DeletePortMapping", &arguments)
}

/// The external address that an answer tells.
pub(super) fn address(answer: &str) -> Option<Ipv4Addr> {
    element(answer, "NewExternalIPAddress")?.parse().ok()
}

/// Why an action was refused.
pub(super) fn refusal(answer: &str) -> Refused {
    Refused::Code(element(answer, "errorCode").and_then(|code| code.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

    fn located(url: &str) -> Option<Place> {
        let answer = format!("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLocation: {url}\r\nEXT:\r\n\r\n");
        found(answer.as_bytes(), GATEWAY)
    }

    #[test]
    fn a_description_is_taken_from_the_gateway_alone() {
        let at = |port, path: &str| Some(Place { port, path: path.to_owned() });
        assert_eq!(located("http://192.168.1.1:5000/rootDesc.xml"), at(5000, "/rootDesc.xml"));
        assert_eq!(located("http://192.168.1.1"), at(80, "/"));
        for url in [
            "http://192.168.1.7:5000/rootDesc.xml",
            "http://10.0.0.1/",
            "http://localhost:9993/x",
            "http://router.example/x",
            "http://192.168.1.1:0/x",
            "http://192.168.1.1:99999/x",
            "https://192.168.1.1/x",
            "http://192.168.1.1@10.0.0.1/x",
            "http://192.168.1.1/a b",
            "ftp://192.168.1.1/x",
            "/rootDesc.xml",
            "",
        ] {
            assert_eq!(located(url), None, "{url}");
        }
        assert_eq!(found(b"HTTP/1.1 404 Not\r\nLocation: http://192.168.1.1/\r\n\r\n", GATEWAY), None);
        assert_eq!(found(b"NOTIFY * HTTP/1.1\r\nLocation: http://192.168.1.1/\r\n\r\n", GATEWAY), None);
    }

    const DESCRIPTION: &str = "<root><device><serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1\
        </serviceType><controlURL>/ctl/L3F</controlURL></service><service>\
        <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>x</serviceId>\
        <controlURL> /ctl/IPConn </controlURL></service></serviceList></device></root>";

    #[test]
    fn the_service_that_maps_is_found_in_a_description() {
        let at = Place { port: 5000, path: "/rootDesc.xml".to_owned() };
        let found = service(DESCRIPTION, &at, GATEWAY).expect("it is there");
        assert_eq!((found.kind, found.place.port, &*found.place.path), (SERVICES[1], 5000, "/ctl/IPConn"));
        let elsewhere = DESCRIPTION.replace(" /ctl/IPConn ", "http://10.9.9.9/ctl");
        assert_eq!(service(&elsewhere, &at, GATEWAY), None, "nobody is led elsewhere");
        let cut = DESCRIPTION.find("</controlURL></service></serviceList>").expect("it is there");
        assert_eq!(service(&DESCRIPTION[..cut], &at, GATEWAY), None);
    }

    #[test]
    fn answers_are_read_in_whatever_namespace() {
        let told = "<s:Envelope><s:Body><u:GetExternalIPAddressResponse xmlns:u=\"x\"><NewExternalIPAddress>88.7.7.9\
            </NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>";
        assert_eq!(address(told), Some(Ipv4Addr::new(88, 7, 7, 9)));
        assert_eq!(address("<NewExternalIPAddress></NewExternalIPAddress>"), None);
        assert_eq!(refusal("<a:UPnPError><a:errorCode>718</a:errorCode></a:UPnPError>"), Refused::Code(718));
        assert_eq!(refusal("no xml"), Refused::Code(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,400}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let at = Place { port: 80, path: "/".to_owned() };
            let _ = (service(&text, &at, GATEWAY), address(&text), refusal(&text), found(&bytes, GATEWAY));
            let cut = DESCRIPTION.replace("controlURL", &text);
            let _ = service(&cut, &at, GATEWAY);
        }
    }
}
