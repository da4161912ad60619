//! In the place of `tables`, in a program without the engine: there are none.

use std::path::Path;

use investigate::attribution::{Answer, Attribution};
use investigate::incident::{FlowRow, Incident};

use crate::cluster::Remote;
use crate::failure::Failure;

/// None can be begun.
pub(crate) enum Tables {}

/// Rows for nobody.
pub(crate) enum Rows {}

impl Tables {
    pub(crate) fn begin(_: &Path, _: usize, _: &Incident, _: &Attribution) -> Result<Self, Failure> {
        Err(Failure::NoEngine("--sql, and --format parquet,"))
    }

    pub(crate) fn add(&mut self, _: &Rows) -> Result<(), Failure> {
        match *self {}
    }

    pub(crate) fn finish(self, _: &Incident, _: &Attribution) -> Result<Self, Failure> {
        match self {}
    }

    pub(crate) fn ask(&self, _: &[String], _: Option<&Remote>) -> Result<(), Failure> {
        match *self {}
    }
}

impl Rows {
    pub(crate) fn of(_: &Incident, _: &[FlowRow], _: &[Answer]) -> Option<Self> {
        None
    }
}
