//! `settings.udpOffload`: what UDP sockets and the kernel leave to each other. Ours alone; the original ignores it.

use serde_json::Value;
use zt_node::driver::UdpOffloads;

use super::LocalConf;

impl LocalConf {
    pub(super) fn read_udp_offload(&mut self, value: &Value) {
        let (send, receive) = match value.as_str() {
            Some("none") => (false, false),
            Some("send") => (true, false),
            Some("receive") => (false, true),
            Some("all") => (true, true),
            _ => {
                return self.remark(format!(
                    "settings.udpOffload: {value} ignored; write \"all\", \"send\", \"receive\" or \"none\""
                ));
            }
        };
        self.settings.udp_offload = UdpOffloads { send, receive };
    }
}
