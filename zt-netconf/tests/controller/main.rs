//! The controller through its public interface: requests, commits, pushes, revocations, the HTTP objects.
#![cfg(feature = "controller")]

mod api;
mod bench;
mod commands;
mod commits;
mod recorded;
mod requests;
mod revocation;
mod scale;
mod shared;
mod strict;
