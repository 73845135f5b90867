//! A ZeroTier node: the pure engine and its tokio driver.
