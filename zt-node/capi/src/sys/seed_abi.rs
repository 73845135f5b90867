//! Mirror of `zt1/ZeroTierOne.h` (08 B.1–B.3).
