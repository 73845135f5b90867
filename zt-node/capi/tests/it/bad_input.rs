//! Input that cannot be used, callbacks that call back, and stores that fail.

use crate::programs::programs;

programs! { TESTED:
    bad_input
    zt1_callbacks
    zt_callbacks
    store_fails
}
