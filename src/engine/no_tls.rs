//! TLS and nkeys in a program that was built without them: types that have no value.

use crate::wire::OutputBuffer;
use std::convert::Infallible;
use std::time::Duration;

/// How to get a program that has them.
pub(crate) const ADVICE: &str = "this program was built without TLS and nkeys (cargo build \
                                 --features tls)";

#[derive(Debug, Clone)]
pub(super) struct Tls(Infallible);

impl Tls {
    pub(super) fn is_first(&self) -> bool {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(super) struct Channel(Infallible);

impl Channel {
    pub(super) fn open(
        tls: &Tls,
        _name: &str,
        _unix_time: Duration,
    ) -> Result<Box<Channel>, String> {
        match tls.0 {}
    }

    pub(super) fn is_open(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn space(&mut self) -> &mut [u8] {
        match self.0 {}
    }

    pub(super) fn filled(&mut self, _count: usize) {
        match self.0 {}
    }

    pub(super) fn read(&mut self, _space: &mut [u8]) -> Result<usize, String> {
        match self.0 {}
    }

    pub(super) fn seal(&mut self, _plain: &mut OutputBuffer) -> &[u8] {
        match self.0 {}
    }

    pub(super) fn last_words(self) -> Vec<u8> {
        match self.0 {}
    }

    pub(super) fn waiting(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn written(&mut self, _count: usize) {
        match self.0 {}
    }
}
