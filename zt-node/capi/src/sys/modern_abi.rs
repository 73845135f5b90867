//! Mirror of `ZeroTierOne.h` (08 part A).
