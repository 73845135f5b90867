//! What the families of `/metrics` are called: as the original calls them, or as Prometheus advises.
//!
//! The names of the original are law for whoever moves here with dashboards and alerts (06 §10), and are the default. They
//! are older than the conventions (no unit, no `_total`, `_count` on gauges, one capital letter), so whoever starts anew may
//! ask for names that `promtool check metrics` has nothing against.

/// The names of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Those of 06 §10.
    #[default]
    Original,
    /// Units, plurals and `_total` as <https://prometheus.io/docs/practices/naming/> has them; times in seconds.
    Prometheus,
}

/// Original names, and what Prometheus would call them. What is not here is called the same by both.
const BOTH: [(&str, &str); 27] = [
    ("zt_packet", "zt_packets_total"),
    ("zt_packet_error", "zt_packet_errors_total"),
    ("zt_data", "zt_data_bytes_total"),
    ("zt_num_networks", "zt_networks"),
    ("zt_network_packets", "zt_network_packets_total"),
    ("zt_peer_latency", "zt_peer_latency_seconds"),
    ("zt_peer_path_count", "zt_peer_paths"),
    ("zt_peer_packets", "zt_peer_packets_total"),
    ("zt_peer_packet_errors", "zt_peer_packet_errors_total"),
    ("controller_network_count", "zt_controller_networks"),
    ("controller_member_count", "zt_controller_members"),
    ("controller_network_change_count", "zt_controller_network_changes_total"),
    ("controller_member_change_count", "zt_controller_member_changes_total"),
    ("controller_member_auth_count", "zt_controller_member_authorizations_total"),
    ("controller_member_deauth_count", "zt_controller_member_deauthorizations_total"),
    ("controller_network_config_request_queue", "zt_controller_config_requests_queued"),
    ("controller_network_config_request_threads", "zt_controller_config_request_threads"),
    ("controller_network_config_request", "zt_controller_config_requests_total"),
    ("controller_sso_expiration_checks", "zt_controller_sso_expiration_checks_total"),
    ("controller_sso_timeouts", "zt_controller_sso_timeouts_total"),
    ("controller_db_get_network", "zt_controller_db_networks_read_total"),
    ("controller_db_get_network_and_member", "zt_controller_db_members_read_total"),
    ("controller_db_get_networK_and_member_summary", "zt_controller_db_member_summaries_total"),
    ("controller_db_get_member_list", "zt_controller_db_member_lists_total"),
    ("controller_db_get_network_list", "zt_controller_db_network_lists_total"),
    ("controller_db_member_change", "zt_controller_db_member_changes_total"),
    ("controller_db_network_change", "zt_controller_db_network_changes_total"),
];

impl Names {
    /// Reads the parameter `names` of a request; without it, the original's.
    ///
    /// # Errors
    ///
    /// What to ask for instead of anything else.
    pub(super) fn asked(parameter: Option<&str>) -> Result<Self, String> {
        match parameter {
            None | Some("original") => Ok(Self::Original),
            Some("prometheus") => Ok(Self::Prometheus),
            Some(other) => Err(format!("names: `{other}` is neither `original` nor `prometheus`")),
        }
    }

    /// What a family is called that the original calls so.
    pub(super) fn of(self, original: &str) -> &str {
        if self == Self::Original {
            return original;
        }
        BOTH.iter().find(|(name, _)| *name == original).map_or(original, |(_, name)| name)
    }

    /// Milliseconds as these names have them.
    pub(super) fn time(self, milliseconds: u64) -> String {
        match self {
            Self::Original => milliseconds.to_string(),
            Self::Prometheus => {
                let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
                format!("{seconds}.{rest:03}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_families_get_one_name() {
        let names: BTreeSet<&str> = BOTH.iter().flat_map(|(original, name)| [*original, *name]).collect();
        assert_eq!(names.len(), 2 * BOTH.len());
    }

    #[test]
    fn times_keep_their_milliseconds() {
        assert_eq!(Names::Prometheus.time(1), "0.001");
        assert_eq!(Names::Prometheus.time(65_536), "65.536");
        assert_eq!(Names::Original.time(65_536), "65536");
    }

    #[test]
    fn other_names_are_refused_by_name() {
        assert_eq!(Names::asked(None), Ok(Names::Original));
        assert_eq!(Names::asked(Some("prometheus")), Ok(Names::Prometheus));
        assert!(Names::asked(Some("clean")).unwrap_err().contains("`clean`"));
    }
}
