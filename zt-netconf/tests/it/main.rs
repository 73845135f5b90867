//! Tests of the public interface: whole nodes that talk to each other over a mock of the layer below.

mod config;
mod copies;
mod credentials;
mod first_contact;
mod forgeries;
mod frames;
mod junk;
mod lifecycle;
mod managed;
mod model;
mod multicast;
mod odd_shapes;
mod parts;
mod revoked;
mod script;
mod why;
mod world;
