//! Several threads inside the library at once.

use crate::programs::programs;

programs! { TESTED:
    zt_threads
    zt1_threads
}
