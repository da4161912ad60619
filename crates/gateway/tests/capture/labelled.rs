//! Captures with labels, in the folder that `AURELIAN_CAPTURES` names: `LABELS.tsv` has a file and its label in each line.

use std::fs::File;
use std::path::Path;

use event::Protocol;
use gateway::capture::{Carrier, FlowRecord, Flows};
use gateway::flow::Side;

/// The connections of a capture on which anything was said.
fn connections(path: &Path) -> Vec<FlowRecord> {
    let mut flows = Flows::new(File::open(path).unwrap());
    let all: Vec<_> = flows.by_ref().collect();
    assert_eq!(flows.broken(), None, "{}", path.display());
    let is_spoken = |flow: &FlowRecord| flow.flow.bytes(Side::Client) + flow.flow.bytes(Side::Server) > 0;
    all.into_iter().filter(|flow| flow.carrier == Carrier::Tcp && is_spoken(flow)).collect()
}

fn is_mining(flow: &FlowRecord) -> bool {
    flow.identity
        .as_ref()
        .is_some_and(|identity| identity.layers().any(|layer| layer.protocol == Protocol::Stratum))
}

#[test]
fn all_that_mines_is_named_and_nothing_else() {
    let Some(folder) = std::env::var_os("AURELIAN_CAPTURES") else {
        crate::skip(
            "labelled::all_that_mines_is_named_and_nothing_else",
            "AURELIAN_CAPTURES names no folder",
        );
        return;
    };
    let folder = Path::new(&folder);
    let labels = std::fs::read_to_string(folder.join("LABELS.tsv")).unwrap();
    let labels = labels.lines().skip(1).filter_map(|line| line.split_once('\t'));
    for (file, label) in labels {
        let label = label.split('\t').next().unwrap();
        for flow in connections(&folder.join(file)) {
            let told = format!("{file}: {} -> {}", flow.client, flow.server);
            assert_eq!(is_mining(&flow), label == "mining", "{told}");
        }
    }
}
