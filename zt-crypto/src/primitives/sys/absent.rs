//! Processors that no vector code was written for: none of these values exists, and the libraries do the work.

use super::salsa::HEAD;

/// No instructions for a stream of Salsa20/12.
#[derive(Clone, Copy)]
pub(super) enum Level {}

impl Level {
    pub(super) fn detected(_only_avx2: bool) -> Option<Self> {
        None
    }

    pub(super) fn xor_head(self, _state: &[u32; 16], _head: &mut [u8; HEAD]) {
        match self {}
    }

    pub(super) fn xor_behind_head(self, _state: &[u32; 16], _data: &mut [u8]) {
        match self {}
    }
}

/// No instructions for GMAC.
pub(in super::super) enum VectorGmac {}

impl VectorGmac {
    pub(in super::super) const NAME: &str = "none";

    pub(in super::super) fn touch(&self) {
        match *self {}
    }

    pub(in super::super) fn new(_key: &[u8; 32]) -> Option<Self> {
        None
    }

    pub(in super::super) fn tag(&self, _nonce: [u8; 12], _message: &[u8]) -> [u8; 16] {
        match *self {}
    }
}

/// No instructions for AES.
pub(in super::super) enum VectorCounter {}

impl VectorCounter {
    pub(in super::super) const NAME: &str = "none";

    pub(in super::super) fn touch(&self) {
        match *self {}
    }

    pub(in super::super) fn new(_key: &[u8; 32]) -> Option<Self> {
        None
    }

    pub(in super::super) fn encrypt_block(&self, _block: [u8; 16]) -> [u8; 16] {
        match *self {}
    }

    pub(in super::super) fn decrypt_block(&self, _block: [u8; 16]) -> [u8; 16] {
        match *self {}
    }

    pub(in super::super) fn apply(&self, _start: [u8; 16], _data: &mut [u8]) {
        match *self {}
    }
}
