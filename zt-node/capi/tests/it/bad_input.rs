//! Input that cannot be used, callbacks that call back, and stores that fail.

use crate::programs::programs;

programs! { TESTED:
    bad_input
    callbacks_seed
    callbacks_modern
    store_fails
}
