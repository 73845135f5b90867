//! Several threads inside the library at once.

use crate::programs::programs;

programs! { TESTED:
    threads_modern
    threads_seed
}
