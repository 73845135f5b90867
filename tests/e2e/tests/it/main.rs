//! Real daemons in network namespaces: one program, for each test program costs a link.

mod attacks;
mod bad_input;
mod c_hosts;
mod collision;
mod crowd;
mod daemons;
mod ethernet;
mod exit_node;
mod figures;
mod house;
mod lab;
mod managed;
mod mtu;
mod nat;
mod nesting;
mod port_mapping;
mod ports;
mod promises;
mod roles;
mod rule_tools;
mod rules;
mod streams;
mod takeover;
mod tcp_relay;
mod underlay;
mod walk;
