//! Use of GPUs, from samples.
//!
//! A miner needs no network that anybody watches, but it needs a processor: a GPU that works when it shouldn't. Samples of one GPU become
//! stretches of use (`stretches`), and each stretch whose begin was seen is a row like a flow: it began between two samples, at the
//! machine's or the pod's place, and its destination is the GPU, as `GPU 3 of worker-7`. So it is joined and judged as flows are: most of
//! what uses GPUs is no call's doing, and the model's background takes it.
//!
//! Training uses GPUs too. So its class, [`USED`], is not malicious by itself; a program on a GPU that is known to mine
//! ([`MINED`]) is. What was in use from the first sample on can't be tied to any call; it is counted and left out.
//!
//! Samples name their machine seldom: then it is the one of which the host map knows the name of the file, or of its folder. All
//! samples have one clock: they are so far apart that machines' differences don't matter, and too few for a clock each.
//!
//! In memory is a state for each GPU, and for each program on one.

mod processes;
mod stretches;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ::flows::{Flow, FlowKind, Format, Gpu};
use intake::Zone;
use serde::{Deserialize, Serialize};

use super::flows::{self, FlowRow};
use super::parts::KeepError;
use super::places::Places;
use super::{End, Incident};
use crate::model::Id;
use processes::Processes;
use stretches::{Refused, Sample, Samples, Stretch};

/// A GPU came into use.
pub(crate) const USED: &str = "gpu.use";
/// A program that mines came to a GPU.
pub(crate) const MINED: &str = "mining.gpu";
/// GPUs, and programs on them, that are followed at most.
const MOST: usize = 100_000;
/// How much of a program's path names it.
const PROGRAM: usize = 256;
/// Programs that mine on GPUs, by the names of their files, from their public pages (2026-11).
const MINERS: &[&str] = &[
    "bminer",
    "bzminer",
    "ccminer",
    "cgminer",
    "claymore",
    "ethminer",
    "gminer",
    "kawpowminer",
    "lolminer",
    "miner",
    "nanominer",
    "nbminer",
    "onezerominer",
    "phoenixminer",
    "rigel",
    "srbminer",
    "srbminer-multi",
    "t-rex",
    "teamredminer",
    "trex",
    "wildrig",
    "xmrig",
];

/// What of GPUs can't be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpusLeftOut {
    /// Stretches whose begin no sample saw.
    pub without_begin: u64,
    /// How many of these were of programs that mine.
    pub mining_without_begin: u64,
    /// Samples older than the one before them.
    pub out_of_order: u64,
    /// Samples of more GPUs and programs than are followed.
    pub too_many: u64,
}

/// The machine of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Machine {
    Named(Arc<str>),
    /// Nothing names it: what is in one file is of one machine.
    File(Arc<Path>),
    /// Nothing names it, but the GPU has a name that no other has.
    Unknown,
}

/// A stretch: on which machine, on which of its GPUs, and by which program, where rows name them.
struct Seen {
    machine: Machine,
    device: Arc<str>,
    program: Option<Arc<str>>,
    stretch: Stretch,
}

/// All GPUs, while samples come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gpus {
    devices: HashMap<(Machine, Arc<str>), Samples>,
    processes: HashMap<Machine, Processes>,
    /// Programs that are followed, on all machines.
    programs: usize,
    /// The file of the sample before, and the machine that its name tells.
    #[serde(skip)]
    file: Option<(Arc<Path>, Option<Arc<str>>)>,
}

/// Whether a clock is that of samples.
pub(crate) fn is_clock_of_samples(name: &str) -> bool {
    name.split(',').next() == Some(Format::GpuSamples.name())
}

impl Gpus {
    /// Takes in a sample.
    pub(super) fn take(
        &mut self,
        incident: &mut Incident,
        places: &Places,
        flow: &Flow,
    ) -> Result<(), KeepError> {
        let Some(gpu) = &flow.gpu else { return Ok(()) };
        let machine = self.machine(places, flow, &gpu.device);
        let stamp = flow.time.stamp;
        let sample = Sample {
            at: stamp.nanos,
            latest: stamp.latest(),
            is_used: Some(true),
            pod: flow.host.clone().filter(|host| flow.sensor.as_ref() != Some(host)),
            zone: stamp.zone,
            origin: super::at(&flow.origin),
        };
        let mut seen = Vec::new();
        let taken = match &flow.process {
            Some(process) => {
                self.process(machine, (Arc::clone(&gpu.device), program(process)), &sample, &mut seen)
            }
            None => self.device(machine, gpu, sample, &mut seen),
        };
        match taken {
            Ok(()) => {}
            Err(Refused::OutOfOrder) => incident.left_out.gpus.out_of_order += 1,
            Err(Refused::TooMany) => incident.left_out.gpus.too_many += 1,
        }
        seen.into_iter().try_for_each(|seen| seen.add(incident, places))
    }

    fn device(
        &mut self,
        machine: Machine,
        gpu: &Gpu,
        mut sample: Sample,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        let key = (machine, Arc::clone(&gpu.device));
        if !self.devices.contains_key(&key) && self.devices.len() >= MOST {
            return Err(Refused::TooMany);
        }
        let new = || Samples::new(Arc::clone(&sample.origin.0));
        let samples = self.devices.entry(key.clone()).or_insert_with(new);
        sample.is_used = samples.is_used(gpu);
        if let Some(stretch) = samples.take(&sample)? {
            seen.push(Seen { machine: key.0, device: key.1, program: None, stretch });
        }
        Ok(())
    }

    fn process(
        &mut self,
        machine: Machine,
        of: (Arc<str>, Arc<str>),
        sample: &Sample,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        if !self.processes.contains_key(&machine) && self.processes.len() >= MOST {
            return Err(Refused::TooMany);
        }
        let processes = self.processes.entry(machine.clone()).or_default();
        let before = processes.len();
        let taken = processes.take(of, sample, self.programs < MOST, |of, stretch| {
            seen.push(Seen::by(&machine, of, stretch));
        });
        self.programs = (self.programs + processes.len()).saturating_sub(before);
        taken
    }

    /// What is in use when there are no more samples.
    pub(super) fn finish(self, incident: &mut Incident, places: &Places) -> Result<(), KeepError> {
        let mut rest: Vec<Seen> = Vec::new();
        for ((machine, device), mut samples) in self.devices {
            rest.extend(samples.finish().map(|stretch| Seen { machine, device, program: None, stretch }));
        }
        for (machine, processes) in self.processes {
            processes.finish(|of, stretch| rest.push(Seen::by(&machine, of, stretch)));
        }
        // The same order in each run.
        rest.sort_by(|a, b| {
            (&a.stretch.origin, &a.device, &a.program).cmp(&(&b.stretch.origin, &b.device, &b.program))
        });
        rest.into_iter().try_for_each(|seen| seen.add(incident, places))
    }

    /// Where a sample is from: what it says, else what its file is called, if the host map knows such a name.
    fn machine(&mut self, places: &Places, flow: &Flow, device: &str) -> Machine {
        if let Some(name) = flow.sensor.as_ref().or(flow.host.as_ref()) {
            return Machine::Named(Arc::clone(name));
        }
        let file = &flow.origin.file;
        let known = self.file.take().filter(|(known, _)| known == file);
        let (_, name) = self.file.insert(known.unwrap_or_else(|| (Arc::clone(file), named(places, file))));
        match name {
            Some(name) => Machine::Named(Arc::clone(name)),
            None if device.starts_with("GPU-") && !device.contains(' ') => Machine::Unknown,
            None => Machine::File(Arc::clone(file)),
        }
    }
}

impl Machine {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::File(_) | Self::Unknown => None,
        }
    }

    /// A GPU of it, in words.
    fn gpu(&self, device: &str, program: Option<&Arc<str>>) -> String {
        let which = if device.starts_with("GPU-") { String::new() } else { "GPU ".to_owned() };
        let of = match self {
            Self::Named(name) => format!(" of {name}"),
            Self::File(file) => {
                format!(" in {}", file.file_name().unwrap_or(file.as_os_str()).to_string_lossy())
            }
            Self::Unknown => String::new(),
        };
        let program = program.map(|program| format!(", {program}")).unwrap_or_default();
        format!("{which}{device}{of}{program}")
    }
}

/// One clock for all samples whose zone is known, one for the others.
fn clock(incident: &mut Incident, zone: Zone) -> Id {
    let zone = if zone == Zone::Unknown { ", zone unknown" } else { "" };
    incident.flow_clocks.id(&format!("{}{zone}", Format::GpuSamples))
}

/// A name of the host map that a file or its folder has: `worker-7.csv`, `worker-7/samples.csv`.
fn named(places: &Places, file: &Path) -> Option<Arc<str>> {
    let name = file.file_name().and_then(|name| name.to_str());
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    // `worker-7.csv.1.gz` has as many ends as it likes.
    let shorter = name.into_iter().flat_map(|name| {
        std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(name, _)| name))
    });
    shorter.chain(folder).find(|name| places.named(name).is_some()).map(Into::into)
}

fn program(process: &str) -> Arc<str> {
    process.get(..process.floor_char_boundary(PROGRAM)).unwrap_or_default().into()
}

/// Whether a program is known to mine, by the name of its file: `/tmp/xmrig-6.21`, `T-Rex.exe`.
fn mines(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program).trim().to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    MINERS.iter().any(|miner| {
        name.strip_prefix(miner).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    })
}

impl Seen {
    fn by(machine: &Machine, (device, program): &(Arc<str>, Arc<str>), stretch: Stretch) -> Self {
        let (device, program) = (Arc::clone(device), Some(Arc::clone(program)));
        Self { machine: machine.clone(), device, program, stretch }
    }

    /// It becomes a row, if its begin was seen.
    fn add(self, incident: &mut Incident, places: &Places) -> Result<(), KeepError> {
        let Self { machine, device, program, stretch } = self;
        let class = if program.as_ref().is_some_and(|program| mines(program)) { MINED } else { USED };
        let Some((from, until)) = stretch.begin else {
            incident.left_out.gpus.without_begin += 1;
            incident.left_out.gpus.mining_without_begin += u64::from(class == MINED);
            return Ok(());
        };
        let gpu = machine.gpu(&device, program.as_ref());
        let Some(destination) = destination(incident, &gpu) else { return Ok(()) };
        let place = places.of_machine(stretch.pod.as_deref().into_iter().chain(machine.name()));
        if place.is_none() {
            incident.left_out.flows_without_place += 1;
        }
        let row = FlowRow {
            number: 0,
            kind: FlowKind::Gpu,
            from,
            until,
            time: from,
            end: stretch.is_over.then_some(stretch.last),
            resolution: until.saturating_sub(from).unsigned_abs().max(1),
            clock: clock(incident, stretch.zone),
            place,
            destination,
            source: (None, None),
            called: (None, None),
            transport: None,
            application: None,
            bytes: (None, None),
            action: None,
            alarm: None,
            class: Some(class.into()),
            exact: None,
            origin: stretch.origin,
        };
        flows::keep(incident, row).map(drop)
    }
}

/// None, if there are too many to tell it apart: programs may have any name.
fn destination(incident: &mut Incident, gpu: &str) -> Option<Id> {
    if !incident.tells_apart(gpu) {
        incident.left_out.gpus.too_many += 1;
        return None;
    }
    Some(incident.end(gpu, || End { is_gpu: true, ..End::default() }))
}

#[cfg(test)]
mod tests;
