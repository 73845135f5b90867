//! Segmentation and checksum offload of a TAP device, without the device: what the kernel and we leave to each other.
//!
//! Towards us the kernel hands frames of up to 64 KiB, which [`Cut`] takes apart into frames of the network's MTU;
//! towards the kernel [`Plan`] finds runs of frames of one flow, which go as one. One walk through the kernel's stack and
//! one system call then serve dozens of frames. The contract is that of `virtio_net_hdr`: where to sum, where to store
//! the sum, and how many bytes of payload a segment has.
//!
//! Frames keep their order within a flow, and are the same bytes as without offload, except what the kernel leaves open
//! anyway: the IPv4 identification of frames that nobody may fragment.

mod checksum;
mod cut;
mod join;
mod layout;
mod level;
mod vnet;

pub use crate::sys::sum;
pub use cut::{Cut, CutError};
pub use join::{Plan, Run};
pub use level::{Offloads, TapOffloads};
pub use vnet::{Gso, HEADER_LEN, VnetHeader};
