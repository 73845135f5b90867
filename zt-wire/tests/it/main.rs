//! Tests of the public API.

mod checksum;
mod header;
mod junk;
mod layouts;
mod messages;
mod no_std;
mod prefix;
mod strategy;
mod verbs;
