//! What is known of a class by its name.

use event::fact::Severity;

use crate::classify::names_malice;

/// What a class means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// In a few words.
    pub title: &'static str,
    /// Whether it is what is looked for.
    pub malicious: bool,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
}

impl Kind {
    /// The kind of a class: by its whole name if that says more, else by its family, the part before the
    /// first dot.
    pub(super) fn of(class: &str) -> Self {
        use Severity::{Critical, High, Informational};
        let malicious = names_malice(class);
        let bad = |title, severity, attack| Self { title, malicious, severity, attack };
        let calm = |title| Self { title, malicious, severity: Informational, attack: &[] };
        match class.split_once('.').unwrap_or((class, "")) {
            ("mining", "stratum") => bad("Mining for a pool", Critical, &["T1496"]),
            ("mining", "pool" | "pool-name") => bad("Asking for a mining pool", High, &["T1496"]),
            ("mining", "port") => bad("A port that mining pools use", High, &["T1496"]),
            ("mining", "gpu") => bad("A program that mines, on a GPU", Critical, &["T1496"]),
            ("mining", _) => bad("Mining", Critical, &["T1496"]),
            ("tunnel", "reverse-ssh") => {
                bad("Somebody outside acts through SSH", High, &["T1572", "T1021.004"])
            }
            ("tunnel", "ssh") => bad("SSH to outside that fetches no code", High, &["T1572", "T1021.004"]),
            ("tunnel", _) => bad("A tunnel to outside", High, &["T1572"]),
            ("shell", _) => bad("A shell whose input comes from outside", Critical, &["T1059"]),
            ("scan", "hosts") => bad("Looking for hosts", High, &["T1046", "T1018"]),
            ("scan", _) => bad("Looking for what the network has", High, &["T1046"]),
            ("exfil" | "exfiltration", _) => bad("Sending much away", High, &["T1048"]),
            ("theft", _) => bad("Taking credentials", High, &["T1552"]),
            ("gpu", "use") => calm("A GPU came into use"),
            (super::UNCLASSIFIED, "") => calm("The records don't tell enough to say"),
            _ => calm("Not what is looked for"),
        }
    }
}
