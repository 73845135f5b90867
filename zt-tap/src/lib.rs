//! TAP devices, host network configuration and in-memory Ethernet.
