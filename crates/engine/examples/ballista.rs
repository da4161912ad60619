//! A Ballista cluster on this machine, to try questions on: says where it is, and ends with its standard input.

use std::io::{self, Read as _};

use engine::{EngineError, LocalCluster};

fn main() -> Result<(), EngineError> {
    let local = LocalCluster::start()?;
    println!("{}", local.cluster());
    // An error is an end as well.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}
