//! VL1 through its public interface only: nodes in one process under a virtual clock.

mod contact;
mod hostile;
mod net;
mod recovery;
mod worlds;
